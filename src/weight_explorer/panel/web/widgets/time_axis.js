// The time axis: records at even distances, and a thumb on the one that is shown. What the user chooses is drawn at once; the
// kernel is asked for one record at a time, and `shown` is its answer.

import "./time_axis.css";
import { numbersOf } from "../shared/buffers.js";
import { element, svgElement } from "../shared/dom.js";
import { announceRequest, save } from "../shared/model.js";

/** @import { Render } from "@anywidget/types" */
/** @import { Bytes, Model } from "../shared/model.js" */

/** `selected` and `against` are numbers of records as text; "" follows the newest record, or compares with none.
 * @typedef {{numbers: Bytes, epochs: Bytes, batches: Bytes, keras_epochs: Bytes, fits: Bytes, marks: Bytes, names: string[],
 *   shown: number, selected: string, against: string, may_grow: boolean, speed: number}} Traits */

/** One entry for each record that can be shown.
 * @typedef {{numbers: Int32Array, epochs: Int32Array, batches: Int32Array, kerasEpochs: Int32Array, fits: Int32Array,
 *   marks: Uint8Array}} Records */

/** The x of a record on the track, in pixels. @typedef {(index: number) => number} Position */

/** @typedef {keyof typeof ICONS} Icon */

const INTEGERS = /** @type {const} */ (["numbers", "epochs", "batches", "keras_epochs", "fits"]);
const BUFFERS = /** @type {const} */ ([...INTEGERS, "marks"]);
const [KEPT, FIT_BOUNDARY, START] = [1, 2, 4];
const EDITS = 8 | 16 | 32 | 64; // edited, restored, changed outside of training, changed at the end of a fit
/** The class and the shape of each kind of edit. @type {Record<number, [string, string]>} */
const EDIT_SHAPES = {
  8: ["edited", "M0 -5L5 0L0 5L-5 0z"],
  16: ["restored", "M5 -4L-4 0L5 4z"],
  32: ["outside", "M-4 -4H4V4H-4z"],
  64: ["ended", "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"],
};
const SPEEDS = [1, 2, 5, 10]; // records per second
const PATIENCE = 1000; // ms until a newer choice is sent although the last one is not answered
const SEPARATOR = " · ";
const MARK_GAP = 6; // px between ticks, at least
/** @type {Record<string, number>} */
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
const ICONS = {
  first: "M3.5 3v10M13 3.5v9L6 8z",
  previous: "M10 3.5L5.5 8l4.5 4.5",
  play: "M4.5 3v10l8-5z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  next: "M6 3.5L10.5 8 6 12.5",
  last: "M12.5 3v10M3 3.5v9L10 8z",
};

/** Return a function that decodes the records, again only when they changed.
 * @param {Model<Traits>} model
 * @returns {() => Records} */
function recordsReader(model) {
  /** @type {Bytes[]} */
  let read = [];
  /** @type {Records} */
  let records;
  return () => {
    const buffers = BUFFERS.map((name) => model.get(name));
    if (buffers.some((buffer, i) => buffer !== read[i])) {
      const [numbers, epochs, batches, kerasEpochs, fits] = INTEGERS.map((name) => numbersOf(Int32Array, model.get(name)));
      records = { numbers, epochs, batches, kerasEpochs, fits, marks: numbersOf(Uint8Array, model.get("marks")) };
      read = buffers;
    }
    return records;
  };
}

/** The index of the record with this number, else of the last one before it; -1 where there is none to point at.
 * @param {Records} records @param {number} number */
function indexOf({ numbers }, number) {
  if (number < 0) return numbers.length === 1 ? 0 : -1;
  return numbers.length ? Math.max(0, numbers.findLastIndex((other) => other <= number)) : -1;
}

/** When a record was made, in the words of `moment_words` in Python: epochs as Keras prints them, and the fit where Keras started to
 * count again.
 * @param {Records} records @param {string[]} names @param {number} at */
function momentWords({ epochs, batches, kerasEpochs, fits, marks }, names, at) {
  if (names[at]) return names[at];
  if (marks[at] & START) return "start";
  const [batch, epoch, fit] = [batches[at], kerasEpochs[at], fits[at] + 1];
  if (!epoch) return fit > 1 ? `start of fit ${fit}` : "before the training";
  const isAhead = epochs[at] + (batch > 0 ? 1 : 0) !== epoch;
  return `${isAhead ? `fit ${fit}, ` : ""}epoch ${epoch}${batch ? `, batch ${batch}` : ""}`;
}

/** @param {Records} records @param {string[]} names @param {number} number */
function recordWords(records, names, number) {
  const at = indexOf(records, number);
  if (at < 0) return records.numbers.length ? "no record shown" : "no records yet";
  if (number >= 0 && records.numbers[at] !== number) return `record ${number}`;
  const words = momentWords(records, names, at);
  return words === "start" ? words : `${words}${SEPARATOR}record ${records.numbers[at]}`;
}

/** The ends of every nth epoch, n being the least of 1, 2, 5, 10 ... that leaves room between them.
 * @param {Records} records @param {Position} xOf */
function epochEnds({ epochs, batches }, xOf) {
  const all = [...epochs.keys()].filter((i) => epochs[i] && !batches[i]);
  // A fit that continues begins where the last one ended: one end of one epoch.
  const ends = all.filter((i, nth) => epochs[i] !== epochs[all[nth - 1]]);
  for (let power = 1; ; power *= 10) for (const base of [1, 2, 5]) {
    const places = ends.filter((i) => epochs[i] % (base * power) === 0).map(xOf);
    if (places.every((x, i) => !i || x - places[i - 1] >= MARK_GAP)) return places;
  }
}

/** Where new fits begin; the first of all needs no mark.
 * @param {Records} records @param {Position} xOf */
function fitBoundaries({ marks }, xOf) {
  /** @type {number[]} */
  const places = [];
  marks.forEach((mark, i) => {
    const last = places.at(-1) ?? -Infinity;
    if (i && mark & FIT_BOUNDARY && xOf(i) - last >= MARK_GAP) places.push(xOf(i));
  });
  return places;
}

/** Edits as pairs of an index and a kind; where two marks do not fit, the later one is drawn.
 * @param {Records} records @param {Position} xOf */
function visibleEdits({ marks }, xOf) {
  /** @type {[number, number][]} */
  const found = [];
  let next = Infinity; // the x of the mark to the right
  for (let i = marks.length - 1; i >= 0; i--) {
    const kind = marks[i] & EDITS;
    if (!kind || next - xOf(i) < MARK_GAP) continue;
    found.push([i, kind]);
    next = xOf(i);
  }
  return found.reverse();
}

/** The parts of the track whose values are kept, as pairs of where they begin and end.
 * @param {Records} records @param {Position} xOf @param {number} width */
function keptRanges({ marks }, xOf, width) {
  /** @type {[number, number][]} */
  const ranges = [];
  marks.forEach((mark, i) => {
    if (!(mark & KEPT)) return;
    const [from, to] = [Math.max(0, xOf(i - 0.5)), Math.min(width, xOf(i + 0.5))];
    if (i && marks[i - 1] & KEPT) ranges[ranges.length - 1][1] = to;
    else ranges.push([from, to]);
  });
  return ranges;
}

/** @param {Icon} icon @param {string} name @param {string} title */
function iconButton(icon, name, title) {
  const path = svgElement("path", { d: ICONS[icon] });
  const picture = svgElement("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  picture.append(path);
  const button = element(
    "button",
    { className: `we-time-button we-time-${icon}`, type: "button", title, "aria-label": name },
    picture,
  );
  return { button, path };
}

/** @param {string} name @param {...Node} before */
function toggleButton(name, ...before) {
  const className = `we-time-toggle we-time-${name.toLowerCase()}`;
  return element("button", { className, type: "button", "aria-pressed": "false" }, ...before, name);
}

/** @param {HTMLElement} el */
function build(el) {
  const icons = {
    first: iconButton("first", "first record", "First record (Home)"),
    previous: iconButton("previous", "previous record", "Previous record (←)"),
    play: iconButton("play", "play", ""),
    next: iconButton("next", "next record", "Next record (→)"),
    last: iconButton("last", "newest record", "Newest record (End)"),
  };
  const buttons = element("div", { className: "we-time-buttons" }, ...Object.values(icons).map(({ button }) => button));
  const picture = svgElement("svg", { "aria-hidden": "true" });
  const thumb = element("div", { className: "we-time-thumb" });
  const track = element("div", { className: "we-time-track" }, picture, thumb);
  const slider = element("div", { className: "we-time-slider", role: "slider", "aria-label": "record" }, track);
  const label = element("div", { className: "we-time-label" });
  const speed = element("select", { className: "we-time-speed", "aria-label": "speed", title: "Records a second when playing" });
  const compare = toggleButton("Compare");
  const live = toggleButton("Live", element("span", { className: "we-time-dot", "aria-hidden": "true" }));
  const row = element(
    "div",
    { className: "we-time-row", role: "group", "aria-label": "records of the training" },
    buttons,
    slider,
    label,
    speed,
    compare,
    live,
  );
  el.replaceChildren(row);
  const controls = [...Object.values(icons).map(({ button }) => button), speed, compare, live];
  return { icons, slider, track, picture, thumb, label, speed, compare, live, controls };
}

/** Write the moment and the record as two pieces: where there is no room for both, the second one disappears as a whole.
 * @param {HTMLElement} label @param {string} words */
function writeLabel(label, words) {
  const at = words.lastIndexOf(SEPARATOR);
  const texts = at < 0 ? [words] : [words.slice(0, at), words.slice(at)];
  label.replaceChildren(...texts.map((text) => element("span", { textContent: text })));
  label.title = words;
}

/** Return a function that draws the track: what is kept, ends of epochs, new fits, the record compared with, edits.
 * @param {SVGElement} picture */
function trackDrawer(picture) {
  const paths = ["all", "kept", "ticks", "seams", "against"].map((name) => svgElement("path", { class: `we-time-${name}` }));
  const edits = svgElement("g", { class: "we-time-hand" });
  picture.append(...paths, edits);
  let drawnEdits = "";

  /** Marks with a title each, made again only when they changed: the pointer may rest on one.
   * @param {Records} records @param {string[]} names @param {Position} xOf */
  function drawEdits(records, names, xOf) {
    const found = visibleEdits(records, xOf).map(([i, kind]) => ({
      kind,
      x: xOf(i).toFixed(2),
      words: recordWords(records, names, records.numbers[i]),
    }));
    if (JSON.stringify(found) === drawnEdits) return;
    drawnEdits = JSON.stringify(found);
    edits.replaceChildren(...found.map(({ kind, x, words }) => {
      const [name, d] = EDIT_SHAPES[kind];
      const mark = svgElement("path", { class: `we-time-${name}`, d, transform: `translate(${x} 6)` });
      const title = svgElement("title");
      title.textContent = words;
      mark.append(title);
      return mark;
    }));
  }

  /** @param {[number, number]} range */
  const bar = ([from, to]) => `M${from.toFixed(2)} 14H${to.toFixed(2)}V18H${from.toFixed(2)}z`;
  /** @param {number} top @param {number} bottom @returns {(x: number) => string} */
  const line = (top, bottom) => (x) => `M${Math.round(x) + 0.5} ${top}V${bottom}`;
  /** @param {number} x */
  const arrow = (x) => `M${x - 4} 4h8l-4 7z`;
  /** @param {Records} records @param {string[]} names @param {number} width @param {string} against */
  return (records, names, width, against) => {
    /** @type {Position} */
    const xOf = (i) => (width * i) / Math.max(0.5, records.numbers.length - 1); // a single record has the whole track
    const compared = against === "" ? -1 : records.numbers.indexOf(Number(against));
    const drawn = [
      bar([0, width]),
      keptRanges(records, xOf, width).map(bar).join(""),
      epochEnds(records, xOf).map(line(21, 25)).join(""),
      fitBoundaries(records, xOf).map(line(6, 27)).join(""),
      compared < 0 ? "" : arrow(xOf(compared)),
    ];
    paths.forEach((path, i) => path.setAttribute("d", drawn[i]));
    drawEdits(records, names, xOf);
  };
}

/** Asks the kernel for one record at a time: while it has not answered, only the newest choice is kept.
 *
 * `chosen` is the record that the user wants to see, until it is shown; `sent` is the one that was sent and is not answered yet.
 * @param {Model<Traits>} model
 * @param {HTMLElement} el
 * @param {() => Records} readRecords
 * @param {{changed: () => void, overruled: () => void}} listener */
function makeRequester(model, el, readRecords, { changed, overruled }) {
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
  const isShown = (number) => number !== null && Number(number) === model.get("shown");

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
    number: () => (chosen === null ? model.get("shown") : Number(chosen)),
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

/** Steps from record to record, each time when the last one is shown, and not faster than `speed`.
 * @param {Model<Traits>} model
 * @param {ReturnType<typeof makeRequester>} requester
 * @param {{isAtEnd: () => boolean, start: () => void, step: () => void, changed: () => void}} actions */
function makePlayer(model, requester, { isAtEnd, start, step, changed }) {
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

/** @param {MouseEvent | KeyboardEvent} event */
const hasModifier = (event) => event.ctrlKey || event.metaKey || event.altKey;

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-time");
  el.dataset.lmSuppressShortcuts = "true";
  const { icons, slider, track, picture, thumb, label, speed, compare, live, controls } = build(el);
  const readRecords = recordsReader(model);
  const drawTrack = trackDrawer(picture);
  const count = () => readRecords().numbers.length;

  const requester = makeRequester(model, el, readRecords, {
    changed: () => drawPlace(),
    overruled: () => player.pause(),
  });
  const place = () => indexOf(readRecords(), requester.number());
  /** @param {number} at */
  const request = (at) => requester.request(readRecords().numbers[at]);
  const player = makePlayer(model, requester, {
    isAtEnd: () => place() === count() - 1,
    start: () => request(0),
    step: () => request(Math.min(place() + 1, count() - 1)),
    changed: () => drawPlay(),
  });

  function drawPlace() {
    const [records, at] = [readRecords(), place()];
    const words = recordWords(records, model.get("names"), requester.number());
    if (label.textContent !== words) writeLabel(label, words);
    slider.setAttribute("aria-valuemin", "0");
    slider.setAttribute("aria-valuemax", String(Math.max(0, count() - 1)));
    slider.setAttribute("aria-valuenow", String(Math.max(0, at)));
    slider.setAttribute("aria-valuetext", words);
    thumb.hidden = at < 0;
    thumb.style.left = `${(100 * Math.max(0, at)) / Math.max(1, count() - 1)}%`;
  }

  function drawPlay() {
    const on = player.isPlaying();
    const { button, path } = icons.play;
    button.setAttribute("aria-label", on ? "pause" : "play");
    button.title = on ? "Pause (space)" : "Play the records (space)";
    button.classList.toggle("we-time-pause", on);
    path.setAttribute("d", ICONS[on ? "pause" : "play"]);
  }

  function drawLive() {
    const on = model.get("selected") === "";
    live.hidden = !model.get("may_grow");
    live.setAttribute("aria-pressed", String(on));
    live.title = on ? "Following the newest record; click to stay on this one (L)" : "Follow the newest record (L)";
  }

  function drawCompare() {
    const against = model.get("against");
    const at = against === "" ? -1 : readRecords().numbers.indexOf(Number(against));
    const words = at < 0 ? `record ${against}` : momentWords(readRecords(), model.get("names"), at);
    compare.setAttribute("aria-pressed", String(against !== ""));
    compare.title = against === "" ? "Compare other records with this one" : `Stop comparing with ${words}`;
  }

  function drawEnabled() {
    const isOff = count() < 2;
    for (const control of controls) control.disabled = isOff;
    slider.setAttribute("aria-disabled", String(isOff));
    slider.tabIndex = isOff ? -1 : 0;
  }

  function drawSpeed() {
    const speeds = [...new Set([...SPEEDS, model.get("speed")])].sort((a, b) => a - b);
    speed.replaceChildren(...speeds.map((value) => new Option(`${value}/s`, String(value))));
    speed.value = String(model.get("speed"));
  }

  let frame = 0;
  function drawTrackSoon() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => drawTrack(readRecords(), model.get("names"), track.clientWidth, model.get("against")));
  }

  function takeShown() {
    requester.settle();
    player.proceed();
  }

  function takeRecords() {
    takeShown();
    drawEnabled();
    drawCompare();
    drawTrackSoon();
  }

  function takeSelected() {
    requester.takeSelected();
    drawLive();
  }

  function takeAgainst() {
    drawCompare();
    drawTrackSoon();
  }

  /** @param {number} at */
  function goTo(at) {
    player.pause();
    request(at);
  }

  /** @param {number} by */
  function stepBy(by) {
    player.pause();
    const newest = count() - 1;
    const from = place() < 0 ? newest : place();
    const to = Math.min(Math.max(from + by, 0), newest);
    if (to !== from) request(to); // a step forward from the newest record does not stop following
  }

  function toggleLive() {
    if (live.hidden) return;
    player.pause();
    if (model.get("selected") !== "") requester.follow();
    else if (model.get("shown") >= 0) requester.request(model.get("shown"));
  }

  function toggleCompare() {
    const number = requester.number(); // where the thumb is, though its picture may not be shown yet
    if (model.get("against") === "" && number < 0) return;
    save(model, { against: model.get("against") === "" ? String(number) : "" });
    announceRequest(el);
  }

  /** @param {PointerEvent} event */
  function goToPointer(event) {
    const { left, width } = track.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - left) / Math.max(1, width), 0), 1);
    goTo(Math.round(share * (count() - 1)));
  }

  const goToFirst = () => goTo(0);
  const goToLast = () => goTo(count() - 1);
  const togglePlay = () => player.toggle();
  /** @type {[HTMLElement, () => void][]} */
  const clicks = [
    [icons.first.button, goToFirst],
    [icons.previous.button, () => stepBy(-1)],
    [icons.play.button, togglePlay],
    [icons.next.button, () => stepBy(1)],
    [icons.last.button, goToLast],
    [compare, toggleCompare],
    [live, toggleLive],
  ];
  for (const [button, click] of clicks) button.addEventListener("click", click, { signal });

  slider.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || count() < 2) return;
    event.preventDefault(); // otherwise a drag selects text
    slider.focus({ preventScroll: true });
    slider.setPointerCapture(event.pointerId);
    goToPointer(event);
  }, { signal });
  slider.addEventListener("pointermove", (event) => {
    if (slider.hasPointerCapture(event.pointerId)) goToPointer(event);
  }, { signal });

  /** @type {Record<string, () => void>} */
  const keys = { Home: goToFirst, End: goToLast, l: toggleLive, L: toggleLive, " ": togglePlay };
  slider.addEventListener("keydown", (event) => {
    const press = event.key in STEPS ? () => stepBy(STEPS[event.key]) : keys[event.key];
    if (!press || hasModifier(event) || count() < 2) return;
    event.preventDefault();
    if (!event.repeat || event.key in STEPS) press();
  }, { signal });
  el.addEventListener("keydown", (event) => {
    if (!hasModifier(event)) event.stopPropagation();
  }, { signal });

  speed.addEventListener("change", () => save(model, { speed: Number(speed.value) }), { signal });

  const observer = new ResizeObserver(drawTrackSoon);
  observer.observe(track);
  /** @type {Record<string, () => void>} */
  const handlers = {
    [[...BUFFERS, "names"].map((name) => `change:${name}`).join(" ")]: takeRecords,
    "change:shown": takeShown,
    "change:selected": takeSelected,
    "change:against": takeAgainst,
    "change:may_grow": drawLive,
    "change:speed": drawSpeed,
  };
  for (const [events, handler] of Object.entries(handlers)) model.on(events, handler);
  for (const draw of [drawPlace, drawPlay, drawLive, drawCompare, drawSpeed, drawEnabled, drawTrackSoon]) draw();
  return () => {
    controller.abort();
    observer.disconnect();
    cancelAnimationFrame(frame);
    player.pause();
    requester.forget();
    for (const [events, handler] of Object.entries(handlers)) model.off(events, handler);
  };
}

export default { render };
