// The track of the time axis: what is kept, ends of epochs, new fits, the record compared with, edits.

import { svgElement } from "../shared/dom.js";
import { recordWords } from "./records.js";

/** @import { Records } from "./records.js" */

/** The x of a record on the track, in pixels. @typedef {(index: number) => number} Position */

// Marks of records.
const [KEPT, FIT_BOUNDARY] = [1, 2];
const EDITS = 8 | 16 | 32 | 64; // edited, restored, changed outside of training, changed at the end of a fit
/** The class and the shape of each kind of edit. @type {Record<number, [string, string]>} */
const EDIT_SHAPES = {
  8: ["edited", "M0 -5L5 0L0 5L-5 0z"],
  16: ["restored", "M5 -4L-4 0L5 4z"],
  32: ["outside", "M-4 -4H4V4H-4z"],
  64: ["ended", "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"],
};
const MARK_GAP = 6; // px between ticks, at least

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

/** Return a function that draws the track.
 * @param {SVGElement} picture */
export function trackDrawer(picture) {
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
