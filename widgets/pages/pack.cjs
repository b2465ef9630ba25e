// Writes x.br and x.gz beside each x, two at a time: JSON in, JSON out.
const { readFileSync } = require("fs");
const { readFile, writeFile } = require("fs/promises");
const { promisify } = require("util");
const zlib = require("zlib");

const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);
const LARGE = 2_000_000; // bytes; the last per cent of these would take half a minute

async function pack(path) {
  const data = await readFile(path);
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = zlib.constants;
  const quality = data.length > LARGE ? 9 : 11;
  const params = { [BROTLI_PARAM_QUALITY]: quality, [BROTLI_PARAM_SIZE_HINT]: data.length };
  await writeFile(`${path}.br`, await brotli(data, { params }));
  await writeFile(`${path}.gz`, await gzip(data, { level: 9 }));
}

async function main() {
  const waiting = JSON.parse(readFileSync(0, "utf8")).files;
  const work = async () => {
    while (waiting.length) await pack(waiting.pop());
  };
  await Promise.all([work(), work()]);
  process.stdout.write("{}");
}

main().catch((problem) => {
  process.stderr.write(`${problem.message}\n`);
  process.exit(1);
});
