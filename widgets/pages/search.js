// A result of the search shows the sentence that has the word, and never code.
const NO_PROSE = ".cell, pre, nav, script, style, .headerlink, .lc, .llmcap-open";
const BLOCKS = "p, li, dt, dd, td, h1, h2, h3";

Search.makeSearchSummary = (html, keywords, anchor) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  const main = page.querySelector('[role="main"]');
  const spot = anchor && main?.querySelector(anchor);
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
