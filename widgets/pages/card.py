"""The picture that a shared address shows: a step of chapter 1, drawn by the kernel.

`python -m widgets.pages.card` draws ``book/_static/card.png`` with the Chromium of the tests.
"""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from widgets.figures.drawing import Drawing
from widgets.pictures import PICTURES

ROOT = Path(__file__).resolve().parents[2]
CARD = ROOT / "book" / "_static" / "card.png"
FRONT = ROOT / "widgets" / "front"
WIDTH, HEIGHT = 1200, 630  # px, what those who show cards ask for
LOOK = """
body { box-sizing: border-box; margin: 0; padding: 18px 40px; width: 845px; zoom: 1.42; }
h1 { margin: 0; font: 650 26px/1.2 system-ui, sans-serif; letter-spacing: -.01em; }
.lead { margin: 2px 0 10px; color: var(--lc-quiet); font-size: 15px; }
.lc.lc .lc-said { margin: 2px 0 0; min-height: 0; font-size: 17px; font-weight: 600; }
"""


def page():
    """Write the card as HTML.

    Returns
    -------
    str
        A page of its size.
    """
    drawn = PICTURES["step"].draw(**PICTURES["step"].start)
    assert isinstance(drawn.drawing, Drawing)
    style = (FRONT / "calculator.css").read_text() + (FRONT / "picture.css").read_text() + LOOK
    return (
        f'<!doctype html><meta charset="utf-8"><style>{style}</style><body class="lc">'
        "<h1>Predict an LLM deployment before renting a GPU</h1>"
        f'<p class="lead">One token of {PICTURES["step"].title.partition(" of ")[2]}</p>'
        f'<div class="lc-picture">{drawn.drawing.svg(drawn.said)}</div>'
        f'<p class="lc-said">{drawn.said}</p></body>'
    )


def write(path=CARD):
    """Draw the card.

    Parameters
    ----------
    path : pathlib.Path
        Where to.
    """
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        sheet = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        sheet.set_content(page())
        sheet.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    write()
