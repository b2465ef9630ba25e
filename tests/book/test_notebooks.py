"""Committed notebooks hold text outputs and clean metadata, and print the same when run again."""

import json
import os
import re
import subprocess
import sys

import pytest

from widgets.pages import build

CHAPTERS = sorted((build.ROOT / "book").glob("*.ipynb"))
APPS = sorted((build.ROOT / "book" / "apps").glob("*.ipynb"))
TEXT = {"text/plain"}
# A machine's own paths; a URL's path is none of them.
PATHS = re.compile(r"(?<![\w/.:])/(?:home|root|Users|tmp|private|work|var|opt)/\w")


def cells(path):
    return json.loads(path.read_text())["cells"]


def outputs(path):
    return [o for cell in cells(path) for o in cell.get("outputs", [])]


def name(path):
    return path.stem


@pytest.mark.slow
def test_the_chapters_run_again_print_what_is_committed():
    """In a process of their own: a chapter's cells share a kernel, and are not to be shared out."""
    nbval = ["-p", "nbval.plugin", "--nbval", "--nbval-current-env"]
    nbval += ["-p", "tests.nbval_text", "-p", "no:xdist"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", *nbval, *CHAPTERS]
    done = subprocess.run(command, cwd=build.ROOT, env=env, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_outputs_are_text(path):
    kinds = {kind for output in outputs(path) for kind in output.get("data", {})}
    assert kinds <= TEXT
    assert not [o for o in outputs(path) if o["output_type"] == "error"]
    assert not [o for o in outputs(path) if o.get("name") == "stderr"]


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_every_cell_was_run_in_order(path):
    code = [c for c in cells(path) if c["cell_type"] == "code" and "".join(c["source"]).strip()]
    assert [c["execution_count"] for c in code] == list(range(1, len(code) + 1))


@pytest.mark.parametrize("path", APPS, ids=name)
def test_an_app_is_a_call_and_holds_no_output(path):
    assert not outputs(path)
    assert json.loads(path.read_text())["metadata"]["title"]


@pytest.mark.parametrize("path", CHAPTERS + APPS, ids=name)
def test_metadata_is_clean(path):
    notebook = json.loads(path.read_text())
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info", "title", "mystnb"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert set(notebook["metadata"].get("language_info", {})) <= {"name"}
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags", "mystnb", "jupyter"}, cell["id"]


@pytest.mark.parametrize("path", CHAPTERS + APPS, ids=name)
def test_no_path_of_a_machine(path):
    assert not PATHS.findall(path.read_text())


@pytest.mark.parametrize(
    ("model", "format_", "weights"),
    # 114.7e9 parameters of experts at 17/32 byte and 2.17e9 at 2 bytes; 8.03e9 at 2 bytes
    [("gpt-oss-120b", "MXFP4", 65.2), ("llama-3.1-8b", "BF16", 16.1)],
)
def test_the_cheat_sheet_counts_weights_as_they_are_released(model, format_, weights):
    sheet = next(path for path in CHAPTERS if path.stem == "cheat-sheet")
    said = "".join("".join(o["data"]["text/plain"]) for o in outputs(sheet) if "data" in o)
    (row,) = [line for line in said.splitlines() if line.startswith(f"{model} ")]
    assert row.split()[1] == format_
    assert float(row.split(" GB ")[0].split()[-1]) == pytest.approx(weights, rel=0.005)
