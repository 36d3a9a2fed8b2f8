// The head of the panel. It also says when a click has to wait: every control of the panel sends `we-asked` up the page, and
// each answer of the kernel counts `answered` up, which the page hears as `we-answered`. Pictures of a training are not
// answers. The style of the whole panel comes with it.

import "./panel.css";
import { element, holdsTarget } from "../shared/dom.js";
import { announceRequest, save } from "../shared/model.js";

/** @import { Render } from "@anywidget/types" */

/** @typedef {{title: string, phase: string, text: string, problem: string, num_answered: number, is_displayed: boolean,
 *   commands: string[]}} Traits */

/** What a button says, and is called, for each command that it may send.
 * @typedef {Record<string, {label: string, title: string}>} Commands */

const EVENTS = "change:title change:text change:problem change:phase change:commands";
const DELAY = 500; // ms until a click that is not answered is said to be waiting
const WAITING = "kernel busy, will answer when it is free";
/** Each button has a place of its own, so that none moves. @type {Commands[]} */
const BUTTONS = [
  {
    pause: { label: "Pause", title: "Pause the training when the batch has ended" },
    resume: { label: "Resume", title: "Resume the training" },
  },
  {
    stop: { label: "Stop", title: "Stop the training when the batch has ended" },
    stopping: { label: "Stopping", title: "The training stops" },
  },
];

/** @param {HTMLElement} el */
function build(el) {
  const title = element("strong", { className: "we-status-title" });
  // Empty, the problem has no height; screen readers watch it all the same.
  const problem = element("div", { className: "we-status-problem", role: "alert" });
  const waiting = element("span", { className: "we-status-waiting", role: "status" });
  const dot = element("span", { className: "we-status-dot", "aria-hidden": "true" });
  const words = element("span", { className: "we-status-words" });
  const buttons = BUTTONS.map((commands) => ({
    commands,
    button: element("button", { className: "we-status-order", type: "button" }),
  }));
  const group = element(
    "span",
    { className: "we-status-orders", role: "group", "aria-label": "training" },
    ...buttons.map(({ button }) => button),
  );
  el.replaceChildren(element("div", { className: "we-status-line" }, title, waiting, dot, words, group), problem);
  return { title, problem, waiting, words, buttons, group };
}

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-status");
  el.dataset.lmSuppressShortcuts = "true";
  el.tabIndex = -1;
  const { title, problem, waiting, words, buttons, group } = build(el);

  function draw() {
    title.textContent = title.title = model.get("title");
    words.textContent = words.title = model.get("text");
    problem.textContent = problem.title = model.get("problem");
    el.dataset.phase = model.get("phase");
    drawButtons(model.get("commands") ?? []);
  }

  /** @param {string[]} available The commands that can be sent now. */
  function drawButtons(available) {
    const hadFocus = group.contains(el.ownerDocument.activeElement);
    group.hidden = !available.length;
    for (const { button, commands } of buttons) {
      const name = available.find((each) => each in commands);
      button.style.visibility = name ? "" : "hidden";
      if (!name) continue;
      button.textContent = commands[name].label;
      button.title = commands[name].title;
      button.dataset.order = name;
      button.setAttribute("aria-label", commands[name].title);
      button.setAttribute("aria-disabled", String(name === "stopping"));
    }
    // A button that disappears leaves the focus in the panel: elsewhere keys are the notebook's.
    const focused = buttons.find(({ button }) => button === el.ownerDocument.activeElement)?.button;
    const isGone = group.hidden || focused?.style.visibility === "hidden";
    if (hadFocus && isGone) el.focus({ preventScroll: true });
  }

  for (const { button } of buttons) {
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      model.send({ order: button.dataset.order });
      announceRequest(el);
    }, { signal });
  }

  /** The kernel asks how messages come: those that JupyterLab sends before it has a thread for clicks say nothing about later
   * ones.
   * @param {{reply?: boolean}} message */
  function reply({ reply: isAsked }) {
    if (isAsked) model.send({ heard: true });
  }

  let timer = 0;
  function stopWaiting() {
    clearTimeout(timer);
    waiting.textContent = "";
  }
  function takeAnswer() {
    stopWaiting();
    el.dispatchEvent(new CustomEvent("we-answered", { bubbles: true }));
  }
  el.ownerDocument.addEventListener("we-asked", (event) => {
    if (!holdsTarget(el.closest(".weight-explorer"), event)) return;
    clearTimeout(timer);
    timer = window.setTimeout(() => { waiting.textContent = WAITING; }, DELAY);
  }, { signal });

  el.addEventListener("keydown", (event) => {
    if (holdsTarget(group, event)) event.stopPropagation();
  }, { signal });
  model.on(EVENTS, draw);
  model.on("change:num_answered", takeAnswer);
  model.on("msg:custom", reply);
  draw();
  const whenSeen = requestAnimationFrame(() => {
    if (!model.get("is_displayed")) save(model, { seen: true });
  });
  return () => {
    cancelAnimationFrame(whenSeen);
    controller.abort();
    stopWaiting();
    model.off(EVENTS, draw);
    model.off("change:num_answered", takeAnswer);
    model.off("msg:custom", reply);
  };
}

export default { render };
