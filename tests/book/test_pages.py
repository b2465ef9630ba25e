"""Every page of the built book, as a reader's browser meets it."""

import pytest
import yaml

from tests.conftest import settle
from widgets.pages import build

pytestmark = pytest.mark.browser


def pages() -> list[str]:
    toc = yaml.safe_load((build.ROOT / "_toc.yml").read_text())
    chapters = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    return [f"/{name}.html" for name in (toc["root"], *chapters)]


def overflow(page) -> float:
    """By how many pixels the page is wider than its window."""
    root = "document.documentElement"
    return page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")


def serious_faults(page) -> str:
    """What axe finds that keeps a reader out, a line each."""
    from axe_playwright_python.sync_playwright import Axe

    # "preload" would have axe itself fetch style sheets, from wrong addresses.
    # Without the list of what is right it takes a fraction of the time.
    options = {"preload": False, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    return "\n".join(f"{v['id']}: {v['help']}: {n['target']}" for v in serious for n in v["nodes"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", pages())
def test_a_page_loads_cleanly_fits_and_is_accessible(visit, path, scheme):
    page = visit(path, scheme=scheme)
    settle(page)
    assert page.locator("article h1").first.is_visible()
    assert page.locator("html").get_attribute("data-theme") == scheme
    assert overflow(page) <= 0
    if scheme == "light":
        assert not serious_faults(page)
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(300)  # charts redraw at the new width
    assert overflow(page) <= 0


def test_the_address_of_the_site_is_the_book(visit):
    page = visit("/")
    page.wait_for_url("**/book/intro.html")


def test_search_finds_a_page(visit):
    page = visit("/search.html?q=roofline")
    page.wait_for_selector("#search-results li a")
