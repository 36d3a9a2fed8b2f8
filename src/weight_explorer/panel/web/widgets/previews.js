// Answers by the page alone: where the kernel is busy, a small picture of the weight that was clicked, of those that were sent with
// the last epochs, and its statistics. The canvas is that of the matrix, given a model of its own.

const SKETCH_PATIENCE = 300; // ms until a click that is not answered is answered here
const MOST_KEPT = 8; // moments
const [ZERO_CODE, REACH_CODE] = [125, 125];
const NOT_FINITE_CODES = new Map([[251, NaN], [252, Infinity], [253, -Infinity]]);
const BUSY = "The kernel is busy and will answer when it is free. Until then this page draws what it has: ";

/** Sketches of one moment. @typedef {{number: number, words: string, names: string[], sketches: object[], codes: Uint8Array[]}} Moment */

/** @returns {Moment} */
function unpack({ buffer, byteOffset, byteLength }) {
  const length = new DataView(buffer, byteOffset).getUint32(0, true);
  const moment = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, byteOffset + 4, length)));
  const all = new Uint8Array(buffer, byteOffset + 4 + length, byteLength - 4 - length).slice();
  let at = 0;
  moment.codes = moment.sketches.map(({ shape: [rows, columns] }) => all.subarray(at, (at += rows * columns)));
  return moment;
}

/** The numbers that codes stand for. */
function decode(codes, limit) {
  return Float32Array.from(codes, (code) => NOT_FINITE_CODES.get(code) ?? ((code - ZERO_CODE) * limit) / REACH_CODE);
}

const kept = new WeakMap(); // by model: the moments that came, oldest first, and of which weights they are

/** Take what the kernel has sent; moments of other weights than there are now are dropped. @returns {Moment[]} */
function momentsOf(model) {
  const [weights, packed] = [model.get("weights"), model.get("packed")];
  const before = kept.get(model);
  const memory = before?.weights === weights ? before : { weights, packed: before?.packed, moments: [] };
  kept.set(model, memory);
  if (packed?.byteLength && memory.packed !== packed) {
    memory.packed = packed;
    const moment = unpack(packed);
    memory.moments = [...memory.moments.filter(({ number }) => number !== moment.number), moment].slice(-MOST_KEPT);
  }
  return memory.moments;
}

/** What the canvas of the matrix reads, as its widget would have it. */
function canvasModel(model) {
  const none = new DataView(new ArrayBuffer(0));
  const state = {
    cells: none, shape: [0, 0], size: [0, 0], origin: [0, 0], steps: [1, 1], overview: none, overview_shape: [0, 0], overview_steps: [1, 1],
    rows: [], columns: [], order: [], row_order: none, column_order: none, limit: 0, limit_words: "largest shown", counts: [0, 0, 0, 0, 0],
    shows: "extreme", fixed: "", key: "", place: {}, seen: [0, 0, 0, 0], pins: [], frozen: none, overview_frozen: none, frozen_words: "",
    selected: none, overview_selected: none, selected_words: "", alternative: "", pin: "", brush: "",
    window: "asked", // there is nobody to ask for finer numbers
    palette: model.get("palette"), special: model.get("special"),
  };
  const listeners = new Set();
  return {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; },
    save_changes: () => {},
    on: (_, listener) => listeners.add(listener),
    off: (_, listener) => listeners.delete(listener),
    show(changes) {
      Object.assign(state, changes);
      listeners.forEach((listener) => listener());
    },
  };
}

/** What the canvas is to show of a weight. */
function canvasState(weight, { shape, steps, limit, counts }, codes) {
  const cells = decode(codes, limit);
  return {
    cells: new DataView(cells.buffer), shape, steps, limit, rows: weight.rows, columns: weight.columns, order: weight.order,
    size: [sizeOf(weight.rows), sizeOf(weight.columns)], counts: [...counts, 0, 0], key: weight.key,
    rounding: limit / (2 * REACH_CODE), alternative: `${weight.name}, a small picture`,
  };
}

function cellWords({ steps: [down, across], sampled }) {
  if (down * across === 1) return "";
  const which = sampled ? ", of those that are kept, the one" : " the one";
  return `Each cell stands for ${grouped(down)} x ${grouped(across)} elements and shows${which} farthest from zero.`;
}

function sketchElement(tag, className, properties = {}) {
  return Object.assign(document.createElement(tag), { className, ...properties });
}

function sketchParts(el) {
  const made = sketchElement;
  const roles = made("div", "we-sketches-roles");
  roles.setAttribute("role", "group");
  roles.setAttribute("aria-label", "roles of the small pictures");
  const menu = made("select", "we-sketches-menu", { ariaLabel: "weight of the small picture" });
  const close = made("button", "we-copy", { type: "button", textContent: "close", title: "Show the picture from before the click (Esc)" });
  const head = made("div", "we-sketches-head");
  head.append(roles, menu, close);
  const name = made("strong", "we-sketches-name");
  const facts = made("span", "we-sketches-facts");
  const line = made("div", "we-sketches-line");
  line.append(name, facts);
  const busy = made("div", "we-sketches-busy");
  busy.setAttribute("role", "status");
  const [stage, canvas, message] = [made("div", "we-sketches-stage"), made("div", ""), made("div", "we-text we-large")];
  stage.append(canvas, message);
  const numbers = made("div", "we-sketches-numbers we-details");
  const words = made("div", "we-sketches-words");
  const time = made("label", "we-sketches-time", { textContent: "moments that this page has" });
  const slider = made("input", "", { type: "range", min: "0", step: "1" });
  time.append(slider);
  el.replaceChildren(head, line, busy, stage, numbers, words, time);
  return { roles, menu, close, name, facts, busy, canvas, message, numbers, words, time, slider };
}

/** The table of statistics, as beside the matrix. */
function sketchTable(names, { heads, numbers }) {
  const table = sketchElement("table", "we-table");
  const rowOf = (cells, isHead) => {
    const row = document.createElement("tr");
    row.append(...cells.map((text, i) => sketchElement(text && (isHead || !i) ? "th" : "td", "", { textContent: text })));
    if (!isHead) row.cells[0].scope = "row";
    return row;
  };
  const [head, body] = [document.createElement("thead"), document.createElement("tbody")];
  head.append(rowOf(heads, true));
  body.append(...numbers.map((cells, i) => rowOf([names[i], ...cells], false)));
  table.append(head, body);
  return table;
}

function renderSketches({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-sketches");
  el.dataset.lmSuppressShortcuts = "true";
  el.hidden = true;
  const parts = sketchParts(el);
  const canvas = canvasModel(model);
  const cleanCanvas = render({ model: canvas, el: parts.canvas });

  let moments = momentsOf(model);
  let wish = null; // what was clicked and is not answered: the layer, the weight, and the record, null for the newest there is
  let drawn = ""; // of which weight and moment the canvas and the table are
  let patience;

  const rolesAt = (layer) => model.get("places")[layer] ?? {};
  const placeOf = (key) => model.get("weights").findIndex((weight) => weight.key === key);
  const roleOf = (layer, key) => Object.entries(rolesAt(layer)).find(([, offers]) => offers.some(([other]) => other === key))?.[0];
  const keyAt = (layer, role) => (rolesAt(layer)[role] ?? Object.values(rolesAt(layer))[0])?.[0][0] ?? "";
  const momentAt = () => {
    const at = wish.step === null ? -1 : moments.findLastIndex(({ number }) => number <= wish.step);
    return wish.step === null ? moments.length - 1 : Math.max(at, 0);
  };

  /** What a click leads to; null where it is none that this page can answer. */
  function wished({ layer, option, weight, step }) {
    const [atLayer, atKey] = model.get("shown");
    const before = wish ?? { layer: atLayer, key: atKey, step: null };
    if (layer !== undefined) return { ...before, layer, key: keyAt(layer, roleOf(before.layer, before.key)) };
    if (step !== undefined) return before.key ? { ...before, step: step === "" ? null : Number(step) } : null;
    const key = weight ?? (placeOf(option) >= 0 ? option : rolesAt(before.layer)[option]?.[0][0]);
    return key === undefined ? null : { ...before, key };
  }

  function open() {
    if (!el.hidden) return;
    const held = el.closest(".we-main")?.contains(el.ownerDocument.activeElement);
    el.hidden = false;
    cover(true);
    draw();
    if (held) parts.roles.querySelector('[aria-pressed="true"]')?.focus({ preventScroll: true });
  }

  /** What lies below is not to be reached, and gets the focus back: outside the panel, keys are the notebook's. */
  function cover(isCovered) {
    for (const other of el.closest(".we-main")?.children ?? []) if (other !== el) other.inert = isCovered;
  }

  function shut() {
    clearTimeout(patience);
    wish = null;
    if (el.hidden) return;
    const held = el.contains(el.ownerDocument.activeElement);
    el.hidden = true;
    cover(false);
    if (held) el.closest(".we-main")?.querySelector('[role="tab"][tabindex="0"]')?.focus({ preventScroll: true });
  }

  function draw() {
    if (!wish || el.hidden) return;
    const at = momentAt();
    const moment = moments[at];
    const place = placeOf(wish.key);
    const [weight, sketch] = [model.get("weights")[place], moment.sketches[place]];
    drawOffers();
    parts.name.textContent = weight?.name ?? wish.layer;
    parts.facts.textContent = parts.facts.title = weight?.facts ?? "";
    const words = `${BUSY}${moment.words}`;
    if (parts.busy.textContent !== words) parts.busy.textContent = words;
    drawTime(at, moment);
    const what = `${moment.number} ${wish.key}`;
    if (what === drawn) return;
    drawn = what;
    const hasCells = Boolean(sketch?.shape[0]);
    parts.canvas.style.visibility = hasCells ? "" : "hidden";
    const none = wish.key ? "This page has no small picture of this weight." : "This layer holds no weights of which this page has a picture.";
    parts.message.textContent = hasCells ? "" : sketch?.words || none;
    parts.words.textContent = hasCells ? cellWords(sketch) : "";
    parts.numbers.replaceChildren(...(sketch ? [sketchTable(moment.names, sketch)] : []));
    if (hasCells) canvas.show(canvasState(weight, sketch, moment.codes[place]));
  }

  function drawOffers() {
    const roles = rolesAt(wish.layer);
    const chosen = roleOf(wish.layer, wish.key);
    const made = JSON.stringify(Object.keys(roles));
    if (parts.roles.dataset.made !== made) {
      parts.roles.dataset.made = made;
      parts.roles.replaceChildren(...Object.keys(roles).map((role) => {
        const button = sketchElement("button", "we-sketches-role", { type: "button", textContent: role[0].toUpperCase() + role.slice(1) });
        button.dataset.role = role;
        return button;
      }));
    }
    for (const button of parts.roles.children) button.setAttribute("aria-pressed", String(button.dataset.role === chosen));
    const offers = roles[chosen] ?? [];
    parts.menu.hidden = offers.length < 2;
    const made2 = JSON.stringify(offers);
    if (parts.menu.dataset.made !== made2) {
      parts.menu.dataset.made = made2;
      parts.menu.replaceChildren(...offers.map(([key, label]) => new Option(label, key)));
    }
    parts.menu.value = wish.key;
  }

  function drawTime(at, moment) {
    parts.time.style.visibility = moments.length > 1 ? "" : "hidden";
    parts.slider.max = String(moments.length - 1);
    parts.slider.value = String(at);
    parts.slider.setAttribute("aria-valuetext", moment.words);
  }

  /** Go to another weight, and tell the kernel for when it is free. */
  function go(key) {
    if (!key || key === wish?.key) return;
    wish = { ...wish, key };
    model.set("asked", key);
    model.save_changes();
    draw();
  }

  const ofThisPanel = (event) => el.closest(".weight-explorer")?.contains(event.target);
  el.ownerDocument.addEventListener("we-asked", (event) => {
    if (!event.detail || !moments.length || !ofThisPanel(event)) return;
    const next = wished(event.detail);
    if (!next) return;
    wish = next;
    clearTimeout(patience);
    if (el.hidden) patience = setTimeout(open, SKETCH_PATIENCE);
    else draw();
  }, { signal });
  el.ownerDocument.addEventListener("we-answered", (event) => { if (ofThisPanel(event)) shut(); }, { signal });

  parts.roles.addEventListener("click", (event) => {
    const role = event.target.closest(".we-sketches-role")?.dataset.role;
    if (role) go(keyAt(wish.layer, role));
  }, { signal });
  parts.menu.addEventListener("change", () => go(parts.menu.value), { signal });
  parts.slider.addEventListener("input", () => {
    const at = Number(parts.slider.value);
    wish = { ...wish, step: at === moments.length - 1 ? null : moments[at].number };
    draw();
  }, { signal });
  parts.close.addEventListener("click", shut, { signal });
  el.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") shut();
  }, { signal });

  const take = () => {
    moments = momentsOf(model);
    if (!moments.length) shut();
    draw();
  };
  model.on("change:packed change:weights", take);
  return () => {
    clearTimeout(patience);
    cover(false);
    controller.abort();
    cleanCanvas();
    model.off("change:packed change:weights", take);
  };
}

export default { render: renderSketches };
