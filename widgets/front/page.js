// For pages without a kernel: draws the charts that are written into the page, and points
// each calculator's link at the live app of the same site.
import { drawFigures } from "./calculator.js";

const beside = (path) => new URL(path, import.meta.url).href;

for (const link of document.querySelectorAll("a[data-llmcap-live]")) {
  link.href = beside(`../../apps/${link.dataset.llmcapLive}`);
}
drawFigures(document, beside("../plotly.min.js"));
