// The answer: its numbers with their intervals, what is wrong, and what else there is to run.
import { h } from "./dom.js";

export function headlineBox(view) {
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

// The answer in a line, which stays in sight on a phone; it has been read out above.
export function shortBox(view) {
  const named = (item) => item.short || (view.groups?.length ? item.label.split(":")[0] : item.label);
  const isSaid = (item) => item.short || named(item).toLowerCase().split(" ").includes(item.unit);
  const unit = (item) => (isSaid(item) ? "" : item.unit);
  const inOrder = [...view.headline].sort((a, b) => !!b.first - !!a.first);
  const said = inOrder.slice(0, 4).map((item) =>
    h("span", {}, `${named(item)} `, h("b", {}, `${item.rough ? "about " : ""}${item.value} ${unit(item)}`.trim())));
  return h("p", { class: `lc-short lc-${view.status.level}`, "aria-hidden": "true" }, said);
}

export function messagesBox(view) {
  const items = view.messages.map((m) => h("li", { class: `lc-${m.level}` }, m.text));
  return h("ul", { class: "lc-messages", "aria-live": "polite", hidden: !items.length }, items);
}

// What else there is to run, or would make it start, each a button that does it.
export function remediesBox(view) {
  const { text: said, items } = view.remedies || { text: "", items: [] };
  const list = items.map((one) => h("li", {},
    h("button", { type: "button", "data-act": "preset", "data-query": one.query }, one.label),
    h("span", {}, one.note)));
  return h("div", { class: "lc-remedies", role: "group",
    "aria-label": said || "What would make it start", hidden: !said }, h("p", {}, said || null), h("ul", {}, list));
}
