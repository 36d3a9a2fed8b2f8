// Rankings: tables with bars, side by side. They are changed in place, so that a row keeps the focus while the training draws.

import "./ranking.css";
import { closest, element, setPartCount, setText } from "../shared/dom.js";
import { numbersOf } from "../shared/buffers.js";
import { announceRequest, save } from "../shared/model.js";

/** @import { Render } from "@anywidget/types" */
/** @import { Bytes } from "../shared/model.js" */

/** Rows are the place, the name, the number and how far the entry moved. `picks` are what the user can choose, one for each
 * row, and `left` is how many entries are not sent.
 * @typedef {{title: string, heads: [string, string, string], rows: [number, string, string, string][], picks: string[],
 *   picked: number, left: number}} Ranking */
/** @typedef {{tables: Ranking[], bars: Bytes, pick_option: string, alt_text: string, requested: string,
 *   palette: string[]}} Traits */

/** Where a bar begins and ends, in percent of its room. @typedef {{at: (value: number) => number, isSigned: boolean}} Scale */

/** A scale that bars from zero share: with both signs, zero is where all of them fit.
 * @param {number[]} values
 * @returns {Scale} */
function scaleOf(values) {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(0, ...finite);
  const high = Math.max(0, ...finite);
  const span = high - low || 1;
  return { at: (value) => (100 * (value - low)) / span, isSigned: low < 0 };
}

function makeRow() {
  const place = element("td", { className: "we-rank-place" });
  const name = element("th", { className: "we-rank-name", scope: "row" });
  const bar = element("span");
  const track = element("div", { className: "we-rank-track" }, bar);
  const number = element("td", { className: "we-rank-number" });
  const move = element("td", { className: "we-rank-move" });
  const root = element("tr", {}, place, name, element("td", { className: "we-rank-bar" }, track), number, move);
  return { root, place, name, bar, track, number, move };
}

/** @typedef {ReturnType<typeof makeRow>} Row */

/** @param {Row} row @param {number} value @param {Scale} scale @param {string[]} palette */
function showBar({ bar, track }, value, scale, palette) {
  const [below, above, unsigned] = palette;
  track.style.setProperty("--zero", `${scale.at(0)}%`);
  const [from, to] = [scale.at(Math.min(value, 0)), scale.at(Math.max(value, 0))];
  bar.hidden = !Number.isFinite(value);
  bar.style.left = `${from || 0}%`;
  bar.style.width = `${to - from || 0}%`;
  bar.style.setProperty("--bar", !scale.isSigned ? unsigned : value < 0 ? below : above);
}

/** @param {Row} row @param {Ranking["rows"][number]} texts */
function showTexts(row, [place, name, number, move]) {
  setText(row.place, String(place));
  setText(row.name, name);
  row.name.title = name;
  setText(row.number, number);
  setText(row.move, move);
}

function buildTable() {
  const title = element("h4", { className: "we-ranking-title" });
  const columns = ["place", "name", "bar", "number", "move"];
  const heads = columns.map((name) => element("th", { className: `we-rank-${name}`, scope: "col" }));
  const head = element("tr", {}, ...heads);
  const body = element("tbody");
  const table = element("table", {}, element("thead", {}, head), body);
  const box = element("div", { className: "we-ranking-rows" }, table);
  const left = element("span");
  const input = element("input", { type: "text", autocomplete: "off", spellcheck: false });
  const words = element("span");
  const find = element("label", {}, words, input);
  const foot = element("div", { className: "we-ranking-foot" }, find, left);
  const root = element("section", { className: "we-ranking" }, title, box, foot);
  return { root, title, heads, head, body, table, box, left, input, words, find };
}

/** @param {(value: string) => void} request Called with what the user chooses. */
function makeTable(request) {
  const { root, title, heads, head, body, table, box, left, input, words, find } = buildTable();
  /** @type {Row[]} */
  const rows = [];
  /** @type {string[]} */
  let picks = [];
  /** @type {string | undefined} */
  let picked;

  input.addEventListener("change", () => { if (input.value.trim()) request(input.value.trim()); });
  body.addEventListener("click", (event) => {
    const target = closest(event, "tr");
    const pick = picks[rows.findIndex((row) => row.root === target)];
    if (pick !== undefined) request(pick);
  });
  body.addEventListener("keydown", (event) => {
    const at = rows.findIndex((row) => row.root === document.activeElement);
    /** @type {Record<string, number>} */
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: picks.length - 1 };
    const to = places[event.key];
    if (to !== undefined && picks[to] !== undefined) {
      rows[to].root.focus();
      request(picks[to]);
    } else if (event.key === "Enter" || event.key === " ") request(picks[at]);
    else if (to === undefined) return;
    event.preventDefault();
  });

  /** Scroll the picked row into view when it is another one, and not while the user scrolls through the rest.
   * @param {HTMLElement} row */
  function reveal(row) {
    const height = head.offsetHeight;
    if (row.offsetTop - height < box.scrollTop) box.scrollTop = row.offsetTop - height;
    const below = row.offsetTop + row.offsetHeight - box.clientHeight;
    if (below > box.scrollTop) box.scrollTop = below;
  }

  /** @param {Ranking} ranking */
  function showPicks(ranking) {
    picks = ranking.picks;
    table.setAttribute("role", picks.length ? "grid" : "table");
    rows.forEach(({ root: row }, i) => {
      if (picks.length) {
        row.tabIndex = i === Math.max(ranking.picked, 0) ? 0 : -1;
        row.setAttribute("aria-selected", String(i === ranking.picked));
      } else {
        row.removeAttribute("tabindex");
        row.removeAttribute("aria-selected");
      }
    });
    const before = picked;
    picked = picks[ranking.picked];
    if (picked !== before && picked !== undefined) reveal(rows[ranking.picked].root);
  }

  /** @param {Ranking} ranking @param {Float32Array} bars @param {string[]} palette */
  function update(ranking, bars, palette) {
    setText(title, ranking.title);
    title.title = ranking.title;
    ["", ranking.heads[0], "", ranking.heads[1], ranking.heads[2]].forEach((text, i) => setText(heads[i], text));
    root.dataset.moves = String(ranking.heads[2] !== "");
    setPartCount(body, rows, ranking.rows.length, makeRow);
    const scale = scaleOf([...bars]);
    rows.forEach((row, i) => {
      showTexts(row, ranking.rows[i]);
      showBar(row, bars[i], scale, palette);
    });
    showPicks(ranking);
    find.hidden = !(ranking.picks.length && ranking.left);
    setText(words, `find ${ranking.heads[0]}`);
    input.setAttribute("aria-label", `find ${ranking.heads[0]} by number or name`);
    setText(left, ranking.left ? `and ${ranking.left.toLocaleString("en").replaceAll(",", "\u202f")} more` : "");
  }

  return { root, update };
}

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  el.classList.add("we-rankings");
  el.dataset.lmSuppressShortcuts = "true";
  el.setAttribute("role", "group");
  /** @type {ReturnType<typeof makeTable>[]} */
  const made = [];

  /** @param {string} value */
  function request(value) {
    save(model, { asked: `${model.get("pick_option")}=${value}` });
    announceRequest(el);
  }

  function draw() {
    const tables = model.get("tables");
    const bars = numbersOf(Float32Array, model.get("bars"));
    el.setAttribute("aria-label", model.get("alt_text"));
    while (made.length < tables.length) made.push(makeTable(request));
    let from = 0;
    tables.forEach((table, i) => {
      made[i].update(table, bars.subarray(from, from + table.rows.length), model.get("palette"));
      from += table.rows.length;
    });
    // Tables that are shown are not moved: put in again they would lose their place in scrolling.
    while (el.children.length > tables.length) el.lastElementChild?.remove();
    while (el.children.length < tables.length) el.append(made[el.children.length].root);
  }

  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal: controller.signal });
  model.on("change:tables change:bars", draw);
  draw();
  return () => {
    controller.abort();
    model.off("change:tables change:bars", draw);
  };
}

export default { render };
