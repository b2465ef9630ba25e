"""What the pages load, bundled when the book is built: scripts, Python, the kernel, the rows.

Every name carries a hash or a version, so a browser may keep the file for ever. npm brought the
packages into ``node_modules`` (see ``package.json``), and Node comes in a wheel.
"""

import gzip
import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from widgets import benchmarks
from widgets.pages import node

ROOT = Path(__file__).resolve().parents[2]
FRONT = ROOT / "widgets" / "front"
NPM = ROOT / "node_modules"
PYODIDE = NPM / "pyodide"
HOME = "/home/llmcap"  # where a page's Python finds the packages
# What a page's Python needs of ours: no server, no builder, no front end.
PACKAGES = {
    "llmcap_kernel": ("**/*.py", "catalog/**/*.toml", "catalog/**/*.json"),
    "widgets": ("**/*.py",),
}
LEFT_OUT = ("__pycache__", "server", "pages")
STYLES = ("calculator.css", "question.css", "picture.css", "ask.css", "cells.css", "top.css")
SPLIT = ("--splitting", "--format=esm")
# Chromium, Firefox and Safari of 2023, which have all that Pyodide asks for.
TARGET = "--target=es2022"
EPOCH = (1980, 1, 1, 0, 0, 0)


class NoScripts(RuntimeError):
    """esbuild or npm's packages are not there, or a script has a fault."""


def esbuild(*arguments: str) -> dict:
    """Run esbuild: what it wrote, and from what.

    Parameters
    ----------
    *arguments : str
        Of its command line.

    Returns
    -------
    dict
        Its metafile's outputs.

    Raises
    ------
    NoScripts
        With what it said.
    """
    program = node.command(str(NPM / "esbuild" / "bin" / "esbuild"))
    meta = ROOT / "_build" / "esbuild.json"
    meta.parent.mkdir(exist_ok=True)
    options = ["--bundle", "--minify", TARGET, f"--metafile={meta}", "--log-level=warning"]
    command = [*program, *options, *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        raise NoScripts(ran.stderr or "esbuild is not installed: run make setup")
    outputs = json.loads(meta.read_text())["outputs"]
    meta.unlink()
    return outputs


def archive(files: dict[str, bytes]) -> bytes:
    """Pack files, so that the same files give the same bytes.

    Parameters
    ----------
    files : dict of str to bytes
        Name in the archive to what the file holds.

    Returns
    -------
    bytes
        A zip.
    """
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, content, compresslevel=9)
    return packed.getvalue()


def wheel_files() -> dict[str, bytes]:
    """Our packages as a page's Python needs them."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for package, patterns in PACKAGES.items()
        for pattern in patterns
        for path in (ROOT / package).glob(pattern)
        if not set(LEFT_OUT).intersection(path.parts)
    }


def compiled(packages: bytes, stdlib: bytes) -> tuple[bytes, bytes]:
    """Compile in two archives what Python would compile at every first visit.

    Parameters
    ----------
    packages : bytes
        A zip of our packages.
    stdlib : bytes
        A zip of Python's own modules.

    Returns
    -------
    tuple of bytes
        The same; what a page's start imports is compiled.
    """
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("packages.zip", "stdlib.zip")]
        for path, packed in zip(paths, (packages, stdlib), strict=True):
            path.write_bytes(packed)
        given = {"packages": str(paths[0]), "stdlib": str(paths[1]), "home": HOME}
        node.run("compile.cjs", given)
        return paths[0].read_bytes(), paths[1].read_bytes()


class Bundle:
    """The folder of everything that pages load, and the names in it.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write; it is emptied first.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.names: dict[str, str] = {}
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        live = self._python() | {
            "worker": self._script("worker.js"),
            "plotly": self._copy(NPM / "plotly.js-basic-dist-min" / "plotly-basic.min.js"),
        }
        self._pages(live)
        self._keeper()

    def _write(self, name: str, content: bytes) -> str:
        stem, dot, ending = name.partition(".")
        hashed = f"{stem}-{hashlib.sha256(content).hexdigest()[:10]}{dot}{ending}"
        (self.folder / hashed).write_bytes(content)
        return hashed

    def _copy(self, path: Path) -> str:
        return self._write(path.name, path.read_bytes())

    def _script(self, name: str) -> str:
        outputs = esbuild(
            str(FRONT / name),
            f"--outdir={self.folder}",
            "--format=esm",
            "--entry-names=[name]-[hash]",
        )
        return Path(next(iter(outputs))).name

    def _pages(self, live: dict) -> None:
        """Bundle the pages' own scripts and styles."""
        names = ("--entry-names=[name]-[hash]", "--chunk-names=[name]-[hash]")
        entries = [str(FRONT / name) for name in ("page.js", *STYLES)]
        with self._live_alias(f"export const LIVE = {json.dumps(live)};") as alias:
            outputs = esbuild(*entries, *SPLIT, *names, f"--outdir={self.folder}", alias)
        for path, output in outputs.items():
            if entry := output.get("entryPoint"):
                self.names[Path(entry).name] = Path(path).name

    def _keeper(self) -> None:
        """Bundle the service worker, which stands above this folder and knows what is in it."""
        current = [p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*.*")]
        with self._live_alias(f"export const CURRENT = {json.dumps(sorted(current))};") as alias:
            out = f"--outfile={self.folder.parent / 'sw.js'}"
            esbuild(str(FRONT / "sw.js"), "--format=iife", out, alias)

    @contextmanager
    def _live_alias(self, text: str) -> Iterator[str]:
        """What only this build knows, for a script that imports `llmcap-live`."""
        with TemporaryDirectory() as folder:
            said = Path(folder) / "live.js"
            said.write_text(text)
            yield f"--alias:llmcap-live={said}"

    def _python(self) -> dict:
        """Pyodide, our packages and the measured rows: addresses and sizes in bytes."""
        lock = json.loads((PYODIDE / "pyodide-lock.json").read_text())
        version = json.loads((PYODIDE / "package.json").read_text())["version"]
        home = self.folder / f"pyodide-{version}"
        home.mkdir()
        for name in ("pyodide.mjs", "pyodide.asm.mjs"):
            shutil.copyfile(PYODIDE / name, home / name)
        # Packed here and unpacked in the page: many a host sends what it has as it is.
        wasm = gzip.compress((PYODIDE / "pyodide.asm.wasm").read_bytes(), 9, mtime=0)
        (home / "pyodide.asm.wasm.gz").write_bytes(wasm)
        ours = archive(wheel_files())
        ours, stdlib = compiled(ours, (PYODIDE / "python_stdlib.zip").read_bytes())
        packages = self._write("llmcap.zip", ours)
        rows = {
            f"benchmarks/{name}": (benchmarks.BENCHMARKS / name).read_bytes()
            for name in benchmarks.FILES
        }
        data = self._write("benchmarks.zip", archive(rows))
        addresses = {
            "pyodide": f"{home.name}/pyodide.mjs",
            "wasm": f"{home.name}/pyodide.asm.wasm.gz",
            "stdlib": self._write("python_stdlib.zip", stdlib),
            "packages": packages,
            "data": data,
        }
        mark = f"{version}-{Path(packages).stem}"
        files = {name: {"url": address} for name, address in addresses.items()}
        needed = ("wasm", "stdlib", "packages")
        return files | {
            "files": [*addresses.values(), f"{home.name}/pyodide.asm.mjs"],
            "total": sum((self.folder / addresses[name]).stat().st_size for name in needed),
            # Nothing of Pyodide's own list of packages is loaded, so it need not be fetched.
            "lock": json.dumps({"info": lock["info"], "packages": {}}),
            "home": HOME,
            "snapshots": True,
            "snapshot": f"python-{mark}",
            "snapshotCache": f"llmcap-python-{mark}",
        }
