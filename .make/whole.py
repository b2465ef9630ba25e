"""Say whether an environment is whole: exit status 0, or 1 and what is missing.

    .venv/bin/python .make/whole.py [packages] [scripts]

Asked before every `make`, so it takes a tenth of a second and imports nothing that could be missing
but `packaging`, which reads which pins are for this machine.
"""

import json
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK, NPM_LOCK = ROOT / "requirements.lock", ROOT / "package-lock.json"
INSTALLED_SCRIPTS = ROOT / "node_modules" / ".package-lock.json"


def packages(lock: str) -> list[str]:
    """Which pins of a lock are not what is installed, and our own package where that is missing."""
    from packaging.requirements import Requirement

    pins = [Requirement(line.rstrip(" \\")) for line in lock.splitlines() if line[:1].isalnum()]
    here = {_plain(one.name): one.version for one in metadata.distributions()}
    wrong = [
        str(pin)
        for pin in pins
        if (pin.marker is None or pin.marker.evaluate())
        and not pin.specifier.contains(here.get(_plain(pin.name), "0"), prereleases=True)
    ]
    return wrong if "llmcap" in here else [*wrong, "llmcap"]


def scripts(lock: str, installed: Path) -> list[str]:
    """Which packages of npm's lock are not those it installed."""
    wanted = json.loads(lock)["packages"]
    if not installed.exists():
        return list(wanted)
    has = json.loads(installed.read_text("utf-8"))["packages"]
    return [
        path
        for path, said in wanted.items()
        if path
        and not said.get("optional")
        and (has.get(path, {}).get("version") != said["version"] or not (ROOT / path).is_dir())
    ]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def main(parts: list[str]) -> int:
    """Look at the parts that are named, or at both."""
    try:
        wrong = packages(LOCK.read_text("utf-8")) if "scripts" not in parts else []
        if "packages" not in parts:
            wrong += scripts(NPM_LOCK.read_text("utf-8"), INSTALLED_SCRIPTS)
    except (ImportError, OSError, ValueError, KeyError) as problem:
        wrong = [str(problem)]
    print("\n".join(wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
