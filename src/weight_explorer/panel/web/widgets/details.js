// Words and numbers, as sections one below the other.

import { makeSection } from "../details/sections.js";
import { closest } from "../shared/dom.js";
import { announceRequest, save } from "../shared/model.js";

/** @import { Render } from "@anywidget/types" */
/** @import { Part, Section } from "../details/sections.js" */

/** @typedef {{sections: Section[], label: string, requested: string}} Traits */

/** @type {Render<Traits>} */
function render({ model, el }) {
  el.classList.add("we-details");
  el.dataset.lmSuppressShortcuts = "true";
  if (model.get("label")) {
    el.setAttribute("role", "group");
    el.setAttribute("aria-label", model.get("label"));
  }
  /** @type {{section: Section, part: Part}[]} */
  const shown = [];

  /** @param {Section} section @param {number} i */
  function show(section, i) {
    const before = shown[i];
    if (before && JSON.stringify(before.section) === JSON.stringify(section)) return;
    if (before?.section.kind === section.kind && before.part.update?.(section)) {
      before.section = section;
      return;
    }
    const part = makeSection(section);
    if (before) before.part.root.replaceWith(part.root);
    else el.append(part.root);
    shown[i] = { section, part };
  }

  function draw() {
    const sections = model.get("sections");
    sections.forEach(show);
    for (const { part } of shown.splice(sections.length)) part.root.remove();
  }

  el.addEventListener("click", (event) => {
    const key = closest(event, "[data-key]")?.dataset.key;
    if (key === undefined) return;
    save(model, { asked: key });
    announceRequest(el, { weight: key });
  });
  model.on("change:sections", draw);
  draw();
  return () => model.off("change:sections", draw);
}

export default { render };
