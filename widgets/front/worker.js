// Python in the reader's browser: one Pyodide a page, in a module worker, with the kernel and the
// calculators in it. It takes calls and gives answers; it draws nothing.
//
// From the page: `{ start }` with the addresses once, then calls `{ id, name, args, buffers }`.
// To the page: `{ stage, done, total }` while it starts, `{ id, part }` for what comes before an
// answer, `{ id, answer }`, the JSON of `{ ok }` or `{ problem }`, or `{ id, problem }`.

const SNAPSHOTS = "llmcap-python-";

let files = {};
let done = 0;
let ready = null;
let data = null;
let lose = null;
const lost = new Promise((_, reject) => {
  lose = reject; // Pyodide itself waits for ever for a file that does not come
});
lost.catch(() => {});

const mayKeep = () => files.snapshots && Boolean(self.caches);

const tell = (stage) => self.postMessage({ stage, done, total: files.total });

// The body of a file, counted and unpacked as it arrives, so that it is compiled meanwhile. A host
// may or may not have unpacked a `.gz` itself, so its first bytes decide.
async function body(name) {
  const answer = await fetch(files[name].url);
  if (!answer.ok) throw new Error(`${files[name].url}: ${answer.status}`);
  const reader = answer.body.getReader();
  let piece = await reader.read();
  const [a, b] = piece.value || [];
  const stream = new ReadableStream({
    async pull(controller) {
      if (piece.done) return controller.close();
      done += piece.value.length;
      tell(done < files.total ? "download" : "start");
      controller.enqueue(piece.value);
      piece = await reader.read();
      return undefined;
    },
  });
  return a === 0x1f && b === 0x8b ? stream.pipeThrough(new DecompressionStream("gzip")) : stream;
}

// Pyodide fetches its own files; it gets them from here, counted and unpacked.
function serveOwnFiles() {
  const own = { "pyodide.asm.wasm": "wasm", "python_stdlib.zip": "stdlib" };
  const types = { wasm: "application/wasm", stdlib: "application/zip" };
  const coming = { wasm: body("wasm"), stdlib: body("stdlib") }; // both at once, and early
  for (const promise of Object.values(coming)) promise.catch(() => {});
  const fetchOthers = self.fetch.bind(self);
  self.fetch = async (target, options) => {
    const name = own[String(target.url || target).split("/").pop()];
    if (!name) return fetchOthers(target, options);
    const stream = coming[name] || body(name);
    delete coming[name];
    stream.catch(lose);
    return new Response(await stream, { headers: { "Content-Type": types[name] } });
  };
}

async function snapshot() {
  if (!mayKeep()) return null;
  const kept = await caches.match(files.snapshot).catch(() => null);
  return kept && new Uint8Array(await kept.arrayBuffer());
}

// The memory of a Python that has imported everything, kept in this browser for the next visit.
// Nothing of the reader's is in it yet.
async function keep(memory) {
  for (const name of await caches.keys()) {
    if (name.startsWith(SNAPSHOTS) && name !== files.snapshotCache) await caches.delete(name);
  }
  const cache = await caches.open(files.snapshotCache);
  await cache.put(files.snapshot, new Response(memory));
}

const archive = async (name) => new Response(await body(name)).arrayBuffer();

async function unpack(pyodide, coming) {
  pyodide.unpackArchive(await coming, "zip", { extractDir: files.home });
}

// What was imported and read before the memory was kept is in it: a calculator opens as it starts,
// with no more in its address than what a link is stamped with, and asks for no file of ours.
const AS_IT_STARTS = /^([vkdp]=[^&]*(&|$))*$/;
const needsNoFile = (name, { kind, given: { name: which, query = "" } = {} }) =>
  name === "open" && kind === "calculator" && which !== "validate" && AS_IT_STARTS.test(query);

async function load(memory) {
  const { loadPyodide } = await import(files.pyodide.url);
  const indexURL = files.pyodide.url.replace(/[^/]*$/, "");
  const options = {
    indexURL,
    lockFileContents: files.lock,
    env: { HOME: files.home, PYTHONPATH: files.home },
  };
  if (!memory) return loadPyodide({ ...options, _makeSnapshot: mayKeep() });
  const { default: make } = await import(`${indexURL}pyodide.asm.mjs`);
  const createPyodideModule = async (settings) => {
    const module = await make(settings);
    // A memory that had grown does not fit into a new one.
    if (module.HEAP8.length < memory.length) module.growMemory(memory.length);
    return module;
  };
  return loadPyodide({ ...options, createPyodideModule, _loadSnapshot: memory });
}

async function start() {
  serveOwnFiles();
  const packages = archive("packages"); // comes while Pyodide loads
  packages.catch(() => {});
  let memory = await snapshot();
  let pyodide;
  try {
    pyodide = await Promise.race([load(memory), lost]);
  } catch (problem) {
    if (!memory) throw problem;
    // What was kept does not fit this browser any more: start as on a first visit.
    await caches.delete(files.snapshotCache);
    memory = null;
    pyodide = await Promise.race([load(null), lost]);
  }
  let unpacked = null; // it takes longer than an answer: after the first, where that needs no file
  const archived = await packages;
  const own = () => (unpacked = unpacked || unpack(pyodide, archived));
  if (!memory) {
    await own();
    pyodide.runPython("import widgets.live.page as page; page.warm()");
    if (mayKeep()) keep(pyodide.makeMemorySnapshot()).catch(() => {});
  }
  const page = pyodide.runPython("import widgets.live.page as page; page.Page()");
  return { pyodide, page, own };
}

async function call({ id, name, args, buffers = [] }) {
  const { pyodide, page, own } = await ready;
  if (!needsNoFile(name, args)) await own();
  if (name === "run" || args.given?.name === "validate" || args.kind === "picture") {
    data = data || unpack(pyodide, archive("data")); // the measured rows, for those who look at them
    await data;
  }
  const given = pyodide.toPy(buffers.map((buffer) => new Uint8Array(buffer)));
  const say = (part) => self.postMessage({ id, part: JSON.parse(part) });
  // As the text it is: to read it here and send what it says would take twice as long.
  const answer = page.call(name, JSON.stringify(args), given, say);
  given.destroy();
  self.postMessage({ id, answer });
  await own();
}

self.onmessage = ({ data: asked }) => {
  if (asked.start) {
    files = asked.start;
    ready = start();
    ready.then(() => tell("ready"), (problem) => {
      self.postMessage({ stage: "failed", text: String(problem.message || problem) });
    });
  } else {
    call(asked).catch((problem) => self.postMessage({ id: asked.id, problem: String(problem) }));
  }
};
