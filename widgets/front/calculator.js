// Draws a calculator and sends what a person changes. It knows nothing of language
// models: every number, word and colour name arrives in the view the kernel wrote.
//
// An anywidget front-end module. The model's traits: `view`, and `lists`, the
// long lists it names (kernel to page); `inputs`, those that stand open where a text is about them;
// `site`, where the apps are served; `state` (page to kernel: inputs, and a sequence number that the
// next view echoes). A page may hold the first view as HTML (`page.py` writes the same nodes): then
// these are taken over where they stand.

const ANSWER_WITHIN_MS = 20000; // a search in the page's own Python takes seconds
const SOON_MS = 350; // an answer that takes longer shows that it is being worked on
const MOST_PASTED = 300000; // bytes; the kernel refuses a shorter text already
const LOOK_EVERY_MS = 3000; // whether the kernel is still there, while its answer is awaited

// ---- small DOM helpers ----------------------------------------------------------------

export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined));
  return node;
}

// Attributes that the page sets and no view knows: what is unfolded, and how far a track is filled.
const OWN = ["open", "style", "data-print", "data-seq", "data-stands", "data-live",
  "data-drop", "data-busy"];

// Make `old` look like `fresh` and keep every node that can stay: focus, an open
// <details> and a drawn chart survive a redraw.
function patch(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (fresh.says && fresh.says === old.says) return; // most tables stay, and have hundreds of cells
  old.says = fresh.says;
  if (fresh.dataset.keep === "whole") return; // a fault is told before what it changes is drawn
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OWN.includes(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (fresh.dataset.keep !== undefined) return;
  const next = [...fresh.childNodes];
  const have = [...old.childNodes];
  next.forEach((child, i) => (i < have.length ? patch(have[i], child) : old.append(child)));
  have.slice(next.length).forEach((child) => child.remove());
}

// ---- the parts of a view --------------------------------------------------------------

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

function controlsBox(view, prefix, inputs) {
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
function bandBox(view, prefix) {
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

// What else there is to run, or would make it start, each a button that does it.
function remediesBox(view) {
  const { text: said, items } = view.remedies || { text: "", items: [] };
  const list = items.map((one) => h("li", {},
    h("button", { type: "button", "data-act": "preset", "data-query": one.query }, one.label),
    h("span", {}, one.note)));
  return h("div", { class: "lc-remedies", role: "group",
    "aria-label": said || "What would make it start", hidden: !said }, h("p", {}, said || null), h("ul", {}, list));
}

// The lines an engine will print, to look for in its log.
function textBox({ title, text: said, fold }) {
  const box = h("div", { class: "lc-lines" }, fold ? null : h("p", {}, title),
    h("pre", { tabindex: "0", role: "region", "aria-label": title }, said),
    h("button", { type: "button", "data-act": "lines" }, "Copy"));
  return fold ? h("details", { class: "lc-more" }, h("summary", {}, title), box) : box;
}

function messagesBox(view) {
  const items = view.messages.map((m) => h("li", { class: `lc-${m.level}` }, m.text));
  return h("ul", { class: "lc-messages", "aria-live": "polite", hidden: !items.length }, items);
}

function headlineBox(view) {
  const cards = view.headline.map((item) =>
    h(
      "div",
      { class: `lc-number${item.rough ? " lc-rough" : ""}` },
      h("dt", {}, item.label),
      h("dd", {}, item.rough ? h("span", {}, "about ") : null, h("strong", {}, item.value), item.unit ? h("span", {}, ` ${item.unit}`) : null),
      item.span ? spanBox(item.span) : null,
      item.note ? h("dd", { class: "lc-note" }, item.note) : null,
    ),
  );
  return h("dl", { class: "lc-headline" }, cards);
}

// The answer in a line, which stays in sight on a phone; it has been read out above.
function shortBox(view) {
  const named = (item) => (view.groups?.length ? item.label.split(":")[0] : item.label);
  const unit = (item) => (named(item).toLowerCase().split(" ").includes(item.unit) ? "" : item.unit);
  const said = view.headline.slice(0, 4).map((item) =>
    h("span", {}, `${named(item)} `, h("b", {}, `${item.rough ? "about " : ""}${item.value} ${unit(item)}`.trim())));
  return h("p", { class: `lc-short lc-${view.status.level}`, "aria-hidden": "true" }, said);
}

// An estimate's interval: a band, a tick at the value, an open mark at the ceiling. The kernel
// placed them, in percent of the bar.
function spanBox(span) {
  const { low, high, ...marks } = span.at;
  const parts = Object.entries(marks).map(([name, at]) =>
    h("i", { class: `lc-${name}`, style: `left:${at}%` }));
  const band = h("i", { class: "lc-band", style: `left:${low}%;width:${high - low}%` });
  return h("dd", { class: "lc-span" },
    h("span", { class: "lc-bar", "aria-hidden": "true" }, band, parts), h("span", {}, span.text));
}

// A line in which a whole question may be typed: leaving it, with Enter or the button, asks.
function questionBox(view, prefix) {
  const id = `${prefix}-ask`;
  return h("div", { class: "lc-asked" }, h("label", { for: id }, "Type a question:"),
    h("input", { id, type: "text", name: "ask", autocomplete: "off", spellcheck: "false",
      enterkeyhint: "go", placeholder: `Such as ${view.ask}` }),
    h("button", { type: "button" }, "Ask"));
}

function presetsBox(view, compact, prefix) {
  const presets = (compact ? [] : view.presets || []).map((preset) =>
    h("button", { type: "button", "data-act": "preset", "data-query": preset.query,
      title: preset.note, "aria-pressed": String(preset.query === view.query) }, preset.label));
  const hint = view.hint && !compact ? h("p", { class: "lc-hint" }, view.hint) : null;
  const ask = view.ask && !compact ? questionBox(view, prefix) : null;
  if (!presets.length && !hint && !ask) return null;
  const row = h("div", { class: "lc-presets", role: "group", "aria-label": "Start from" },
    h("span", { "aria-hidden": "true" }, "Start from:"), presets);
  return h("div", { class: "lc-start" }, presets.length ? row : null, ask, hint);
}

function linksBox(view, apps) {
  const links = (view.links || []).map((link) => h("a",
    { "data-name": link.name, href: `${apps}${link.name}?${link.query}` }, link.title));
  return navBox(view.linked || "The same deployment in", links);
}

// What the estimates stand on, each with its place on the page of constants.
function behindBox(view, apps) {
  const links = (view.behind || []).map((one) => h("a",
    { href: `${apps}../book/constants.html#${one.anchor}` }, one.title));
  return navBox("The estimates stand on", links);
}

function navBox(label, links) {
  if (!links.length) return null;
  return h("nav", { class: "lc-links", "aria-label": label }, h("p", {}, `${label}:`),
    h("ul", {}, links.map((link) => h("li", {}, link))));
}

function explainBox(view) {
  const shown = view.headline.filter((item) => item.explain);
  if (!shown.length) return null;
  const parts = shown.flatMap((item) => [h("p", {}, item.label),
    h("pre", { tabindex: "0", role: "region", "aria-label": item.label }, item.explain)]);
  const summary = h("summary", {}, "Show the arithmetic");
  return h("details", { class: "lc-explain" }, summary, parts);
}

function tableBox(table) {
  const head = h("tr", {}, table.columns.map((name) => h("th", { scope: "col" }, name)));
  const rows = table.rows.map((row, i) => {
    const mark = (table.swatches || [])[i];
    const swatch = mark ? h("i", { class: "lc-swatch", style: `background:var(${mark})` }) : null;
    const cells = row.slice(1).map((cell, j) => h("td", cellAttributes(table, i, j), cell));
    const attributes = { class: (table.highlight || []).includes(i) ? "lc-high" : undefined };
    const address = (table.links || [])[i];
    const head = address ? h("a", { href: address }, row[0]) : row[0];
    return h("tr", attributes, h("th", { scope: "row" }, swatch, head), cells);
  });
  const body = [h("caption", {}, table.caption), h("thead", {}, head), h("tbody", {}, rows)];
  const wide = table.stack ? " lc-stack" : "";
  const box = h("div", { class: `lc-table${wide}`, tabindex: "0", role: "region",
    "aria-label": table.caption }, h("table", {}, body));
  Object.assign(box, { says: JSON.stringify(table) });
  // what is not the answer is a line until somebody asks for it
  return table.fold
    ? h("details", { class: "lc-more" }, h("summary", {}, table.caption), box) : box;
}

function cellAttributes(table, i, j) {
  const level = ((table.levels || [])[i] || [])[j];
  return { "data-label": table.columns[j + 1], class: level ? `lc-${level}` : undefined };
}

function ownPageBox(view, apps) {
  return h("p", { class: "lc-open" }, h("a",
    { "data-name": view.name, href: `${apps}${view.name}?${view.query}` },
    "Open on a page of its own"));
}

// An app's page may already carry the title as its heading; a page has one h1.
function titleBox(view, compact) {
  const headings = [...document.querySelectorAll("h1:not(.lc-title)")];
  const said = headings.some((node) => node.textContent.trim() === view.title);
  const level = compact ? "h3" : headings.length ? "h2" : "h1";
  return said ? h("span", { hidden: true }) : h(level, { class: "lc-title" }, view.title);
}

function detailsOf(view, apps, tables = view.tables) {
  const sentences = view.sentences.map((text) => h("p", {}, text));
  return [h("div", { class: "lc-sentences" }, sentences), (view.texts || []).map(textBox), tables.map(tableBox),
    explainBox(view), behindBox(view, apps)];
}

function tree(view, prefix, can) {
  const compact = can.inputs.length > 0;
  // Not `disabled`: a button that is pressed for the last time keeps the focus.
  const button = (act, text, off) =>
    h("button", { type: "button", "data-act": act, "aria-disabled": off && "true" }, text);
  const actions = h("div", { class: "lc-actions" },
    button("undo", "Undo", !can.undo), button("redo", "Redo", !can.redo), button("reset", "Reset"),
    shareMenu(Boolean(view.figure)));
  const head = h("header", {}, titleBox(view, compact),
    compact ? null : h("p", { class: "lc-lead" }, view.lead), actions, presetsBox(view, compact, prefix));
  const figure = h("div", { class: "lc-figure", role: "img", "data-keep": "",
    "aria-label": view.figure ? view.figure.alt : undefined, hidden: !view.figure },
    h("div", { class: "lc-plot" }));
  const status = h("p", { class: `lc-status lc-${view.status.level}`, role: "status",
    "aria-live": "polite", tabindex: "-1" }, view.status.text,
  view.status.beside ? h("span", { class: "lc-beside" }, ` ${view.status.beside}`) : null);
  // The answer comes before the inputs: on a phone it is what is seen first.
  const later = !compact && view.remedies?.later;
  const answer = h("div", { class: "lc-answer" }, status, headlineBox(view), figure,
    later ? null : remediesBox(view), messagesBox(view), shortBox(view));
  // Where deployments are compared, the table that does it is the answer.
  const shown = compact && view.groups ? view.tables.slice(0, 1) : [];
  const rest = compact
    ? [shown.map(tableBox), h("details", { class: "lc-more" }, h("summary", {}, "Numbers and arithmetic"),
        detailsOf(view, can.apps, view.tables.slice(shown.length))), ownPageBox(view, can.apps)]
    : [later ? remediesBox(view) : null, detailsOf(view, can.apps), linksBox(view, can.apps)];
  const results = h("div", { class: "lc-results" }, rest.flat());
  const ask = h("div", { class: "lc-ask" }, answer, controlsBox(view, prefix, can.inputs));
  const wide = view.groups && !compact ? " lc-wide" : "";
  const body = h("div", { class: "lc-body" }, ask, results);
  const names = { class: `lc${compact ? " lc-compact" : ""}${wide}`, "data-name": view.name,
    "aria-label": view.title, "data-prefix": prefix, "data-query": view.query,
    "data-inputs": can.inputs.join(" ") || undefined };
  const band = compact ? null : bandBox(view, prefix);
  const section = h("section", names, ...[head, band, body].filter(Boolean));
  // Without this JupyterLab takes arrows and letters from what has the focus.
  for (const node of section.querySelectorAll("input, select, textarea, button, summary")) {
    node.setAttribute("data-lm-suppress-shortcuts", "true");
  }
  return section;
}

// ---- what leaves the page -------------------------------------------------------------
// Read from what is drawn, so that the same menu serves a page without a kernel.

export function shareMenu(hasFigure) {
  const button = (act, text) => h("button", { type: "button", "data-act": act }, text);
  const pictures = hasFigure ? [button("png", "Chart as PNG"), button("svg", "Chart as SVG")] : [];
  const list = h("div", { class: "lc-menu", role: "group", "aria-label": "Share" },
    button("copy", "Copy link"), button("markdown", "Copy as Markdown"),
    button("csv", "Tables as CSV"), button("html", "Page as HTML"), pictures);
  return h("div", { class: "lc-share" },
    h("span", { class: "lc-done", role: "status", "data-keep": "" }),
    h("details", {}, h("summary", {}, "Share"), list));
}

const text = (node) => (node ? node.textContent.trim().replace(/\s+/g, " ") : "");
const all = (node, selector) => [...node.querySelectorAll(selector)];

function tablesOf(root) {
  return all(root, ".lc-results table").map((table) => ({
    caption: text(table.caption),
    rows: all(table, "tr").map((row) => all(row, "th, td").map(text)),
  }));
}

function headlineOf(root) {
  return all(root, ".lc-headline > div").map((item) => [
    text(item.querySelector("dt")), text(item.querySelector("dd")),
    text(item.querySelector(".lc-span > span:last-child")), text(item.querySelector(".lc-note")),
  ]);
}

const inputLine = (inputs) => inputs.map(([label, value]) => `${label}: ${value}`).join("; ");

export function markdown(root, inputs, link) {
  const cell = (value) => value.replace(/[\\|]/g, "\\$&");
  const line = (cells) => `| ${cells.map(cell).join(" | ")} |`;
  const grid = ([head, ...rows]) =>
    [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
  const numbers = grid([["", "", "Interval", "Note"], ...headlineOf(root)]);
  const tables = tablesOf(root).map((table) => `**${table.caption}**\n\n${grid(table.rows)}`);
  const parts = [`### ${root.getAttribute("aria-label")}`, text(root.querySelector(".lc-status")),
    inputLine(inputs), numbers, ...tables, `<${link}>`];
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

export function csv(root) {
  // A cell that a spreadsheet would run as a formula is made text.
  const number = /^[-+]?[\d.,]+(e[-+]?\d+)?%?$/i;
  const safe = (value) => value === "-" || number.test(value);
  const plain = (value) => (/^[-=+@\t\r]/.test(value) && !safe(value) ? `'${value}` : value);
  const cell = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const line = (cells) => cells.map((value) => cell(plain(value))).join(",");
  const parts = tablesOf(root).map((t) => [line([t.caption]), ...t.rows.map(line)].join("\r\n"));
  return `${parts.join("\r\n\r\n")}\r\n`;
}

// One file that needs nothing else: what is drawn, without what moves it. Its chart is a picture.
export function wholePage(root, inputs, link, chart) {
  const copy = root.cloneNode(true);
  copy.classList.add("lc-wide");
  all(copy, ".lc-actions, .lc-start, .lc-controls, .lc-yours").forEach((node) => node.remove());
  all(copy, "button").forEach((node) => node.replaceWith(h("b", {}, text(node))));
  all(copy, "a").forEach((node) => node.setAttribute("href", node.href));
  const figure = copy.querySelector(".lc-figure"); // its label says what the picture shows
  if (chart) figure.replaceChildren(h("img", { src: chart, alt: "", width: "100%" }));
  else figure?.remove();
  copy.append(h("p", {}, inputLine(inputs)), h("p", { class: "lc-note" }, h("a", { href: link }, link)));
  const page = document.implementation.createHTMLDocument(copy.getAttribute("aria-label"));
  page.documentElement.lang = "en";
  const size = { name: "viewport", content: "width=device-width, initial-scale=1" };
  page.head.append(h("meta", { charset: "utf-8" }), h("meta", size), h("style", {}, rules()));
  page.body.append(copy);
  return `<!doctype html>\n${page.documentElement.outerHTML}\n`;
}

// The rules of our own on this page, and those of a page that has nothing else.
function rules() {
  const own = (sheet) => {
    try {
      return [...sheet.cssRules].map((rule) => rule.cssText).filter((rule) => rule.includes(".lc"));
    } catch {
      return []; // of another site, as an extension puts there
    }
  };
  const bare = "html{color-scheme:light dark}body{max-width:72rem;margin:0 auto;padding:1rem}";
  return [...[...document.styleSheets].flatMap(own), bare].join("\n");
}

// On a light ground whatever the theme: a picture leaves for a page we do not know.
async function picture(box, format) {
  const { data, layout } = colours(box.llmcapFigure, box, "light");
  const ground = { paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff" };
  const size = { width: 1000, height: Math.max(layout.height || 0, 400) };
  const figure = { data, layout: { ...layout, ...ground, ...size, autosize: false } };
  return window.Plotly.toImage(figure, { format, ...size, scale: format === "png" ? 2 : 1 });
}

function download(name, address) {
  const link = document.body.appendChild(h("a", { href: address, download: name }));
  link.click();
  link.remove();
}

// What the menu's buttons do; `from` gives the inputs and the link of the moment.
export function shareActs(root, name, from) {
  let fading = 0;
  const announce = (words) => {
    const box = root().querySelector(".lc-done");
    box.textContent = words;
    clearTimeout(fading);
    fading = setTimeout(() => (box.textContent = ""), 4000);
  };
  const said = (words) => {
    root().querySelector(".lc-share details").open = false;
    root().querySelector(".lc-share summary").focus();
    announce(words);
  };
  const copy = async (words, otherwise) => said((await copied(words)) ? "Copied" : otherwise);
  const drawn = async (format) => {
    download(`llmcap-${name}.${format}`, await picture(root().querySelector(".lc-plot"), format));
    said("Saved");
  };
  const saved = (ending, type, words) => {
    const url = URL.createObjectURL(new Blob([words], { type }));
    download(`llmcap-${name}.${ending}`, url);
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    said("Saved");
  };
  return {
    copy: () => copy(from().link, from().link),
    markdown: () => copy(markdown(root(), from().inputs, from().link), "The browser refused"),
    csv: () => saved("csv", "text/csv", csv(root())),
    html: async () => {
      const plot = root().querySelector(".lc-plot");
      const chart = plot?.llmcapFigure ? await picture(plot, "svg") : "";
      saved("html", "text/html", wholePage(root(), from().inputs, from().link, chart));
    },
    lines: async (button) => {
      const done = await copied(button.parentNode.querySelector("pre").textContent);
      button.textContent = done ? "Copied" : "The browser refused";
      setTimeout(() => (button.textContent = "Copy"), 4000);
      announce(button.textContent);
    },
    png: () => drawn("png"),
    svg: () => drawn("svg"),
  };
}

// A menu closes when the focus or a click goes elsewhere, and on Escape.
export function closeMenus(root, event) {
  const menu = root.querySelector(".lc-share details");
  if (!menu?.open || (event.type !== "keydown" && menu.contains(event.target))) return;
  if (event.type === "keydown" && event.key !== "Escape") return;
  menu.open = false;
  if (event.type === "keydown") menu.querySelector("summary").focus();
}

// The clipboard needs a secure page; elsewhere the old way still works.
async function copied(words) {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    const focused = document.activeElement;
    const area = document.body.appendChild(h("textarea", {}, words));
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused.focus();
    return done;
  }
}

// Attributes are what the view says; properties are what the person sees. An input that
// is being typed in or dragged keeps what the person put there.
function showValues(root, busyInput) {
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

function fillTrack(range) {
  const share = range.max > 0 ? (100 * range.value) / range.max : 0;
  range.style.setProperty("--lc-filled", `${share}%`);
}

// ---- the searched list ----------------------------------------------------------------
// An editable combobox with a listbox, as the ARIA practices describe it.

const NEAREST = 5; // names offered beside one that is in no list

// Blanks, "-", "_" and case are one spelling, and an organisation before a name is no part of it.
const spelt = (words) => words.toLowerCase().replace(/[\s_-]+/g, " ").trim();
const joined = (words) => spelt(words).replaceAll(" ", "");
const nameIn = (typed) => spelt(typed.trim().replace(/^[\w.-]+\//, ""));
const same = (words, option) =>
  [option.label, String(option.value)].some((one) => joined(one) === joined(words));

// The options that have all words typed, the likeliest first; else those that have most of them.
export function matching(options, typed) {
  const name = nameIn(typed);
  const wanted = name.split(" ").filter(Boolean);
  const listed = options.map((option) =>
    ({ option, said: spelt(`${option.label} ${option.group || ""} ${option.value}`) }));
  const hits = ({ said }) => wanted.filter((word) => said.includes(word)).length;
  // What begins with whole words of it stands before what only begins so, and that before the
  // rest: "l4" is the L4 first, then the L40.
  const rank = ({ option, said }) => {
    if (same(name, option)) return -1;
    return said.startsWith(name) ? Number(/[a-z0-9.]/.test(said.charAt(name.length))) : 2;
  };
  const inOrder = (some, order) => some.toSorted((a, b) => order(a) - order(b)).map((one) => one.option);
  const whole = listed.filter((one) => hits(one) === wanted.length);
  const known = whole.length ? whole
    : listed.filter(({ said }) => joined(said).includes(joined(name)));
  if (known.length) return { known: inOrder(known, rank), near: [] };
  const some = listed.filter(hits);
  return { known: [], near: inOrder(some, (one) => -hits(one)).slice(0, NEAREST) };
}

const lookUp = (words) => `Look up \u201c${words}\u201d`;

// `choose` takes an option's value, or words that are no option's: these are the kernel's to judge.
// `unlisted` says what becomes of such words, `isValue` whether they may be right beside the list.
export function searchedList(input, options, choose, { unlisted = lookUp, isValue = () => false } = {}) {
  const list = document.getElementById(input.getAttribute("aria-controls"));
  let active = -1;
  let taken = null; // what stands in the box since a choice was made

  function mark(i) {
    const items = [...list.children];
    items[active]?.setAttribute("aria-selected", "false");
    active = Math.max(0, Math.min(i, items.length - 1));
    const item = items[active];
    if (!item) return input.removeAttribute("aria-activedescendant");
    item.setAttribute("aria-selected", "true");
    item.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", item.id);
  }

  function open(words) {
    const { known, near } = matching(options(), words);
    const entries = [...known, ...near].map((option) =>
      [option.value, option.label, near.length ? "near it" : option.group]);
    const own = words.trim();
    // The kernel knows other spellings; a near name is offered, and never taken for the one typed.
    if (own && (isValue(own) ? !known.some((one) => same(own, one)) : !known.length)) {
      entries.unshift([own, unlisted(own), ""]);
    }
    const items = entries.map(([value, label, group], i) =>
      h("li", { id: `${list.id}-${i}`, role: "option", "aria-selected": "false",
        "data-option": value }, label, group ? h("span", {}, group) : null));
    list.replaceChildren(...items);
    list.hidden = !items.length;
    input.setAttribute("aria-expanded", String(items.length > 0));
    const current = known.findIndex((option) => option.label === input.dataset.value);
    active = -1;
    mark(words ? 0 : current);
  }

  function close() {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function take(value) {
    const option = options().find((one) => String(one.value) === value);
    if (option) input.value = option.label;
    taken = input.value;
    close();
    choose(value);
  }

  // What was typed and not chosen is no silence: it is the one that it names, or is looked up.
  function leave() {
    close();
    const words = input.value.trim();
    if (words && words !== input.dataset.value && input.value !== taken) {
      const { known } = matching(options(), words);
      const only = known.length === 1 && !isValue(words) && known[0];
      const meant = known.find((one) => same(nameIn(words), one)) || only;
      return take(meant ? String(meant.value) : words);
    }
    if (input.value !== taken) input.value = input.dataset.value;
    taken = null;
  }

  const isOpen = () => !list.hidden;
  const keys = {
    ArrowDown: () => (isOpen() ? mark(active + 1) : open("")),
    ArrowUp: () => (isOpen() ? mark(active - 1) : open("")),
    PageDown: () => isOpen() && mark(active + 8),
    PageUp: () => isOpen() && mark(active - 8),
    Enter: () => {
      if (isOpen()) take(list.children[active].dataset.option);
      else if (input.value !== input.dataset.value) take(input.value);
    },
    Escape: () => {
      close();
      input.value = input.dataset.value;
      input.select();
    },
  };
  return { open, close, take, leave, isOpen, keys };
}

// ---- a file of the reader's own -------------------------------------------------------
// It goes to this page's kernel in parts, and nowhere else.

const MOST_FILE_BYTES = 20e6;
const PART_BYTES = 1e6;

function fileBox(control, id) {
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

function sendChosen(model, input) {
  const [file] = input.files;
  const said = input.parentNode.querySelector(".lc-file-said");
  input.value = ""; // so that the same file, changed, can be chosen again
  if (file) sendFile(model, file, said);
}

// A whole document needs no button, however it came into its box.
function wholeJson(text) {
  if (text.length < 40 || !/^\s*\{/.test(text)) return false;
  try {
    return Boolean(JSON.parse(text));
  } catch {
    return false;
  }
}

function sendPasted(model, area) {
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

function hearFile(model, el) {
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

// ---- a kernel that does not answer ----------------------------------------------------
// On a page of the server the kernel may be gone: it took too much, or the page slept for long. The
// page then opens anew by itself with what was asked last, and gets another.

const BEGAN_ANEW = "llmcap:began-anew";
const TOOK_TOO_MUCH = "The file took more memory or time than there is for one page: split it.";

async function kernelIsGone() {
  const config = document.getElementById("jupyter-config-data");
  if (!config) return false;
  const { baseUrl, kernelId } = JSON.parse(config.textContent);
  const answer = await fetch(`${baseUrl}api/kernels/${kernelId}`).catch(() => null);
  return answer?.status === 404;
}

// The address of a view with what was asked of it and not answered.
export function askedAddress(view, asked) {
  if (asked?.query !== undefined) return asked.query;
  const changed = Object.entries(asked?.values || {});
  if (asked && !changed.length) return ""; // a reset
  const query = new URLSearchParams(view.query);
  const before = Object.fromEntries(view.controls.map((one) => [one.name, one.value]));
  for (const [name, value] of changed) {
    if (value === before[name]) continue;
    if (value === null) query.delete(name);
    else query.set(name, value);
  }
  return query.toString();
}

// Words that a screen reader reads out, under the calculator; none takes them away.
function say(el, words) {
  let said = el.querySelector(":scope > .lc-late");
  if (!said && words) el.append((said = h("p", { class: "lc-late", role: "alert" })));
  if (!words) said?.remove();
  else if (said.textContent !== words) said.textContent = words;
}

// ---- the chart ------------------------------------------------------------------------

// Plotly comes from the page when it has it, from the address the page names, or from the
// kernel. One promise for the whole page: several calculators share one copy.
export function loadPlotly(ask) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  if (!window.llmcapPlotly) {
    const url = document.querySelector('meta[name="llmcap-plotly"]')?.content;
    const loading = url ? runScript(url) : ask ? ask() : Promise.reject(new Error("no Plotly"));
    window.llmcapPlotly = loading.catch((problem) => {
      window.llmcapPlotly = undefined;
      throw problem;
    });
  }
  return window.llmcapPlotly;
}

export function runScript(url) {
  return new Promise((resolve, reject) => {
    const script = h("script", { src: url });
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error(`${url} did not load`));
    document.head.append(script);
  });
}

function askKernel(model) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("no answer")), 30000);
    const answer = async (content, buffers) => {
      if (!content || content.plotly !== "gzip") return;
      model.off("msg:custom", answer);
      clearTimeout(late);
      const packed = new Blob([buffers[0]]).stream();
      const source = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).blob();
      const url = URL.createObjectURL(source.slice(0, source.size, "text/javascript"));
      runScript(url).then(resolve, reject).finally(() => URL.revokeObjectURL(url));
    };
    model.on("msg:custom", answer);
    model.send({ need: "plotly" });
  });
}

// A figure names its colours as the style sheet does, so it follows the theme.
function coloured(value, colour) {
  if (typeof value === "string" && value.startsWith("var(--lc-")) return colour(value);
  if (Array.isArray(value)) return value.map((item) => coloured(item, colour));
  if (value && typeof value === "object") {
    const pairs = Object.entries(value).map(([key, item]) => [key, coloured(item, colour)]);
    return Object.fromEntries(pairs);
  }
  return value;
}

const THEMES = ["data-theme", "data-jp-theme-light", "data-jp-theme-name", "data-vscode-theme-kind"];
const DARK = "(prefers-color-scheme: dark)";

// All that the colours of the style sheet depend on.
function themeOf(box, scheme) {
  const nodes = [document.documentElement, document.body];
  const named = nodes.flatMap((node) => THEMES.map((name) => node.getAttribute(name)));
  const printed = box.closest(".lc")?.hasAttribute("data-print");
  const asked = [scheme, matchMedia(DARK).matches, printed, document.styleSheets.length];
  return JSON.stringify([...named, ...asked]);
}

let known = { theme: "", colours: new Map() };

// Each colour is asked of the page once a theme: every answer makes it compute its styles.
function colours(figure, box, scheme = "") {
  const theme = themeOf(box, scheme);
  if (known.theme !== theme) known = { theme, colours: new Map() };
  const probe = box.parentNode.appendChild(h("span", { hidden: true }));
  probe.style.colorScheme = scheme;
  const colour = (name) => {
    if (!known.colours.has(name)) {
      probe.style.color = name;
      known.colours.set(name, getComputedStyle(probe).color);
    }
    return known.colours.get(name);
  };
  const { data, layout } = coloured({ data: figure.data, layout: figure.layout }, colour);
  probe.remove();
  return { data, layout };
}

async function drawFigure(box, figure, ask) {
  const missing = () => {
    box.textContent = "The chart could not be drawn here; the table has the same numbers.";
  };
  let Plotly;
  try {
    Plotly = await loadPlotly(ask);
  } catch {
    return missing();
  }
  box.llmcapFigure = figure;
  const { data, layout } = colours(figure, box);
  const config = { displayModeBar: false, responsive: true, doubleClick: false };
  return Plotly.react(box, data, layout, config);
}

// A trace whose `meta` names an input is a list of its values: a click on a mark is a choice.
function picks(box, choose) {
  if (!box.on || box.llmcapPicks) return;
  box.llmcapPicks = true;
  box.on("plotly_click", ({ points }) => {
    const mark = points.find((point) => point.data.meta);
    if (mark) choose(mark.data.meta, mark.id);
  });
}

// Call `again` when the theme or the width changes; gives back what stops it.
function follow(box, again) {
  const dark = matchMedia(DARK);
  const themes = new MutationObserver(again);
  const options = { attributes: true, attributeFilter: THEMES };
  for (const node of [document.documentElement, document.body]) themes.observe(node, options);
  let width = box.clientWidth;
  const sizes = new ResizeObserver(() => {
    if (box.clientWidth === width || !box.clientWidth) return;
    width = box.clientWidth;
    again();
  });
  sizes.observe(box);
  dark.addEventListener("change", again);
  const paper = (event) => {
    box.closest(".lc").toggleAttribute("data-print", event.type === "beforeprint");
    again();
  };
  addEventListener("beforeprint", paper);
  addEventListener("afterprint", paper);
  return () => {
    removeEventListener("beforeprint", paper);
    removeEventListener("afterprint", paper);
    themes.disconnect();
    sizes.disconnect();
    dark.removeEventListener("change", again);
  };
}

// For a page whose Python is not there yet: draw the figure that is written into a calculator's
// HTML. Gives back what stops it from being drawn again.
export function drawStanding(root) {
  const box = root.querySelector(".lc-figure");
  const written = box.querySelector("script");
  if (!written) return () => {};
  const figure = JSON.parse(written.textContent);
  const again = () => drawFigure(box.querySelector(".lc-plot"), figure);
  again();
  return follow(box, again);
}

// A calculator that was opened from a text shows the way back to it, in the head of its page.
export function wayBack(site) {
  const from = /[#&]from=([^&]+)/.exec(location.hash);
  const link = document.querySelector(".lt-back");
  const target = from && decodeURIComponent(from[1]);
  // An address says anything: only a page of the book is led to.
  if (!link || !target || !/^[\w-]+\.html(#[\w-]+)?$/.test(target)) return;
  const page = target.split("#")[0];
  const named = document.querySelector(`.lt-top nav a[href$="/book/${page}"]`);
  link.href = `${site}/book/${target}`;
  link.textContent = `Back to ${named ? named.textContent : "the book"}`;
  link.hidden = false;
}

// A link may lead to the box where a config, a command or a log is pasted.
export function openPaste(root) {
  const box = /^#paste\b/.test(location.hash) && root?.querySelector(".lc-kind-text");
  if (!box || box.open) return;
  for (let one = box; one; one = one.parentElement.closest("details")) one.open = true;
  // It may not be in the page yet: what has no size takes no focus.
  new ResizeObserver(([{ contentRect }], watch) => {
    if (!contentRect.height) return;
    watch.disconnect();
    box.querySelector("textarea").focus();
  }).observe(box);
}

// ---- the live calculator --------------------------------------------------------------

// In a notebook each widget has a copy of this module, so the count is the page's.
const nextPrefix = () => `lc${(window.llmcapCount = (window.llmcapCount || 0) + 1)}`;

// The address bar belongs to the app's own page; in a notebook it is left alone.
const isApp = /\/(apps|voila\/render)\//.test(location.pathname);

function render({ model, el }) {
  const standing = el.querySelector(":scope > section.lc");
  const prefix = standing?.dataset.prefix || nextPrefix();
  const client = `${prefix}-${Date.now().toString(36)}`;
  const past = []; // queries: each is a whole state
  const future = [];
  let view = received();
  let root = standing;
  let sent = 0; // sequence number of the last state sent
  let drawn = 0; // and of the last answer drawn
  let waiting = null; // the newest state not yet sent
  let asked = null; // the newest state sent
  let inFlight = false;
  let sentAt = 0;
  let busyInput = null;
  let moving = null; // the slider being dragged: one drag is one step of Undo
  let late = 0;
  let busy = 0;
  let search = null; // the searched list that has the focus

  // Long lists travel once, apart from the views that name them.
  function received() {
    const [next, lists] = [model.get("view"), model.get("lists") || {}];
    const whole = (value) => (value && value.list ? lists[value.list] : value);
    const full = (control) =>
      Object.fromEntries(Object.entries(control).map(([key, value]) => [key, whole(value)]));
    return { ...next, controls: next.controls.map(full) };
  }

  // Where the apps are: beside this one, else where the page or the kernel says they are.
  const [above, inApps] = location.href.split("/apps/", 2);
  const apps = `${inApps === undefined ? model.get("site") || "" : above}/apps/`;
  const link = () => (isApp ? `${location.origin}${location.pathname}` : apps + view.name);

  // One question at a time: while the kernel works, only the newest state is kept. An answer that
  // takes too long may never come: its message was lost, or the kernel is another one now.
  function send(state) {
    waiting = state;
    if (inFlight && Date.now() - sentAt < ANSWER_WITHIN_MS) return;
    clearTimeout(late);
    clearTimeout(busy);
    inFlight = true;
    sentAt = Date.now();
    sent += 1;
    asked = waiting;
    waiting = null;
    model.set("state", { ...asked, seq: sent, client });
    model.save_changes();
    late = setTimeout(() => say(el, "The kernel does not answer."), ANSWER_WITHIN_MS);
    busy = setTimeout(() => root.setAttribute("data-busy", ""), SOON_MS);
  }

  function unanswered() {
    if (waiting?.values && inFlight) return { ...asked, values: { ...asked.values, ...waiting.values } };
    return waiting || (inFlight ? asked : null);
  }

  async function lookForTheKernel(always) {
    const reading = el.querySelector(".lc-file-said[aria-busy=true]");
    if (!(inFlight || reading || always) || !(await kernelIsGone())) return;
    if (reading) sessionStorage.setItem(BEGAN_ANEW, TOOK_TOO_MUCH);
    const query = askedAddress(view, unanswered());
    location.replace(`${location.pathname}${query && "?"}${query}`);
  }

  function change(name, value) {
    const cleared = (control(name)?.clears || []).map((other) => [other, null]);
    // Only what a person changed: an input that follows another is the kernel's to move, and its
    // value here may be older than what is asked and not yet answered.
    send({ values: { ...waiting?.values, ...Object.fromEntries(cleared), [name]: value } });
  }

  const control = (name) => view.controls.find((one) => one.name === name);

  function answered() {
    const next = received();
    const mine = next.client === client;
    if (mine && next.seq < drawn) return;
    if (mine) {
      drawn = next.seq;
      inFlight = drawn < sent;
    }
    clearTimeout(late);
    if (!inFlight) {
      clearTimeout(busy);
      root.removeAttribute("data-busy");
    }
    say(el, "");
    view = next;
    draw();
    if (!inFlight && waiting) send(waiting);
  }

  async function draw() {
    const seq = drawn;
    const inputs = model.get("inputs") || [];
    const fresh = tree(view, prefix, { undo: past.length, redo: future.length, apps, inputs });
    const focused = root?.contains(document.activeElement) && document.activeElement;
    if (root) patch(root, fresh);
    else el.replaceChildren((root = fresh));
    // A button may go with what it did: the next Tab goes on from the answer, not from the page's top.
    const isGone = focused && (!focused.checkVisibility() || focused.matches(":disabled"));
    if (isGone) root.querySelector(".lc-status").focus();
    showValues(root, inFlight || waiting || busyInput?.type === "text" ? busyInput : null);
    followAddress();
    await chart();
    root.dataset.seq = seq;
  }

  async function chart() {
    const box = root.querySelector(".lc-plot");
    if (!view.figure) return;
    await drawFigure(box, view.figure, () => askKernel(model));
    picks(box, (name, id) => {
      remember();
      change(name, id);
    });
  }

  let addressTimer = 0;
  function followAddress() {
    const untouched = !drawn && !location.search;
    if (!isApp || untouched) return;
    document.title = `${view.named} - llmcap`;
    clearTimeout(addressTimer);
    addressTimer = setTimeout(() => history.replaceState(null, "", `?${view.query}`), 300);
  }

  function remember() {
    past.push(view.query);
    if (past.length > 100) past.shift();
    future.length = 0;
  }

  function input(event) {
    const node = event.target;
    busyInput = node;
    if (node.role === "combobox") searching(node).open(node.value);
    // a paste is an event of its own
    const typed = node.nodeName === "TEXTAREA" && event.inputType !== "insertFromPaste";
    if (typed && wholeJson(node.value)) return used(node);
    if (node.type !== "range") return;
    fillTrack(node);
    const { stops, stop_texts: texts, stop_entries: entries } = control(node.name);
    node.setAttribute("aria-valuetext", texts[node.value]);
    node.parentNode.querySelector(".lc-entry input").value = entries[node.value];
    if (moving !== node) {
      moving = node;
      remember();
    }
    change(node.name, stops[node.value]);
  }

  function searching(node) {
    if (search?.input === node) return search;
    const choose = (value) => {
      busyInput = null;
      remember();
      change(node.name, value);
    };
    search = { input: node, ...searchedList(node, () => control(node.name).options, choose) };
    return search;
  }

  const inputLabel = (one) => (one.group ? `${one.group.toUpperCase()} ` : "") + one.label;

  function pressed(event) {
    const node = event.target;
    closeMenus(root, event);
    if (!node.matches("input[type=text], textarea")) return stepped(event);
    if (node.role !== "combobox") return;
    const act = searching(node).keys[event.key];
    if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  }

  // A box of text has an Undo of its own.
  function stepped(event) {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || event.altKey || !"zy".includes(key)) return;
    event.preventDefault();
    event.stopPropagation();
    acts[key === "y" || event.shiftKey ? "redo" : "undo"]();
  }

  // The focus stays in the box while the list beside it is used.
  function grabbed(event) {
    if (event.target.closest("[role=listbox]")) event.preventDefault();
  }

  function left(event) {
    if (event.target.role !== "combobox") return;
    busyInput = null;
    searching(event.target).leave();
  }

  function pasted(event) {
    if (event.target.nodeName === "TEXTAREA") setTimeout(() => used(event.target));
  }

  const used = (area) => acts[area.closest(".lc-file") ? "usetext" : "use"](area);

  function changed(event) {
    const node = event.target;
    if (node.role === "combobox" || node.nodeName === "TEXTAREA") return;
    if (node.type === "file") return sendChosen(model, node);
    busyInput = null;
    if (node.type === "range") {
      moving = null;
      return;
    }
    if (node.name === "ask" && !node.value.trim()) return;
    remember();
    if (node.matches(".lc-entry input")) node.typed = node.value;
    change(node.name, node.type === "checkbox" ? node.checked : node.value);
  }

  function step(from, to) {
    if (!from.length) return;
    to.push(view.query);
    send({ query: from.pop() });
  }

  const acts = {
    nofile: () => model.send({ file: null }),
    usetext: (node) => {
      busyInput = null;
      sendPasted(model, node.closest("details").querySelector("textarea"));
    },
    undo: () => step(past, future),
    redo: () => step(future, past),
    reset: () => {
      remember();
      send({ values: {} });
    },
    preset: (node) => {
      remember();
      send({ query: node.dataset.query });
    },
    use: (node) => {
      const area = root.querySelector(`#${node.dataset.for || node.id}`);
      busyInput = null;
      remember();
      area.used = area.value;
      change(area.name, area.value.trim() || null);
    },
    remove: (node) => {
      remember();
      change(root.querySelector(`#${node.dataset.for}`).name, null);
    },
    ...shareActs(() => root, view.name, () => ({
      inputs: view.controls.map((one) => [inputLabel(one), one.text]),
      link: `${link()}?${view.query}`,
    })),
  };

  function clicked(event) {
    closeMenus(root, event);
    const node = event.target.closest("[data-act], [data-option], [role=combobox]");
    if (node?.dataset.act) node.ariaDisabled === "true" || acts[node.dataset.act]?.(node);
    else if (node?.dataset.option) search?.take(node.dataset.option);
    else if (node && !searching(node).isOpen()) {
      node.select();
      search.open("");
    }
  }

  el.addEventListener("input", input);
  el.addEventListener("change", changed);
  el.addEventListener("click", clicked);
  el.addEventListener("keydown", pressed);
  el.addEventListener("pointerdown", grabbed);
  el.addEventListener("mousedown", grabbed);
  el.addEventListener("focusout", left);
  el.addEventListener("paste", pasted);
  const drop = (event) => dropped(root, event);
  for (const kind of DROPS) el.addEventListener(kind, drop);
  model.on("change:view", answered);
  draw();
  if (isApp) wayBack(above);
  if (isApp) openPaste(root);
  const looking = isApp ? setInterval(lookForTheKernel, LOOK_EVERY_MS) : 0;
  const seen = () => isApp && document.visibilityState === "visible" && lookForTheKernel(true);
  document.addEventListener("visibilitychange", seen); // a page that slept
  if (sessionStorage.getItem(BEGAN_ANEW)) say(el, sessionStorage.getItem(BEGAN_ANEW));
  sessionStorage.removeItem(BEGAN_ANEW);
  const unfollow = follow(root.querySelector(".lc-figure"), chart);
  const unhear = hearFile(model, el);
  return () => {
    model.off("change:view", answered);
    unfollow();
    unhear();
    clearTimeout(late);
    clearTimeout(busy);
    clearTimeout(addressTimer);
    clearInterval(looking);
    document.removeEventListener("visibilitychange", seen);
    window.Plotly?.purge(root.querySelector(".lc-plot"));
  };
}

export default { render };
