// What all pictures on a canvas need.

/** @param {HTMLCanvasElement} canvas */
export function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/** Give a canvas its size, sharp on every screen, and return what draws on it in pixels of the page.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @param {string} fontFamily
 * @returns {[CanvasRenderingContext2D, number]} The context, and how many pixels of the screen one of the page is. */
export function prepareCanvas(canvas, width, height, fontFamily) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = contextOf(canvas);
  context.scale(ratio, ratio);
  context.font = `12px ${fontFamily}`;
  return [context, ratio];
}

/** An image as a canvas, in one color where one is given.
 * @param {ImageData} image
 * @param {string} [color] */
export function canvasOf(image, color) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = offscreenContext(canvas);
  context.putImageData(image, 0, 0);
  if (color) {
    context.globalCompositeOperation = "source-in";
    context.fillStyle = color;
    context.fillRect(0, 0, image.width, image.height);
  }
  return canvas;
}

/** @param {OffscreenCanvas} canvas */
export function offscreenContext(canvas) {
  return /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/** Cut a text to a width; nothing is left of it where not even its first letter fits.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} width */
export function clipped(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = text.length;
  while (length && context.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return length ? `${text.slice(0, length)}…` : "";
}

/** The width of the widest of some texts.
 * @param {CanvasRenderingContext2D} context
 * @param {string[]} texts */
export const widest = (context, texts) => texts.reduce((width, text) => Math.max(width, context.measureText(text).width), 0);

/** Draw in the next frame, however often it is asked for, and when the element's size or the theme changes.
 * @param {HTMLElement} el
 * @param {() => void} draw */
export function scheduleDrawing(el, draw) {
  let frame = 0;
  const drawSoon = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  };
  const resized = new ResizeObserver(drawSoon);
  resized.observe(el);
  // JupyterLab changes its theme by attributes and variables of the body.
  const themed = new MutationObserver(drawSoon);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
  const stop = () => {
    resized.disconnect();
    themed.disconnect();
    cancelAnimationFrame(frame);
  };
  return { drawSoon, stop };
}
