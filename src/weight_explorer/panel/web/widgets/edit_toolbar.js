// The row of deeds. A button asks for one thing to be done to what is meant, and the kernel answers in words in a fixed place.
// What cannot be pressed says why in its title, and keeps the focus: `aria-disabled`, not `disabled`.

const DEEDS = {
  freeze: ["Freeze", "Keep these elements exactly as they are, at every step of the training"],
  unfreeze: ["Unfreeze", "Let these elements train again"],
  set: ["Set", "Set these elements to the number in the field"],
  initialize: ["Apply", "Give these elements what was drawn for them"],
  undo: ["Undo", ""],
};
const LOOK = "Choose an initializer, and see what it would draw";
const NO_LAB = "Initializers give fractions, which this weight does not hold";

let rows = 0;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function allow(button, refusal, title) {
  button.setAttribute("aria-disabled", String(Boolean(refusal)));
  button.title = refusal || title;
}

function build(el) {
  const buttons = Object.fromEntries(Object.entries(DEEDS).map(([deed, [textContent]]) => {
    const button = element("button", { type: "button", textContent });
    button.dataset.deed = deed;
    return [deed, button];
  }));
  const toggle = element("button", { type: "button", className: "we-desk-toggle", textContent: "Edit" });
  const meant = element("span", { className: "we-desk-meant" });
  const field = element("input", { type: "text", inputMode: "decimal", size: 7, spellcheck: false, autocomplete: "off" });
  const set = element("label", { className: "we-desk-set" }, "set to", field);
  const look = element("button", { type: "button", textContent: "Initialize …" });
  const said = element("div", { className: "we-desk-said" });
  said.setAttribute("role", "status");
  const deeds = element("div", { className: "we-desk-deeds" }, meant,
    ...[buttons.freeze, buttons.unfreeze, set, buttons.set, look, buttons.initialize, buttons.undo]);
  const row = element("div", { className: "we-desk-row", id: `we-desk-${Math.random().toString(36).slice(2)}-${rows++}` }, deeds, said);
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", "change the weight");
  toggle.setAttribute("aria-controls", row.id);
  el.replaceChildren(toggle, row);
  return { toggle, row, meant, field, look, said, buttons };
}

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-desk");
  el.dataset.lmSuppressShortcuts = "true";
  const { toggle, row, meant, field, look, said, buttons } = build(el);
  let waiting = ""; // the id of the order that is not answered yet

  const asked = () => el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true }));

  function order(deed) {
    waiting = `${Math.random()}`;
    model.send({ id: waiting, deed, target: model.get("target"), value: field.value });
    drawSaid();
    asked();
  }

  function drawSaid() {
    const words = waiting ? "…" : model.get("said");
    if (said.textContent !== words) said.textContent = words;
    said.title = words;
    said.toggleAttribute("data-refused", !waiting && model.get("is_refused"));
  }

  function draw() {
    const [refusal, undo, lab] = ["refusal", "undo", "lab"].map((name) => model.get(name));
    const isOpen = model.get("is_open") && !refusal;
    row.hidden = !isOpen;
    toggle.setAttribute("aria-expanded", String(isOpen));
    allow(toggle, refusal, isOpen ? "Close the row of what can be done to the weight" : "Freeze, set or initialize what is shown");
    meant.textContent = meant.title = model.get("meant");
    for (const [deed, [, title]] of Object.entries(DEEDS)) allow(buttons[deed], refusal, title);
    allow(buttons.undo, refusal || (undo ? "" : "There is nothing to undo"), `Undo: ${undo}`);
    allow(look, refusal || (lab ? "" : NO_LAB), LOOK);
    look.hidden = lab === "shown";
    buttons.initialize.hidden = lab !== "shown";
    drawSaid();
  }

  function answered() {
    if (model.get("answered") === waiting) waiting = "";
    drawSaid();
  }

  const isOff = (button) => button.getAttribute("aria-disabled") === "true";
  toggle.addEventListener("click", () => {
    if (isOff(toggle)) return;
    model.set("is_open", !model.get("is_open"));
    model.save_changes();
  }, { signal });
  look.addEventListener("click", () => {
    if (isOff(look)) return;
    model.set("view", "initializer");
    model.save_changes();
    asked();
  }, { signal });
  for (const [deed, button] of Object.entries(buttons)) {
    button.addEventListener("click", () => { if (!isOff(button) && !waiting) order(deed); }, { signal });
  }
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.repeat) buttons.set.click();
  }, { signal });
  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal });

  const shown = "change:is_open change:target change:meant change:refusal change:undo change:lab";
  const spoken = "change:said change:is_refused change:answered";
  model.on(shown, draw);
  model.on(spoken, answered);
  draw();
  return () => {
    controller.abort();
    model.off(shown, draw);
    model.off(spoken, answered);
  };
}

export default { render };
