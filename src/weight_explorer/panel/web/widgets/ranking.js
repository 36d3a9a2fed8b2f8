// Rankings: tables with bars, side by side. What stands is changed in place, so that a row keeps the focus while training draws.

const CELLS = ["place", "name", "bar", "number", "move"];

function element(tag, className, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), { className, ...properties });
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Return where bars from zero begin and end, in percent: with both signs zero stands where all of them fit. */
function scaleOf(values) {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(0, ...finite);
  const high = Math.max(0, ...finite);
  const span = high - low || 1;
  return { at: (value) => (100 * (value - low)) / span, signed: low < 0 };
}

function makeRow() {
  const row = element("tr", "");
  row.append(...CELLS.map((name) => element(name === "name" ? "th" : "td", `we-rank-${name}`)));
  row.children[1].scope = "row";
  row.children[2].append(element("div", "we-rank-track", {}, element("span", "")));
  return row;
}

function showBar(cell, value, scale, palette) {
  const [below, above, unsigned] = palette;
  const track = cell.firstChild;
  track.style.setProperty("--zero", `${scale.at(0)}%`);
  const [from, to] = [scale.at(Math.min(value, 0)), scale.at(Math.max(value, 0))];
  const bar = track.firstChild;
  bar.hidden = !Number.isFinite(value);
  bar.style.left = `${from || 0}%`;
  bar.style.width = `${to - from || 0}%`;
  bar.style.setProperty("--bar", !scale.signed ? unsigned : value < 0 ? below : above);
}

function showRow(row, [place, name, number, move], value, scale, palette) {
  const [placeCell, nameCell, barCell, numberCell, moveCell] = row.children;
  setText(placeCell, String(place));
  setText(nameCell, name);
  nameCell.title = name;
  showBar(barCell, value, scale, palette);
  setText(numberCell, number);
  setText(moveCell, move);
}

function makeTable(asks) {
  const title = element("h4", "we-ranking-title");
  const body = element("tbody", "");
  const heads = element("tr", "");
  heads.append(...CELLS.map((name) => element("th", `we-rank-${name}`, { scope: "col" })));
  const table = element("table", "", {}, element("thead", "", {}, heads), body);
  const left = element("span", "");
  const input = element("input", "", { type: "text", autocomplete: "off", spellcheck: false });
  const words = element("span", "");
  const find = element("label", "", {}, words, input);
  const root = element("section", "we-ranking", {}, title, element("div", "we-ranking-rows", {}, table), element("div", "we-ranking-foot", {}, find, left));
  let picks = [];
  let picked;

  const rows = () => [...body.rows];
  input.addEventListener("change", () => { if (input.value.trim()) asks(input.value.trim()); });
  body.addEventListener("click", (event) => {
    const at = rows().indexOf(event.target.closest("tr"));
    if (picks[at] !== undefined) asks(picks[at]);
  });
  body.addEventListener("keydown", (event) => {
    const at = rows().indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: picks.length - 1 }[event.key];
    if (to !== undefined && picks[to] !== undefined) {
      rows()[to].focus();
      asks(picks[to]);
    } else if (event.key === "Enter" || event.key === " ") asks(picks[at]);
    else if (to === undefined) return;
    event.preventDefault();
  });

  /** Bring the picked row into sight when it is another one, and not while the user scrolls through the rest. */
  function reveal(row) {
    const box = body.parentNode.parentNode;
    const head = heads.offsetHeight;
    if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
    const below = row.offsetTop + row.offsetHeight - box.clientHeight;
    if (below > box.scrollTop) box.scrollTop = below;
  }

  function showPicks(table) {
    picks = table.picks;
    body.parentNode.setAttribute("role", picks.length ? "grid" : "table");
    rows().forEach((row, i) => {
      if (picks.length) {
        row.tabIndex = i === Math.max(table.picked, 0) ? 0 : -1;
        row.setAttribute("aria-selected", i === table.picked);
      } else {
        row.removeAttribute("tabindex");
        row.removeAttribute("aria-selected");
      }
    });
    const before = picked;
    picked = picks[table.picked];
    if (picked !== before && picked !== undefined) reveal(rows()[table.picked]);
  }

  return {
    root,
    update(state, bars, palette) {
      setText(title, state.title);
      title.title = state.title;
      ["", state.heads[0], "", state.heads[1], state.heads[2]].forEach((text, i) => setText(heads.children[i], text));
      root.dataset.moves = state.heads[2] !== "";
      while (body.rows.length > state.rows.length) body.lastChild.remove();
      while (body.rows.length < state.rows.length) body.append(makeRow());
      const scale = scaleOf([...bars]);
      rows().forEach((row, i) => showRow(row, state.rows[i], bars[i], scale, palette));
      showPicks(state);
      find.hidden = !(state.picks.length && state.left);
      setText(words, `find ${state.heads[0]}`);
      input.setAttribute("aria-label", `find ${state.heads[0]} by number or name`);
      setText(left, state.left ? `and ${state.left.toLocaleString("en").replaceAll(",", "\u202f")} more` : "");
    },
  };
}

function render({ model, el }) {
  const controller = new AbortController();
  el.classList.add("we-rankings");
  el.dataset.lmSuppressShortcuts = "true";
  el.setAttribute("role", "group");

  function ask(value) {
    model.set("asked", `${model.get("option")}=${value}`);
    model.save_changes();
    el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true }));
  }

  const made = [];

  function draw() {
    const tables = model.get("tables");
    const buffer = model.get("bars");
    const bars = new Float32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
    el.setAttribute("aria-label", model.get("alternative"));
    while (made.length < tables.length) made.push(makeTable(ask));
    let from = 0;
    tables.forEach((table, i) => {
      made[i].update(table, bars.subarray(from, from + table.rows.length), model.get("palette"));
      from += table.rows.length;
    });
    // What stands is left where it is: put in anew it would lose its place in scrolling.
    while (el.children.length > tables.length) el.lastChild.remove();
    while (el.children.length < tables.length) el.append(made[el.children.length].root);
  }

  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal: controller.signal });
  // Both arrive in one message, and each is followed by an event: draw once.
  model.on("change:tables change:bars", draw);
  draw();
  return () => {
    controller.abort();
    model.off("change:tables change:bars", draw);
  };
}

export default { render };
