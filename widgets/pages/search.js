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

// The index knows the book's pages; a calculator is found in the head of the page, by its name and by
// what people bring to it.
addEventListener("DOMContentLoaded", () => {
  const query = new URLSearchParams(location.search).get("q") ?? "";
  const box = document.querySelector(".lt-top input");
  box.value = query;
  box.focus();
  const wordsOf = (text) => text.toLowerCase().match(/\w{2,}/g) ?? [];
  const asked = wordsOf(query).filter((word) => word.length > 2);
  const calculators = [...document.querySelectorAll('.lt-top nav a[href*="apps/"]')];
  const named = calculators.filter((link) => asked.some((word) => wordsOf(link.textContent).includes(word)));
  const all = (link) => wordsOf(`${link.textContent} ${link.dataset.words}`);
  const brought = calculators.filter((link) => asked.length && asked.every((word) => all(link).includes(word)));
  const found = [...new Set([...named, ...brought])];
  const list = document.createElement("ul");
  list.className = "search lt-found";
  // Names of models and cards have digits, and a calculator reads them in words.
  if (/\d/.test(query)) {
    const item = list.appendChild(document.createElement("li"));
    item.className = "lt-ask";
    item.append(`Put “${query.trim()}” to: `);
    calculators.filter((one) => "asked" in one.dataset).forEach((link, i) => {
      const ask = link.cloneNode(true);
      ask.search = new URLSearchParams({ ask: query.trim() });
      item.append(i ? ", " : "", ask);
    });
  }
  for (const link of found) {
    const item = list.appendChild(document.createElement("li"));
    const does = link.nextElementSibling?.textContent;
    item.append(link.cloneNode(true), does ? `: ${does}` : "");
  }
  if (list.children.length) document.querySelector("#search-results").before(list);
});
