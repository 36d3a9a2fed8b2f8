// The time axis: records at even distances, a thumb on the one that is on screen. What the user wishes is drawn at once; the
// kernel is asked for one record at a time, and `shown` is its answer.

const INTEGERS = ["numbers", "epochs", "batches", "keras_epochs", "fits"];
const BUFFERS = [...INTEGERS, "marks"];
const [KEPT, SEAM, START] = [1, 2, 4];
const BY_HAND = 8 | 16 | 32 | 64; // edited, restored, changed out of sight, changed at the end of a fit
const SHAPES = {
  8: ["edited", "M0 -5L5 0L0 5L-5 0z"],
  16: ["restored", "M5 -4L-4 0L5 4z"],
  32: ["outside", "M-4 -4H4V4H-4z"],
  64: ["ended", "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"],
};
const SPEEDS = [1, 2, 5, 10]; // records a second
const PATIENCE = 1000; // ms until a newer wish is sent although the one before is not answered
const SEPARATOR = " · ";
const MARK_ROOM = 6; // px between ticks, at least
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
const ICONS = {
  first: "M3.5 3v10M13 3.5v9L6 8z",
  previous: "M10 3.5L5.5 8l4.5 4.5",
  play: "M4.5 3v10l8-5z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  next: "M6 3.5L10.5 8 6 12.5",
  last: "M12.5 3v10M3 3.5v9L10 8z",
};

/** One entry for each record that one may stop at.
 * @typedef {{numbers: Int32Array, epochs: Int32Array, batches: Int32Array, keras_epochs: Int32Array, fits: Int32Array,
 *   marks: Uint8Array}} Stops */

function integers(view) {
  // A buffer from the wire need not start at a multiple of four.
  return new Int32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** A function that decodes the records, anew only when they changed. @returns {() => Stops} */
function stopsReader(model) {
  let read = [];
  let stops;
  return () => {
    const buffers = BUFFERS.map((name) => model.get(name));
    if (buffers.some((buffer, i) => buffer !== read[i])) {
      const { buffer, byteOffset, byteLength } = buffers.at(-1);
      const columns = INTEGERS.map((name, i) => [name, integers(buffers[i])]);
      [read, stops] = [buffers, { ...Object.fromEntries(columns), marks: new Uint8Array(buffer, byteOffset, byteLength) }];
    }
    return stops;
  };
}

/** The stop with this number, else the last one before it; -1 where there is none to point at. */
function stopAt({ numbers }, number) {
  if (number < 0) return numbers.length === 1 ? 0 : -1;
  return numbers.length ? Math.max(0, numbers.findLastIndex((other) => other <= number)) : -1;
}

/** When a record was made, as `moment_words` in Python says it: epochs as Keras prints them, and the fit where Keras' count began
 * again. @param {Stops} stops */
function momentWords({ epochs, batches, keras_epochs, fits, marks }, names, at) {
  if (names[at]) return names[at];
  if (marks[at] & START) return "start";
  const [batch, epoch, fit] = [batches[at], keras_epochs[at], fits[at] + 1];
  if (!epoch) return fit > 1 ? `start of fit ${fit}` : "before the training";
  const isAhead = epochs[at] + (batch > 0) !== epoch;
  return `${isAhead ? `fit ${fit}, ` : ""}epoch ${epoch}${batch ? `, batch ${batch}` : ""}`;
}

function recordWords(stops, names, number) {
  const at = stopAt(stops, number);
  if (at < 0) return stops.numbers.length ? "no record shown" : "no records yet";
  if (number >= 0 && stops.numbers[at] !== number) return `record ${number}`;
  const words = momentWords(stops, names, at);
  return words === "start" ? words : `${words}${SEPARATOR}record ${stops.numbers[at]}`;
}

/** Where the ends of every nth epoch lie, n being the least of 1, 2, 5, 10 ... that leaves room between them. */
function epochEnds({ epochs, batches }, xOf) {
  const all = [...epochs.keys()].filter((i) => epochs[i] && !batches[i]);
  // A fit that goes on begins where the last one ended: one end of one epoch.
  const ends = all.filter((i, nth) => epochs[i] !== epochs[all[nth - 1]]);
  for (let power = 1; ; power *= 10) for (const base of [1, 2, 5]) {
    const places = ends.filter((i) => epochs[i] % (base * power) === 0).map(xOf);
    if (places.every((x, i) => !i || x - places[i - 1] >= MARK_ROOM)) return places;
  }
}

/** Where new fits begin; the first of all needs no mark. */
function seams({ marks }, xOf) {
  const places = [];
  marks.forEach((mark, i) => {
    if (i && mark & SEAM && !(xOf(i) - places.at(-1) < MARK_ROOM)) places.push(xOf(i));
  });
  return places;
}

/** What was done by hand, as [index, kind]; where there is no room for two marks the later one is drawn. */
function deeds({ marks }, xOf) {
  const found = [];
  for (let i = marks.length - 1; i >= 0; i--) {
    const kind = marks[i] & BY_HAND;
    if (kind && !(found.length && xOf(found.at(-1)[0]) - xOf(i) < MARK_ROOM)) found.push([i, kind]);
  }
  return found.reverse();
}

/** The stretches of the track whose values are kept, as [from, to]. */
function keptStretches({ marks }, xOf, width) {
  const stretches = [];
  marks.forEach((mark, i) => {
    if (!(mark & KEPT)) return;
    const [from, to] = [Math.max(0, xOf(i - 0.5)), Math.min(width, xOf(i + 0.5))];
    if (i && marks[i - 1] & KEPT) stretches.at(-1)[1] = to;
    else stretches.push([from, to]);
  });
  return stretches;
}

function element(tag, className, attributes = {}) {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function shape(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function iconButton(icon, name, title) {
  const button = element("button", `we-time-button we-time-${icon}`, { type: "button", "aria-label": name, title });
  const picture = shape("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  picture.append(shape("path", { d: ICONS[icon] }));
  button.append(picture);
  return button;
}

function toggle(name, ...before) {
  const button = element("button", `we-time-toggle we-time-${name.toLowerCase()}`, { type: "button", "aria-pressed": "false" });
  button.append(...before, name);
  return button;
}

function build(el) {
  const row = element("div", "we-time-row", { role: "group", "aria-label": "records of the training" });
  const buttons = element("div", "we-time-buttons");
  const first = iconButton("first", "first record", "First record (Home)");
  const previous = iconButton("previous", "previous record", "Previous record (←)");
  const play = iconButton("play", "play", "");
  const next = iconButton("next", "next record", "Next record (→)");
  const last = iconButton("last", "newest record", "Newest record (End)");
  buttons.append(first, previous, play, next, last);
  const slider = element("div", "we-time-slider", { role: "slider", "aria-label": "record" });
  const track = element("div", "we-time-track");
  const picture = shape("svg", { "aria-hidden": "true" });
  const thumb = element("div", "we-time-thumb");
  track.append(picture, thumb);
  slider.append(track);
  const label = element("div", "we-time-label");
  const speed = element("select", "we-time-speed", { "aria-label": "speed", title: "Records a second when playing" });
  const compare = toggle("Compare");
  const live = toggle("Live", element("span", "we-time-dot", { "aria-hidden": "true" }));
  row.append(buttons, slider, label, speed, compare, live);
  el.replaceChildren(row);
  return { first, previous, play, next, last, slider, track, picture, thumb, label, speed, compare, live };
}

/** The moment and the record in pieces of their own: where there is no room for both the second goes, not half of the first. */
function writeLabel(label, words) {
  const at = words.lastIndexOf(SEPARATOR);
  const texts = at < 0 ? [words] : [words.slice(0, at), words.slice(at)];
  label.replaceChildren(...texts.map((text) => {
    const piece = element("span", "");
    piece.textContent = text;
    return piece;
  }));
  label.title = words;
}

/** The track, drawn where the stops lie: what is kept, ends of epochs, new fits, the record compared with, what was done by hand. */
function trackDrawer(picture) {
  const paths = ["all", "kept", "ticks", "seams", "against"].map((name) => shape("path", { class: `we-time-${name}` }));
  const hand = shape("g", { class: "we-time-hand" });
  picture.append(...paths, hand);
  let drawnHand = "";

  /** Marks with a title each, drawn anew only when they changed: the pointer may rest on one. */
  function drawHand(stops, names, xOf) {
    const found = deeds(stops, xOf).map(([i, kind]) => [kind, xOf(i).toFixed(2), recordWords(stops, names, stops.numbers[i])]);
    if (JSON.stringify(found) === drawnHand) return;
    drawnHand = JSON.stringify(found);
    hand.replaceChildren(...found.map(([kind, x, words]) => {
      const [name, d] = SHAPES[kind];
      const mark = shape("path", { class: `we-time-${name}`, d, transform: `translate(${x} 6)` });
      const title = shape("title");
      title.textContent = words;
      mark.append(title);
      return mark;
    }));
  }

  const bar = ([from, to]) => `M${from.toFixed(2)} 14H${to.toFixed(2)}V18H${from.toFixed(2)}z`;
  const line = (top, bottom) => (x) => `M${Math.round(x) + 0.5} ${top}V${bottom}`;
  const arrow = (x) => `M${x - 4} 4h8l-4 7z`;
  /** @param {Stops} stops */
  return (stops, names, width, against) => {
    const xOf = (i) => (width * i) / Math.max(0.5, stops.numbers.length - 1); // a lone record has the whole track
    const compared = against === "" ? -1 : stops.numbers.indexOf(Number(against));
    const drawn = [
      bar([0, width]),
      keptStretches(stops, xOf, width).map(bar).join(""),
      epochEnds(stops, xOf).map(line(21, 25)).join(""),
      seams(stops, xOf).map(line(6, 27)).join(""),
      compared < 0 ? "" : arrow(xOf(compared)),
    ];
    paths.forEach((path, i) => path.setAttribute("d", drawn[i]));
    drawHand(stops, names, xOf);
  };
}

/** Asks the kernel for one record at a time: while it has not answered only the newest wish is kept.
 *
 * `wish` is what the user wants to see, until it is seen; `asked` is what was sent and is not answered yet. */
function asker(model, el, readStops, { changed, overruled }) {
  let wish = null;
  let asked = null;
  let patience;

  function answered() {
    clearTimeout(patience);
    asked = null;
  }

  function send() {
    asked = wish;
    model.set("selected", asked);
    model.save_changes();
    el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true, detail: { step: asked } }));
    patience = setTimeout(() => {
      answered();
      settle();
    }, PATIENCE);
  }

  /** Takes what the kernel has shown for the answer, and asks for what is wished by now. */
  function settle() {
    const { numbers } = readStops();
    const isGone = (value) => !numbers.includes(Number(value));
    const isShown = (value) => Number(value) === model.get("shown");
    if (asked !== null && (isShown(asked) || isGone(asked))) answered();
    if (wish !== null && isGone(wish)) wish = null;
    if (wish !== null && asked === null) {
      if (wish !== model.get("selected")) {
        send();
        if (isShown(wish)) answered();
      }
      if (asked === null && isShown(wish)) wish = null;
    }
    changed();
  }

  function forget() {
    answered();
    wish = null;
  }

  return {
    settle,
    isWaiting: () => wish !== null,
    /** The number of the record that the thumb is on. */
    number: () => (wish === null ? model.get("shown") : Number(wish)),
    wishFor(number) {
      wish = String(number);
      settle();
    },
    follow() {
      forget();
      model.set("selected", "");
      model.save_changes();
      el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true }));
    },
    /** Another display or the kernel has chosen, unless it is what was asked here; a wish newer than that stands. */
    takeSelected() {
      if (model.get("selected") === asked) return;
      overruled();
      if (wish === asked || asked === null) wish = null;
      answered();
      settle();
    },
    forget,
  };
}

/** Steps from record to record, each time once the one before is on screen, and not faster than `speed`. */
function player(model, asking, { isAtEnd, start, step, changed }) {
  let playing = false;
  let asked = 0; // ms, when the last step was made
  let pace;

  function set(on) {
    clearTimeout(pace);
    pace = undefined;
    if (playing === on) return;
    playing = on;
    changed();
  }

  function go(move) {
    pace = undefined;
    asked = performance.now();
    move();
    proceed();
  }

  function proceed() {
    if (!playing || pace !== undefined || asking.isWaiting()) return;
    if (isAtEnd()) set(false);
    else pace = setTimeout(go, Math.max(0, asked + 1000 / model.get("speed") - performance.now()), step);
  }

  return {
    proceed,
    pause: () => set(false),
    isPlaying: () => playing,
    toggle() {
      set(!playing);
      if (playing) go(model.get("selected") === "" || isAtEnd() ? start : step);
    },
  };
}

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-time");
  el.dataset.lmSuppressShortcuts = "true";
  const parts = build(el);
  const { slider, track, speed, compare, live } = parts;
  const readStops = stopsReader(model);
  const drawTrack = trackDrawer(parts.picture);
  const count = () => readStops().numbers.length;

  const asking = asker(model, el, readStops, {
    changed: () => drawPlace(),
    overruled: () => playing.pause(),
  });
  const place = () => stopAt(readStops(), asking.number());
  const ask = (at) => asking.wishFor(readStops().numbers[at]);
  const playing = player(model, asking, {
    isAtEnd: () => place() === count() - 1,
    start: () => ask(0),
    step: () => ask(Math.min(place() + 1, count() - 1)),
    changed: () => drawPlay(),
  });

  function drawPlace() {
    const [stops, at] = [readStops(), place()];
    const words = recordWords(stops, model.get("names"), asking.number());
    if (parts.label.textContent !== words) writeLabel(parts.label, words);
    slider.setAttribute("aria-valuemin", "0");
    slider.setAttribute("aria-valuemax", String(Math.max(0, count() - 1)));
    slider.setAttribute("aria-valuenow", String(Math.max(0, at)));
    slider.setAttribute("aria-valuetext", words);
    parts.thumb.hidden = at < 0;
    parts.thumb.style.left = `${(100 * Math.max(0, at)) / Math.max(1, count() - 1)}%`;
  }

  function drawPlay() {
    const on = playing.isPlaying();
    parts.play.setAttribute("aria-label", on ? "pause" : "play");
    parts.play.title = on ? "Pause (space)" : "Play the records (space)";
    parts.play.classList.toggle("we-time-pause", on);
    parts.play.querySelector("path").setAttribute("d", ICONS[on ? "pause" : "play"]);
  }

  function drawLive() {
    const on = model.get("selected") === "";
    live.hidden = !model.get("may_grow");
    live.setAttribute("aria-pressed", String(on));
    live.title = on ? "Following the newest record; click to stay on this one (L)" : "Follow the newest record (L)";
  }

  function drawCompare() {
    const against = model.get("against");
    const at = against === "" ? -1 : readStops().numbers.indexOf(Number(against));
    const words = at < 0 ? `record ${against}` : momentWords(readStops(), model.get("names"), at);
    compare.setAttribute("aria-pressed", String(against !== ""));
    compare.title = against === "" ? "Compare other records with this one" : `Stop comparing with ${words}`;
  }

  function drawEnabled() {
    const isOff = count() < 2;
    for (const control of el.querySelectorAll("button, select")) control.disabled = isOff;
    slider.setAttribute("aria-disabled", String(isOff));
    slider.tabIndex = isOff ? -1 : 0;
  }

  function drawSpeed() {
    const speeds = [...new Set([...SPEEDS, model.get("speed")])].sort((a, b) => a - b);
    speed.replaceChildren(...speeds.map((value) => new Option(`${value}/s`, String(value))));
    speed.value = String(model.get("speed"));
  }

  let due = 0;
  const drawTrackSoon = () => {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(() => drawTrack(readStops(), model.get("names"), track.clientWidth, model.get("against")));
  };

  function takeShown() {
    asking.settle();
    playing.proceed();
  }

  function takeStops() {
    takeShown();
    drawEnabled();
    drawCompare();
    drawTrackSoon();
  }

  function takeSelected() {
    asking.takeSelected();
    drawLive();
  }

  function takeAgainst() {
    drawCompare();
    drawTrackSoon();
  }

  function goTo(at) {
    playing.pause();
    ask(at);
  }

  function stepBy(by) {
    playing.pause();
    const newest = count() - 1;
    const from = place() < 0 ? newest : place();
    const to = Math.min(Math.max(from + by, 0), newest);
    if (to !== from) ask(to); // who follows and steps forward from the newest record goes on following
  }

  function toggleLive() {
    if (live.hidden) return;
    playing.pause();
    if (model.get("selected") !== "") asking.follow();
    else if (model.get("shown") >= 0) asking.wishFor(model.get("shown"));
  }

  function toggleCompare() {
    const number = asking.number(); // where the thumb is, though its picture may still be on the way
    if (model.get("against") === "" && number < 0) return;
    model.set("against", model.get("against") === "" ? String(number) : "");
    model.save_changes();
    el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true }));
  }

  function goToPointer(event) {
    const { left, width } = track.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - left) / Math.max(1, width), 0), 1);
    goTo(Math.round(share * (count() - 1)));
  }

  const clicks = {
    first: () => goTo(0),
    previous: () => stepBy(-1),
    play: () => playing.toggle(),
    next: () => stepBy(1),
    last: () => goTo(count() - 1),
    compare: toggleCompare,
    live: toggleLive,
  };
  for (const [name, click] of Object.entries(clicks)) parts[name].addEventListener("click", click, { signal });

  slider.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || count() < 2) return;
    event.preventDefault(); // else a drag selects text
    slider.focus({ preventScroll: true });
    slider.setPointerCapture(event.pointerId);
    goToPointer(event);
  }, { signal });
  slider.addEventListener("pointermove", (event) => {
    if (slider.hasPointerCapture(event.pointerId)) goToPointer(event);
  }, { signal });

  const hasModifier = (event) => event.ctrlKey || event.metaKey || event.altKey;
  const keys = { Home: clicks.first, End: clicks.last, l: toggleLive, L: toggleLive, " ": clicks.play };
  slider.addEventListener("keydown", (event) => {
    const press = event.key in STEPS ? () => stepBy(STEPS[event.key]) : keys[event.key];
    if (!press || hasModifier(event) || count() < 2) return;
    event.preventDefault();
    if (!event.repeat || event.key in STEPS) press();
  }, { signal });
  el.addEventListener("keydown", (event) => {
    if (!hasModifier(event)) event.stopPropagation();
  }, { signal });

  speed.addEventListener("change", () => {
    model.set("speed", Number(speed.value));
    model.save_changes();
  }, { signal });

  const observer = new ResizeObserver(drawTrackSoon);
  observer.observe(track);
  const handlers = {
    [[...BUFFERS, "names"].map((name) => `change:${name}`).join(" ")]: takeStops,
    "change:shown": takeShown,
    "change:selected": takeSelected,
    "change:against": takeAgainst,
    "change:may_grow": drawLive,
    "change:speed": drawSpeed,
  };
  for (const [events, handler] of Object.entries(handlers)) model.on(events, handler);
  for (const draw of [drawPlace, drawPlay, drawLive, drawCompare, drawSpeed, drawEnabled, drawTrackSoon]) draw();
  return () => {
    controller.abort();
    observer.disconnect();
    cancelAnimationFrame(due);
    playing.pause();
    asking.forget();
    for (const [events, handler] of Object.entries(handlers)) model.off(events, handler);
  };
}

export default { render };
