// All findings of the model. In the overview they are a list with a place of its own; elsewhere a button opens the list over the
// picture. What is there is changed in place, so that a button keeps the focus, and a list its position, while training goes on.

const NUM_FIRST = 3; // locations of a finding that are shown before somebody asks for all
let numLists = 0;

function element(tag, className, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), { className, ...properties });
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Have a node hold `count` children, made by `make` where there are too few. */
function setCount(node, count, make) {
  while (node.children.length > count) node.lastChild.remove();
  while (node.children.length < count) node.append(make());
}

function makeEntry() {
  const mark = element("span", "we-severity");
  mark.setAttribute("aria-hidden", "true");
  const head = element("span", "we-listed-one-head", {}, mark, element("span", "we-listed-one-severity"), element("span", "we-listed-one-layer"));
  const main = element("button", "we-listed-one", { type: "button" }, head, element("span", "we-listed-one-words"));
  const toggle = element("button", "we-place we-listed-toggle", { type: "button" });
  const others = element("div", "we-listed-others", {}, element("ul", "we-places"), toggle, element("span", "we-listed-left"));
  return element("li", "", {}, main, others);
}

function showEntry(item, entry) {
  const [button, others] = item.children;
  const [head, words] = button.children;
  if (button.dataset.key !== entry.key) item.dataset.open = "false";
  button.dataset.severity = head.firstChild.dataset.severity = entry.severity;
  button.dataset.key = entry.key;
  button.title = `Go to ${entry.key}`;
  setText(head.children[1], entry.severity);
  setText(head.children[2], entry.where);
  setText(words, entry.sentence);
  others.hidden = !entry.places.length;
  showPlaces(others, entry, item.dataset.open === "true");
}

/** Show the first few other locations of a finding, or all of them. */
function showPlaces(others, { places, num_more: numMore }, isOpen) {
  const [list, toggle, left] = others.children;
  const shown = isOpen ? places : places.slice(0, NUM_FIRST);
  setCount(list, shown.length, () => element("li", "", {}, element("button", "we-place", { type: "button" })));
  shown.forEach(([name, key], i) => {
    const button = list.children[i].firstChild;
    button.dataset.key = key;
    button.title = `Go to ${key}`;
    setText(button, name);
  });
  toggle.hidden = places.length <= NUM_FIRST;
  toggle.setAttribute("aria-expanded", String(isOpen));
  setText(toggle, isOpen ? "show fewer" : `show all ${places.length + numMore + 1}`);
  left.hidden = !isOpen || !numMore;
  setText(left, `and ${numMore} more: explorer.findings`);
}

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-listed");
  el.dataset.lmSuppressShortcuts = "true";
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "findings");
  const [mark, counts] = [element("span", "we-severity"), element("span", "we-listed-counts")];
  mark.setAttribute("aria-hidden", "true");
  const opener = element("button", "we-copy we-listed-all", { type: "button" }, mark, element("span", "we-listed-all-words", { textContent: "All findings:" }), counts);
  const heading = element("p", "we-listed-heading");
  const list = element("ul", "we-listed-list");
  const more = element("p", "we-listed-more");
  const box = element("div", "we-listed-box", { id: `we-listed-${numLists++}`, tabIndex: -1 }, heading, list, more);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "all findings");
  opener.setAttribute("aria-controls", box.id);
  el.replaceChildren(opener, box);
  let isOpen = false;

  function show() {
    const [isList, words] = [model.get("is_list"), model.get("counts")];
    if (isList || !words) isOpen = false;
    opener.hidden = isList || !words;
    box.hidden = isList ? !model.get("heading") : !isOpen;
    box.classList.toggle("we-listed-over", !isList);
    opener.setAttribute("aria-expanded", String(isOpen));
  }

  /** Open the list or close it; closed, it leaves the focus to the button. */
  function open(isToOpen) {
    const holdsFocus = box.contains(el.ownerDocument.activeElement);
    isOpen = isToOpen;
    show();
    if (!isOpen && holdsFocus) opener.focus({ preventScroll: true });
  }

  function draw() {
    const [entries, numMore] = [model.get("entries"), model.get("num_more")];
    setText(heading, model.get("heading"));
    setText(counts, model.get("counts"));
    mark.dataset.severity = entries[0]?.severity ?? "";
    el.dataset.severities = new Set(entries.map(({ severity }) => severity)).size;
    opener.title = `All findings: ${model.get("counts")}`;
    opener.setAttribute("aria-label", opener.title);
    setCount(list, entries.length, makeEntry);
    entries.forEach((entry, i) => showEntry(list.children[i], entry));
    more.hidden = !numMore;
    setText(more, `and ${numMore} more: ${model.get("more")}`);
    show();
  }

  function ask(key) {
    open(false);
    model.set("asked", key);
    model.save_changes();
    el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true, detail: { weight: key } }));
  }

  opener.addEventListener("click", () => open(!isOpen), { signal });
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.key) {
      ask(button.dataset.key);
      return;
    }
    const item = button.closest(".we-listed-list > li");
    item.dataset.open = String(item.dataset.open !== "true");
    showEntry(item, model.get("entries")[[...list.children].indexOf(item)]);
  }, { signal });
  el.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Escape" || !isOpen) return;
    open(false);
    opener.focus({ preventScroll: true });
  }, { signal });
  const CHANGES = "change:entries change:heading change:counts change:num_more change:is_list";
  model.on(CHANGES, draw);
  draw();
  return () => {
    controller.abort();
    model.off(CHANGES, draw);
  };
}

export default { render };
