// The line under a matrix while nothing is pointed at: as much as fits, and never half a sentence.

const HINTS = [
  "Click pins, drag moves, Ctrl+wheel zooms, Shift+drag selects.",
  "Click pins, drag moves, Ctrl+wheel zooms.",
  "Click pins, Ctrl+wheel zooms.",
];
// Where cells belong to no weight, so that they can't be pinned or selected.
const HINTS_WITHOUT_WEIGHT = ["Drag moves, Ctrl+wheel zooms."];
const SHORTEST_HINT = "Point at a cell to read it.";

/** The longest hint that fits; that a pixel stands for several cells comes first.
 * @param {CanvasRenderingContext2D} context @param {number} width @param {string} shows @param {boolean} isMerged
 * @param {boolean} hasWeight */
export function hintThatFits(context, width, shows, isMerged, hasWeight) {
  const hints = hasWeight ? HINTS : HINTS_WITHOUT_WEIGHT;
  const which = shows === "mean" ? "the mean of its cells" : "the cell farthest from zero";
  const notices = isMerged ? [`More cells than pixels: a pixel shows ${which}.`, `A pixel shows ${which}.`] : [];
  const both = notices.flatMap((words) => hints.map((hint) => `${words} ${hint}`));
  return [...both, ...notices, ...hints, SHORTEST_HINT].find((words) => context.measureText(words).width <= width) ?? "";
}
