// A table of the answer.
import { h } from "./dom.js";

const BRIEF = 12; // as page.py has it

export function tableBox(table) {
  const head = h("tr", {}, table.columns.map((name) => h("th", { scope: "col" }, name)));
  const rows = table.rows.map((row, i) => {
    const mark = (table.swatches || [])[i];
    const swatch = mark ? h("i", { class: "lc-swatch", style: `background:var(${mark})` }) : null;
    const cells = row.slice(1).map((cell, j) => h("td", cellAttributes(table, i, j, cell), cell));
    const attributes = { class: (table.highlight || []).includes(i) ? "lc-high" : undefined };
    const address = (table.links || [])[i];
    const head = address ? h("a", { href: address }, row[0]) : row[0];
    // a bare number says in a narrow window what it counts
    const label = table.stack && /^[\d.,]+$/.test(row[0]) ? table.columns[0] : undefined;
    return h("tr", attributes, h("th", { scope: "row", "data-label": label }, swatch, head), cells);
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

function cellAttributes(table, i, j, cell) {
  const level = ((table.levels || [])[i] || [])[j];
  const looks = [level && `lc-${level}`, cell.length <= BRIEF && "lc-brief"].filter(Boolean);
  return { "data-label": table.columns[j + 1], class: looks.join(" ") || undefined };
}
