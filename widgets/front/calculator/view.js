// A whole calculator: title, answer, inputs and details, in the order of `page.py`.
import { headlineBox, messagesBox, remediesBox, shortBox } from "./answer.js";
import { detailsOf, linksBox, ownPageBox } from "./details.js";
import { h } from "./dom.js";
import { bandBox, controlsBox } from "./form.js";
import { shareMenu } from "./share.js";
import { tableBox } from "./table.js";

export function tree(view, prefix, can) {
  const compact = can.inputs.length > 0;
  // Not `disabled`: a button that is pressed for the last time keeps the focus.
  const button = (act, text, off) =>
    h("button", { type: "button", "data-act": act, "aria-disabled": off && "true" }, text);
  const actions = h("div", { class: "lc-actions" },
    button("undo", "Undo", !can.undo), button("redo", "Redo", !can.redo), button("reset", "Reset"),
    shareMenu(Boolean(view.figure)));
  const head = h("header", {}, titleBox(view, compact),
    compact ? null : h("p", { class: "lc-lead" }, view.lead), actions,
    presetsBox(view, compact, prefix, can.apps));
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

// An app's page may already carry the title as its heading; a page has one h1.
function titleBox(view, compact) {
  const headings = [...document.querySelectorAll("h1:not(.lc-title)")];
  const said = headings.some((node) => node.textContent.trim() === view.title);
  const level = compact ? "h3" : headings.length ? "h2" : "h1";
  return said ? h("span", { hidden: true }) : h(level, { class: "lc-title" }, view.title);
}

function presetsBox(view, compact, prefix, apps) {
  const presets = (compact ? [] : view.presets || []).map((preset) =>
    h("button", { type: "button", "data-act": "preset", "data-query": preset.query,
      title: preset.note, "aria-pressed": String(preset.query === view.query) }, preset.label));
  const hint = view.hint && !compact ? h("p", { class: "lc-hint" }, view.hint) : null;
  const ask = view.ask && !compact ? questionBox(view, prefix, apps) : null;
  if (!presets.length && !hint && !ask) return null;
  const row = h("div", { class: "lc-presets", role: "group", "aria-label": "Start from" },
    h("span", { "aria-hidden": "true" }, "Start from:"), presets);
  return h("div", { class: "lc-start" }, presets.length ? row : null, ask, hint);
}

// A line in which a whole question may be typed: leaving it, with Enter or the button, asks. What
// was read of it stands under it.
function questionBox(view, prefix, apps) {
  const id = `${prefix}-ask`;
  const box = h("div", { class: "lc-asked" }, h("label", { for: id }, "Type a question:"),
    h("input", { id, type: "text", name: "ask", autocomplete: "off", spellcheck: "false",
      enterkeyhint: "go", placeholder: `Such as ${view.ask}` }),
    h("button", { type: "button" }, "Ask"));
  const there = ({ name, query }) => h("a",
    { "data-name": name, href: `${apps}${name}?${query}` }, "Ask there");
  const said = (view.receipt || []).map((m) =>
    h("li", { class: `lc-${m.level}` }, m.text, m.link ? [" ", there(m.link)] : null));
  return h("div", { class: "lc-typed" }, box,
    h("ul", { class: "lc-receipt", "aria-live": "polite", hidden: !said.length }, said));
}
