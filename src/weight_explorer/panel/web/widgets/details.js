// Words and numbers. Everything is set as text, so a layer's name can never become markup.

function element(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function copyButton(code) {
  const button = element("button", "we-copy", "copy");
  button.type = "button";
  button.setAttribute("aria-label", `copy ${code}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.previousSibling.textContent);
      button.textContent = "copied";
    } catch {
      // Pages that are not served securely have no clipboard: leave the line selected for the user's own copy.
      getSelection().selectAllChildren(button.previousSibling);
      button.textContent = "selected";
    }
  });
  button.addEventListener("blur", () => { button.textContent = "copy"; });
  return button;
}

const CHECK_MARKS = { held: "✓", moved: "⚠", unknown: "?" };

let numFindings = 0;

/** One finding: the mark and the word of its severity, and what was found. */
function fillFinding(node, { severity, words }, when) {
  const mark = element("span", "we-severity");
  mark.dataset.severity = severity;
  mark.setAttribute("aria-hidden", "true");
  const name = element("b", "", severity[0].toUpperCase() + severity.slice(1));
  const time = element("span", "we-quiet", when ? `, ${when}` : "");
  node.replaceChildren(mark, name, time, `: ${words}`);
}

/** How many there are, for those who listen: it changes when another thing is found, not with every number. */
function spokenFindings(found) {
  const counts = new Map();
  for (const { severity } of found) counts.set(severity, (counts.get(severity) ?? 0) + 1);
  return [...counts].map(([severity, count]) => `${count} ${severity}${count > 1 ? "s" : ""}`).join(", ");
}

/** The gravest finding in the room there is, and a button that opens all of them in full over what is above. */
function drawFindings(section) {
  const node = element("div", "we-findings");
  const first = element("div", "we-finding we-finding-first");
  const more = element("button", "we-copy we-findings-more");
  const all = element("ul", "we-findings-all");
  const spoken = element("span", "we-unheard");
  spoken.setAttribute("role", "status");
  all.id = `we-findings-${numFindings++}`;
  all.hidden = true;
  more.type = "button";
  more.setAttribute("aria-expanded", "false");
  more.setAttribute("aria-controls", all.id);
  more.addEventListener("click", () => openFindings(node, all.hidden));
  all.addEventListener("click", (event) => {
    if (!event.target.closest("[data-key]")) return;
    openFindings(node, false); // the picture of the other weight comes into sight
    more.focus({ preventScroll: true });
  });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || all.hidden) return;
    event.stopPropagation();
    openFindings(node, false);
    more.focus();
  });
  node.append(first, more, all, spoken);
  new ResizeObserver(() => fitFindings(node)).observe(node);
  patchFindings(node, section);
  return node;
}

function openFindings(node, isOpen) {
  const [, more, all] = node.children;
  all.hidden = !isOpen;
  if (isOpen && all.children.length === 1) all.querySelector("details").open = true;
  more.setAttribute("aria-expanded", String(isOpen));
  nameButton(node);
}

/** Show as many lines of the first as there is room for; what is cut off is behind the button. */
function fitFindings(node) {
  const first = node.children[0];
  const lines = Math.max(1, Math.floor(node.clientHeight / 20));
  first.style.webkitLineClamp = lines;
  nameButton(node);
}

function nameButton(node) {
  const [first, more, all] = node.children;
  const others = all.children.length - 1;
  const isElsewhere = others === 0 && !all.querySelector("details").hidden;
  more.textContent = all.hidden ? (others > 0 ? `${others} more` : isElsewhere ? "where else" : "in full") : "close";
  more.hidden = others < 1 && all.hidden && !isElsewhere && first.scrollHeight <= first.clientHeight;
}

/** A finding in full, and below it, to be opened, the other places where the same was found. */
function makeItem() {
  const elsewhere = element("details", "we-elsewhere");
  elsewhere.append(element("summary", ""), element("ul", "we-places"), element("div", "we-quiet"));
  const item = element("li", "we-finding");
  item.append(element("div", ""), elsewhere);
  return item;
}

function fillItem(item, finding, when) {
  const [text, elsewhere] = item.children;
  const [summary, list, more] = elsewhere.children;
  fillFinding(text, finding, when);
  elsewhere.hidden = !finding.elsewhere;
  summary.textContent = finding.elsewhere;
  more.textContent = finding.more;
  fillPlaces(list, finding.places);
}

/** Change the places that stand, so that one of them keeps the focus. */
function fillPlaces(list, places) {
  while (list.children.length > places.length) list.lastChild.remove();
  while (list.children.length < places.length) {
    const button = element("button", "we-place");
    button.type = "button";
    const place = element("li", "");
    place.append(button);
    list.append(place);
  }
  places.forEach(([name, key], i) => {
    const button = list.children[i].firstChild;
    if (button.dataset.key === key && button.textContent === name) return;
    button.dataset.key = key;
    button.title = `Go to ${key}`;
    button.textContent = name;
  });
}

function patchFindings(node, { found, when }) {
  const [first, , all, spoken] = node.children;
  if (found.length) fillFinding(first, { ...found[0], words: `${found[0].words} ${found[0].elsewhere}`.trim() }, when);
  else first.replaceChildren();
  while (all.children.length > found.length) all.lastChild.remove();
  while (all.children.length < found.length) all.append(makeItem());
  found.forEach((finding, i) => fillItem(all.children[i], finding, when));
  if (!found.length) openFindings(node, false);
  const words = spokenFindings(found);
  if (spoken.textContent !== words) spoken.textContent = words;
  fitFindings(node);
  return true;
}

const DRAW = {
  findings: drawFindings,
  pieces: ({ pieces }) => {
    const line = element("div", "we-pieces", pieces.join(" · "));
    line.title = pieces.join(" · ");
    return line;
  },
  text: ({ text, tone }) => {
    const paragraph = element("div", `we-text we-${tone}`, text);
    paragraph.title = tone === "large" || tone === "unseen" ? "" : text; // where there is no room for all of it
    return paragraph;
  },
  check: ({ text, state }) => {
    const line = element("div", `we-check we-check-${state}`, `${CHECK_MARKS[state]} ${text}`);
    line.title = text; // where there is no room for all of it
    return line;
  },
  table: ({ heads, rows }) => {
    const table = element("table", "we-table");
    const head = element("tr", "");
    head.append(...heads.map((words) => element("th", "", words)));
    const thead = element("thead", "");
    thead.append(head);
    const body = element("tbody", "");
    body.append(...rows.map(([name, ...cells]) => {
      const row = element("tr", "");
      const label = element("th", "", name);
      label.scope = "row";
      row.append(label, ...cells.map((words) => element("td", "", words)));
      return row;
    }));
    table.append(thead, body);
    return table;
  },
  code: ({ code }) => {
    const line = element("div", "we-code");
    const words = element("code", "", code);
    words.title = code;
    line.append(words, copyButton(code));
    return line;
  },
  legend: ({ entries }) => {
    const line = element("div", entries.length > 4 ? "we-legend we-legend-many" : "we-legend");
    line.append(...entries.map(([name, color, kind]) => {
      const entry = element("span", "we-legend-entry");
      const swatch = element("span", `we-swatch we-swatch-${kind}`);
      swatch.style.setProperty("--swatch", color);
      const words = element("span", "", name);
      words.title = name; // where there is no room for all of it
      entry.append(swatch, words);
      return entry;
    }));
    return line;
  },
};

/** Change only the cells of a table whose words changed: a selection or a pointer in it stays.
 * @returns whether the new section has the same frame as the one that stands */
function patchTable(table, { heads, rows }) {
  if (table.tHead.rows[0].cells.length !== heads.length || table.tBodies[0].rows.length !== rows.length) return false;
  const lines = [heads, ...rows];
  [...table.rows].forEach((row, i) => [...row.cells].forEach((cell, j) => {
    if (cell.textContent !== lines[i][j]) cell.textContent = lines[i][j];
  }));
  return true;
}

/** Change the words of a line of code: the button beside it keeps the focus. */
function patchCode(line, { code }) {
  const [words, button] = line.children;
  words.textContent = words.title = code;
  button.setAttribute("aria-label", `copy ${code}`);
  return true;
}

const PATCH = { table: patchTable, code: patchCode, findings: patchFindings };

function render({ model, el }) {
  el.classList.add("we-details");
  el.dataset.lmSuppressShortcuts = "true";
  let standing = [];

  function draw() {
    const sections = model.get("sections");
    sections.forEach((section, i) => {
      const before = standing[i];
      if (before && JSON.stringify(before) === JSON.stringify(section)) return;
      const node = el.children[i];
      if (before?.kind === section.kind && PATCH[section.kind]?.(node, section)) return;
      const drawn = DRAW[section.kind](section);
      if (node) node.replaceWith(drawn);
      else el.append(drawn);
    });
    while (el.children.length > sections.length) el.lastChild.remove();
    standing = sections;
  }

  el.addEventListener("click", (event) => {
    const button = event.target.closest("[data-key]");
    if (!button) return;
    model.set("asked", button.dataset.key);
    model.save_changes();
    el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true, detail: { weight: button.dataset.key } }));
  });
  const onLabel = () => {
    if (model.get("label")) {
      el.setAttribute("role", "group");
      el.setAttribute("aria-label", model.get("label"));
    }
  };
  model.on("change:sections", draw);
  onLabel();
  draw();
  return () => model.off("change:sections", draw);
}

export default { render };
