// The head of the panel. It also says when a click has to wait: every control of the panel sends `we-asked` up the page, and
// each answer of the kernel counts up `answered`, which the page hears as `we-answered`. Pictures of a training are no answers.
// Where a click asks for something that the page may have by itself, `we-asked` says in its detail for what.

const CHANGES = "change:title change:words change:problem change:phase change:orders";
const PATIENCE = 500; // ms until a click that is not answered is said to be waiting
const WAITING = "kernel busy, will answer when it is free";
// What each button says, and is called, for each order that it may give. Each has a place of its own, so that none moves.
const BUTTONS = [
  { pause: ["Pause", "Pause the training when the batch has ended"], resume: ["Resume", "Resume the training"] },
  { stop: ["Stop", "Stop the training when the batch has ended"], stopping: ["Stopping", "The training stops"] },
];

function element(tag, className) {
  const node = document.createElement(tag);
  node.className = className;
  return node;
}

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-status");
  el.dataset.lmSuppressShortcuts = "true";
  el.tabIndex = -1;
  const title = element("strong", "we-status-title");
  const problem = element("div", "we-status-problem"); // empty, it has no height; screen readers watch it all the same
  problem.setAttribute("role", "alert");
  const waiting = element("span", "we-status-waiting");
  waiting.setAttribute("role", "status");
  const dot = element("span", "we-status-dot");
  dot.setAttribute("aria-hidden", "true");
  const words = element("span", "we-status-words");
  const line = element("div", "we-status-line");
  const orders = element("span", "we-status-orders");
  orders.setAttribute("role", "group");
  orders.setAttribute("aria-label", "training");
  const buttons = BUTTONS.map((names) => {
    const button = element("button", "we-status-order");
    button.type = "button";
    button.addEventListener("click", () => order(button), { signal });
    orders.append(button);
    return [button, names];
  });
  line.append(title, waiting, dot, words, orders);
  el.replaceChildren(line, problem);

  function draw() {
    title.textContent = title.title = model.get("title");
    words.textContent = model.get("words");
    words.title = model.get("words");
    problem.textContent = model.get("problem");
    problem.title = model.get("problem");
    el.dataset.phase = model.get("phase");
    drawOrders(model.get("orders") ?? []);
  }

  function drawOrders(possible) {
    const held = orders.contains(el.ownerDocument.activeElement);
    orders.hidden = !possible.length;
    for (const [button, names] of buttons) {
      const name = possible.find((each) => each in names);
      button.style.visibility = name ? "" : "hidden";
      if (!name) continue;
      [button.textContent, button.title] = names[name];
      button.dataset.order = name;
      button.setAttribute("aria-label", names[name][1]);
      button.setAttribute("aria-disabled", String(name === "stopping"));
    }
    // A button that goes leaves the focus behind: it stays in the panel, where keys are not the notebook's.
    const last = el.ownerDocument.activeElement;
    if (held && (orders.hidden || last.style.visibility === "hidden")) el.focus({ preventScroll: true });
  }

  function order(button) {
    if (button.getAttribute("aria-disabled") === "true") return;
    model.send({ order: button.dataset.order });
    el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true }));
  }

  // The kernel asks how messages come: what JupyterLab sends before it has a thread for the clicks tells nothing of those after.
  const reply = ({ reply: isAsked }) => { if (isAsked) model.send({ heard: true }); };

  let timer;
  const stopWaiting = () => {
    clearTimeout(timer);
    waiting.textContent = "";
  };
  const answered = () => {
    stopWaiting();
    el.dispatchEvent(new CustomEvent("we-answered", { bubbles: true }));
  };
  el.ownerDocument.addEventListener("we-asked", (event) => {
    if (!el.closest(".weight-explorer")?.contains(event.target)) return;
    clearTimeout(timer);
    timer = setTimeout(() => { waiting.textContent = WAITING; }, PATIENCE);
  }, { signal });

  el.addEventListener("keydown", (event) => {
    if (orders.contains(event.target)) event.stopPropagation();
  }, { signal });
  model.on(CHANGES, draw);
  model.on("change:answered", answered);
  model.on("msg:custom", reply);
  draw();
  const whenSeen = requestAnimationFrame(() => {
    if (model.get("seen")) return;
    model.set("seen", true);
    model.save_changes();
  });
  return () => {
    cancelAnimationFrame(whenSeen);
    controller.abort();
    stopWaiting();
    model.off(CHANGES, draw);
    model.off("change:answered", answered);
    model.off("msg:custom", reply);
  };
}

export default { render };
