// Nodes: made, and made to look like others.

// TP-2 is one word: no line ends at its hyphen, as page.py has it
const whole = (child) =>
  typeof child === "string" ? child.replace(/\b([TPED]P)-(?=\d)/g, "$1\u2011") : child;

export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  const shown = children.flat(3).filter((child) => child !== null && child !== undefined);
  node.append(...shown.map(whole));
  return node;
}

// Attributes that the page sets and no view knows: what is unfolded, and how far a track is filled.
const OWN = ["open", "style", "data-print", "data-said", "data-seq", "data-stands", "data-live",
  "data-drop", "data-busy"];

// Make `old` look like `fresh` and keep every node that can stay: focus, an open
// <details> and a drawn chart survive a redraw.
export function patch(old, fresh) {
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
  const keep = fresh.getAttribute("data-keep");
  if (keep === "whole") return; // a fault is told before what it changes is drawn
  // By name: a list of attributes makes an object of each, at every node and every answer.
  for (const name of old.getAttributeNames()) {
    if (!fresh.hasAttribute(name) && !OWN.includes(name)) old.removeAttribute(name);
  }
  for (const name of fresh.getAttributeNames()) {
    const value = fresh.getAttribute(name);
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (keep !== null) return;
  let child = fresh.firstChild;
  let had = old.firstChild;
  while (child) {
    const [nextChild, nextHad] = [child.nextSibling, had?.nextSibling];
    if (had) patch(had, child);
    else old.append(child);
    [child, had] = [nextChild, nextHad];
  }
  while (had) {
    const next = had.nextSibling;
    had.remove();
    had = next;
  }
}
