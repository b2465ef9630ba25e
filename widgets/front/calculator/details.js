// What stands under the answer: sentences, an engine's lines, tables, the arithmetic, and where to
// go from here.
import { h } from "./dom.js";
import { tableBox } from "./table.js";

export function detailsOf(view, apps, tables = view.tables) {
  const sentences = view.sentences.map((text) => h("p", {}, text));
  return [h("div", { class: "lc-sentences" }, sentences), (view.texts || []).map(textBox), tables.map(tableBox),
    explainBox(view), behindBox(view, apps)];
}

// The lines an engine will print, to look for in its log.
function textBox({ title, text: said, fold }) {
  const box = h("div", { class: "lc-lines" }, fold ? null : h("p", {}, title),
    h("pre", { tabindex: "0", role: "region", "aria-label": title }, said),
    h("button", { type: "button", "data-act": "lines" }, "Copy"));
  return fold ? h("details", { class: "lc-more" }, h("summary", {}, title), box) : box;
}

function explainBox(view) {
  const shown = view.headline.filter((item) => item.explain);
  if (!shown.length) return null;
  const parts = shown.flatMap((item) => [h("p", {}, item.label),
    h("pre", { tabindex: "0", role: "region", "aria-label": item.label }, item.explain)]);
  const summary = h("summary", {}, "Show the arithmetic");
  return h("details", { class: "lc-explain" }, summary, parts);
}

// What the estimates stand on, each with its place on the page of constants.
function behindBox(view, apps) {
  const links = (view.behind || []).map((one) => h("a",
    { href: `${apps}../book/constants.html#${one.anchor}` }, one.title));
  return navBox("The estimates stand on", links);
}

export function linksBox(view, apps) {
  const links = (view.links || []).map((link) => h("a",
    { "data-name": link.name, href: `${apps}${link.name}?${link.query}` }, link.title));
  return navBox(view.linked || "The same deployment in", links);
}

export function ownPageBox(view, apps) {
  return h("p", { class: "lc-open" }, h("a",
    { "data-name": view.name, href: `${apps}${view.name}?${view.query}` },
    "Open on a page of its own"));
}

function navBox(label, links) {
  if (!links.length) return null;
  return h("nav", { class: "lc-links", "aria-label": label }, h("p", {}, `${label}:`),
    h("ul", {}, links.map((link) => h("li", {}, link))));
}
