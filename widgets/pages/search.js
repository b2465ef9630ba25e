// A result of the search shows the sentence that has the word, and never code.
const NO_PROSE = ".cell, pre, nav, script, style, .headerlink, .lc, .llmcap-open";
const BLOCKS = "p, li, dt, dd, td, h1, h2, h3";

Search.makeSearchSummary = (html, keywords, anchor) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  const main = page.querySelector('[role="main"]');
  const spot = anchor ? main?.querySelector(anchor) : null;
  const within = (spot?.matches("dt") ? spot.nextElementSibling : spot) || main; // a glossary's entry
  for (const node of within?.querySelectorAll(NO_PROSE) ?? []) node.remove();
  const blocks = [...(within?.querySelectorAll(BLOCKS) ?? [])].filter((one) => !one.querySelector(BLOCKS));
  const sentences = blocks.flatMap((one) => one.textContent.trim().split(/(?<=[.?!])\s+/));
  const words = [...keywords].map((word) => word.toLowerCase());
  const hits = (text) => words.filter((word) => text.toLowerCase().includes(word)).length;
  // Headings are short: of two with as many words, the longer says more.
  const best = sentences.reduce(
    (most, text) => (hits(text) > hits(most) || (hits(text) === hits(most) && most.length < 40 && text.length > most.length) ? text : most),
    "",
  );
  const said = hits(best) || within !== main ? best || within.textContent : page.querySelector('meta[name="description"]')?.content;
  if (!said) return null;
  const summary = document.createElement("p");
  summary.className = "context";
  summary.textContent = said.length > 300 ? `${said.slice(0, 300).replace(/\s+\S*$/, "")} ...` : said;
  return summary;
};

// The index knows the book's pages; a calculator is found by its name in the head of the page.
addEventListener("DOMContentLoaded", () => {
  const query = new URLSearchParams(location.search).get("q") ?? "";
  const box = document.querySelector(".lt-top input");
  box.value = query;
  box.focus();
  const asked = query.toLowerCase().match(/\w{3,}/g) ?? [];
  const calculators = [...document.querySelectorAll('.lt-top nav a[href*="apps/"]')];
  const found = calculators.filter((link) =>
    asked.some((word) => link.textContent.toLowerCase().split(/\W+/).includes(word)));
  if (!found.length) return;
  const list = document.createElement("ul");
  list.className = "search lt-found";
  for (const link of found) {
    const item = list.appendChild(document.createElement("li"));
    item.append(link.cloneNode(true), " (calculator)");
  }
  document.querySelector("#search-results").before(list);
});
