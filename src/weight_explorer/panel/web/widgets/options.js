// A view's options in a row: menus, switches and sliders, all of them the browser's own. What stands there already is changed in
// place, so that a menu stays open and a slider in hand while the training draws.

function ask(model, el, name, value) {
  model.set("asked", `${model.get("view")}.${name}=${value}`);
  model.save_changes();
  el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true }));
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function menu(option, asks) {
  const select = element("select");
  let offers = "";
  select.addEventListener("change", () => asks(select.value));
  return {
    parts: [select],
    update({ offers: list, chosen }) {
      if (JSON.stringify(list) !== offers) select.replaceChildren(...list.map(([value, text]) => new Option(text, value)));
      offers = JSON.stringify(list);
      select.value = chosen;
    },
  };
}

function toggle(option, asks) {
  const box = element("input", { type: "checkbox" });
  box.addEventListener("change", () => asks(box.checked ? "on" : "off"));
  return { parts: [box], update({ chosen }) { box.checked = chosen === "on"; } };
}

function slider(option, asks) {
  const range = element("input", { type: "range", min: 0, step: 1 });
  const words = element("output");
  let inHand = false; // while it is dragged, the kernel still answers places that it has left
  range.addEventListener("change", () => { inHand = false; });
  range.addEventListener("input", () => {
    inHand = true;
    words.textContent = range.value;
    asks(range.value);
  });
  return {
    parts: [range, words],
    update({ count, chosen }) {
      range.max = count - 1;
      words.style.minWidth = `${String(count - 1).length}ch`;
      if (inHand) return;
      range.value = chosen;
      words.textContent = chosen;
    },
  };
}

function button(option, asks) {
  const made = element("button", { type: "button", textContent: option.label });
  made.addEventListener("click", () => asks("now"));
  return { parts: [made], update() {}, isNamed: true };
}

const KINDS = { menu, switch: toggle, slider, button };

function render({ model, el }) {
  const controller = new AbortController();
  el.classList.add("we-options");
  el.dataset.lmSuppressShortcuts = "true";
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "options of the view");
  const made = new Map(); // by view, name and kind

  function one(option) {
    const key = `${model.get("view")}.${option.name}.${option.kind}`;
    if (!made.has(key)) {
      const { parts, update, isNamed } = KINDS[option.kind](option, (value) => ask(model, el, option.name, value));
      const words = element("span", { hidden: Boolean(isNamed) });
      const tag = isNamed ? "div" : "label"; // a button is its own name
      made.set(key, { label: element(tag, { className: `we-option we-option-${option.kind}` }, words, ...parts), words, update });
    }
    const { label, words, update } = made.get(key);
    words.textContent = option.label;
    update(option);
    return label;
  }

  function draw() {
    const labels = model.get("options").map(one);
    const same = labels.length === el.children.length && labels.every((label, i) => label === el.children[i]);
    if (!same) el.replaceChildren(...labels);
  }

  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal: controller.signal });
  model.on("change:options change:view", draw);
  draw();
  return () => {
    controller.abort();
    model.off("change:options change:view", draw);
  };
}

export default { render };
