// Sets formulas: a line of JSON in, a line of JSON out, until the input ends.
const { createInterface } = require("readline");
const katex = require("katex");

// Screen readers get MathML, eyes get HTML: browsers without a mathematical font draw MathML badly.
function set({ tex, display }) {
  try {
    const html = katex.renderToString(tex, { displayMode: display, output: "htmlAndMathml", strict: "error" });
    return { html };
  } catch (problem) {
    return { problem: problem.message };
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(`${JSON.stringify(set(JSON.parse(line)))}\n`);
});
