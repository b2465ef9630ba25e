// What leaves the page. It is read from what is drawn, so that the same menu serves a page without
// a kernel.
import { colours } from "./chart.js";
import { h } from "./dom.js";

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

// On the page no line breaks at the hyphen of a split; elsewhere it is a plain one.
const text = (node) =>
  node ? node.textContent.trim().replace(/\s+/g, " ").replace(/\u2011/g, "-") : "";
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

function markdown(root, inputs, link) {
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
function wholePage(root, inputs, link, chart) {
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
