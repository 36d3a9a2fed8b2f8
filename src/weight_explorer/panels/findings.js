// Findings as a list of buttons: as many as fit, and how many more there are. What stands is changed in place, so that a button keeps
// the focus while training goes on.

function element(tag, className, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), { className, ...properties });
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function makeEntry() {
  const head = element("span", "we-listed-one-head", {}, element("span", "we-listed-one-severity"), element("span", "we-listed-one-layer"));
  return element("li", "", {}, element("button", "we-listed-one", { type: "button" }, head, element("span", "we-listed-one-words")));
}

function showEntry(item, [severity, layer, sentence, key]) {
  const button = item.firstChild;
  const [head, words] = button.children;
  button.dataset.severity = severity;
  button.dataset.key = key;
  button.title = `${sentence}\n\nGo to ${key}`;
  setText(head.children[0], severity);
  setText(head.children[1], layer);
  setText(words, sentence);
}

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-listed");
  el.dataset.lmSuppressShortcuts = "true";
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "findings");
  const heading = element("p", "we-listed-heading");
  const list = element("ul", "we-listed-list");
  const more = element("p", "we-listed-more");
  el.replaceChildren(heading, list, more);

  /** Hide those that reach beyond the box, and say how many they are. */
  function fit() {
    const items = [...list.children];
    for (const item of items) item.hidden = false;
    more.hidden = true;
    const beyond = (room) => items.findIndex((item) => item.offsetTop + item.offsetHeight > room);
    if (beyond(el.clientHeight) < 0 && !model.get("num_more")) return;
    more.hidden = false;
    const first = beyond(el.clientHeight - more.offsetHeight);
    items.forEach((item, i) => { item.hidden = first >= 0 && i >= first; });
    const left = (first < 0 ? 0 : items.length - first) + model.get("num_more");
    setText(more, `${first === 0 ? "" : "and "}${left}${first === 0 ? "" : " more"}: ${model.get("more")}`);
  }

  function draw() {
    const entries = model.get("entries");
    setText(heading, model.get("heading"));
    el.hidden = !model.get("heading");
    while (list.children.length > entries.length) list.lastChild.remove();
    while (list.children.length < entries.length) list.append(makeEntry());
    entries.forEach((entry, i) => showEntry(list.children[i], entry));
    fit();
  }

  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    model.set("asked", button.dataset.key);
    model.save_changes();
    el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true, detail: { weight: model.get("asked") } }));
  }, { signal });
  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
  const resized = new ResizeObserver(fit);
  resized.observe(el);
  const CHANGES = "change:entries change:heading change:num_more";
  model.on(CHANGES, draw);
  draw();
  return () => {
    controller.abort();
    resized.disconnect();
    model.off(CHANGES, draw);
  };
}

export default { render };
