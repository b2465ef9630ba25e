"""The code cells of the built book, as a reader uses them: no server runs Python here."""

import pytest

from tests.book.test_pages import serious_faults
from tests.conftest import watch

pytestmark = pytest.mark.browser

CHAPTERS = ("1-law", "2-bandwidth", "3-capacity", "4-toolbox", "5-design", "validate")
STARTS_MS = 120_000  # Python starts in each page, on two cores that other tests share

CELLS = "article div.cell:has(.cell_input)"  # a question shows no code


class Chapter:
    """A page of the book and its cells, counted from 0."""

    def __init__(self, page):
        self.page = page
        self.cells = page.locator(CELLS)
        self.cells.nth(0).locator(".llmcap-bar").wait_for(state="attached")

    def button(self, at, name):
        bar = self.cells.nth(at).locator(".llmcap-bar")
        return bar.get_by_role("button", name=name, exact=True)

    def code(self, at):
        return self.cells.nth(at).locator(".cell_input .highlight pre").first.text_content()

    def editor(self, at):
        return self.cells.nth(at).locator(".cm-content")

    def edit(self, at, code):
        self.button(at, "Edit").click()
        self.editor(at).fill(code)

    def wait(self, at):
        """Until the cell has run: what its bar says."""
        self.page.wait_for_function(
            "([at, cells]) => !document.querySelectorAll(cells)[at].matches('[data-running]')",
            arg=[at, CELLS],
            timeout=STARTS_MS,
        )
        return self.cells.nth(at).locator(".llmcap-status").inner_text()

    def run(self, at):
        self.button(at, "Run").click()
        return self.wait(at)

    def fresh(self, at):
        """What stands under "Your run"."""
        return [node.inner_text() for node in self.cells.nth(at).locator(".llmcap-fresh pre").all()]

    def named(self, text):
        """The first cell whose code holds a text."""
        found = (at for at in range(self.cells.count()) if text in self.code(at))
        return next(found)


@pytest.fixture(scope="module")
def context(browser, site):
    """One reader's browser: the second page has the first one's Python."""
    made = browser.new_context(base_url=site, service_workers="block")
    yield made
    made.close()


@pytest.fixture
def chapter(context, site, faults):
    pages = []

    def chapter(name="1-law", width=1280):
        page = context.new_page()
        pages.append(page)
        page.set_default_timeout(STARTS_MS)
        page.set_viewport_size({"width": width, "height": 800})
        watch(page, site, faults)
        page.goto(f"/book/{name}.html")
        return Chapter(page)

    yield chapter
    seen = list(faults)
    for page in pages:
        page.evaluate("localStorage.clear()")
        page.close()
    assert not seen, "\n".join(seen)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_cell_gives_what_is_printed(chapter, name):
    book = chapter(name)
    book.page.evaluate("document.querySelectorAll('div.cell details').forEach(d => d.open = true)")
    for at in range(book.cells.count()):
        has_output = book.cells.nth(at).locator(".cell_output").count()
        assert book.run(at) == ("Same as printed" if has_output else "Done: nothing to show")
        assert not book.fresh(at)


def test_a_cell_runs_those_above_it_first(chapter):
    book = chapter()
    assert book.run(5) == "Same as printed"
    assert not book.fresh(2)


def test_a_change_is_run_beside_the_printed_output_and_taken_back(chapter):
    book = chapter()
    printed = book.cells.nth(1).locator(".cell_output").inner_text()
    committed = book.code(1)
    book.edit(1, "llama = catalog.model('llama-3.1-8b')\nprint('hello')\n2 + 2")
    assert book.run(1) == "Done"
    assert book.fresh(1) == ["hello\n", "4"]
    assert book.cells.nth(1).get_by_text("As printed in the book").is_visible()
    assert printed in book.cells.nth(1).locator(".cell_output").first.inner_text()
    assert book.run(2) == "Done"  # of a smaller model
    book.button(1, "Reset").click()
    assert book.code(1) == committed
    assert not book.fresh(1)
    assert not book.editor(1).count()
    assert book.run(2) == "Same as printed"


def test_a_change_survives_a_reload_until_it_is_taken_back(chapter):
    book = chapter()
    book.edit(3, "print('mine')")
    book.page.reload()
    book.editor(3).wait_for()
    assert book.editor(3).inner_text() == "print('mine')"
    assert book.page.evaluate("document.activeElement === document.body")
    book.button(3, "Reset").click()
    book.page.reload()
    Chapter(book.page)
    assert "mine" not in book.code(3)
    assert not book.editor(3).count()


def test_a_browser_that_keeps_nothing_runs_cells_as_well(browser, site):
    context = browser.new_context(base_url=site)
    refuse = "throw new DOMException('no', 'SecurityError')"
    context.add_init_script(f"Storage.prototype.setItem = () => {{ {refuse} }}")
    page = context.new_page()
    page.goto("/book/1-law.html")
    book = Chapter(page)
    book.edit(0, "print('kept nowhere')")
    assert book.run(0) == "Done"
    assert book.fresh(0) == ["kept nowhere\n"]
    context.close()


def test_an_error_is_three_lines_and_what_follows_points_at_it(chapter):
    book = chapter()
    book.edit(2, "x = 1 / 0")
    assert book.run(4) == "Not run: an earlier cell raised an error"
    assert book.fresh(2) == [
        "line 1: x = 1 / 0\n            ~~^~~\nZeroDivisionError: division by zero"
    ]
    assert not book.fresh(4)
    book.cells.nth(4).get_by_role("link", name="an earlier cell").click()
    assert book.page.url.endswith("#llmcap-cell-3")
    book.button(2, "Reset").click()
    assert book.run(4) == "Same as printed"


def test_an_endless_loop_is_stopped_and_python_starts_afresh(chapter):
    book = chapter()
    book.run(0)
    book.edit(1, "while True:\n    print('tick')")
    book.button(1, "Run").click()
    book.cells.nth(1).locator(".llmcap-fresh pre", has_text="tick\ntick").wait_for()
    book.button(1, "Stop").click()
    assert book.wait(1) == "Stopped. Python starts afresh: earlier cells will run again."
    assert book.fresh(1)[0].startswith("tick\ntick\n")
    book.button(1, "Reset").click()
    assert book.run(2) == "Same as printed"


def test_a_calculator_moved_while_a_loop_runs_is_answered_after_the_stop(chapter):
    book = chapter()
    root = book.page.locator("section.lc[data-query]").first
    root.scroll_into_view_if_needed()
    book.page.wait_for_selector("section.lc[data-live]")
    book.edit(1, "while True:\n    pass")
    book.button(1, "Run").click()
    book.cells.nth(1).locator("[data-running]").or_(book.button(1, "Stop")).first.wait_for()
    weights = root.locator("input[name=weights]")
    weights.fill("fp8")
    weights.press("Enter")
    book.page.wait_for_timeout(500)
    book.button(1, "Stop").click()
    book.page.wait_for_function("(node) => !node.dataset.query.includes('weights=bf16')",
                                arg=root.element_handle())  # fmt: skip


def test_the_keyboard_alone_edits_runs_and_leaves(chapter):
    book = chapter()
    keys = book.page.keyboard
    book.button(0, "Edit").focus()
    keys.press("Enter")
    book.editor(0).wait_for()
    keys.press("Control+a")
    keys.type("if True:\n")
    keys.press("Tab")
    keys.type("print('typed')")
    keys.press("Shift+Enter")
    assert book.wait(0) == "Done"
    assert book.fresh(0) == ["typed\n"]
    keys.press("Escape")
    keys.press("Tab")
    assert not book.page.evaluate("document.activeElement.matches('.cm-content')")
    book.button(0, "Run").focus()
    keys.press("Shift+Enter")
    assert book.wait(0) == "Done"


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_moves_when_the_editor_opens(chapter, width):
    book = chapter(width=width)
    height = book.cells.nth(1).bounding_box()["height"]
    book.button(1, "Edit").click()
    book.editor(1).wait_for()
    assert book.cells.nth(1).bounding_box()["height"] == pytest.approx(height, abs=1)


def test_a_calculator_in_an_output_is_announced_and_no_script_runs(chapter, faults):
    book = chapter()
    book.page.evaluate(
        "document.addEventListener('llmcap:output', (e) => { window.got = e.detail.innerHTML })"
    )
    book.edit(
        0,
        "class Bad:\n"
        "    def _repr_html_(self):\n"
        "        return \"<b onclick='ran=1'>b</b><img src='data:,' onerror='ran=1'>"
        "<script>ran=1</script><a href='javascript:ran=1'>a</a>\"\n"
        "Bad()",
    )
    assert book.run(0) == "Done"
    got = book.page.evaluate("window.got")
    assert "<b>b</b>" in got
    assert "ran=1" not in got
    assert book.page.evaluate("window.ran === undefined")
    # What is read in order to be cleaned is named by the browser as what it would not have run.
    faults[:] = [one for one in faults if "inline event handler" not in one]


def test_the_bars_are_accessible_and_stay_out_of_print(chapter):
    book = chapter()
    book.edit(1, "1 / 0")
    book.run(1)
    assert not serious_faults(book.page, "article div.cell")
    book.page.emulate_media(media="print")
    assert not book.cells.nth(1).locator(".llmcap-bar").is_visible()


def test_the_notebook_can_be_downloaded(chapter):
    book = chapter()
    with book.page.expect_download() as download:
        book.page.get_by_role("link", name="Download the notebook").click()
    assert download.value.suggested_filename == "1-law.ipynb"


def test_where_python_does_not_start_the_printed_output_stays(chapter):
    book = chapter()
    book.page.add_init_script("delete window.WebAssembly")
    book.page.reload()
    printed = book.cells.nth(1).locator(".cell_output").inner_text()
    assert book.run(1).endswith("The numbers are as built.")
    assert book.cells.nth(1).locator(".cell_output").inner_text() == printed
