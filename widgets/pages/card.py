"""The picture that a shared address shows: the question of the first page, and its answer.

`python -m widgets.pages.card` draws ``book/_static/card.png`` with the Chromium of the tests.
"""

from html import escape
from pathlib import Path

from playwright.sync_api import sync_playwright

from widgets.pages import chromium, heads
from widgets.pictures import PICTURES

ROOT = Path(__file__).resolve().parents[2]
CARD = ROOT / "book" / "_static" / "card.png"
FRONT = ROOT / "widgets" / "front"
WIDTH, HEIGHT = heads.CARD_SIZE
LOOK = """
body { box-sizing: border-box; margin: 0; padding: 22px 32px; width: 1043px; zoom: 1.15; }
h1 { margin: 0 0 10px; font: 700 38px/1.15 system-ui, sans-serif; letter-spacing: -.02em; }
.lc.lf-ask .lf-question { margin: 0; line-height: 1.35; }
.lc.lf-ask.lf-ask.lf-ask { padding: 0; border: 0; }
.lc.lf-ask .lf-foot { display: none; }
.lc.lf-ask .lf-numbers { grid-template-columns: repeat(5, minmax(0, 1fr)); }
"""


def page():
    """Write the card as HTML.

    Returns
    -------
    str
        A page of its size.
    """
    asked = PICTURES["front"]
    drawn = asked.draw(**asked.start)
    values = {one.name: one.written(asked.start[one.name]) for one in asked.controls}
    sheets = ("calculator.css", "picture.css", "ask.css")
    style = "".join((FRONT / name).read_text() for name in sheets) + LOOK
    return (
        f'<!doctype html><meta charset="utf-8"><style>{style}</style><body>'
        "<h1>Know what a GPU will serve before you rent it</h1>"
        f'<section class="lc lc-picture lf-ask"><p class="lf-question">'
        f"{escape(asked.asks.format(**values))}</p>"
        f'<p class="lc-said">{escape(drawn.said)}</p>{drawn.drawing}</section></body>'
    )


def write(path=CARD):
    """Draw the card.

    Parameters
    ----------
    path : pathlib.Path
        Where to.
    """
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        sheet = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        sheet.set_content(page())
        sheet.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    write()
