// The time axis: records at even distances, and a thumb on the one that is shown. What the user chooses is drawn at once; the
// kernel is asked for one record at a time, and `shown` is its answer.

import "./time_axis.css";
import { element, svgElement } from "../shared/dom.js";
import { announceRequest, save } from "../shared/model.js";
import { makePlayer } from "../time_axis/player.js";
import { BUFFERS, SEPARATOR, indexOf, momentWords, recordWords, recordsReader } from "../time_axis/records.js";
import { makeRequester } from "../time_axis/requester.js";
import { trackDrawer } from "../time_axis/track.js";

/** @import { Render } from "@anywidget/types" */
/** @import { Traits } from "../time_axis/records.js" */

/** @typedef {keyof typeof ICONS} Icon */

const SPEEDS = [1, 2, 5, 10]; // records per second
/** @type {Record<string, number>} */
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
const ICONS = {
  first: "M3.5 3v10M13 3.5v9L6 8z",
  previous: "M10 3.5L5.5 8l4.5 4.5",
  play: "M4.5 3v10l8-5z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  next: "M6 3.5L10.5 8 6 12.5",
  last: "M12.5 3v10M3 3.5v9L10 8z",
};

/** @param {Icon} icon @param {string} name @param {string} title */
function iconButton(icon, name, title) {
  const path = svgElement("path", { d: ICONS[icon] });
  const picture = svgElement("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  picture.append(path);
  const button = element(
    "button",
    { className: `we-time-button we-time-${icon}`, type: "button", title, "aria-label": name },
    picture,
  );
  return { button, path };
}

/** @param {string} name @param {...Node} before */
function toggleButton(name, ...before) {
  const className = `we-time-toggle we-time-${name.toLowerCase()}`;
  return element("button", { className, type: "button", "aria-pressed": "false" }, ...before, name);
}

/** @param {HTMLElement} el */
function build(el) {
  const icons = {
    first: iconButton("first", "first record", "First record (Home)"),
    previous: iconButton("previous", "previous record", "Previous record (←)"),
    play: iconButton("play", "play", ""),
    next: iconButton("next", "next record", "Next record (→)"),
    last: iconButton("last", "newest record", "Newest record (End)"),
  };
  const buttons = element("div", { className: "we-time-buttons" }, ...Object.values(icons).map(({ button }) => button));
  const picture = svgElement("svg", { "aria-hidden": "true" });
  const thumb = element("div", { className: "we-time-thumb" });
  const track = element("div", { className: "we-time-track" }, picture, thumb);
  const slider = element("div", { className: "we-time-slider", role: "slider", "aria-label": "record" }, track);
  const label = element("div", { className: "we-time-label" });
  const speed = element("select", {
    className: "we-time-speed",
    title: "Records a second when playing",
    "aria-label": "speed",
  });
  const compare = toggleButton("Compare");
  const live = toggleButton("Live", element("span", { className: "we-time-dot", "aria-hidden": "true" }));
  const row = element(
    "div",
    { className: "we-time-row", role: "group", "aria-label": "records of the training" },
    buttons,
    slider,
    label,
    speed,
    compare,
    live,
  );
  el.replaceChildren(row);
  const controls = [...Object.values(icons).map(({ button }) => button), speed, compare, live];
  return { icons, slider, track, picture, thumb, label, speed, compare, live, controls };
}

/** Write the moment and the record as two pieces: where there is no room for both, the second one disappears as a whole.
 * @param {HTMLElement} label @param {string} words */
function writeLabel(label, words) {
  const at = words.lastIndexOf(SEPARATOR);
  const texts = at < 0 ? [words] : [words.slice(0, at), words.slice(at)];
  label.replaceChildren(...texts.map((text) => element("span", { textContent: text })));
  label.title = words;
}

/** @param {MouseEvent | KeyboardEvent} event */
const hasModifier = (event) => event.ctrlKey || event.metaKey || event.altKey;

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-time");
  el.dataset.lmSuppressShortcuts = "true";
  const { icons, slider, track, picture, thumb, label, speed, compare, live, controls } = build(el);
  const readRecords = recordsReader(model);
  const drawTrack = trackDrawer(picture);
  const count = () => readRecords().numbers.length;

  const requester = makeRequester(model, el, readRecords, {
    changed: () => drawPlace(),
    overruled: () => player.pause(),
  });
  const place = () => indexOf(readRecords(), requester.number());
  /** @param {number} at */
  const request = (at) => requester.request(readRecords().numbers[at]);
  const player = makePlayer(model, requester, {
    isAtEnd: () => place() === count() - 1,
    start: () => request(0),
    step: () => request(Math.min(place() + 1, count() - 1)),
    changed: () => drawPlay(),
  });

  function drawPlace() {
    const [records, at] = [readRecords(), place()];
    const words = recordWords(records, model.get("names"), requester.number());
    if (label.textContent !== words) writeLabel(label, words);
    slider.setAttribute("aria-valuemin", "0");
    slider.setAttribute("aria-valuemax", String(Math.max(0, count() - 1)));
    slider.setAttribute("aria-valuenow", String(Math.max(0, at)));
    slider.setAttribute("aria-valuetext", words);
    thumb.hidden = at < 0;
    thumb.style.left = `${(100 * Math.max(0, at)) / Math.max(1, count() - 1)}%`;
  }

  function drawPlay() {
    const on = player.isPlaying();
    const { button, path } = icons.play;
    button.setAttribute("aria-label", on ? "pause" : "play");
    button.title = on ? "Pause (space)" : "Play the records (space)";
    button.classList.toggle("we-time-pause", on);
    path.setAttribute("d", ICONS[on ? "pause" : "play"]);
  }

  function drawLive() {
    const on = model.get("selected") === "";
    live.hidden = !model.get("can_grow");
    live.setAttribute("aria-pressed", String(on));
    live.title = on ? "Following the newest record; click to stay on this one (L)" : "Follow the newest record (L)";
  }

  function drawCompare() {
    const against = model.get("against");
    const at = against === "" ? -1 : readRecords().numbers.indexOf(Number(against));
    const words = at < 0 ? `record ${against}` : momentWords(readRecords(), model.get("names"), at);
    compare.setAttribute("aria-pressed", String(against !== ""));
    compare.title = against === "" ? "Compare other records with this one" : `Stop comparing with ${words}`;
  }

  function drawEnabled() {
    const isOff = count() < 2;
    for (const control of controls) control.disabled = isOff;
    slider.setAttribute("aria-disabled", String(isOff));
    slider.tabIndex = isOff ? -1 : 0;
  }

  function drawSpeed() {
    const speeds = [...new Set([...SPEEDS, model.get("speed")])].sort((a, b) => a - b);
    speed.replaceChildren(...speeds.map((value) => new Option(`${value}/s`, String(value))));
    speed.value = String(model.get("speed"));
  }

  let frame = 0;
  function drawTrackSoon() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => drawTrack(readRecords(), model.get("names"), track.clientWidth, model.get("against")));
  }

  function takeShown() {
    requester.settle();
    player.proceed();
  }

  function takeRecords() {
    takeShown();
    drawEnabled();
    drawCompare();
    drawTrackSoon();
  }

  function takeSelected() {
    requester.takeSelected();
    drawLive();
  }

  function takeAgainst() {
    drawCompare();
    drawTrackSoon();
  }

  /** @param {number} at */
  function goTo(at) {
    player.pause();
    request(at);
  }

  /** @param {number} by */
  function stepBy(by) {
    player.pause();
    const newest = count() - 1;
    const from = place() < 0 ? newest : place();
    const to = Math.min(Math.max(from + by, 0), newest);
    if (to !== from) request(to); // a step forward from the newest record does not stop following
  }

  function toggleLive() {
    if (live.hidden) return;
    player.pause();
    if (model.get("selected") !== "") requester.follow();
    else if (model.get("current") >= 0) requester.request(model.get("current"));
  }

  function toggleCompare() {
    const number = requester.number(); // where the thumb is, though its picture may not be shown yet
    if (model.get("against") === "" && number < 0) return;
    save(model, { against: model.get("against") === "" ? String(number) : "" });
    announceRequest(el);
  }

  /** @param {PointerEvent} event */
  function goToPointer(event) {
    const { left, width } = track.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - left) / Math.max(1, width), 0), 1);
    goTo(Math.round(share * (count() - 1)));
  }

  const goToFirst = () => goTo(0);
  const goToLast = () => goTo(count() - 1);
  const togglePlay = () => player.toggle();
  /** @type {[HTMLElement, () => void][]} */
  const clicks = [
    [icons.first.button, goToFirst],
    [icons.previous.button, () => stepBy(-1)],
    [icons.play.button, togglePlay],
    [icons.next.button, () => stepBy(1)],
    [icons.last.button, goToLast],
    [compare, toggleCompare],
    [live, toggleLive],
  ];
  for (const [button, click] of clicks) button.addEventListener("click", click, { signal });

  slider.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || count() < 2) return;
    event.preventDefault(); // otherwise a drag selects text
    slider.focus({ preventScroll: true });
    slider.setPointerCapture(event.pointerId);
    goToPointer(event);
  }, { signal });
  slider.addEventListener("pointermove", (event) => {
    if (slider.hasPointerCapture(event.pointerId)) goToPointer(event);
  }, { signal });

  /** @type {Record<string, () => void>} */
  const keys = { Home: goToFirst, End: goToLast, l: toggleLive, L: toggleLive, " ": togglePlay };
  slider.addEventListener("keydown", (event) => {
    const press = event.key in STEPS ? () => stepBy(STEPS[event.key]) : keys[event.key];
    if (!press || hasModifier(event) || count() < 2) return;
    event.preventDefault();
    if (!event.repeat || event.key in STEPS) press();
  }, { signal });
  el.addEventListener("keydown", (event) => {
    if (!hasModifier(event)) event.stopPropagation();
  }, { signal });

  speed.addEventListener("change", () => save(model, { speed: Number(speed.value) }), { signal });

  const observer = new ResizeObserver(drawTrackSoon);
  observer.observe(track);
  /** @type {Record<string, () => void>} */
  const handlers = {
    [[...BUFFERS, "names"].map((name) => `change:${name}`).join(" ")]: takeRecords,
    "change:current": takeShown,
    "change:selected": takeSelected,
    "change:against": takeAgainst,
    "change:can_grow": drawLive,
    "change:speed": drawSpeed,
  };
  for (const [events, handler] of Object.entries(handlers)) model.on(events, handler);
  for (const draw of [drawPlace, drawPlay, drawLive, drawCompare, drawSpeed, drawEnabled, drawTrackSoon]) draw();
  return () => {
    controller.abort();
    observer.disconnect();
    cancelAnimationFrame(frame);
    player.pause();
    requester.forget();
    for (const [events, handler] of Object.entries(handlers)) model.off(events, handler);
  };
}

export default { render };
