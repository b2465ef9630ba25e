// The chart: Plotly, its colours by the style sheet, and when it is drawn again.
import { h } from "./dom.js";

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };

// Plotly comes from the page when it has it, from the address the page names, or from the
// kernel. One promise for the whole page: several calculators share one copy.
function loadPlotly(ask) {
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

function runScript(url) {
  return new Promise((resolve, reject) => {
    const script = h("script", { src: url });
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error(`${url} did not load`));
    document.head.append(script);
  });
}

export function askKernel(model) {
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
export function colours(figure, box, scheme = "") {
  const theme = themeOf(box, scheme);
  if (known.theme !== theme) known = { theme, colours: new Map() };
  const colour = (name) => {
    if (!known.colours.has(name)) known.colours.set(name, asked(name, box, scheme));
    return known.colours.get(name);
  };
  return coloured({ data: figure.data, layout: figure.layout }, colour);
}

function asked(name, box, scheme) {
  const probe = box.parentNode.appendChild(h("span", { hidden: true }));
  Object.assign(probe.style, { colorScheme: scheme, color: name });
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export async function drawFigure(box, figure, ask) {
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
  // A note whose name is a width stands in a figure that is as wide.
  layout.annotations = layout.annotations?.filter(({ name }) => !(box.clientWidth < Number(name)));
  // It is told once: at each telling Plotly compares all of it, and has the page laid out.
  return Plotly.react(box, data, layout, box.data ? undefined : CONFIG);
}

// A trace whose `meta` names an input is a list of its values: a click on a mark is a choice.
export function picks(box, choose) {
  if (!box.on || box.llmcapPicks) return;
  box.llmcapPicks = true;
  box.on("plotly_click", ({ points }) => {
    const mark = points.find((point) => point.data.meta);
    if (mark) choose(mark.data.meta, mark.id);
  });
}

// Call `again` when the theme or the width changes; gives back what stops it.
export function follow(box, again) {
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
