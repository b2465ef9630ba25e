// The inputs: how each looks, in which order they stand, and what they show.
import { h } from "./dom.js";
import { fileBox } from "./file.js";

function selectBox(control, id) {
  const groups = new Map();
  for (const option of control.options) {
    const item = h("option", { value: option.value }, option.label);
    const name = option.group || "";
    groups.set(name, [...(groups.get(name) || []), item]);
  }
  const items = [...groups].flatMap(([name, options]) =>
    name ? [h("optgroup", { label: name }, options)] : options,
  );
  return h("select", { id, name: control.name, "data-value": control.value }, items);
}

// A long list, searched by typing; its options are made when it opens (see "the searched list").
function searchBox(control, id, invalid) {
  const input = h("input", {
    id,
    type: "text",
    name: control.name,
    role: "combobox",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": `${id}-list`,
    "aria-invalid": invalid ? "true" : undefined,
    "data-value": control.text,
  });
  const list = h("ul", { id: `${id}-list`, role: "listbox", "aria-label": control.label,
    hidden: true, "data-keep": "" });
  return h("div", { class: "lc-search" }, input, list);
}

function pasteBox(control, id, invalid) {
  const area = h("textarea", {
    id,
    name: control.name,
    rows: 6,
    spellcheck: "false",
    autocomplete: "off",
    placeholder: "{ ... }",
    "aria-invalid": invalid ? "true" : undefined,
    "data-value": control.value || "",
  });
  const buttons = h("div", { class: "lc-buttons" },
    h("button", { type: "button", "data-act": "use", "data-for": id }, "Use it"),
    h("button", { type: "button", "data-act": "remove", "data-for": id, disabled: !control.value },
      "Remove"));
  return h("div", {}, area, buttons);
}

function sliderBox(control, id, invalid) {
  const range = h("input", {
    id,
    type: "range",
    name: control.name,
    min: 0,
    max: control.stops.length - 1,
    step: 1,
    "data-value": control.at,
    "aria-valuetext": control.text,
  });
  return h("div", { class: "lc-slider" }, range, entryBox(control, `${id}-exact`, invalid, true));
}

function entryBox(control, id, invalid, beside) {
  const entry = h("input", {
    id,
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    spellcheck: "false",
    name: control.name,
    placeholder: control.placeholder,
    "data-value": control.entry,
    "aria-label": beside ? `${control.label}, exact value` : undefined,
    "aria-invalid": invalid ? "true" : undefined,
  });
  const unit = control.unit ? h("span", { class: "lc-unit" }, control.unit) : null;
  return h("span", { class: "lc-entry" }, entry, unit);
}

function controlBox(view, control, prefix) {
  const id = `${prefix}-${control.name}`;
  const invalid = view.messages.some((m) => m.field === control.name && m.level === "error");
  // what stands between backticks is typed as it stands, and kept in one line
  const said = control.help.split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part))
    .filter(Boolean);
  const help = control.help ? h("p", { class: "lc-help", id: `${id}-help` }, said) : null;
  let box;
  if (control.kind === "select") box = selectBox(control, id);
  else if (control.kind === "search") box = searchBox(control, id, invalid);
  else if (control.kind === "text") box = pasteBox(control, id, invalid);
  else if (control.kind === "file") box = fileBox(control, id);
  else if (control.kind === "slider") box = sliderBox(control, id, invalid);
  else if (control.kind === "toggle") {
    box = h("input", { id, type: "checkbox", name: control.name,
      "data-value": String(control.value) });
  } else box = entryBox(control, id, invalid, false);
  const input = box.matches("input, select") ? box : box.querySelector("input, textarea");
  if (help) input.setAttribute("aria-describedby", help.id);
  const label = h("label", { for: id }, control.label);
  const size = control.half ? " lc-half" : control.twice ? " lc-twice" : "";
  const kind = `lc-control lc-kind-${control.kind}${size}`;
  if (control.kind !== "text") return h("div", { class: kind }, label, box, help);
  const summary = h("summary", {}, `Paste a ${control.label}`);
  return h("details", { class: kind }, summary, label, box, help);
}

export function controlsBox(view, prefix, inputs) {
  const boxes = (chosen) =>
    view.controls.filter(chosen).map((control) => controlBox(view, control, prefix));
  const attributes = { class: "lc-controls", role: "group", "aria-label": "Inputs" };
  const of = (name, first) => boxes((control) => !control.fold && !control.band
    && (control.group || "") === name && Boolean(control.first) === Boolean(first));
  const foldsOf = (chosen) => foldBoxes(view, view.controls.filter((one) => one.fold && chosen(one)),
    (control) => controlBox(view, control, prefix));
  const groups = (view.groups || []).map((group) =>
    h(
      "fieldset",
      { class: "lc-group", "aria-label": `Deployment ${group.label}` },
      h("p", {}, h("b", {}, group.label), ` ${group.title}`),
      h("div", {}, of(group.name, true)),
      h("details", {}, h("summary", {}, `More of ${group.label}`), h("div", {}, of(group.name)),
        foldsOf((control) => control.group === group.name)),
    ),
  );
  const grouped = groups.length ? h("div", { class: "lc-groups" }, groups) : null;
  if (!inputs.length) {
    return h("div", attributes, h("div", { class: "lc-inputs" }, of("")),
      foldsOf((control) => !control.group && !control.band), grouped);
  }
  const isOpen = (control) => !control.group && inputs.includes(control.name);
  const rest = boxes((control) => !control.group && !control.fold && !isOpen(control));
  return h("div", attributes, h("div", { class: "lc-inputs" }, boxes(isOpen)),
    h("details", { class: "lc-more" }, h("summary", {}, "All inputs"),
      h("div", { class: "lc-inputs" }, rest),
      foldsOf((control) => !control.group && !isOpen(control)), grouped));
}

// What a reader brings, above all else, with what it leaves open beside it.
export function bandBox(view, prefix) {
  const held = view.controls.filter((control) => control.band);
  if (!held.length) return null;
  const box = (control) => controlBox(view, control, prefix);
  const [file, ...beside] = held;
  return h("div", { class: "lc-yours", role: "group", "aria-label": file.label }, box(file),
    h("div", { class: "lc-inputs" }, beside.filter((control) => !control.fold).map(box)),
    foldBoxes(view, beside.filter((control) => control.fold), box));
}

// Inputs that fewer people change, under a line each subject that says what they stand at.
function foldBoxes(view, folded, box) {
  const faults = view.messages.filter((m) => m.level === "error").map((m) => m.field);
  const subjects = [...new Set(folded.map((one) => one.fold))];
  return subjects.map((name) => {
    const inside = folded.filter((one) => one.fold === name);
    return h("details",
      { class: "lc-more lc-fold", open: inside.some((one) => faults.includes(one.name)) },
      h("summary", {}, name), h("div", { class: "lc-inputs" }, inside.map(box)));
  });
}

// Attributes are what the view says; properties are what the person sees. An input that
// is being typed in or dragged keeps what the person put there.
export function showValues(root, busyInput) {
  for (const input of root.querySelectorAll("[data-value]")) {
    if (input === busyInput) continue;
    const value = input.dataset.value;
    if (input.nodeName === "TEXTAREA" && keepsPaste(input, value)) continue;
    // So does a number: what is wrong with it is said, and goes when it is put right.
    if (input.getAttribute("aria-invalid") === "true" && input.typed !== undefined) continue;
    delete input.typed;
    input.shown = value;
    if (input.type === "checkbox") input.checked = value === "true";
    else if (input.value !== value) input.value = value;
    if (input.type === "range") fillTrack(input);
  }
}

// What was pasted stays in its box as it is: refused, until the kernel's own text changes; taken,
// though the kernel's text has fewer of its fields.
function keepsPaste(area, value) {
  const taken = value && area.used === area.value;
  delete area.used;
  if (area.shown !== value && !taken) return false;
  area.shown = value;
  return true;
}

export function fillTrack(range) {
  const share = range.max > 0 ? (100 * range.value) / range.max : 0;
  range.style.setProperty("--lc-filled", `${share}%`);
}
