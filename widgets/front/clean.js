// HTML that a cell gave, with everything in it that could run taken out: a reader's code may print
// anything. Loaded when the first such output comes.
import DOMPurify from "dompurify";

const purify = DOMPurify(window);

// A figure is written into the page as data, which no browser runs.
purify.addHook("uponSanitizeElement", (node, { tagName }) => {
  if (tagName === "script" && node.getAttribute("type") !== "application/json") node.remove();
});

const OPTIONS = { ADD_TAGS: ["script"], FORBID_TAGS: ["style", "form"], RETURN_DOM_FRAGMENT: true };

export const clean = (html) => purify.sanitize(html, OPTIONS);
