// A file of the reader's own, and what is pasted: it goes to this page's kernel in parts, and
// nowhere else.
import { h } from "./dom.js";

const MOST_PASTED = 300000; // bytes; the kernel refuses a shorter text already
const MOST_FILE_BYTES = 20e6;
const PART_BYTES = 1e6;

export function fileBox(control, id) {
  const input = h("input", { id, type: "file", name: control.name, accept: control.accept });
  const name = h("span", { class: "lc-file-name" }, control.loaded ? control.text : null);
  const leave = control.leave ? { "data-act": "preset", "data-query": control.leave }
    : { "data-act": "nofile" };
  const remove = h("button", { type: "button", ...leave, hidden: !control.loaded }, "Remove");
  const example = h("button", { type: "button", "data-act": "preset",
    "data-query": control.example, hidden: !control.example }, "Try an example");
  const said = h("p", { class: "lc-file-said", role: "status", "data-keep": "whole" });
  const area = h("textarea", { id: `${id}-text`, rows: 6, spellcheck: "false", autocomplete: "off",
    "aria-label": "A result or a log as text" });
  const use = h("div", { class: "lc-buttons" },
    h("button", { type: "button", "data-act": "usetext" }, "Use it"));
  const paste = h("details", {}, h("summary", {}, "Or paste its text"), area, use);
  const begin = h("details", { class: "lc-sample", hidden: !control.sample },
    h("summary", {}, "A CSV to begin with"), h("pre", { tabindex: "0" }, control.sample),
    h("a", { download: "sample.csv",
      href: `data:text/csv,${encodeURIComponent(control.sample)}` }, "Save it as a file"));
  return h("div", { class: "lc-file" }, input, name, remove, example, said, begin, paste);
}

// A file that is dropped on a calculator is as good as chosen; elsewhere the browser opens it.
export function dropped(root, event) {
  const input = root.querySelector("input[type=file]");
  const area = input ? null : root.querySelector(".lc-kind-text textarea");
  if (!(input || area) || !event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  root.toggleAttribute("data-drop", event.type === "dragover");
  if (event.type !== "drop") return;
  if (area) {
    pasteFile(area, event.dataTransfer.files[0]);
    return;
  }
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

// A config.json that is dropped is as good as pasted; what is too long to be one is cut, and refused.
async function pasteFile(area, file) {
  area.value = await file.slice(0, MOST_PASTED).text();
  area.dispatchEvent(new Event("paste", { bubbles: true }));
}

export const DROPS = ["dragover", "dragleave", "drop"];

export function sendChosen(model, input) {
  const [file] = input.files;
  const said = input.parentNode.querySelector(".lc-file-said");
  input.value = ""; // so that the same file, changed, can be chosen again
  if (file) sendFile(model, file, said);
}

// Text that comes at once is pasted, whatever brought it: a menu, a keyboard's clipboard, a script.
export function cameWhole({ inputType, data, isComposing }) {
  if (isComposing) return false;
  return !inputType || inputType === "insertFromDrop" || (inputType === "insertText" && data?.length > 1);
}

// A whole document needs no button, however it came into its box.
export function wholeJson(text) {
  if (text.length < 40 || !/^\s*\{/.test(text)) return false;
  try {
    return Boolean(JSON.parse(text));
  } catch {
    return false;
  }
}

export function sendPasted(model, area) {
  const said = area.closest(".lc-file").querySelector(".lc-file-said");
  const text = area.value;
  area.value = "";
  if (text.trim()) sendFile(model, new File([text], "pasted text"), said);
}

async function sendFile(model, file, said) {
  if (file.size > MOST_FILE_BYTES) {
    said.textContent = `${file.name} has more than ${MOST_FILE_BYTES / 1e6} MB.`;
    return;
  }
  const parts = Math.max(1, Math.ceil(file.size / PART_BYTES));
  said.classList.remove("lc-error");
  said.textContent = `Reading ${file.name} ...`;
  said.setAttribute("aria-busy", "true");
  try {
    for (let part = 0; part < parts; part += 1) {
      const bytes = await file.slice(part * PART_BYTES, (part + 1) * PART_BYTES).arrayBuffer();
      model.send({ file: { name: file.name, part, parts } }, undefined, [bytes]);
    }
  } catch {
    said.removeAttribute("aria-busy");
    said.classList.add("lc-error");
    said.textContent = `${file.name} changed or went away while it was read: choose it again.`;
  }
}

export function hearFile(model, el) {
  const heard = (content) => {
    const answer = content?.file;
    const said = answer && el.querySelector(".lc-file-said");
    if (!said) return;
    const count = (n) => n.toLocaleString("en");
    const rows = answer.of ? `${count(answer.rows)} of ${count(answer.of)} rows predicted` : "";
    said.textContent = answer.problem || rows;
    said.toggleAttribute("aria-busy", false);
    if (!answer.problem && !answer.done) said.setAttribute("aria-busy", "true");
    said.classList.toggle("lc-error", Boolean(answer.problem));
    if (answer.problem) el.querySelector(".lc-sample").open = true;
  };
  model.on("msg:custom", heard);
  return () => model.off("msg:custom", heard);
}
