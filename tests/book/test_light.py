"""What a page of the book weighs, waits for and may load; and what its icons and formulas are."""

import re
import zipfile

import pytest

from tests.book.test_pages import overflow, pages
from tests.conftest import settle
from widgets.pages import build
from widgets.pages import served as files

pytestmark = pytest.mark.browser
MOST_BYTES = 600_000  # of a page read to its end, as they travel
MOST_REQUESTS = 16
CHAPTER = "/book/2-bandwidth.html"
FORMULAS = "/book/1-law.html"
SHIFTS = """
window.moved = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.moved += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
FADING = """() => {
  const fold = document.querySelector("details.hide");
  const stood = fold.open;
  fold.open = false;
  fold.open = true;
  const count = document.getAnimations().filter((one) => one.animationName).length;
  fold.open = stood;
  return count;
}"""
BROKEN = """
window.broken = [];
addEventListener("securitypolicyviolation", (event) => {
  window.broken.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
});
"""


def read_to_the_end(page) -> None:
    """Scroll as a reader does, so that everything that waits for it is loaded."""
    height = page.evaluate("document.documentElement.scrollHeight")
    for _ in range(0, height, 1000):  # what is less than 400 from a window of 800 is loaded
        page.mouse.wheel(0, 1000)
        page.wait_for_timeout(30)
    for figure in page.locator(".lc-figure:not([hidden])").all():
        figure.scroll_into_view_if_needed()
        figure.locator(".main-svg").first.wait_for()
    settle(page)


@pytest.mark.parametrize("path", pages())
def test_a_page_read_to_its_end_is_light_and_nothing_in_it_moves(visit, path):
    page = visit("/healthz")
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    came = []
    network.on("Network.loadingFinished", lambda told: came.append(told["encodedDataLength"]))
    page.add_init_script(SHIFTS)
    page.goto(path)
    read_to_the_end(page)
    assert sum(came) < MOST_BYTES
    assert len(came) <= MOST_REQUESTS
    assert page.evaluate("window.moved") < 0.02


def test_the_first_paint_waits_for_one_style_sheet_and_no_script(visit):
    page = visit(CHAPTER)
    waits = page.evaluate(
        """performance.getEntriesByType("resource")
        .filter((one) => one.renderBlockingStatus === "blocking").map((one) => one.name)"""
    )
    assert len(waits) == 1
    assert re.search(r"/_static/book-\w+\.css$", waits[0])


def test_the_next_page_finds_in_the_cache_what_the_first_one_loaded(visit):
    page = visit(CHAPTER)
    settle(page)
    page.goto("/book/3-capacity.html")
    read_to_the_end(page)
    sizes = page.evaluate(
        """performance.getEntriesByType("resource")
        .map((one) => [one.name, one.transferSize])"""
    )
    kept = [size for name, size in sizes if re.search(r"_static/(book|site|KaTeX_Main)", name)]
    assert len(kept) == 3
    assert not any(kept), "a hashed name is not asked for again"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_known_before_the_first_paint(visit, scheme):
    page = visit("/healthz", scheme=scheme)
    page.route("**/_static/site-*.js", lambda route: route.fulfill(body=""))
    page.goto(CHAPTER)
    assert page.locator("html").get_attribute("data-theme") == scheme


# ---- formulas ---------------------------------------------------------------------------


def test_a_formula_is_html_for_the_eye_and_mathml_for_a_screen_reader(visit):
    page = visit(FORMULAS, javascript=False)
    formulas = page.locator(".bd-article .math").all()
    assert len(formulas) > 10
    for formula in formulas:
        assert formula.locator("math").count() == 1
        assert formula.locator('.katex-html[aria-hidden="true"]').is_visible()
        assert "\\" not in formula.inner_text(), "no TeX is left"
    page.wait_for_function("document.fonts.check('16px KaTeX_Main')", timeout=10_000)


def test_a_wide_formula_scrolls_in_its_own_box(visit):
    page = visit(FORMULAS, width=390)
    box = page.locator(".katex-display").first
    box.evaluate(
        """(node) => {
        const base = node.querySelector(".katex-html").firstElementChild;
        for (let i = 0; i < 5; i += 1) base.after(base.cloneNode(true)); }"""
    )
    page.evaluate("dispatchEvent(new Event('resize'))")
    assert box.evaluate("(node) => node.scrollWidth > node.clientWidth")
    assert box.get_attribute("tabindex") == "0"
    assert overflow(page) <= 0


# ---- icons ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [FORMULAS, "/search.html"])
def test_icons_are_drawn_in_the_page(visit, path):
    page = visit(path)
    assert not page.locator("i[class*=fa-], span[class*=fa-]").count()
    icons = page.locator("svg.svg-icon")
    assert icons.count() > 0
    for icon in icons.all():
        assert icon.get_attribute("aria-hidden") == "true"
        assert not icon.is_visible() or icon.bounding_box()["width"] > 5
    private = page.evaluate(
        """[...document.querySelectorAll("*")].flatMap((node) => ["::before", "::after"].map(
          (which) => getComputedStyle(node, which).content))
        .filter((text) => /[\\ue000-\\uf8ff]/.test(text))"""
    )
    assert not private, "a letter that only a font of icons has"
    for title in page.locator(".admonition > .admonition-title").all():
        mask = title.evaluate("(node) => getComputedStyle(node, '::after').maskImage")
        assert mask.startswith("url(")


# ---- what the theme's scripts are for ------------------------------------------------------


def test_the_buttons_of_a_page_work(visit):
    page = visit(CHAPTER)
    root, menu = page.locator("html"), page.locator(".lt-top summary", has_text="Chapters")
    seen = set()
    for _ in range(3):
        page.click(".lt-theme")
        seen.add((root.get_attribute("data-mode"), root.get_attribute("data-theme")))
    assert seen == {("light", "light"), ("dark", "dark"), ("auto", "light")}
    chapter = page.locator(".lt-top a", has_text="3. Capacity")
    menu.press("Enter")
    assert chapter.is_visible()
    page.keyboard.press("Escape")
    assert not chapter.is_visible()
    assert menu.evaluate("(node) => node === document.activeElement")
    menu.click()
    page.mouse.click(600, 600)
    assert not chapter.is_visible()
    page.click("details.hide summary >> nth=0")
    assert page.locator("details.hide .highlight").first.is_visible()
    page.evaluate("scrollTo(0, 0)")
    page.keyboard.press("Control+k")
    page.keyboard.type("roofline")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")


def test_the_code_of_a_cell_is_copied(visit):
    page = visit(FORMULAS)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.hover("div.highlight >> nth=0")
    page.click(".copybtn >> nth=0")
    page.wait_for_function(
        "navigator.clipboard.readText().then((text) => text.startsWith('from llmcap_kernel'))"
    )


def test_paper_shows_numbers_and_no_buttons(visit):
    page = visit("/book/3-capacity.html")
    page.locator(".lc-figure").first.scroll_into_view_if_needed()
    page.wait_for_selector(".lc-plot .main-svg")
    assert page.evaluate(FADING)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert not page.locator("button:visible, summary:visible").count()
    assert not page.locator(".bd-sidebar-primary, .bd-sidebar-secondary").first.is_visible()
    for box in page.locator("details.hide .cell_output, details.lc-explain pre").all():
        assert box.is_visible()
    assert not page.evaluate(FADING)  # a sheet is printed before anything has faded in
    assert page.locator(".lc-headline").first.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.locator(".bd-article details[open]").count()


def test_the_head_of_a_long_table_is_on_every_sheet(visit):
    page = visit("/book/proof.html")
    head = page.locator("th > button").first
    assert head.evaluate("(node) => getComputedStyle(node).display") != "contents"
    page.emulate_media(media="print")  # a box of its own is not repeated
    assert head.evaluate("(node) => getComputedStyle(node).display") == "contents"


# ---- what a page may load ----------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(site, tmp_path_factory):
    """The built folder under a path, from Python's own server, which sends no policy."""
    root = tmp_path_factory.mktemp("files")
    (root / "docs").mkdir()
    (root / "docs" / "book").symlink_to(build.SITE)

    with files.served(root) as address:
        yield f"{address}/docs/book"


@pytest.mark.slow
def test_the_policy_of_the_pages_holds_from_any_server(browser, folder):
    """What the end of each page and its Python load is watched by the tests that open them."""
    context = browser.new_context()
    context.add_init_script(BROKEN)
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    for path in (*pages(), "/search.html?q=roofline", "/genindex.html"):
        page.goto(folder + path)
        problems += page.evaluate("window.broken")
    page.goto(folder + CHAPTER)
    read_to_the_end(page)
    problems += page.evaluate("window.broken")
    context.close()
    assert not problems


@pytest.mark.parametrize("served", ["by us", "as files"])
def test_a_script_that_came_into_a_page_does_not_run(browser, site, folder, served):
    context = browser.new_context()
    context.add_init_script(BROKEN)
    page = context.new_page()
    page.goto((site if served == "by us" else folder) + CHAPTER)
    page.evaluate(
        """() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = 1";
        document.body.append(script);
        const image = "<img src='x:' onerror='window.ran = 2'>";
        document.body.insertAdjacentHTML("beforeend", image); }"""
    )
    page.wait_for_function("window.broken.length > 1")
    assert page.evaluate("window.ran") is None
    context.close()


def test_no_page_has_a_script_in_an_attribute_or_names_a_font_of_icons(site):
    for path in build.SITE.rglob("*.html"):
        text = path.read_text("utf-8")
        assert "Content-Security-Policy" in text, path.name
        assert not re.search(
            r"<[^>]+\son\w+=", re.sub(r"<script.*?</script>", "", text, flags=re.S)
        )
    styles = "".join(path.read_text("utf-8") for path in build.SITE.rglob("*.css"))
    assert not re.search(r"@font-face\{[^}]*Awesome", styles)
    assert not [p.name for p in build.SITE.rglob("*") if re.search("mathjax|fontawesome", p.name)]


def test_what_a_page_imports_at_its_start_comes_compiled(site):
    (packages,) = (build.SITE / "vendor").glob("llmcap-*.zip")
    (library,) = (build.SITE / "vendor").glob("python_stdlib-*.zip")
    ours, theirs = (set(zipfile.ZipFile(one).namelist()) for one in (packages, library))
    assert {"tomllib/_parser.pyc", "html/entities.pyc"} <= theirs
    assert "tomllib/_parser.py" not in theirs, "a module comes once"
    assert "argparse.py" in theirs, "what few cells import comes as it was"
    both = [name for name in ours if re.fullmatch(r"llmcap_kernel/(__.*/)?serving\..*", name)]
    assert len(both) == 2, "the source stays, for messages quote it"
