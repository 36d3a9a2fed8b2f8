// Elements. Text is always set as text, so a layer's name can never become markup.

/** @typedef {{[name: `aria-${string}` | `data-${string}`]: string}} Attributes */

/** Make an element. What it has no property for, such as `aria-label`, becomes an attribute.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Partial<HTMLElementTagNameMap[Tag]> & Attributes} [properties]
 * @param {...(Node | string)} children */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) Object.assign(made, { [name]: value });
    else made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/** Make an element of a picture in SVG.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes] */
export function svgElement(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Set a text only where it changed: a selection in it stays, and screen readers do not repeat it.
 * @param {Element} node
 * @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Keep one part for each of `count` entries: parts that are there stay, new ones are made and appended.
 * @template {{root: Element}} Part
 * @param {Element} parent
 * @param {Part[]} parts
 * @param {number} count
 * @param {() => Part} make */
export function setPartCount(parent, parts, count, make) {
  while (parts.length > count) parts.pop()?.root.remove();
  while (parts.length < count) {
    const part = make();
    parts.push(part);
    parent.append(part.root);
  }
}

/** Find the element that matches a selector and holds the target of an event.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null} */
export function closest(event, selector) {
  return event.target instanceof Element ? event.target.closest(selector) : null;
}

/** Whether an event happened within an element.
 * @param {Element | null} el
 * @param {Event} event */
export function holdsTarget(el, event) {
  return event.target instanceof Node && el !== null && el.contains(event.target);
}

/** Copy the text of an element; the button says what became of it.
 * @param {HTMLElement} button
 * @param {HTMLElement} source */
export async function copyText(button, source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "copied";
  } catch {
    // Pages that are not served securely have no clipboard: select the text, so that the user can copy it.
    getSelection()?.selectAllChildren(source);
    button.textContent = "selected";
  }
}

/** Make an id that no other element of the page has, of other explorers neither.
 * @param {string} prefix */
export function uniqueId(prefix) {
  return `${prefix}-${Math.random().toString(36).slice(2)}`;
}
