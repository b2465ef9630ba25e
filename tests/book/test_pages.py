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


# Contrast is of ink, letters and the grounds under them, and takes axe nine tenths of its time: it
# looks at three texts of each look, since it cannot tell where one lies under another.
SOME_OF_EACH_LOOK = """(within) => {
  const seen = new Map();
  const grounds = (node) => {
    if (!node) return "";
    const { backgroundColor, backgroundImage, opacity } = getComputedStyle(node);
    const own = [backgroundColor, backgroundImage, opacity].join();
    const sheer = own === "rgba(0, 0, 0, 0),none,1";
    return (sheer ? "" : own) + grounds(node.parentElement);
  };
  for (const node of document.querySelectorAll(`${within} *`)) {
    const hasText = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    const { width } = node.getBoundingClientRect();
    if (!hasText || width < 2 || node.closest("math, [aria-hidden=true]")) continue;
    const { color, fontSize, fontWeight, textShadow } = getComputedStyle(node);
    const look = [node.nodeName, color, fontSize, fontWeight, textShadow, grounds(node)].join();
    seen.set(look, (seen.get(look) || 0) + 1);
    if (seen.get(look) <= 3) node.setAttribute("data-seen", "");
  }
  return seen.size;
}"""


def serious_faults(page, within: str = "html") -> str:
    """What axe finds that keeps a reader out, a line each."""
    but_contrast = {"rules": {"color-contrast": {"enabled": False}}}
    found = axe(page, within, but_contrast)
    assert page.evaluate(SOME_OF_EACH_LOOK, within), "no text to look at"
    found += axe(page, "[data-seen]", {"runOnly": ["color-contrast"]})
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    return "\n".join(f"{v['id']}: {v['help']}: {n['target']}" for v in serious for n in v["nodes"])


def axe(page, within: str, options: dict) -> list[dict]:
    """What axe finds in some nodes."""
    from axe_playwright_python.sync_playwright import Axe

    # "preload" would have axe itself fetch style sheets, from wrong addresses.
    # Without the list of what is right it takes a fraction of the time.
    options = {"preload": False, "resultTypes": ["violations"], **options}
    return Axe().run(page, {"include": [[within]]}, options).response["violations"]


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
