// The head of the panel. It also says when a click has to wait: every control of the panel sends `we-asked` up the page, and
// each answer of the kernel counts up `answered`. Pictures of a training are no answers.

const PATIENCE = 500; // ms until a click that is not answered is said to be waiting
const WAITING = "kernel busy, will answer when it is free";

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
  const title = element("strong", "we-status-title");
  const problem = element("div", "we-status-problem"); // empty, it has no height; screen readers watch it all the same
  problem.setAttribute("role", "alert");
  const waiting = element("span", "we-status-waiting");
  waiting.setAttribute("role", "status");
  const dot = element("span", "we-status-dot");
  dot.setAttribute("aria-hidden", "true");
  const words = element("span", "we-status-words");
  const line = element("div", "we-status-line");
  line.append(title, waiting, dot, words);
  el.replaceChildren(line, problem);

  function draw() {
    title.textContent = title.title = model.get("title");
    words.textContent = model.get("words");
    words.title = model.get("words");
    problem.textContent = model.get("problem");
    problem.title = model.get("problem");
    el.dataset.phase = model.get("phase");
  }

  let timer;
  const answered = () => {
    clearTimeout(timer);
    waiting.textContent = "";
  };
  el.ownerDocument.addEventListener("we-asked", (event) => {
    if (!el.closest(".weight-explorer")?.contains(event.target)) return;
    clearTimeout(timer);
    timer = setTimeout(() => { waiting.textContent = WAITING; }, PATIENCE);
  }, { signal });

  model.on("change:title change:words change:problem change:phase", draw);
  model.on("change:answered", answered);
  draw();
  const whenSeen = requestAnimationFrame(() => {
    if (model.get("seen")) return;
    model.set("seen", true);
    model.save_changes();
  });
  return () => {
    cancelAnimationFrame(whenSeen);
    controller.abort();
    answered();
    model.off("change:title change:words change:problem change:phase", draw);
    model.off("change:answered", answered);
  };
}

export default { render };
