"""Calculators and questions in a notebook: the page's rules for bare elements stay outside."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from playwright.sync_api import TimeoutError

from tests.apps.test_calculators import site  # noqa: F401
from tests.conftest import faded, free_port
from widgets import session
from widgets.pages import build
from widgets.questions import ExerciseSession, GuessSession

pytestmark = pytest.mark.browser

# What of a calculator lies where it must not: one line each.
FAULTS = """() => [...document.querySelectorAll("section.lc")].flatMap((root) => {
  const found = [];
  const boxes = [...root.querySelectorAll(".lc-headline :is(dt, dd)")].filter((n) => n.offsetWidth);
  const text = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return [...range.getClientRects(), node.getBoundingClientRect()];
  };
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
    && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  for (const [i, one] of boxes.entries()) {
    if (getComputedStyle(one).marginLeft !== "0px") found.push(`indented: ${one.textContent}`);
    for (const other of boxes.slice(i + 1)) {
      if (text(one).some((a) => text(other).some((b) => meet(a, b))))
        found.push(`${one.textContent} lies on ${other.textContent}`);
    }
  }
  for (const box of root.querySelectorAll(".lc-table")) {
    if (box.querySelector("table").offsetWidth < box.clientWidth - 1)
      found.push(`narrow: ${box.ariaLabel}`);
  }
  return found;
})"""
# How each part looks, as far as a page's own style sheet is known to meddle.
LOOK = """() => {
  const said = ["float", "display", "margin", "padding", "borderWidth", "borderStyle",
    "borderRadius", "color", "backgroundColor", "fontFamily", "fontSize", "fontWeight",
    "textDecorationLine", "tableLayout", "whiteSpace", "wordBreak", "overflowX", "listStyleType",
    "maxWidth"];
  return [...document.querySelectorAll(".lc *:not(.lc-plot *, script, option)")].map((node) => {
    const style = getComputedStyle(node);
    const box = node.getBoundingClientRect();
    const name = `${node.tagName.toLowerCase()}.${node.className.baseVal ?? node.className}`;
    const looks = said.map((one) => `${one}: ${style[one]}`);
    // Letters of a cell, and no borders of it: an empty row has none to align.
    const align = node.matches("td, th") ? [`${style.textAlign} ${style.lineHeight}`] : [];
    return [name, ...looks, ...align, `${box.width.toFixed(1)} by ${box.height.toFixed(1)}`];
  });
}"""

# VS Code's page of outputs, as far as it speaks of bare elements.
VSCODE = """
@layer vscode-default {
  body { color: #ccc; font: 13px Ubuntu, sans-serif; }
  a { color: #3794ff; } a:hover { color: #4daafc; } p > a { text-decoration: none; }
  input:focus, select:focus { outline: 1px solid #3794ff; outline-offset: -1px; }
}
table, thead, tbody, tr, th, td { border: none; border-collapse: collapse; border-spacing: 0; }
table, tr, th { text-align: right; vertical-align: middle; }
th, td { padding: 4px 8px; }
thead { font-weight: bold; background-color: rgba(130, 130, 130, 0.16); }
tbody th { font-weight: normal; }
tr:nth-child(even) { background-color: rgba(130, 130, 130, 0.08); }
.cell-output-ipywidget-background { background: white !important; }
"""


def jupyter_css():
    """Read the sheet of JupyterLab and Notebook 7 from nbconvert, where it is a file.

    What it would load is left out.
    """
    sheet = Path(sys.prefix, "share/jupyter/nbconvert/templates/lab/static/index.css")
    return re.sub(r"url\([^)]*\)", "none", sheet.read_text("utf-8"))


# Name of the page: its sheet, what its body says of a theme, what an output is called.
JUPYTER = ("jp-OutputArea-output", "jp-RenderedHTMLCommon jp-RenderedHTML jp-OutputArea-output")
PAGES = {
    "Notebook 7, live": (jupyter_css, JUPYTER[0]),
    "Notebook 7, static": (jupyter_css, JUPYTER[1]),
    "VS Code, live": (lambda: VSCODE, "cell-output-ipywidget-background"),
    "VS Code, static": (lambda: VSCODE, "output_container output_html"),
}


def themed(page, name, scheme):
    """Say a theme as the page of a notebook does."""
    data = {"jpThemeLight": str(scheme == "light").lower(), "jpThemeName": f"JupyterLab {scheme}"}
    if name.startswith("VS Code"):
        data = {"vscodeThemeKind": f"vscode-{scheme}"}
    page.evaluate("(data) => Object.assign(document.body.dataset, data)", data)


def dressed(page, name):
    """Put what stands in `#here` into an output of that page; its sheet comes last."""
    sheet, output = PAGES[name]
    page.evaluate("(said) => { document.getElementById('here').className = said; }", output)
    page.add_style_tag(content=sheet())


def alone(page, scheme):
    """How it looks with no page around, at a width that no page changes."""
    fixed = "#here { width: 1000px; margin: 0 !important; padding: 0 !important; }"
    page.add_style_tag(
        content=f"body {{ padding: 0 !important; overflow: auto !important; }} {fixed}"
    )
    page.evaluate(
        "(theme) => { document.documentElement.dataset.theme = theme;"
        "for (const one of document.querySelectorAll('details')) one.open = true; }",
        scheme,
    )
    faded(page)
    look = page.evaluate(LOOK)
    page.evaluate("delete document.documentElement.dataset.theme")
    return look


def differences(page, before):
    faded(page)
    pairs = zip(before, page.evaluate(LOOK), strict=True)
    return [
        f"{was[0]} {one} -> {other}"
        for was, now in pairs
        for one, other in zip(was, now, strict=True)
        if one != other
    ]


@pytest.mark.parametrize("name", PAGES)
def test_first_views_look_in_a_notebook_as_they_do_alone(site, name):  # noqa: F811
    shown = [session.Calculator("vram"), session.Calculator("scorecard", inputs=["users"])]
    shown += [ExerciseSession("3.1"), GuessSession("1.5")]
    body = "".join(one._repr_mimebundle_()["text/html"] for one in shown)
    here = site()
    links = "".join(
        f'<link rel="stylesheet" href="/front/{one}.css">' for one in ("calculator", "question")
    )
    here.pages["/notebook"] = f'<!doctype html>{links}<div id="here">{body}</div>'
    here.page.goto("http://calculator.test/notebook")
    before = {scheme: alone(here.page, scheme) for scheme in ("light", "dark")}
    dressed(here.page, name)
    for scheme, look in before.items():
        themed(here.page, name, scheme)
        assert differences(here.page, look) == [], scheme
        assert here.page.evaluate(FAULTS) == [], scheme


@pytest.mark.parametrize("name", ["Notebook 7, live", "VS Code, live"])
def test_a_live_calculator_follows_the_theme_of_a_notebook(site, name):  # noqa: F811
    here = site(color_scheme="light")
    here.live("vram")
    before = alone(here.page, "dark")
    dressed(here.page, name)
    themed(here.page, name, "light")
    assert brightness(here.page) > 200
    themed(here.page, name, "dark")
    assert differences(here.page, before) == []
    assert here.page.evaluate(FAULTS) == []
    assert brightness(here.page) < 60
    ink = "() => document.querySelector('.lc-plot').layout.font.color.match(/\\d+/)[0] > 200"
    here.page.wait_for_function(ink)  # the chart as well


def brightness(page):
    """Of a calculator's ground, between 0 and 255."""
    colour = page.evaluate("getComputedStyle(document.querySelector('.lc')).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


BLACK, WHITE = "rgb(0, 0, 0)", "rgb(255, 255, 255)"
HIGH_CONTRAST = [
    ({"vscodeThemeKind": "vscode-high-contrast"}, BLACK, WHITE),
    ({"vscodeThemeKind": "vscode-high-contrast-light"}, WHITE, BLACK),
    ({"jpThemeLight": "false", "jpThemeName": "JupyterLab Dark High Contrast"}, BLACK, WHITE),
]


def test_a_theme_of_high_contrast_has_black_and_white_alone(site):  # noqa: F811
    here = site()
    here.live("vram")
    for data, ground, ink in HIGH_CONTRAST:
        here.page.evaluate(
            """(data) => {
            const said = document.body.dataset;
            for (const name of Object.keys(said)) delete said[name];
            Object.assign(said, data); }""",
            data,
        )
        faded(here.page)
        colours = here.page.evaluate(
            """() => [".lc", ".lc-note", ".lc-lead"].map((name) => {
            const style = getComputedStyle(document.querySelector(name));
            return name === ".lc" ? style.backgroundColor : style.color; })"""
        )
        assert colours == [ground, ink, ink], data


# ---- JupyterLab itself ------------------------------------------------------------------

CELLS = (
    'from widgets import Calculator, exercise, session\nCalculator("vram")',
    'exercise("3.1")',
    'session.Calculator("cliff")',  # HTML alone
)
LAB_PATIENCE_MS = 120_000  # two cores may be busy


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab with `make lab`'s settings, on a folder with one notebook."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "look.ipynb")
    port = free_port()
    settings = re.search(r"^LAB = (.+)$", (build.ROOT / "Makefile").read_text(), re.MULTILINE)
    own = ("CONFIG", "DATA", "RUNTIME")
    homes = {f"JUPYTER_{one}_DIR": str(folder / ".jupyter" / one) for one in own}
    homes |= {
        f"JUPYTERLAB_{one}_DIR": str(folder / ".jupyter" / one)
        for one in ("SETTINGS", "WORKSPACES")
    }
    command = [sys.executable, "-m", "jupyterlab", *settings[1].split(), "--no-browser"]
    command += ["--allow-root", f"--port={port}", f"--ServerApp.root_dir={folder}"]
    server = subprocess.Popen(
        [*command, "--ServerApp.port_retries=0", "--IdentityProvider.token="],
        env=os.environ
        | homes
        | {"PYTHONPATH": str(build.ROOT), "IPYTHONDIR": str(folder / ".ipython")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/api/kernelspecs", server)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)


def wait_for(address, server):
    until = time.monotonic() + LAB_PATIENCE_MS / 1000
    while time.monotonic() < until and server.poll() is None:
        try:
            return urllib.request.urlopen(address, timeout=10).close()
        except OSError:
            time.sleep(0.2)
    pytest.fail("JupyterLab did not start")


def choose(page, *path):
    """Choose from JupyterLab's menus."""
    bar, *items = path
    page.click(f".lm-MenuBar-itemLabel:text-is('{bar}')", timeout=8_000)
    for item in items:
        page.click(f".lm-Menu-itemLabel:text-is('{item}')", timeout=8_000)


def run_all(page):
    """Run the cells. JupyterLab drops the command, unsaid, as long as its kernel is not there.

    Where the list of kernels comes late, on a busy machine, it asks which one to take.
    """
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached")
    until = time.monotonic() + LAB_PATIENCE_MS / 1000
    while time.monotonic() < until:
        try:
            if page.locator(".jp-Dialog").count():
                page.click(".jp-Dialog .jp-mod-accept", timeout=2_000)
            choose(page, "Run", "Run All Cells")
            return page.wait_for_selector(".jp-OutputArea-output", state="attached", timeout=8_000)
        except TimeoutError:
            page.keyboard.press("Escape")  # whatever is open
    pytest.fail("JupyterLab ran no cell")


@pytest.mark.slow
def test_jupyterlab_runs_the_cells_and_nothing_lies_on_a_number(browser, lab):
    # JupyterLab draws what is in sight alone: the whole notebook has to be
    page = browser.new_page(viewport={"width": 1280, "height": 6000})
    page.set_default_timeout(LAB_PATIENCE_MS)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{lab}/lab/tree/look.ipynb")
    run_all(page)
    page.wait_for_selector(".lc[data-name=vram][data-seq] .lc-plot .main-svg")
    page.wait_for_selector(".lc-question")
    page.wait_for_selector(".jp-RenderedHTML .lc[data-name=cliff]")

    live = page.locator(".lc[data-name=vram]")
    before = live.locator(".lc-headline").inner_text()
    live.locator("input[type=range][name=users]").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "(was) => document.querySelector('.lc[data-seq] .lc-headline').innerText !== was",
        arg=before,
    )
    assert page.evaluate(FAULTS) == []

    choose(page, "Settings", "Theme", "JupyterLab Dark")
    page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    page.wait_for_function(
        "document.querySelector('.lc-plot').layout.font.color.match(/\\d+/)[0] > 200"
    )
    assert brightness(page) < 60
    assert page.evaluate(FAULTS) == []
    hosts = {re.match(r"\w+://[^/]*", url)[0] for url in asked if url.startswith(("http", "ws"))}
    assert hosts <= {lab, lab.replace("http", "ws")}
    page.close()
