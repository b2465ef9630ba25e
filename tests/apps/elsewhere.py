"""The one cell in Notebook 7 and in marimo, by hand: `python -m tests.apps.elsewhere`.

Neither is in the lock, so this is no test: it makes an environment of its own with the wheel and
both, which takes a network and a Chromium. JupyterLab is tested in `test_notebooks_look.py`.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat import v4
from playwright.sync_api import sync_playwright

from tests.conftest import free_port
from widgets.pages import build, chromium

UV = Path(sys.executable).with_name("uv")
CELL = 'from widgets import Calculator\nCalculator("calculate")'
MARIMO = """import marimo

app = marimo.App()


@app.cell
def _():
    {cell}
    return
"""
PROGRAMS = {
    "notebook": ("notebook", "--allow-root", "--no-browser", "--IdentityProvider.token="),
    "marimo": ("marimo", "run", "cell.py", "--headless", "--no-token"),
}
PATHS = {"notebook": "notebooks/cell.ipynb", "marimo": ""}
PATIENCE_MS = 120_000


def installed(folder):
    """A Python with the wheel, Notebook and marimo; the versions of both are printed."""
    python = folder / "venv" / "bin" / "python"
    build_wheel = [UV, "build", "-q", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*build_wheel, "--out-dir", folder, build.ROOT], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (wheel,) = folder.glob("*.whl")
    wanted = (f"{wheel}[widgets]", *PROGRAMS, "ipykernel")
    subprocess.run([UV, "pip", "install", "-q", "--python", python, *wanted], check=True)
    said = "from importlib.metadata import version as v; print(*[f'{n} {v(n)}' for n in %r])"
    subprocess.run([python, "-c", said % [*PROGRAMS, "anywidget"]], check=True)
    return python


@contextmanager
def running(python, name, folder):
    """One of the programs on a free port: the address of the cell."""
    port = free_port()
    command = [python, "-m", *PROGRAMS[name], "--port", str(port)]
    home = os.environ | {"HOME": str(folder)}
    with subprocess.Popen(command, cwd=folder, env=home, stdout=-3, stderr=-3) as program:
        until = time.monotonic() + PATIENCE_MS / 1000
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert program.poll() is None and time.monotonic() < until, f"{name} did not start"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/{PATHS[name]}"
        program.terminate()


def alive(page, name, address):
    """Open the cell, run it, move an input: whether the answer moved as well."""
    page.goto(address)
    if name == "notebook":
        idle = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
        page.wait_for_selector(idle, state="attached")
        page.wait_for_timeout(3000)  # it drops the command, unsaid, before its kernel is there
        page.click(".lm-MenuBar-itemLabel:text-is('Run')")
        page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")
    page.wait_for_selector(".lc[data-seq] .lc-plot .main-svg")
    answer = page.locator(".lc-headline").first
    before = answer.inner_text()
    page.locator(".lc input[name=users]").first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(5000)
    return answer.inner_text() != before


def main():
    """Try both, and say which is alive."""
    with TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = Path(made)
        python = installed(folder)
        cells = [v4.new_code_cell(CELL)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        nbformat.write(v4.new_notebook(cells=cells, metadata=kernel), folder / "cell.ipynb")
        (folder / "cell.py").write_text(MARIMO.format(cell=CELL.replace("\n", "\n    ")))
        browser = chromium.launch(playwright)
        for name in PROGRAMS:
            with running(python, name, folder) as address:
                page = browser.new_page(viewport={"width": 1280, "height": 1600})
                page.set_default_timeout(PATIENCE_MS)
                print(f"{name}: {'alive' if alive(page, name, address) else 'does not answer'}")
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
