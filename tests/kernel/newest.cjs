// Imports every module of the kernel and runs its examples in Pyodide's Python. JSON in: an archive of
// the package. JSON out: the version, and what failed.
const { readFileSync } = require("fs");
const { dirname } = require("path");

const RUN = `
import contextlib, doctest, importlib, io, json, pkgutil, sys, warnings
warnings.simplefilter("error")
import llmcap_kernel
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
failed, tried = {}, 0
for module in pkgutil.walk_packages(llmcap_kernel.__path__, "llmcap_kernel."):
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            got = doctest.testmod(importlib.import_module(module.name), optionflags=FLAGS)
        tried += got.attempted
        if got.failed:
            failed[module.name] = said.getvalue()
    except Exception as problem:
        failed[module.name] = repr(problem)
json.dumps({"version": sys.version_info[:2], "tried": tried, "failed": failed})
`;

async function main({ pyodide: entry, packages }) {
  const { loadPyodide } = await import(entry);
  const env = { HOME: "/home/llmcap", PYTHONPATH: "/home/llmcap" };
  const pyodide = await loadPyodide({ indexURL: dirname(entry), env });
  pyodide.unpackArchive(new Uint8Array(readFileSync(packages)), "zip", { extractDir: env.HOME });
  process.stdout.write(pyodide.runPython(RUN));
}

main(JSON.parse(readFileSync(0, "utf8"))).catch((problem) => {
  process.stderr.write(String(problem.message || problem));
  process.exitCode = 1;
});
