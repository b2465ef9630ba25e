// For pages without a kernel: draws the charts that are written into the page, points each
// calculator's links at the live apps of the same site, and adds the menu that shares.
import { closeMenus, drawFigures, shareActs, shareMenu } from "./calculator.js";

const beside = (path) => new URL(path, import.meta.url).href;

for (const link of document.querySelectorAll("a[data-llmcap-live]")) {
  link.href = beside(`../../apps/${link.dataset.llmcapLive}`);
}
drawFigures(document, beside("../plotly.min.js"));

for (const root of document.querySelectorAll(".lc-static")) {
  const pairs = [...root.querySelectorAll(".lc-given > div")];
  const from = () => ({
    inputs: pairs.map((pair) => [...pair.children].map((node) => node.textContent)),
    link: root.querySelector(".lc-live a").href,
  });
  const acts = shareActs(() => root, root.dataset.name, from);
  const menu = shareMenu(Boolean(root.querySelector("[data-llmcap-figure]")));
  menu.classList.add("lc-actions");
  root.querySelector("header").append(menu);
  root.addEventListener("click", (event) => {
    closeMenus(root, event);
    acts[event.target.closest("[data-act]")?.dataset.act]?.();
  });
  root.addEventListener("keydown", (event) => closeMenus(root, event));
}
