"""Pack the files of the built book beside themselves, so that a server only has to hand them out.

``x.html.br`` and ``x.html.gz`` hold what ``x.html`` holds. A folder served by a program that knows
nothing of them still works.
"""

from pathlib import Path

from widgets.pages import node

KINDS = {".css", ".csv", ".html", ".ipynb", ".js", ".json", ".md", ".mjs", ".svg", ".txt", ".wasm"}
LEAST = 1_000  # bytes; below it packing saves no packet
SUFFIXES = (".br", ".gz")


def write(site: Path) -> None:
    """Pack every file of text that is large enough and not packed yet.

    Parameters
    ----------
    site : pathlib.Path
        The built book.
    """
    found = [p for p in sorted(site.rglob("*")) if p.suffix in KINDS and p.is_file()]
    fresh = [str(p) for p in found if p.stat().st_size >= LEAST and not _is_packed(p)]
    if fresh:
        node.run("pack.cjs", {"files": fresh})


def _is_packed(path: Path) -> bool:
    packed = [path.with_name(path.name + suffix) for suffix in SUFFIXES]
    return all(p.exists() and p.stat().st_mtime >= path.stat().st_mtime for p in packed)
