"""Every page of the built book, as a reader's browser meets it."""

import pytest
import yaml

from tests import axe
from tests.conftest import faded, settle
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
        faded(page, scheme)
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


BUTTONS = """() => [...document.querySelectorAll(".lc-actions > button, .lc-share summary")]
  .filter((node) => node.checkVisibility())
  .map((node) => [node.getBoundingClientRect().top, node.getBoundingClientRect().height])"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_buttons_above_a_calculator_stand_on_one_line(visit, width):
    page = visit("/apps/vram/index.html", width=width)
    page.wait_for_selector(".lc-actions > button")
    places = page.evaluate(BUTTONS)
    assert len(places) == 4 and all(one == places[0] for one in places)


@pytest.mark.browser
def test_names_of_four_deployments_leave_room_for_what_they_name(visit):
    page = visit("/apps/scorecard/index.html")
    page.wait_for_selector("section.lc[data-live]")
    page.locator(".lc-controls select[name=columns]").first.select_option("4")
    page.wait_for_function("() => document.querySelectorAll('.lc-group').length === 4")
    page.evaluate("document.querySelectorAll('.lc-group > details').forEach((d) => d.open = true)")
    cut = page.evaluate(
        """() => [...document.querySelectorAll(".lc-group .lc-search input")]
        .filter((node) => node.scrollWidth > node.clientWidth).map((node) => node.value)"""
    )
    assert cut == []
