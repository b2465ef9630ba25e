// Makes one style sheet and one script of what the theme adds to a page: JSON in, JSON out.
const { basename, dirname } = require("path");
const { readFileSync } = require("fs");
const esbuild = require("esbuild");
const { PurgeCSS } = require("purgecss");

// Rules that no page can use. A class counts as used wherever its name stands in a page or script.
async function used(sheets, pages, scripts) {
  const content = [
    ...pages.map((path) => ({ raw: readFileSync(path, "utf8"), extension: "html" })),
    ...scripts.map((path) => ({ raw: readFileSync(path, "utf8"), extension: "js" })),
  ];
  const css = sheets.map(({ path, text }) => ({ raw: text, name: path }));
  const found = await new PurgeCSS().purge({ content, css, keyframes: true, variables: true });
  return new Map(sheets.map(({ path }, i) => [path, found[i].css]));
}

// Fonts of icons are drawn as SVG by now; every browser that we draw for reads woff2.
function withoutFonts(text) {
  return text
    .replace(/@font-face\s*\{[^}]*fontawesome\/webfonts[^}]*\}/g, "")
    .replace(/,\s*url\([^)]*\.(woff|ttf)\)\s*format\("\w+"\)/g, "");
}

function read(sheet) {
  const path = sheet.text === undefined ? require.resolve(sheet.path) : sheet.path;
  return { ...sheet, path, text: withoutFonts(sheet.text ?? readFileSync(path, "utf8")) };
}

async function styles({ sheets: given, pages, scripts, out }) {
  const sheets = given.map(read);
  const kept = await used(sheets.filter((one) => one.purge), pages, scripts);
  const text = new Map(sheets.map((one) => [one.path, kept.get(one.path) ?? one.text]));
  const plugin = {
    name: "sheets",
    setup(build) {
      build.onResolve({ filter: /^\// }, ({ path }) => (text.has(path) ? { path } : undefined));
      build.onLoad({ filter: /\.css$/ }, ({ path }) => ({
        contents: text.get(path), loader: "css", resolveDir: dirname(path),
      }));
    },
  };
  const built = await esbuild.build({
    stdin: { contents: sheets.map((one) => `@import ${JSON.stringify(one.path)};`).join("\n"), loader: "css", resolveDir: "/" },
    bundle: true, minify: true, metafile: true, logLevel: "error", legalComments: "none",
    outdir: out, entryNames: "book-[hash]", assetNames: "[name]-[hash]",
    loader: { ".woff2": "file", ".png": "dataurl", ".svg": "dataurl" },
    plugins: [plugin],
  });
  return Object.keys(built.metafile.outputs).map((path) => basename(path));
}

// Classic scripts that share their names, as the theme's do: joined, never wrapped.
async function script(parts) {
  const text = parts.map((path) => readFileSync(path, "utf8")).join("\n;\n");
  return (await esbuild.transform(text, { minify: true, legalComments: "none" })).code;
}

async function main() {
  const given = JSON.parse(readFileSync(0, "utf8"));
  const scripts = {};
  for (const [name, parts] of Object.entries(given.scripts)) scripts[name] = await script(parts);
  process.stdout.write(JSON.stringify({ files: await styles(given.styles), scripts }));
}

main().catch((problem) => {
  process.stderr.write(`${problem.message}\n`);
  process.exit(1);
});
