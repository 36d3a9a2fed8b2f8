// What the line under a matrix says while nothing is pointed at: as much as it has room for, and never half a sentence.

const HINTS = [
  "Click pins, drag moves, Ctrl+wheel zooms, Shift+drag selects.",
  "Click pins, drag moves, Ctrl+wheel zooms.",
  "Click pins, Ctrl+wheel zooms.",
];
const HINTS_ALONE = ["Drag moves, Ctrl+wheel zooms."]; // where cells are of no weight that could be pinned or selected
const LEAST_HINT = "Point at a cell to read it.";

/** The hint that says most and fits; where a pixel stands for several cells, that comes first. */
function hintThatFits(context, room, { shows }, merged, isOfWeight) {
  const hints = isOfWeight ? HINTS : HINTS_ALONE;
  const farthest = shows === "mean" ? "the mean of its cells" : "the cell farthest from zero";
  const said = merged ? [`More cells than pixels: a pixel shows ${farthest}.`, `A pixel shows ${farthest}.`] : [];
  const both = said.flatMap((words) => hints.map((hint) => `${words} ${hint}`));
  return [...both, ...said, ...hints, LEAST_HINT].find((words) => context.measureText(words).width <= room) ?? "";
}
