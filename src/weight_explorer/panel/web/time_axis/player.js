// Plays the records of the time axis.

/** @import { Model } from "../shared/model.js" */
/** @import { Traits } from "./records.js" */
/** @import { makeRequester } from "./requester.js" */

/** Steps from record to record, each time when the last one is shown, and not faster than `speed`.
 * @param {Model<Traits>} model
 * @param {ReturnType<typeof makeRequester>} requester
 * @param {{isAtEnd: () => boolean, start: () => void, step: () => void, changed: () => void}} actions */
export function makePlayer(model, requester, { isAtEnd, start, step, changed }) {
  let playing = false;
  let steppedAt = 0; // ms
  let timer = 0; // 0 where no step is due

  /** @param {boolean} on */
  function set(on) {
    clearTimeout(timer);
    timer = 0;
    if (playing === on) return;
    playing = on;
    changed();
  }

  /** @param {() => void} move */
  function go(move) {
    timer = 0;
    steppedAt = performance.now();
    move();
    proceed();
  }

  function proceed() {
    if (!playing || timer || requester.isWaiting()) return;
    if (isAtEnd()) set(false);
    else timer = window.setTimeout(go, Math.max(0, steppedAt + 1000 / model.get("speed") - performance.now()), step);
  }

  return {
    proceed,
    pause: () => set(false),
    isPlaying: () => playing,
    toggle() {
      set(!playing);
      if (playing) go(model.get("selected") === "" || isAtEnd() ? start : step);
    },
  };
}
