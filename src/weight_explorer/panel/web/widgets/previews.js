// Answers of the page alone: where the kernel is busy, a small picture of the weight that was clicked, from what was sent with
// the last epochs, and its statistics. The picture is drawn as a matrix, with a model of its own.

import { renderMatrix } from "../matrix/canvas.js";
import { makeTable } from "../details/sections.js";
import "./previews.css";
import { makeMatrixModel, matrixState } from "../previews/matrix_model.js";
import { snapshotsOf } from "../previews/snapshots.js";
import { closest, element, holdsTarget, setText } from "../shared/dom.js";
import { save } from "../shared/model.js";
import { grouped } from "../shared/numbers.js";

/** @import { Render } from "@anywidget/types" */
/** @import { Preview, Snapshot, Traits, Weight } from "../previews/snapshots.js" */
/** @import { Request } from "../shared/model.js" */

/** What was clicked and is not answered: the layer, the weight, and the record, null for the newest one.
 * @typedef {{layer: string, key: string, step: number | null}} Target */

const DELAY = 300; // ms until a click that is not answered is answered here
const BUSY = "The kernel is busy and will answer when it is free. Until then this page draws what it has: ";
const NO_PREVIEW = "This page has no small picture of this weight.";
const NO_WEIGHTS = "This layer holds no weights of which this page has a picture.";

/** @param {Preview} preview */
function cellWords({ steps: [down, across], sampled }) {
  if (down * across === 1) return "";
  const which = sampled ? ", of those that are kept, the one" : " the one";
  return `Each cell stands for ${grouped(down)} x ${grouped(across)} elements and shows${which} farthest from zero.`;
}

/** @param {HTMLElement} el */
function build(el) {
  const roles = element("div", { className: "we-sketches-roles", role: "group", "aria-label": "roles of the small pictures" });
  const menu = element("select", { className: "we-sketches-menu", "aria-label": "weight of the small picture" });
  const close = element("button", {
    className: "we-copy",
    type: "button",
    textContent: "close",
    title: "Show the picture from before the click (Esc)",
  });
  const head = element("div", { className: "we-sketches-head" }, roles, menu, close);
  const name = element("strong", { className: "we-sketches-name" });
  const facts = element("span", { className: "we-sketches-facts" });
  const line = element("div", { className: "we-sketches-line" }, name, facts);
  const busy = element("div", { className: "we-sketches-busy", role: "status" });
  const matrix = element("div");
  const message = element("div", { className: "we-text we-large" });
  const picture = element("div", { className: "we-sketches-stage" }, matrix, message);
  const numbers = element("div", { className: "we-sketches-numbers we-details" });
  const words = element("div", { className: "we-sketches-words" });
  const slider = element("input", { type: "range", min: "0", step: "1" });
  const time = element("label", { className: "we-sketches-time" }, "moments that this page has", slider);
  el.replaceChildren(head, line, busy, picture, numbers, words, time);
  return { roles, menu, close, name, facts, busy, matrix, message, numbers, words, time, slider };
}

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-sketches");
  el.dataset.lmSuppressShortcuts = "true";
  el.hidden = true;
  const { roles, menu, close, name, facts, busy, matrix, message, numbers, words, time, slider } = build(el);
  const picture = makeMatrixModel(model);
  const removeMatrix = renderMatrix({ model: picture.matrix, el: matrix });

  let snapshots = snapshotsOf(model);
  /** @type {Target | null} */
  let target = null;
  let drawn = ""; // of which weight and snapshot the matrix and the table are
  let timer = 0;

  /** @param {string} layer */
  const rolesOf = (layer) => model.get("weights_by_layer")[layer] ?? {};
  /** @param {string | undefined} key */
  const indexOf = (key) => model.get("weights").findIndex((weight) => weight.key === key);
  /** @param {string} layer @param {string} key */
  const roleOf = (layer, key) =>
    Object.entries(rolesOf(layer)).find(([, offers]) => offers.some(([other]) => other === key))?.[0];
  /** The first weight of a role, or of the layer where it has no such role.
   * @param {string} layer @param {string | undefined} role */
  const firstKey = (layer, role) => (rolesOf(layer)[role ?? ""] ?? Object.values(rolesOf(layer))[0])?.[0][0] ?? "";

  /** @param {number | null} step */
  function snapshotIndex(step) {
    if (step === null) return snapshots.length - 1;
    return Math.max(snapshots.findLastIndex(({ number }) => number <= step), 0);
  }

  /** What a click leads to; null where this page cannot show it.
   * @param {Request} request @returns {Target | null} */
  function targetOf({ layer, option, weight, step }) {
    const [shownLayer, shownKey] = model.get("current");
    const before = target ?? { layer: shownLayer, key: shownKey, step: null };
    if (layer !== undefined) return { ...before, layer, key: firstKey(layer, roleOf(before.layer, before.key)) };
    if (step !== undefined) return before.key ? { ...before, step: step === "" ? null : Number(step) } : null;
    const key = weight ?? (indexOf(option) >= 0 ? option : rolesOf(before.layer)[option ?? ""]?.[0][0]);
    return key === undefined ? null : { ...before, key };
  }

  function open() {
    if (!el.hidden) return;
    const hadFocus = el.closest(".we-main")?.contains(el.ownerDocument.activeElement);
    el.hidden = false;
    disableOthers(true);
    draw();
    if (hadFocus) focus(roles, '[aria-pressed="true"]');
  }

  /** What is below cannot be reached meanwhile.
   * @param {boolean} isDisabled */
  function disableOthers(isDisabled) {
    for (const other of el.closest(".we-main")?.children ?? []) {
      if (other !== el && other instanceof HTMLElement) other.inert = isDisabled;
    }
  }

  /** @param {Element | null} parent @param {string} selector */
  function focus(parent, selector) {
    const found = parent?.querySelector(selector);
    if (found instanceof HTMLElement) found.focus({ preventScroll: true });
  }

  /** Disappear, and give the focus back to what is below: outside the panel, keys are the notebook's. */
  function shut() {
    clearTimeout(timer);
    target = null;
    if (el.hidden) return;
    const hadFocus = el.contains(el.ownerDocument.activeElement);
    el.hidden = true;
    disableOthers(false);
    if (hadFocus) focus(el.closest(".we-main"), '[role="tab"][tabindex="0"]');
  }

  function draw() {
    if (!target || el.hidden) return;
    const at = snapshotIndex(target.step);
    const snapshot = snapshots[at];
    const index = indexOf(target.key);
    const weight = model.get("weights")[index];
    drawChoices(target);
    name.textContent = weight?.name ?? target.layer;
    facts.textContent = facts.title = weight?.facts ?? "";
    setText(busy, `${BUSY}${snapshot.words}`);
    drawTime(at, snapshot);
    const what = `${snapshot.number} ${target.key}`;
    if (what === drawn) return;
    drawn = what;
    drawPreview(weight, snapshot, index, target.key ? NO_PREVIEW : NO_WEIGHTS);
  }

  /** @param {Weight | undefined} weight @param {Snapshot} snapshot @param {number} index @param {string} none */
  function drawPreview(weight, snapshot, index, none) {
    /** @type {Preview | undefined} */
    const preview = snapshot.sketches[index];
    const hasCells = Boolean(preview?.shape[0]);
    matrix.style.visibility = hasCells ? "" : "hidden";
    message.textContent = hasCells ? "" : preview?.words || none;
    words.textContent = hasCells ? cellWords(preview) : "";
    numbers.replaceChildren();
    if (!preview) return;
    const rows = preview.numbers.map((cells, i) => [snapshot.names[i], ...cells]);
    numbers.append(makeTable({ heads: preview.heads, rows }).root);
    if (weight && hasCells) picture.show(matrixState(weight, preview, snapshot.codes[index]));
  }

  /** @param {Target} shown */
  function drawChoices({ layer, key }) {
    const offered = rolesOf(layer);
    const chosen = roleOf(layer, key);
    const names = JSON.stringify(Object.keys(offered));
    if (roles.dataset.made !== names) {
      roles.dataset.made = names;
      roles.replaceChildren(...Object.keys(offered).map((role) => element("button", {
        className: "we-sketches-role",
        type: "button",
        textContent: role[0].toUpperCase() + role.slice(1),
        "data-role": role,
      })));
    }
    for (const button of roles.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.role === chosen));
    }
    const weights = offered[chosen ?? ""] ?? [];
    menu.hidden = weights.length < 2;
    const options = JSON.stringify(weights);
    if (menu.dataset.made !== options) {
      menu.dataset.made = options;
      menu.replaceChildren(...weights.map(([value, label]) => new Option(label, value)));
    }
    menu.value = key;
  }

  /** @param {number} at @param {Snapshot} snapshot */
  function drawTime(at, snapshot) {
    time.style.visibility = snapshots.length > 1 ? "" : "hidden";
    slider.max = String(snapshots.length - 1);
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", snapshot.words);
  }

  /** Go to another weight, and tell the kernel for when it is free.
   * @param {string} key */
  function goTo(key) {
    if (!target || !key || key === target.key) return;
    target = { ...target, key };
    save(model, { asked: key });
    draw();
  }

  /** @param {Event} event */
  const isInPanel = (event) => holdsTarget(el.closest(".weight-explorer"), event);
  el.ownerDocument.addEventListener("we-asked", (event) => {
    const request = /** @type {CustomEvent<Request | null>} */ (event).detail;
    if (!request || !snapshots.length || !isInPanel(event)) return;
    const next = targetOf(request);
    if (!next) return;
    target = next;
    clearTimeout(timer);
    if (el.hidden) timer = window.setTimeout(open, DELAY);
    else draw();
  }, { signal });
  el.ownerDocument.addEventListener("we-answered", (event) => { if (isInPanel(event)) shut(); }, { signal });

  roles.addEventListener("click", (event) => {
    const role = closest(event, ".we-sketches-role")?.dataset.role;
    if (target && role) goTo(firstKey(target.layer, role));
  }, { signal });
  menu.addEventListener("change", () => goTo(menu.value), { signal });
  slider.addEventListener("input", () => {
    const at = Number(slider.value);
    if (target) target = { ...target, step: at === snapshots.length - 1 ? null : snapshots[at].number };
    draw();
  }, { signal });
  close.addEventListener("click", shut, { signal });
  el.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") shut();
  }, { signal });

  function takeSnapshots() {
    snapshots = snapshotsOf(model);
    if (!snapshots.length) shut();
    draw();
  }
  model.on("change:packed change:weights", takeSnapshots);
  return () => {
    clearTimeout(timer);
    disableOthers(false);
    controller.abort();
    removeMatrix();
    model.off("change:packed change:weights", takeSnapshots);
  };
}

export default { render };
