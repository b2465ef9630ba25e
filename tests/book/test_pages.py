"""Every page of the built book, as a reader's browser meets it."""

import pytest
import yaml

from tests import axe
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


def serious_faults(page, within: str = "html") -> str:
    """What axe finds that keeps a reader out, a line each."""
    found = axe.structure(page, within) + axe.contrast(page, within)
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    return "\n".join(f"{v['id']}: {v['help']}: {n['target']}" for v in serious for n in v["nodes"])


@pytest.mark.parametrize("path", pages())
def test_a_page_loads_cleanly_fits_and_is_accessible(visit, path):
    page = visit(path)
    settle(page)
    assert page.locator("article h1").first.is_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_selector(f"html[data-theme={scheme}]")
        assert overflow(page) <= 0
        if scheme == "light":
            assert not serious_faults(page)
    page.set_viewport_size({"width": 390, "height": 800})
    settle(page)  # charts redraw at the new width
    assert overflow(page) <= 0


def test_the_address_of_the_site_is_the_book(visit):
    page = visit("/")
    page.wait_for_url("**/book/intro.html")


def test_search_finds_a_page(visit):
    page = visit("/search.html?q=roofline")
    page.wait_for_selector("#search-results li a")
