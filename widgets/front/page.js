// The pages of the book: each calculator that stands in one comes alive beside it, in the reader's
// browser. Until then it shows what was built, and what a reader touches meanwhile is kept.
import { askedByEnter, searchable } from "./ask.js";
import calculator from "./calculator.js";
import { openPaste, wayBack } from "./calculator/arrival.js";
import { drawStanding } from "./calculator/chart.js";
import { DROPS, dropped } from "./calculator/file.js";
import { closeMenus, shareActs } from "./calculator/share.js";
import { whenNear } from "./lazy.js";
import { WorkerModel, python, stageText } from "./python.js";
import picture, { chooseWords } from "./picture.js";
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

// ---- an address that asks for something else than was built ------------------------------------
// Until it is answered, no number of the built page may pass for its answer: `first.js` hides them
// before anything is painted (`data-asked`), here the inputs are filled and what is awaited is said.

const STAMPS = ["v", "k", "d", "p"];
const WAITING = "Reading your link";
const plain = (value) => value.toLowerCase().replace(/[\s,_-]/g, "");

// Put the values of an address into the inputs that stand, and say whether any of them is another.
function fillFrom(root, query) {
  let differs = false;
  for (const [name, value] of new URLSearchParams(query)) {
    if (STAMPS.includes(name)) continue;
    // A question stays to be changed, as where it is typed.
    if (name === "ask") root.querySelectorAll("input[name=ask]").forEach((one) => (one.value = value));
    const inputs = [...root.querySelectorAll(`[data-value][name="${CSS.escape(name)}"]`)]
      .filter((input) => input.type !== "range");
    const stands = (input) => input.type === "checkbox" ? input.checked === (value === "1")
      : plain(input.value) === plain(value);
    if (inputs.length && inputs.every(stands)) continue;
    differs = true;
    for (const input of inputs) {
      if (input.type === "checkbox") input.checked = value === "1";
      else if (input.nodeName !== "TEXTAREA") input.value = value;
    }
  }
  return differs;
}

// What is pending is out of reach: what would be touched is another deployment's.
function makePending(root) {
  root.setAttribute("data-pending", "");
  root.querySelector(".lc-status").className = "lc-status";
  for (const part of root.querySelectorAll(".lc-controls, .lc-actions, .lc-start, .lc-results, .lc-yours")) {
    part.inert = true;
  }
}

const waitingText = (stage) => stage.stage === "failed" ? `${stage.text} Your link is not answered.`
  : `${WAITING}: ${stageText(stage).replace(/^[A-Z]/, (one) => one.toLowerCase()) || "starting Python"}`;

class Standing {
  constructor(root) {
    this.root = root;
    this.name = root.dataset.name;
    this.query = this.ownQuery();
    this.touched = new Map();
    this.live = null;
    this.unfollow = () => {};
    this.acts = this.ownActs();
    this.isPending = this.query !== root.dataset.query && fillFrom(root, this.query);
    if (this.isPending) {
      makePending(root);
      this.say({ stage: "start" });
    }
    for (const kind of TOUCHES) root.addEventListener(kind, this, true);
    whenNear(root, () => {
      if (!this.live && !this.isPending) this.unfollow = drawStanding(root);
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
    if (event.type === "click" && node?.role === "combobox") node.select();
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
      this.say({ stage: "failed", text: problem.message });
    });
  }

  say(stage) {
    const box = this.root.querySelector(this.isPending ? ".lc-status" : ".lc-done");
    if (box) box.textContent = this.isPending ? waitingText(stage) : stageText(stage);
  }

  async open() {
    const unhear = python.onStage((stage) => this.say(stage));
    try {
      const { name, query } = this;
      const inputs = (this.root.dataset.inputs || "").split(" ").filter(Boolean);
      const args = { name, query, inputs };
      const model = await new WorkerModel("calculator", args, { site: SITE }).open();
      if (!this.isPending) this.say({});
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
  // A name that was entered, or left, is the one that is meant.
  if (node.role === "combobox" && (type === "change" || node !== document.activeElement)) {
    node.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
  }
}

// A picture that moves has its Python ready when a reader comes near; one that stands needs none.
function draw(root) {
  const { name, values } = root.dataset;
  const isQuestion = root.matches(".lf-ask");
  const query = isQuestion ? location.search.slice(1) : "";
  const model = new WorkerModel("picture", { name, ...JSON.parse(values) }, { query });
  if (query) awaitAnswer(root);
  if (isQuestion) keepInAddress(model);
  picture.render({ model, el: root });
  if (isQuestion) searchable(root);
  const wait = root.querySelector(".lc-wait");
  if (!wait) return;
  const open = () => model.open().catch(() => {});
  // The question of the first page is met by all who come, and moved by some.
  if (isQuestion) {
    for (const kind of ["pointerdown", "focusin"]) root.querySelector("form").addEventListener(kind, open, { once: true });
  } else whenNear(root, () => sparing() || open());
  root.addEventListener("input", () => {
    const unhear = python.onStage((stage) => {
      wait.textContent = stageText(stage);
      if (["ready", "failed"].includes(stage.stage)) unhear();
    });
  }, { once: true });
}

// The first page opened on a sentence of somebody's.
function awaitAnswer(root) {
  root.setAttribute("data-pending", "");
  const asks = new URLSearchParams(location.search);
  for (const select of root.querySelectorAll("select[data-typed]")) {
    const words = asks.get(select.dataset.typed);
    // Of the context an address has a part: the kernel adds the answer.
    if (words) chooseWords(select, select.name === "context" ? "\u2026" : words);
  }
  const said = root.querySelector(".lc-said");
  const unhear = python.onStage((stage) => {
    if (stage.stage === "ready") unhear();
    else said.textContent = waitingText(stage);
  });
}

// What is asked stands in the address, as Calculate spells it: a reload and the way back keep it.
function keepInAddress(model) {
  model.on("change:shown", () => {
    const { query } = model.get("shown");
    if (query) history.replaceState(history.state, "", `?${query}${location.hash}`);
  });
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
document.querySelectorAll("form.lf-typed").forEach(askedByEnter);
delete document.documentElement.dataset.asked;
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
