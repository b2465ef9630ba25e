"""Run the chapters again and keep what is committed of them: text outputs, clean metadata.

``make notebooks`` calls it after the kernel has changed; read what moved before committing it.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from widgets.pages import build
from widgets.pages.streams import joined

KEPT_METADATA = ("kernelspec", "language_info", "title", "mystnb")
KEPT_IN_CELLS = ("tags", "mystnb", "jupyter")


def refresh(path: Path) -> None:
    """Run one notebook in its own folder and write it back.

    Parameters
    ----------
    path : Path
        The notebook.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        When a cell raises.
    """
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    book.metadata = {k: v for k, v in book.metadata.items() if k in KEPT_METADATA}
    if "language_info" in book.metadata:
        book.metadata["language_info"] = {"name": "python"}
    for cell in book.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in KEPT_IN_CELLS}
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", []):
            output.pop("metadata", None)
            if "data" in output:
                output["metadata"] = {}
                output["data"] = {k: v for k, v in output["data"].items() if k == "text/plain"}
    nbformat.write(book, path)


def main(names: list[str]) -> int:
    """Refresh the chapters named, or all."""
    paths = [Path(name) for name in names] or sorted((build.ROOT / "book").glob("*.ipynb"))
    for path in paths:
        print(f"llmcap: running {path.name}", flush=True)
        refresh(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
