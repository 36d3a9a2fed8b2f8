// How the time axis asks the kernel for records.

import { announceRequest, save } from "../shared/model.js";

/** @import { Model } from "../shared/model.js" */
/** @import { Records, Traits } from "./records.js" */

const PATIENCE = 1000; // ms until a newer choice is sent although the last one is not answered

/** Asks the kernel for one record at a time: while it has not answered, only the newest choice is kept.
 *
 * `chosen` is the record that the user wants to see, until it is shown; `sent` is the one that was sent and is not answered
 * yet.
 * @param {Model<Traits>} model
 * @param {HTMLElement} el
 * @param {() => Records} readRecords
 * @param {{changed: () => void, overruled: () => void}} listener */
export function makeRequester(model, el, readRecords, { changed, overruled }) {
  /** @type {string | null} */
  let chosen = null;
  /** @type {string | null} */
  let sent = null;
  let timer = 0;

  function takeAnswer() {
    clearTimeout(timer);
    sent = null;
  }

  /** @param {string} number */
  function send(number) {
    sent = number;
    save(model, { selected: number });
    announceRequest(el, { step: number });
    timer = window.setTimeout(() => {
      takeAnswer();
      settle();
    }, PATIENCE);
  }

  /** @param {string | null} number */
  const isShown = (number) => number !== null && Number(number) === model.get("current");

  /** Take what the kernel has shown for the answer, and ask for what is chosen by now. */
  function settle() {
    const { numbers } = readRecords();
    /** @param {string} number */
    const isGone = (number) => !numbers.includes(Number(number));
    if (sent !== null && (isShown(sent) || isGone(sent))) takeAnswer();
    if (chosen !== null && isGone(chosen)) chosen = null;
    if (chosen !== null && sent === null) {
      if (chosen !== model.get("selected")) {
        send(chosen);
        if (isShown(chosen)) takeAnswer();
      }
      if (sent === null && isShown(chosen)) chosen = null;
    }
    changed();
  }

  function forget() {
    takeAnswer();
    chosen = null;
  }

  return {
    settle,
    forget,
    isWaiting: () => chosen !== null,
    /** The number of the record that the thumb is on. */
    number: () => (chosen === null ? model.get("current") : Number(chosen)),
    /** @param {number} number */
    request(number) {
      chosen = String(number);
      settle();
    },
    follow() {
      forget();
      save(model, { selected: "" });
      announceRequest(el);
    },
    /** Another display or the kernel has selected a record, unless it is the one that was sent; a newer choice stays. */
    takeSelected() {
      if (model.get("selected") === sent) return;
      overruled();
      if (chosen === sent || sent === null) chosen = null;
      takeAnswer();
      settle();
    },
  };
}
