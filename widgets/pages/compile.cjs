// Compiles the modules that a page's start imports, with the Python of the reader's browser, which
// else would compile them at every first visit. JSON in: the archives of our packages and of the
// standard library, which are rewritten, and where the packages will lie.
const { readFileSync, writeFileSync } = require("fs");
const { dirname } = require("path");

const COMPILE = `
import io, sys, zipfile
from importlib.util import MAGIC_NUMBER, cache_from_source
from marshal import dumps

# Unchecked: what stands beside a source was made from it, and nobody edits either.
HEADER = MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)

def imported(home):
    import widgets.live.page
    widgets.live.page.warm()
    files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    return {path.removeprefix(home + "/") for path in files if path.startswith(home)}

def compiled(packed, home, keep):
    """The archive with those modules compiled: beside the source, or in its place."""
    out, names = io.BytesIO(), imported(home)
    with zipfile.ZipFile(io.BytesIO(packed)) as source, zipfile.ZipFile(out, "w") as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            files = {name: content}
            if name in names:
                code = compile(content, f"{home}/{name}", "exec", dont_inherit=True)
                beside = cache_from_source(name, optimization="") if keep else name + "c"
                files = (files if keep else {}) | {beside: HEADER + dumps(code)}
            for path, data in files.items():
                info = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
                target.writestr(info, data, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()
`;

async function main({ packages, stdlib, home }) {
  const { loadPyodide } = await import("pyodide");
  const env = { HOME: home, PYTHONPATH: home };
  const pyodide = await loadPyodide({ indexURL: dirname(require.resolve("pyodide")), env });
  pyodide.unpackArchive(new Uint8Array(readFileSync(packages)), "zip", { extractDir: home });
  pyodide.runPython(COMPILE);
  const compiled = pyodide.globals.get("compiled");
  const library = pyodide.runPython("next(path for path in sys.path if path.endswith('.zip'))");
  for (const [path, where, keep] of [[packages, home, true], [stdlib, library, false]]) {
    const packed = pyodide.globals.get("bytes")(pyodide.toPy(new Uint8Array(readFileSync(path))));
    writeFileSync(path, compiled(packed, where, keep).toJs());
  }
  process.stdout.write("{}");
}

main(JSON.parse(readFileSync(0, "utf8"))).catch((problem) => {
  process.stderr.write(String(problem.message || problem));
  process.exitCode = 1;
});
