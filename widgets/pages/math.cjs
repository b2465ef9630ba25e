// Sets formulas: a line of JSON in, a line of JSON out, until the input ends.
const { createInterface } = require("readline");
const katex = require("katex");

// Screen readers get MathML, eyes get HTML: browsers without a mathematical font draw MathML badly.
function set({ tex, display }) {
  try {
    const options = { displayMode: display, output: "htmlAndMathml", strict: "error" };
    const html = katex.renderToString(tex, options);
    // The TeX that KaTeX keeps beside the MathML would be found by a search for words.
    return { html: html.replace(/<annotation[^]*?<\/annotation>/g, "") };
  } catch (problem) {
    return { problem: problem.message };
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(`${JSON.stringify(set(JSON.parse(line)))}\n`);
});
