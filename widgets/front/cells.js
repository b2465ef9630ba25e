// The code cells of a page: each can be run, edited and put back. The page's own Python runs them
// (python.js), and what it gives stands below what is printed in the book.
import { python, stageText } from "./python.js";

const SHOW_AFTER_MS = 400; // a cell that is done before does not flash
const TELL_EVERY_MS = 1000; // how often a screen reader hears how the download goes

const cells = [];
let queue = Promise.resolve();
let stops = 0; // what waited before the last stop is not run

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// ---- what a reader changed, kept in this browser ---------------------------------------------

function hash(text) {
  let sum = 5381;
  for (const letter of text) sum = (Math.imul(sum, 33) ^ letter.codePointAt(0)) >>> 0;
  return sum.toString(36);
}

// A private window may refuse to keep anything: the change then lives as long as the page.
function storage(act, key, value) {
  try {
    return localStorage[act](key, value);
  } catch {
    return null;
  }
}

// ---- outputs ---------------------------------------------------------------------------------

// What an output says, to tell whether two are the same; a calculator is its inputs.
function said(root) {
  if (!root) return "";
  return [...root.querySelectorAll(".output")].map((output) => {
    const calculator = output.querySelector("section.lc");
    // The text alone: the theme puts a button that copies beside it.
    const text = output.querySelector("pre") || output;
    if (calculator?.dataset.query === undefined) return text.textContent.trimEnd();
    return `${calculator.dataset.name}?${calculator.dataset.query}`;
  }).join("\n");
}

function textOutput(kind) {
  const pre = make("pre", { tabIndex: 0 });
  const highlight = make("div", { className: "highlight" }, pre);
  return [make("div", { className: `output ${kind}` }, highlight), pre];
}

// The output of one run, filled as it comes.
class Output {
  constructor() {
    this.box = make("div", { className: "cell_output docutils container llmcap-fresh" });
    this.stream = null; // the last printed piece, where the next may join it
    this.held = ""; // printed, not yet drawn
    this.filling = [];
  }

  add({ stream, text, display }) {
    if (display) return this.show(display);
    if (this.stream?.name !== stream) {
      this.draw();
      const [output, pre] = textOutput(stream === "stderr" ? "stderr" : "stream");
      this.box.append(output);
      this.stream = { name: stream, pre };
    }
    if (!this.held) requestAnimationFrame(() => this.draw());
    this.held += text;
    return undefined;
  }

  draw() {
    if (this.held) this.stream.pre.append(this.held);
    this.held = "";
  }

  // One value, in the best way it has.
  show(bundle) {
    this.draw();
    this.stream = null;
    const rich = bundle["text/html"] ?? bundle["image/svg+xml"];
    if (rich !== undefined) return this.fill(rich);
    const plain = bundle["text/plain"] || "";
    if (bundle["image/png"]) {
      const src = `data:image/png;base64,${bundle["image/png"]}`;
      this.box.append(make("div", { className: "output" }, make("img", { src, alt: plain })));
    } else {
      this.text("text_plain", bundle["text/markdown"] ?? plain);
    }
    return undefined;
  }

  fill(html) {
    const output = make("div", { className: "output text_html" });
    this.box.append(output);
    const filled = import("./clean.js").then(({ clean }) => output.append(clean(html)));
    this.filling.push(filled);
  }

  text(kind, text) {
    const [output, pre] = textOutput(kind);
    pre.append(text);
    this.box.append(output);
  }

  async finish({ bundle, error }) {
    this.draw();
    if (bundle) this.show(bundle);
    if (error) this.text("traceback", error.traceback.join("\n"));
    await Promise.all(this.filling);
  }

  // Whoever makes an output live hears of it once it stands in the page.
  announce() {
    for (const detail of this.box.querySelectorAll(".output.text_html")) {
      detail.dispatchEvent(new CustomEvent("llmcap:output", { bubbles: true, detail }));
    }
  }
}

// ---- a cell ----------------------------------------------------------------------------------

class Cell {
  constructor(root, index) {
    Object.assign(this, { root, index, fresh: null, editor: null, running: false });
    root.id ||= `llmcap-cell-${index + 1}`;
    this.input = root.querySelector(".cell_input");
    this.pre = this.input.querySelector(".highlight pre");
    this.highlighted = [...this.pre.childNodes];
    this.printed = root.querySelector(".cell_output");
    this.printedSays = said(this.printed);
    this.committed = this.pre.textContent.replace(/\n$/, "");
    this.key = `llmcap-cell:${location.pathname}:${index}:${hash(this.committed)}`;
    this.code = this.committed;
    this.ran = { generation: -1, code: null };
    this.addBar();
    const kept = storage("getItem", this.key);
    if (kept !== null && kept !== this.committed) this.restore(kept);
  }

  addBar() {
    const button = (act, text, title) =>
      make("button", { type: "button", textContent: text, title, onclick: () => this[act]() });
    this.runButton = button("toggle", "Run", "Run this cell (Shift+Enter)");
    this.editButton = button("edit", "Edit", "Edit this cell");
    this.resetButton = button("reset", "Reset", "Back to the code and the output of the book");
    this.resetButton.disabled = true;
    this.status = make("span", { className: "llmcap-status", role: "status" });
    const bar = make("div", { className: "llmcap-bar", role: "group" },
      this.runButton, this.editButton, this.resetButton, this.status);
    bar.setAttribute("aria-label", `Cell ${this.index + 1}`);
    this.input.append(bar);
    this.root.addEventListener("keydown", (event) => this.onKey(event));
  }

  onKey(event) {
    if (event.key !== "Enter" || !event.shiftKey || event.defaultPrevented) return;
    if (event.target.closest(".llmcap-fresh, .lc")) return;
    event.preventDefault();
    this.run();
  }

  tell(...what) {
    this.status.replaceChildren(...what);
  }

  // ---- editing

  restore(code) {
    this.change(code);
    this.edit(false); // in its own time: the text stands already
  }

  change(code) {
    this.code = code;
    this.tell();
    this.pre.textContent = code; // for whoever copies it
    if (code === this.committed) storage("removeItem", this.key);
    else storage("setItem", this.key, code);
    this.resetButton.disabled = code === this.committed && !this.fresh;
  }

  async edit(focus = true) {
    this.opening ||= this.openEditor();
    await this.opening;
    if (focus) this.editor?.focus();
  }

  async openEditor() {
    try {
      const { openEditor } = await import("./editor.js");
      const parent = make("pre", { className: "llmcap-editor" }); // as the code it replaces
      this.pre.after(parent);
      this.editor = openEditor({
        parent,
        code: this.code,
        label: `Code of cell ${this.index + 1}. Shift and Enter run it; Escape, then Tab leaves it.`,
        wraps: getComputedStyle(this.pre).whiteSpace === "pre-wrap",
        onChange: (code) => this.change(code),
        onRun: () => this.run(),
      });
      this.pre.hidden = true;
    } catch (problem) {
      this.tell(`The editor did not load: ${problem.message}`);
      this.opening = null;
    }
  }

  reset() {
    this.editor?.close();
    this.input.querySelector(".llmcap-editor")?.remove();
    Object.assign(this, { editor: null, opening: null });
    this.pre.hidden = false;
    this.clear();
    this.change(this.committed);
    this.pre.replaceChildren(...this.highlighted);
    this.editButton.focus(); // the pressed button has just been disabled
  }

  // ---- running

  toggle() {
    if (this.running) stop();
    else this.run();
  }

  run() {
    if (this.running) return;
    this.setRunning(true);
    this.tell("Waiting for another cell");
    const when = stops;
    queue = queue
      .then(() => (when === stops ? runAfterEarlier(this) : this.tell("Stopped")))
      .catch((problem) => this.fail(problem))
      .finally(() => this.setRunning(false));
  }

  setRunning(running) {
    this.running = running;
    this.runButton.textContent = running ? "Stop" : "Run";
    this.runButton.title = running ? "Stop Python" : "Run this cell (Shift+Enter)";
    this.root.toggleAttribute("data-running", running);
  }

  hasRun() {
    return this.ran.generation === python.generation && this.ran.code === this.code;
  }

  // Run this cell alone. Quietly: only an error, or what an edited cell gives, is shown.
  async execute(quietly) {
    const { code } = this;
    const output = new Output();
    const showing = setTimeout(() => quietly || this.show(output), SHOW_AFTER_MS);
    try {
      const onPart = (part) => output.add(part);
      const answer = await python.call("run", { code }, { onPart });
      await output.finish(answer);
      if (!answer.error) this.ran = { generation: python.generation, code };
      const shown = answer.error || !quietly || code !== this.committed;
      if (shown) this.settle(output, answer);
      return !answer.error;
    } catch (problem) {
      output.draw();
      if (!quietly && output.box.hasChildNodes()) this.show(output); // as far as it came
      throw problem;
    } finally {
      clearTimeout(showing);
    }
  }

  settle(output, { error }) {
    const says = said(output.box);
    if (error) this.tell("It raised an error");
    else if (says && says === this.printedSays) this.tell("Same as printed");
    else this.tell(says ? "Done" : "Done: nothing to show");
    if (!says || (!error && says === this.printedSays)) return this.clear();
    this.show(output);
    return output.announce();
  }

  show(output) {
    if (this.fresh === output) return;
    this.clear();
    this.fresh = output;
    output.box.prepend(make("p", { className: "llmcap-label", textContent: "Your run" }));
    (this.printed || this.input).after(output.box);
    if (this.printed) {
      const textContent = "As printed in the book";
      this.printed.prepend(make("p", { className: "llmcap-label", textContent }));
    }
    this.resetButton.disabled = false;
  }

  clear() {
    this.fresh?.box.remove();
    this.fresh = null;
    this.printed?.querySelector(":scope > .llmcap-label")?.remove();
    this.resetButton.disabled = this.code === this.committed;
  }

  fail(problem) {
    if (problem instanceof Stopped) {
      return this.tell("Stopped. Python starts afresh: earlier cells will run again.");
    }
    // A cell's own error comes as an answer: this Python did not start, or broke.
    python.stop(problem.message);
    return this.tell(stageText({ stage: "failed", text: problem.message }));
  }
}

class Stopped extends Error {}

function stop() {
  stops += 1;
  python.stop("stopped by the reader");
}

// The cell, after those above it that have not run as they stand.
async function runAfterEarlier(cell) {
  const when = stops;
  const silence = tellStages(cell);
  try {
    cell.tell("Starting Python");
    await python.start();
    const earlier = cells.slice(0, cell.index).filter((one) => !one.hasRun());
    for (const [at, one] of earlier.entries()) {
      const left = earlier.length - at;
      cell.tell(`Running ${left} earlier cell${left > 1 ? "s" : ""}`);
      if (!(await one.execute(true))) return pointAt(one, cell);
    }
    cell.tell("Running");
    return await cell.execute(false);
  } catch (problem) {
    throw when === stops ? problem : new Stopped();
  } finally {
    silence();
  }
}

function tellStages(cell) {
  let last = { stage: "", at: 0 };
  return python.onStage((stage) => {
    const now = performance.now();
    const again = stage.stage === last.stage && now - last.at < TELL_EVERY_MS;
    if (again || !stageText(stage)) return;
    last = { stage: stage.stage, at: now };
    cell.tell(stageText(stage));
  });
}

function pointAt(broken, cell) {
  const folded = broken.root.querySelector("details");
  if (folded) folded.open = true;
  const link = make("a", { href: `#${broken.root.id}`, textContent: "an earlier cell" });
  cell.tell("Not run: ", link, " raised an error");
}

for (const root of document.querySelectorAll("article div.cell:has(.cell_input .highlight pre)")) {
  cells.push(new Cell(root, cells.length));
}
