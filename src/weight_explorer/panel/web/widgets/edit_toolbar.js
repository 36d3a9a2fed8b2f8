// The toolbar that changes weights. A button sends one command for the target, and the kernel's answer appears beside the
// buttons. A button that cannot be pressed says why in its title and keeps the focus: `aria-disabled`, not `disabled`.

import "./edit_toolbar.css";
import { element, setText, uniqueId } from "../shared/dom.js";
import { announceRequest, save } from "../shared/model.js";

/** @import { Render } from "@anywidget/types" */

/** `lab` says whether the weight has initializers to choose from, and whether their view is shown.
 * @typedef {{is_open: boolean, target: string, target_text: string, refusal: string, undo: string,
 *   initializer_view: "" | "away" | "shown",
 *   view: string, result: string, is_refused: boolean, answered_id: string}} Traits */

/** @typedef {"freeze" | "unfreeze" | "set" | "initialize" | "undo"} Command */

const COMMANDS = /** @type {Command[]} */ (["freeze", "unfreeze", "set", "initialize", "undo"]);
/** @type {Record<Command, {label: string, title: string}>} */
const TEXTS = {
  freeze: { label: "Freeze", title: "Keep these elements exactly as they are, at every step of the training" },
  unfreeze: { label: "Unfreeze", title: "Let these elements train again" },
  set: { label: "Set", title: "Set these elements to the number in the field" },
  initialize: { label: "Apply", title: "Give these elements what was drawn for them" },
  undo: { label: "Undo", title: "" },
};
const OPEN = "Freeze, set or initialize what is shown";
const CLOSE = "Close the row of what can be done to the weight";
const CHOOSE_INITIALIZER = "Choose an initializer, and see what it would draw";
const NO_INITIALIZERS = "Initializers give fractions, which this weight does not hold";

/** @param {HTMLButtonElement} button @param {string} refusal Why it cannot be pressed, or "". @param {string} title */
function enable(button, refusal, title) {
  button.setAttribute("aria-disabled", String(Boolean(refusal)));
  button.title = refusal || title;
}

/** @param {HTMLButtonElement} button */
const isDisabled = (button) => button.getAttribute("aria-disabled") === "true";

/** @param {Command} command */
const makeButton = (command) => element("button", { type: "button", textContent: TEXTS[command].label, "data-deed": command });

/** @param {HTMLElement} el */
function build(el) {
  const buttons = {
    freeze: makeButton("freeze"),
    unfreeze: makeButton("unfreeze"),
    set: makeButton("set"),
    initialize: makeButton("initialize"),
    undo: makeButton("undo"),
  };
  const target = element("span", { className: "we-desk-meant" });
  const field = element("input", { type: "text", inputMode: "decimal", size: 7, spellcheck: false, autocomplete: "off" });
  const label = element("label", { className: "we-desk-set" }, "set to", field);
  const choose = element("button", { type: "button", textContent: "Initialize …" });
  const answer = element("div", { className: "we-desk-said", role: "status" });
  const { freeze, unfreeze, set, initialize, undo } = buttons;
  const controls = [target, freeze, unfreeze, label, set, choose, initialize, undo];
  const commands = element("div", { className: "we-desk-deeds" }, ...controls);
  const row = element(
    "div",
    { className: "we-desk-row", id: uniqueId("we-desk"), role: "group", "aria-label": "change the weight" },
    commands,
    answer,
  );
  const toggle = element("button", {
    type: "button",
    className: "we-desk-toggle",
    textContent: "Edit",
    "aria-controls": row.id,
  });
  el.replaceChildren(toggle, row);
  return { toggle, row, target, field, choose, answer, buttons };
}

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-desk");
  el.dataset.lmSuppressShortcuts = "true";
  const { toggle, row, target, field, choose, answer, buttons } = build(el);
  let pending = ""; // the id of the command that is not answered yet

  /** @param {Command} command */
  function send(command) {
    pending = `${Math.random()}`;
    model.send({ id: pending, deed: command, target: model.get("target"), value: field.value });
    drawAnswer();
    announceRequest(el);
  }

  function drawAnswer() {
    const text = pending ? "…" : model.get("result");
    setText(answer, text);
    answer.title = text;
    answer.toggleAttribute("data-refused", !pending && model.get("is_refused"));
  }

  function draw() {
    const [refusal, undo, initializers] = [model.get("refusal"), model.get("undo"), model.get("initializer_view")];
    const isOpen = model.get("is_open") && !refusal;
    row.hidden = !isOpen;
    toggle.setAttribute("aria-expanded", String(isOpen));
    enable(toggle, refusal, isOpen ? CLOSE : OPEN);
    target.textContent = target.title = model.get("target_text");
    for (const command of COMMANDS) enable(buttons[command], refusal, TEXTS[command].title);
    enable(buttons.undo, refusal || (undo ? "" : "There is nothing to undo"), `Undo: ${undo}`);
    enable(choose, refusal || (initializers ? "" : NO_INITIALIZERS), CHOOSE_INITIALIZER);
    choose.hidden = initializers === "shown";
    buttons.initialize.hidden = initializers !== "shown";
    drawAnswer();
  }

  function takeAnswer() {
    if (model.get("answered_id") === pending) pending = "";
    drawAnswer();
  }

  toggle.addEventListener("click", () => {
    if (!isDisabled(toggle)) save(model, { is_open: !model.get("is_open") });
  }, { signal });
  choose.addEventListener("click", () => {
    if (isDisabled(choose)) return;
    save(model, { view: "initializer" });
    announceRequest(el);
  }, { signal });
  for (const command of COMMANDS) {
    buttons[command].addEventListener("click", () => {
      if (!isDisabled(buttons[command]) && !pending) send(command);
    }, { signal });
  }
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.repeat) buttons.set.click();
  }, { signal });
  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal });

  const stateEvents = "change:is_open change:target change:meant change:refusal change:undo change:lab";
  const answerEvents = "change:said change:is_refused change:answered";
  model.on(stateEvents, draw);
  model.on(answerEvents, takeAnswer);
  draw();
  return () => {
    controller.abort();
    model.off(stateEvents, draw);
    model.off(answerEvents, takeAnswer);
  };
}

export default { render };
