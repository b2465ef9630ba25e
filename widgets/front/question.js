// Takes an exercise or a guess over from the HTML that the kernel wrote, sends what a person
// answers, and shows what comes back. Right and wrong are the kernel's: nothing is judged here.
//
// An anywidget front-end module. The model's traits: `html`, the question (drawn only where the
// page does not hold it already); `answer` (page to kernel: text, and a sequence number that the
// verdict echoes); `verdict` (kernel to page).

const KEY = "llmcap:progress:v1";
const CHANGED = "llmcap:progress"; // tells the other questions of a page
const SLOW_MS = 400; // before a wait is worth a word
const SILENT_MS = 30_000; // a first answer may have to wait for the page's own kernel

// ---- progress, in this browser alone ---------------------------------------------------

// A private window may refuse storage: what is solved then holds until the page is left.
function progress() {
  if (globalThis.llmcapProgress) return globalThis.llmcapProgress;
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return kept && typeof kept === "object" && !Array.isArray(kept) ? kept : {};
  } catch {
    return {};
  }
}

function keep(all, cleared = "") {
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    globalThis.llmcapProgress = all;
  }
  dispatchEvent(new CustomEvent(CHANGED, { detail: { cleared } }));
}

const chapterOf = (name) => name.split(".")[0];

function entriesOf(chapter, kind = "") {
  return Object.keys(progress()).filter((key) => {
    const [of, name] = key.split(" ");
    return (!kind || of === kind) && name && chapterOf(name) === chapter;
  });
}

function clear(chapter) {
  const gone = new Set(entriesOf(chapter));
  keep(Object.fromEntries(Object.entries(progress()).filter(([key]) => !gone.has(key))), chapter);
}

// ---- the line at the head of the exercises ---------------------------------------------

function node(tag, attributes, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

// The page holds an empty line for it; a notebook that drops it gets one above its first exercise.
function progressLine(root, chapter) {
  const line = document.querySelector(`.lc-progress-${chapter}`);
  if (line) return line;
  const own = node("p", { className: "lc-progress" });
  root.prepend(own);
  return own;
}

function progressOf(root, chapter, signal) {
  const line = progressLine(root, chapter);
  const said = node("span", { role: "status", tabIndex: -1 });
  const buttons = node("span", { className: "lc-buttons" });
  const button = (text, act) => node("button", { type: "button", textContent: text, onclick: act });
  line.replaceChildren(said, buttons);

  function count() {
    const solved = entriesOf(chapter, "exercise").length;
    said.textContent = `${solved} of ${root.dataset.of} solved`;
    buttons.replaceChildren(...(entriesOf(chapter).length ? [button("Reset", ask)] : []));
  }
  function ask() {
    said.textContent = "Clear what you answered and guessed in this chapter?";
    const away = button("Clear", () => { clear(chapter); said.focus(); }); // both buttons go
    const stay = button("Keep", () => { count(); buttons.firstChild?.focus(); });
    buttons.replaceChildren(away, stay);
    stay.focus();
  }
  line.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && buttons.children.length > 1) buttons.lastChild.click();
  }, { signal });
  addEventListener(CHANGED, count, { signal });
  addEventListener("storage", count, { signal });
  count();
}

// ---- one question ----------------------------------------------------------------------

function render({ model, el }) {
  const find = () => (el.matches(".lc-question") ? el : el.querySelector(".lc-question"));
  if (!find()) el.innerHTML = model.get("html");
  const root = find();
  const { kind, name } = root.dataset;
  const mine = `${kind} ${name}`;
  const form = root.querySelector("form");
  const field = form.querySelector("fieldset");
  const button = form.querySelector("button");
  const verdict = form.querySelector(".lc-verdict");
  const answer = root.querySelector(".lc-answer");
  const shown = root.querySelector(".lc-shown");
  const untouched = { verdict: verdict.textContent, label: button.textContent, shown: shown?.innerHTML };
  const stop = new AbortController();
  const timers = [];
  let sent = 0;
  let text = ""; // what was sent last
  let known; // what the browser keeps of this question, as last seen

  const typed = () => new FormData(form).get("answer") ?? "";

  function say(words, state = "") {
    timers.splice(0).forEach(clearTimeout);
    verdict.textContent = words;
    if (state) root.dataset.state = state;
    else delete root.dataset.state;
    for (const input of form.querySelectorAll('input[type="text"]')) {
      input.setAttribute("aria-invalid", String(state === "unread"));
    }
  }

  function send(event) {
    event.preventDefault();
    sent = Date.now(); // a page read anew numbers on, where its kernel has stayed
    text = typed();
    timers.splice(0).forEach(clearTimeout);
    timers.push(
      setTimeout(() => { verdict.textContent = "Checking ..."; }, SLOW_MS),
      setTimeout(() => say("No answer came. Try again, or reload the page.", "unread"), SILENT_MS),
    );
    model.set("answer", { text, seq: sent });
    model.save_changes();
  }

  function take() {
    const said = model.get("verdict");
    if (!said?.kind || said.seq !== sent) return;
    say(said.text, said.kind);
    if (said.kind === "shown") {
      shown.innerHTML = said.html;
      answer.open = true;
    }
    if (["right", "shown", "kept"].includes(said.kind)) {
      known = text;
      keep({ ...progress(), [mine]: text });
    }
  }

  // What was answered on an earlier visit, or at the head of the chapter, or cleared since.
  function follow(event) {
    const before = progress()[mine];
    const isCleared = event?.detail?.cleared === chapterOf(name);
    if (before === known && !isCleared) return;
    known = before;
    if (before === undefined) forget();
    else if ([undefined, "before"].includes(root.dataset.state)) recall(String(before));
  }

  function forget() {
    form.reset();
    say(untouched.verdict);
    button.textContent = untouched.label;
    if (answer) answer.open = false;
    if (shown) shown.innerHTML = untouched.shown;
  }

  function recall(value) {
    fill(value);
    if (kind === "exercise") say("Solved before.", "before");
    else if (root.dataset.until) say(`Your guess, kept until ${root.dataset.until}.`, "before");
    else say("Your guess. See how far off it is.", "before");
    if (answer) button.textContent = "Compare";
  }

  function fill(value) {
    const inputs = [...form.querySelectorAll("input")];
    if (inputs[0].type === "text") inputs[0].value = value;
    else for (const input of inputs) input.checked = input.value === value;
  }

  field.disabled = false;
  form.addEventListener("submit", send, { signal: stop.signal });
  model.on("change:verdict", take);
  addEventListener(CHANGED, follow, { signal: stop.signal });
  addEventListener("storage", follow, { signal: stop.signal });
  if ("first" in root.dataset) progressOf(root, chapterOf(name), stop.signal);
  follow();

  return () => {
    stop.abort();
    timers.splice(0).forEach(clearTimeout);
    model.off("change:verdict", take);
  };
}

export default { render };
