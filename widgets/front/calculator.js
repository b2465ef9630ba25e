// Draws a calculator and sends what a person changes. It knows nothing of language
// models: every number, word and colour name arrives in the view the kernel wrote.
//
// An anywidget front-end module; its parts are in `calculator/`. The model's traits: `view`, and
// `lists`, the long lists it names (kernel to page); `inputs`, those that stand open where a text is
// about them; `site`, where the apps are served; `state` (page to kernel: inputs, and a sequence
// number that the next view echoes). A page may hold the first view as HTML (`page.py` writes the
// same nodes): then these are taken over where they stand.
import { openPaste, wayBack } from "./calculator/arrival.js";
import { askKernel, drawFigure, follow, picks } from "./calculator/chart.js";
import { patch } from "./calculator/dom.js";
import { hearFile, sendPasted } from "./calculator/file.js";
import { showValues } from "./calculator/form.js";
import { Hands } from "./calculator/hands.js";
import { Asking, sayWhyAnew, watchKernel } from "./calculator/kernel.js";
import { shareActs } from "./calculator/share.js";
import { tree } from "./calculator/view.js";

// In a notebook each widget has a copy of this module, so the count is the page's.
const nextPrefix = () => `lc${(window.llmcapCount = (window.llmcapCount || 0) + 1)}`;

// The address bar belongs to the app's own page; in a notebook it is left alone.
const isApp = /\/(apps|voila\/render)\//.test(location.pathname);
const ADDRESS_AFTER_MS = 300;
const MOST_STEPS = 100;

// Long lists travel once, apart from the views that name them.
function received(model) {
  const [next, lists] = [model.get("view"), model.get("lists") || {}];
  const whole = (value) => (value && value.list ? lists[value.list] : value);
  const full = (control) =>
    Object.fromEntries(Object.entries(control).map(([key, value]) => [key, whole(value)]));
  return { ...next, controls: next.controls.map(full) };
}

// Once what stands is painted, or soon where nothing is, as behind another tab.
const painted = () => new Promise((done) => {
  requestAnimationFrame(() => setTimeout(done));
  setTimeout(done, 100);
});

const inputLabel = (one) => (one.group ? `${one.group.toUpperCase()} ` : "") + one.label;

class Live {
  constructor(model, el) {
    Object.assign(this, { model, el });
    this.root = el.querySelector(":scope > section.lc");
    this.prefix = this.root?.dataset.prefix || nextPrefix();
    this.view = received(model);
    this.past = []; // queries: each is a whole state
    this.future = [];
    this.charted = ""; // the figure that stands, as text
    this.written = { figure: null, text: "" }; // the newest figure, and it as text
    this.isCharting = false;
    this.addressTimer = 0;
    this.left = null; // the query of the place that is left for another
    // Where the apps are: beside this one, else where the page or the kernel says they are.
    const [above, inApps] = location.href.split("/apps/", 2);
    this.site = above;
    this.apps = `${inApps === undefined ? model.get("site") || "" : above}/apps/`;
    this.asking = new Asking(model, el, this.prefix);
    this.acts = this.ownActs();
    this.hands = new Hands(this, el);
  }

  control(name) {
    return this.view.controls.find((one) => one.name === name);
  }

  change(name, value) {
    const cleared = (this.control(name)?.clears || []).map((other) => [other, null]);
    // Only what a person changed: an input that follows another is the kernel's to move, and its
    // value here may be older than what is asked and not yet answered.
    const before = this.asking.waiting?.values;
    this.asking.send({ values: { ...before, ...Object.fromEntries(cleared), [name]: value } });
  }

  answered() {
    const next = received(this.model);
    if (!this.asking.hear(next)) return;
    this.view = next;
    this.draw();
    this.asking.sendWaiting();
  }

  // Numbers are painted as soon as they are there, the chart in the frame after theirs: it takes the
  // longer half. `data-said` is the answer whose numbers stand, `data-seq` that whose chart does too.
  draw() {
    this.drawWords();
    this.root.dataset.said = this.asking.drawn;
    if (!this.isCharting) this.drawChart();
  }

  // One chart is due at a time, and it is of the newest answer: those between are never drawn.
  async drawChart() {
    this.isCharting = true;
    try {
      for (let drawn = null; drawn !== this.view;) {
        if (this.charted && this.isChartOld()) await painted();
        drawn = this.view;
        const seq = this.asking.drawn;
        if (this.isChartOld()) await this.chart();
        this.root.dataset.seq = seq;
      }
    } finally {
      this.isCharting = false;
    }
  }

  // Written once an answer, and only where its chart is due: while a slider moves few of them are.
  figureText() {
    const { figure } = this.view;
    if (this.written.figure !== figure) {
      this.written = { figure, text: figure ? JSON.stringify(figure) : "" };
    }
    return this.written.text;
  }

  isChartOld() {
    return this.charted !== this.figureText();
  }

  drawWords() {
    const { view, past, future, apps, asking, hands } = this;
    const inputs = this.model.get("inputs") || [];
    const can = { undo: past.length, redo: future.length, apps, inputs };
    const fresh = tree(view, this.prefix, can);
    const focused = this.root?.contains(document.activeElement) && document.activeElement;
    if (this.root) patch(this.root, fresh);
    else this.el.replaceChildren((this.root = fresh));
    // A button may go with what it did: the next Tab goes on from the answer, not from the page's top.
    const isGone = focused && (!focused.checkVisibility() || focused.matches(":disabled"));
    if (isGone) this.root.querySelector(".lc-status").focus();
    const isBusy = asking.inFlight || asking.waiting || hands.busyInput?.type === "text";
    showValues(this.root, isBusy ? hands.busyInput : null);
    this.followAddress();
  }

  async chart() {
    const box = this.root.querySelector(".lc-plot");
    const { figure } = this.view;
    const written = this.figureText();
    this.charted = ""; // without one its box is hidden, and has no size
    if (!figure) return;
    const isDrawn = await drawFigure(box, figure, () => askKernel(this.model));
    this.charted = isDrawn ? written : "";
    picks(box, (name, id) => {
      this.remember();
      this.change(name, id);
    });
  }

  followAddress() {
    const untouched = !this.asking.drawn && !location.search;
    if (!isApp || untouched) return;
    const title = `${this.view.named} - llmcap`;
    if (document.title !== title) document.title = title; // telling the browser takes a while
    clearTimeout(this.addressTimer);
    if (this.left !== null && this.left !== this.view.query) {
      this.putAddress("replaceState", this.left);
      this.putAddress("pushState");
      this.left = null;
      return;
    }
    this.addressTimer = setTimeout(() => this.putAddress("replaceState"), ADDRESS_AFTER_MS);
  }

  putAddress(how, query = this.view.query) {
    history[how]({ llmcap: query }, "", `?${query}`);
  }

  // A preset, an example or a question is a place of its own: Back leads to what stood before.
  visit() {
    if (isApp) this.left = this.view.query;
  }

  // Back and Forward between such places.
  came({ state }) {
    if (state?.llmcap === undefined) return; // a place within the page
    this.remember();
    this.asking.send({ query: state.llmcap });
  }

  remember() {
    this.past.push(this.view.query);
    if (this.past.length > MOST_STEPS) this.past.shift();
    this.future.length = 0;
  }

  step(from, to) {
    if (!from.length) return;
    to.push(this.view.query);
    this.asking.send({ query: from.pop() });
  }

  // What the buttons do, by the name that each has in `data-act`.
  ownActs() {
    const remembered = (act) => (node) => {
      this.remember();
      act(node);
    };
    const { model, asking } = this;
    return {
      nofile: () => model.send({ file: null }),
      usetext: (node) => {
        this.hands.busyInput = null;
        sendPasted(model, node.closest("details").querySelector("textarea"));
      },
      undo: () => this.step(this.past, this.future),
      redo: () => this.step(this.future, this.past),
      reset: remembered(() => asking.send({ values: {} })),
      preset: remembered((node) => {
        this.visit();
        asking.send({ query: node.dataset.query });
      }),
      use: remembered((node) => this.useText(node)),
      remove: remembered((node) => this.change(this.boxOf(node).name, null)),
      ...shareActs(() => this.root, this.view.name, () => this.toShare()),
    };
  }

  boxOf(button) {
    return this.root.querySelector(`#${button.dataset.for || button.id}`);
  }

  useText(node) {
    const area = this.boxOf(node);
    this.hands.busyInput = null;
    area.used = area.value;
    this.change(area.name, area.value.trim() || null);
  }

  toShare() {
    const link = isApp ? `${location.origin}${location.pathname}` : this.apps + this.view.name;
    const inputs = this.view.controls.map((one) => [inputLabel(one), one.text]);
    return { inputs, link: `${link}?${this.view.query}` };
  }
}

function render({ model, el }) {
  const live = new Live(model, el);
  const answered = () => live.answered();
  model.on("change:view", answered);
  const came = (event) => live.came(event);
  if (isApp) addEventListener("popstate", came);
  live.draw();
  if (isApp) wayBack(live.site);
  if (isApp) openPaste(live.root);
  sayWhyAnew(el);
  const stops = [
    isApp ? watchKernel(live.asking, el, () => live.view) : () => {},
    follow(live.root.querySelector(".lc-figure"), () => live.chart()),
    hearFile(model, el),
  ];
  return () => {
    model.off("change:view", answered);
    removeEventListener("popstate", came);
    for (const stop of stops) stop();
    live.asking.stop();
    clearTimeout(live.addressTimer);
    window.Plotly?.purge(live.root.querySelector(".lc-plot"));
  };
}

export default { render };
