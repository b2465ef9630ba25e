"""The licences of what the pages bring along from others, in one file beside it."""

import json
from pathlib import Path

from widgets.pages.bundle import NPM

LOCK = Path(__file__).resolve().parents[2] / "package-lock.json"


def write(target: Path) -> None:
    """Write the licence of every package of `package-lock.json` that is more than a tool.

    Parameters
    ----------
    target : pathlib.Path
        The file.
    """
    packages = json.loads(LOCK.read_text("utf-8"))["packages"]
    parts = [
        _of(path.removeprefix("node_modules/"), said)
        for path, said in packages.items()
        if path and not said.get("dev")
    ]
    target.write_text("\n\n".join(parts), "utf-8")


def _of(name: str, said: dict) -> str:
    texts = [path.read_text("utf-8").strip() for path in sorted((NPM / name).glob("LICENSE*"))]
    return "\n\n".join([f"== {name} {said['version']}: {said['license']}", *texts])
