"""The kernel in Python 3.14: Pyodide's, which every page brings, so it is here on any machine."""

from pathlib import Path

import pytest

from tests.kernel.plain import BY_THE_THOUSAND
from widgets.pages import bundle, node


@pytest.mark.slow
def test_every_module_imports_and_its_examples_hold_in_python_3_14(tmp_path):
    files = {n: b for n, b in bundle.wheel_files().items() if n.startswith("llmcap_kernel/")}
    (tmp_path / "kernel.zip").write_bytes(bundle.archive(files))
    given = {
        "pyodide": str(bundle.PYODIDE / "pyodide.mjs"),
        "packages": str(tmp_path / "kernel.zip"),
    }
    got = node.run(str(Path(__file__).with_name("newest.cjs")), given)
    assert got["version"] == [3, 14]
    assert got["tried"] > 400
    missing = "ModuleNotFoundError(\"No module named 'numpy'\")"  # which a page has none of
    assert got["failed"] == dict.fromkeys(BY_THE_THOUSAND, missing)
