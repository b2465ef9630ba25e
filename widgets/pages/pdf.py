"""The book on paper: what is read, printed by Chromium, as one PDF.

`python -m widgets.pages.pdf` writes ``_build/llmcap.pdf``. What unfolds on a page is unfolded on
paper, and charts are drawn before they are printed. What one looks things up in stays on the
screen, where it can be searched: it is as long as the chapters.
"""

from io import BytesIO

from playwright.sync_api import Page, PdfMargins, sync_playwright
from pypdf import PdfWriter

from widgets.pages import apps, build, chromium
from widgets.pages.served import served

TARGET = build.BUILD / "llmcap.pdf"
MARGINS: PdfMargins = {"top": "16mm", "bottom": "16mm", "left": "16mm", "right": "16mm"}
LOOKED_UP = ("api", "catalogue", "constants", "notation")
SCREEN = 900  # px that are scrolled at a time
DRAWN = "() => !document.querySelector('section.lc[data-query]:not([data-stands])')"


def printed(page: Page, address: str) -> bytes:
    """Print one page, read to its end first so that everything in it is drawn.

    Parameters
    ----------
    page : playwright.sync_api.Page
        A browser's window.
    address : str
        What to print.

    Returns
    -------
    bytes
        A PDF.
    """
    page.emulate_media(media="screen", color_scheme="light")
    page.goto(address, wait_until="load")
    page.wait_for_function(DRAWN)
    height = page.evaluate("document.documentElement.scrollHeight")
    for top in range(0, height, SCREEN):
        page.evaluate(f"scrollTo(0, {top})")
        page.wait_for_timeout(60)
    page.emulate_media(media="print", color_scheme="light")
    return page.pdf(format="A4", margin=MARGINS, print_background=True)


def write(say=print) -> None:
    """Print the book.

    Parameters
    ----------
    say : callable
        Takes each line of progress.
    """
    build.ensure(say)
    book = PdfWriter()
    with served(build.SITE) as site, sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        page = browser.new_page(viewport={"width": 900, "height": SCREEN})
        for name in apps.pages():
            if name.rpartition("/")[2] in LOOKED_UP:
                continue
            say(f"printing {name}")
            sheets = BytesIO(printed(page, f"{site}/{name}.html"))
            book.append(sheets, outline_item=page.title().partition(" \N{EM DASH} ")[0])
        browser.close()
    book.write(TARGET)
    say(f"{TARGET.relative_to(build.ROOT)}: {len(book.pages)} pages")


if __name__ == "__main__":
    write()
