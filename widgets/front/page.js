// The pages of the book: each calculator that stands in one comes alive beside it, in the reader's
// browser. Until then it shows what was built, and what a reader touches meanwhile is kept.
import calculator, { closeMenus, drawStanding, DROPS, dropped, openPaste, shareActs, wayBack } from "./calculator.js";
import { searchable } from "./ask.js";
import { whenNear } from "./lazy.js";
import { WorkerModel, python, stageText } from "./python.js";
import picture from "./picture.js";
import question from "./question.js";
import "./cells.js"; // before a printed calculator changes: it compares with what is printed
import { LIVE } from "llmcap-live";

const beside = (path) => new URL(path, import.meta.url).href;
const SITE = new URL("..", import.meta.url).href.replace(/\/$/, "");

if (!document.querySelector('meta[name="llmcap-plotly"]')) {
  const meta = document.createElement("meta");
  Object.assign(meta, { name: "llmcap-plotly", content: beside(LIVE.plotly) });
  document.head.append(meta);
}

// On a line that counts its bytes, Python waits until somebody touches an input.
const sparing = () => navigator.connection?.saveData === true;

const TOUCHES = ["input", "change", "click", "keydown", "paste", ...DROPS];

class Standing {
  constructor(root) {
    this.root = root;
    this.name = root.dataset.name;
    this.query = this.ownQuery();
    this.touched = new Map();
    this.live = null;
    this.unfollow = () => {};
    this.acts = this.ownActs();
    for (const kind of TOUCHES) root.addEventListener(kind, this, true);
    whenNear(root, () => {
      if (!this.live) this.unfollow = drawStanding(root);
      // The address of a calculator's own page asks for more than was built.
      if (!sparing() || this.query !== root.dataset.query) this.start();
    });
  }

  // A calculator's own page has its inputs in its address.
  ownQuery() {
    const isOwn = location.pathname.split("/apps/")[1]?.startsWith(this.name);
    return isOwn && location.search.length > 1
      ? location.search.slice(1)
      : this.root.dataset.query;
  }

  handleEvent(event) {
    const node = event.target.closest("input, select, textarea, [data-act]");
    if (DROPS.includes(event.type)) return dropped(this.root, event);
    closeMenus(this.root, event);
    const act = this.acts[node?.dataset.act];
    if (act) return event.type === "click" && act(node);
    if (!node || (event.type === "keydown" && !["Enter", "ArrowDown"].includes(event.key))) return;
    if (event.type === "click" && !node.dataset.act && node.type !== "text") return;
    // What is pasted is an input too, and says less when it is one.
    const pasted = event.type === "input" && this.touched.get(node)?.type === "paste";
    this.touched.set(node, { type: pasted ? "paste" : event.type, value: node.value,
      checked: node.checked, key: event.key });
    this.start();
  }

  // What leaves the page needs no Python.
  ownActs() {
    const label = (input) => this.root.querySelector(`label[for="${input.id}"]`)?.textContent;
    const inputs = () => [...this.root.querySelectorAll(".lc-control [data-value]")]
      .filter((input) => label(input))
      .map((input) => [label(input), input.getAttribute("aria-valuetext") || input.value]);
    const link = `${SITE}/apps/${this.name}?${this.query}`;
    return shareActs(() => this.root, this.name, () => ({ inputs: inputs(), link }));
  }

  start() {
    if (this.live) return;
    this.live = this.open().catch((problem) => {
      this.live = null;
      this.say(stageText({ stage: "failed", text: problem.message }));
    });
  }

  say(text) {
    const box = this.root.querySelector(".lc-done");
    if (box) box.textContent = text;
  }

  async open() {
    const unhear = python.onStage((stage) => this.say(stageText(stage)));
    try {
      const { name, query } = this;
      const inputs = (this.root.dataset.inputs || "").split(" ").filter(Boolean);
      const args = { name, query, inputs };
      const model = await new WorkerModel("calculator", args, { site: SITE }).open();
      this.say("");
      this.takeOver(model);
    } finally {
      unhear();
    }
  }

  takeOver(model) {
    for (const kind of TOUCHES) this.root.removeEventListener(kind, this, true);
    this.unfollow();
    calculator.render({ model, el: this.root.parentNode });
    this.root.setAttribute("data-live", "");
    for (const [node, touch] of this.touched) replay(node, touch);
  }
}

// Do again what was done before anybody listened: the nodes are the same.
function replay(node, { type, value, checked, key }) {
  if (!node.isConnected) return;
  if (type === "click") return node.click();
  if (node.type === "file") return node.dispatchEvent(new Event("change", { bubbles: true }));
  if (node.type === "checkbox") node.checked = checked;
  else node.value = value;
  if (type === "paste") return node.dispatchEvent(new Event("paste", { bubbles: true }));
  if (type === "keydown") {
    return node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  }
  node.dispatchEvent(new Event("input", { bubbles: true }));
  if (node.role !== "combobox" && node.type !== "range") {
    node.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

// A picture that moves has its Python ready when a reader comes near; one that stands needs none.
function draw(root) {
  const { name, values } = root.dataset;
  const model = new WorkerModel("picture", { name, ...JSON.parse(values) });
  picture.render({ model, el: root });
  if (root.matches(".lf-ask")) searchable(root);
  const wait = root.querySelector(".lc-wait");
  if (!wait) return;
  const open = () => model.open().catch(() => {});
  // The question of the first page is met by all who come, and moved by some.
  if (root.matches(".lf-ask")) {
    for (const kind of ["pointerdown", "focusin"]) root.querySelector("form").addEventListener(kind, open, { once: true });
  } else whenNear(root, () => sparing() || open());
  root.addEventListener("input", () => {
    const unhear = python.onStage((stage) => {
      wait.textContent = stageText(stage);
      if (["ready", "failed"].includes(stage.stage)) unhear();
    });
  }, { once: true });
}

export function enliven(within) {
  for (const root of within.querySelectorAll("section.lc[data-query]:not([data-stands])")) {
    root.setAttribute("data-stands", "");
    new Standing(root);
  }
  // A question needs Python only when it is answered.
  for (const root of within.querySelectorAll(".lc-question:not([data-stands])")) {
    root.setAttribute("data-stands", "");
    const { kind, name, until } = root.dataset;
    const model = new WorkerModel(kind, until ? { name, until } : { name });
    question.render({ model, el: root });
  }
  for (const root of within.querySelectorAll(".lc-picture:not([data-stands])")) {
    root.setAttribute("data-stands", "");
    draw(root);
  }
}

enliven(document);
document.addEventListener("llmcap:output", (event) => enliven(event.detail));

// ---- the next visit: quick, and without a network ---------------------------------------------

async function keepForNextTime() {
  await navigator.serviceWorker.register(`${SITE}/sw.js`);
  const { active } = await navigator.serviceWorker.ready;
  const seen = () => performance.getEntriesByType("resource").map((one) => one.name);
  active.postMessage({ seen: [location.href.split("#")[0], ...seen()] });
  python.onStage(({ stage }) => {
    const own = [...LIVE.files, LIVE.worker, LIVE.plotly].map(beside);
    if (stage === "ready") active.postMessage({ seen: [...own, ...seen()] });
  });
}

// Not everywhere: a page from the disk or from an insecure host has none.
if (navigator.serviceWorker) {
  addEventListener("load", () => keepForNextTime().catch(() => {}));
}

// ---- the way back ------------------------------------------------------------------------------

// A calculator opened from a text knows where that was; the address of its inputs stays as it is.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href*="/apps/"]');
  const here = location.pathname.split("/book/")[1];
  if (!link || !here) return;
  const near = link.closest("section[id]")?.id;
  const from = encodeURIComponent(near ? `${here}#${near}` : here);
  const [address, own = ""] = link.href.split("#");
  const kept = own.split("&").filter((one) => one && !one.startsWith("from="));
  link.href = `${address}#${[...kept, `from=${from}`].join("&")}`;
}, true);

wayBack(SITE);
if (location.pathname.includes("/apps/")) openPaste(document);
