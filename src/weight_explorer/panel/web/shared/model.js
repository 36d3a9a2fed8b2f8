// How a widget of the page writes its traits, and how it tells the rest of the panel that it asks the kernel for something.

/** A widget's model with its traits.
 * @template {Record<string, any>} Traits
 * @typedef {Pick<import("@anywidget/types").AnyModel<Traits>, "get" | "set" | "on" | "off" | "save_changes">} Model */

/** The value of a trait of bytes. @typedef {DataView<ArrayBuffer>} Bytes */

/** What the user asks for, where the page may be able to show it without the kernel.
 * @typedef {{layer?: string, option?: string, weight?: string, step?: string}} Request */

/** Set traits and send them to the kernel.
 * @template {Record<string, any>} Traits
 * @param {Model<Traits>} model
 * @param {Partial<Traits>} changes */
export function save(model, changes) {
  for (const [name, value] of Object.entries(changes)) model.set(name, value);
  model.save_changes();
}

/** Tell the panel that the kernel was asked for something: it says so when the answer takes long.
 * @param {HTMLElement} el
 * @param {Request | null} [request] */
export function announceRequest(el, request = null) {
  el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true, detail: request }));
}
