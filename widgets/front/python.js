// The page's one Python: it starts when it is first needed, and answers calls in turn.

import { LIVE } from "llmcap-live"; // the addresses of this build, see `bundle.py`

const START_WITHIN_MS = 60_000;
const beside = (path) => new URL(path, import.meta.url).href;

let worker = null;
let starting = null;
let waiting = null; // resolves or rejects `starting`
let late = 0;
let calls = new Map();
let last = 0;
const hearers = new Set();

function tell(stage) {
  for (const hear of hearers) hear(stage);
}

function fail(text) {
  clearTimeout(late);
  worker?.terminate();
  worker = null;
  const problem = new Error(text);
  waiting?.reject(problem);
  for (const one of calls.values()) one.reject(problem);
  calls = new Map();
}

// Where the first start failed, each further one would: the reader is told once, and may retry.
function failed(why) {
  fail(why);
  starting = null;
  tell({ stage: "failed", text: why });
}

function heard({ data }) {
  if (data.stage === "failed") return failed(reason(data.text));
  if (data.stage) {
    if (data.stage === "ready") {
      clearTimeout(late);
      waiting.resolve();
    }
    return tell(data);
  }
  const one = calls.get(data.id);
  if (!one) return undefined;
  if (data.part) return one.onPart?.(data.part);
  calls.delete(data.id);
  const { ok, problem } = data.answer ? JSON.parse(data.answer) : data;
  return problem === undefined ? one.resolve(ok) : one.reject(new Error(problem));
}

function reason(problem) {
  return navigator.onLine === false
    ? "The network is away."
    : `Python did not start in this browser (${problem}).`;
}

function start() {
  if (starting) return starting;
  python.generation += 1;
  starting = new Promise((resolve, reject) => {
    waiting = { resolve, reject };
  });
  starting.catch(() => {}); // those who call hear of it
  const files = Object.fromEntries(Object.entries(LIVE).map(([name, value]) =>
    [name, value?.url ? { ...value, url: beside(value.url) } : value]));
  tell({ stage: "download", done: 0, total: LIVE.total });
  late = setTimeout(() => failed("Python did not start within a minute."), START_WITHIN_MS);
  try {
    if (typeof WebAssembly !== "object") throw new Error("it has no WebAssembly");
    worker = new Worker(beside(LIVE.worker), { type: "module" });
  } catch (problem) {
    failed(reason(problem.message));
    return Promise.reject(problem);
  }
  worker.onmessage = heard;
  worker.onerror = (event) => failed(reason(event.message || "the worker did not load"));
  worker.postMessage({ start: { ...files, snapshot: beside(LIVE.snapshot) } });
  return starting;
}

async function call(name, args = {}, { buffers = [], onPart } = {}) {
  await start();
  last += 1;
  const id = last;
  return new Promise((resolve, reject) => {
    calls.set(id, { resolve, reject, onPart });
    worker.postMessage({ id, name, args, buffers });
  });
}

function stop(why = "stopped") {
  if (!starting) return;
  python.stopped = python.generation;
  fail(why);
  starting = null;
  tell({ stage: "stopped", text: why });
}

export const python = {
  start,
  call,
  stop,
  stopped: 0, // the generation that a reader stopped last
  generation: 0, // counts starts: what an earlier Python knew is gone
  onStage(hear) {
    hearers.add(hear);
    return () => hearers.delete(hear);
  },
};

// What a reader is told while it starts.
export function stageText({ stage, done, total, text }) {
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  if (stage === "download") return `Downloading Python, ${mb(done)} of ${mb(total)} MB`;
  if (stage === "start") return "Starting Python";
  if (stage === "failed") return `${text} The numbers are as built.`;
  return "";
}

// ---- a model for a front-end module (AFM), with a session of the worker behind it -------------

let keys = 0;

export class WorkerModel {
  constructor(kind, args, traits = {}) {
    keys += 1;
    Object.assign(this, { key: `${kind}-${keys}`, kind, args, traits, changed: {}, generation: 0 });
    this.hearers = new Map();
  }

  // Once for each Python: one that was stopped is followed by one that has not heard of us. Who asks
  // while it opens waits for it: what is asked must not arrive before it.
  async open() {
    await python.start();
    if (this.generation !== python.generation) {
      this.generation = python.generation;
      this.opened = this.openAnew();
    }
    await this.opened;
    return this;
  }

  async openAnew() {
    const now = this.traits.view ? { query: this.traits.view.query } : {};
    // What opens it stands apart: a picture has inputs of any name, `kind` among them.
    const call = { key: this.key, kind: this.kind, given: { ...this.args, ...now } };
    const traits = await python.call("open", call);
    if (!this.traits.view) Object.assign(this.traits, traits);
  }

  get(name) {
    return this.traits[name];
  }

  set(name, value) {
    this.traits[name] = value;
    this.changed[name] = value;
  }

  on(event, hear) {
    this.hearers.set(event, [...(this.hearers.get(event) || []), hear]);
  }

  off(event, hear) {
    this.hearers.set(event, (this.hearers.get(event) || []).filter((one) => one !== hear));
  }

  tell(event, ...more) {
    for (const hear of this.hearers.get(event) || []) hear(...more);
  }

  take(changed) {
    Object.assign(this.traits, changed);
    for (const name of Object.keys(changed)) this.tell(`change:${name}`);
  }

  async ask(name, args, buffers) {
    await this.open();
    const onPart = (part) => this.tell("msg:custom", part, []);
    this.take((await python.call(name, { key: this.key, ...args }, { buffers, onPart })) || {});
  }

  save_changes() {
    const { changed } = this;
    this.changed = {};
    this.askAgainIfStopped("set", { changed });
  }

  send(content, _callbacks, buffers = []) {
    this.askAgainIfStopped("message", { content }, buffers);
  }

  // What a reader asked while a cell's loop was stopped is asked of the next Python.
  async askAgainIfStopped(name, args, buffers) {
    const { generation } = python;
    try {
      await this.ask(name, args, buffers);
    } catch (problem) {
      const again = python.stopped === generation && this.ask(name, args, buffers);
      if (again) await again.catch(() => {});
    }
  }
}
