"""The static book comes alive in the browser: no server of ours, no network but this machine.

Its files lie under a path of ``python -m http.server``. What the page says is held against the same
calculator in this process, to the digit.
"""

import json
import re
from urllib.parse import urlsplit

import pytest

from tests.book.test_pages import serious_faults
from tests.conftest import watch
from tests.kernel.test_startup import K00139, K29
from widgets.pages import build
from widgets.session import CALCULATORS, Calculator

pytestmark = pytest.mark.browser
LIVE = "section.lc[data-live]"
START_MS = 90_000  # other tests share the machine


class Reader:
    """One window on the static book, cut off from every other host."""

    def __init__(self, context, address):
        self.context, self.address, self.faults = context, address, []
        self.page = context.new_page()
        self.page.set_default_timeout(START_MS)
        watch(self.page, address, self.faults)

    def open(self, path, name=""):
        """Open a page and bring a calculator near: give it once it is alive."""
        self.page.goto(f"{self.address}/{path}")
        chosen = f'[data-name="{name}"]' if name else ""
        root = self.page.locator(f"section.lc[data-query]{chosen}").first
        root.scroll_into_view_if_needed()
        self.page.wait_for_selector(LIVE, state="attached")
        return root

    def settled(self):
        """Wait until nothing is asked that is not answered, and the address says it."""
        self.page.wait_for_timeout(400)
        self.page.wait_for_function("() => !document.querySelector('.lc-late')")


@pytest.fixture(scope="module")
def context(browser):
    """One reader's browser: what it has kept serves the next page, as at a second visit."""
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    yield made
    made.close()


@pytest.fixture
def reader(context, static_site):
    made = Reader(context, static_site)
    yield made
    made.page.close()
    assert not made.faults, "\n".join(made.faults)


def shown(root):
    """What a reader sees of an answer: verdict, numbers, tables."""
    return root.evaluate(
        """(root) => {
          const plain = (text) => text.replace(/\\u2011/g, "-").replace(/\\s+/g, " ").trim();
          const text = (node) => plain(node.textContent);
          const all = (selector) => [...root.querySelectorAll(selector)].map(text);
          return { status: all(".lc-status"), numbers: all(".lc-headline dd:not(.lc-span)"),
            cells: all("td"), query: root.dataset.query };
        }"""
    )


def computed(name, query):
    """The same of the calculator in this process."""
    view = Calculator(name, query).whole()
    numbers = []
    for item in view["headline"]:
        about = "about " if item.get("rough") else ""
        numbers.append(f"{about}{item['value']} {item['unit']}".strip())
        numbers += [item["note"]] if item["note"] else []
    cells = [cell for table in view["tables"] for row in table["rows"] for cell in row[1:]]
    said = " ".join(filter(None, (view["status"]["text"], view["status"].get("beside"))))

    def plain(texts):
        return [" ".join(text.split()) for text in texts]

    return {"status": plain([said]), "numbers": plain(numbers),
            "cells": plain(cells), "query": view["query"]}  # fmt: skip


def another(control):
    """A value of an input that is not the present one, as a person would give it."""
    if control["kind"] in ("select", "search"):
        others = [one for one in control["options"] if one["value"] != control["value"]]
        if not others:
            return None
        chosen = others[len(others) // 2]
        return chosen["label"] if control["kind"] == "search" else str(chosen["value"])
    if control["kind"] == "slider":
        at = len(control["stops"]) // 3
        return control["stop_entries"][at if at != control["at"] else at + 1]
    number = "0.5" if control.get("name", "").endswith("fraction") else "2"
    return {"toggle": "the other", "number": number}.get(control["kind"])


def change(page, root, control, value):
    """Change an input as a person does."""
    box = root.locator(f'[name="{control["name"]}"]').first
    unfold = "(root) => root.querySelectorAll('.lc-controls details').forEach((d) => d.open = true)"
    root.evaluate(unfold)
    if control["kind"] == "select":
        box.select_option(value)
    elif control["kind"] == "toggle":
        box.evaluate("(node) => node.click()")  # a redraw may fold it just then
    elif control["kind"] == "search":
        box.click()
        box.fill(value)
        box.press("Enter")
    else:
        entry = root.locator(f'input[type="text"][name="{control["name"]}"]')
        entry.fill(value)
        entry.press("Enter")
        entry.blur()


FEWER = {"design": "?gpus=h100-sxm,h200-sxm"}  # a search of all cards shows no more of an input


def some_of(controls, name):
    """What is tried: of columns side by side the first, of what is searched one of a kind."""
    if name == "design":
        return {control["kind"]: control for control in reversed(controls)}.values()
    return [one for one in controls if not one["name"].startswith(("b.", "c.", "d."))]


@pytest.mark.slow
@pytest.mark.parametrize("name", CALCULATORS)
def test_every_input_gives_what_python_gives_here(reader, name):
    root = reader.open(f"apps/{name}/{FEWER.get(name, '')}")
    assert shown(root) == computed(name, shown(root)["query"])
    for each in some_of(Calculator(name).whole()["controls"], name):
        here = {c["name"]: c for c in Calculator(name, shown(root)["query"]).whole()["controls"]}
        control = here.get(each["name"], {"kind": "gone"})
        if (value := another(control)) is None:
            continue
        drawn = int(root.get_attribute("data-seq"))
        change(reader.page, root, control, value)
        reader.page.wait_for_selector(f'section.lc[data-seq="{drawn + 1}"]')
        seen = shown(root)
        assert seen == computed(name, seen["query"]), control["name"]
    reader.page.wait_for_url(f"**/apps/{name}/?{shown(root)['query']}")
    assert reader.page.locator(".lc-plot .main-svg, .lc-figure[hidden]").count()


DRAG = """async () => {
  const root = document.querySelector(".lc");
  const range = root.querySelector('input[type=range][name="users"]');
  const paces = [0, 1, 5, 17, 40]; // faster than an answer, than a frame, and slower than both
  for (let i = 0; i <= Number(range.max); i += 1) {
    range.value = i;
    range.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => setTimeout(done, paces[i % paces.length]));
  }
  range.dispatchEvent(new Event("change", { bubbles: true }));
}"""
STANDS = """(last) => {
  const root = document.querySelector(".lc");
  const { said, seq } = root.dataset;
  return said === seq && root.dataset.query.includes(last);
}"""


@pytest.mark.parametrize("name", ["vram", "cliff"])
def test_after_a_drag_numbers_and_chart_are_those_of_its_end(reader, name):
    """Numbers are painted before their chart, and charts between are left out: never the last."""
    root = reader.open(f"apps/{name}/")
    reader.page.wait_for_selector(".lc-plot .main-svg")
    reader.page.evaluate(DRAG)
    control = next(c for c in Calculator(name).whole()["controls"] if c["name"] == "users")
    last = control["stops"][-1]
    reader.page.wait_for_function(STANDS, arg=f"users={last}&")
    seen = shown(root)
    assert seen == computed(name, seen["query"])
    figure = json.loads(json.dumps(Calculator(name, seen["query"]).view["figure"]))
    assert reader.page.evaluate("document.querySelector('.lc-plot').llmcapFigure") == figure
    notes = [one["text"].replace("<br>", "") for one in figure["layout"]["annotations"]]
    drawn = reader.page.locator(".lc-plot .annotation-text").all_text_contents()
    assert [text.replace("\n", "") for text in drawn] == notes


def test_an_address_with_inputs_opens_on_them(reader):
    root = reader.open("apps/vram?users=4&tp=2")
    seen = shown(root)
    assert seen == computed("vram", "users=4&tp=2")
    assert root.locator('input[type="text"][name="users"]').input_value() == "4"


@pytest.mark.parametrize("width", [1280, 390])
def test_while_a_link_is_read_no_other_deployment_passes_for_its_answer(
    browser, static_site, width
):
    context = browser.new_context(viewport={"width": width, "height": 800}, service_workers="block")
    page = context.new_page()
    page.route("**/*.wasm.gz", lambda route: None)  # Python never comes
    page.goto(f"{static_site}/apps/calculate/?model=qwen3-32b&tp=1&in=31k&users=4")
    root = page.locator("section.lc")
    page.wait_for_function(
        "() => document.querySelector('.lc-status').textContent.startsWith('Reading your link: ')"
    )
    assert not root.locator(".lc-headline strong").first.is_visible()
    assert not root.locator(".lc-results").is_visible()
    assert root.locator("[name=model]").input_value() == "qwen3-32b"
    assert root.locator("input[type=text][name=users]").input_value() == "4"
    assert root.locator("select[name=tp]").input_value() == "1"
    assert root.locator(".lc-controls").evaluate("(node) => node.inert")
    assert "lc-bad" not in root.locator(".lc-status").get_attribute("class")
    assert not serious_faults(page)
    context.close()


def test_on_a_phone_what_is_started_covers_no_preset_and_buttons_have_words(browser, static_site):
    context = browser.new_context(viewport={"width": 390, "height": 800}, service_workers="block")
    page = context.new_page()
    page.route("**/*.wasm.gz", lambda route: None)  # Python never comes
    page.goto(f"{static_site}/apps/validate/")
    page.wait_for_function("() => document.querySelector('.lc-done').textContent.includes('MB')")
    said = page.locator(".lc-done").bounding_box()
    for preset in page.locator(".lc-presets button").all():
        assert said["y"] + said["height"] <= preset.bounding_box()["y"] + 1
    beside = page.locator(".lc-presets > span")
    assert beside.inner_text() == "Start from:"
    end = """(node) => {
      const words = document.createRange();
      words.selectNodeContents(node);
      return words.getBoundingClientRect().right;
    }"""
    assert beside.evaluate(end) <= said["x"]
    reset = page.get_by_role("button", name="Reset")
    assert reset.evaluate("(node) => parseFloat(getComputedStyle(node).fontSize)") > 10
    context.close()


def test_what_stands_is_shown_at_once_where_the_address_asks_for_just_that(browser, static_site):
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.route("**/*.wasm.gz", lambda route: None)
    query = Calculator("calculate").whole()["query"]
    page.goto(f"{static_site}/apps/calculate/?{query}&tp=2&model=llama-3.1-70b")
    assert page.locator(".lc-headline strong").first.is_visible()
    assert not page.locator("[data-pending]").count()
    context.close()


def test_a_link_that_python_cannot_read_is_said_not_to_be_answered(browser, static_site):
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.add_init_script("delete window.WebAssembly;")
    page.goto(f"{static_site}/apps/vram/?tp=4")
    page.get_by_text("Your link is not answered.").wait_for(timeout=START_MS)
    assert not page.locator(".lc-headline strong").first.is_visible()
    context.close()


def test_a_name_typed_before_python_is_there_takes_the_place_of_what_stood(browser, static_site):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    reader = Reader(context, static_site)
    page = reader.page
    page.goto(f"{static_site}/apps/vram/")
    box = page.locator("input[role=combobox][name=model]")
    box.click()
    page.keyboard.type("qwen3 32b")
    assert box.input_value() == "qwen3 32b"
    assert not page.locator(LIVE).count(), "it was alive before the test could touch it"
    page.keyboard.press("Enter")
    page.wait_for_selector(LIVE)
    page.wait_for_function(
        "() => document.querySelector('section.lc').dataset.query.includes('model=qwen3-32b')"
    )
    context.close()
    assert not reader.faults


@pytest.mark.parametrize("waits", [True, False], ids=["alive", "before Python"])
def test_a_question_typed_in_a_line_fills_the_inputs(browser, static_site, waits):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, service_workers="block")
    reader = Reader(context, static_site)
    page = reader.page
    page.goto(f"{static_site}/apps/compare/")
    if waits:
        page.wait_for_selector(LIVE)
    words = "gpt-oss-120b on H100, H200 or MI300X, over context"
    box = page.get_by_role("textbox", name="Type a question:")
    box.fill(words)
    box.press("Enter")
    page.wait_for_url("**gpt-oss-120b**")
    reader.settled()
    root = page.locator("section.lc").first
    seen = shown(root)
    assert seen == computed("compare", seen["query"]) and "sweep=ctx" in seen["query"]
    assert box.input_value() == words
    assert page.get_by_text("Read: gpt-oss 120B, 1x H100 SXM5").is_visible()
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url(lambda url: "gpt-oss" not in url)
    context.close()
    assert not reader.faults


def test_on_a_phone_a_search_gives_its_reasons_after_its_inputs(browser, static_site):
    """Above them they took more than a screen, on the way to the budget."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{static_site}/apps/design/")
    why, inputs = (
        page.locator(one).first.bounding_box() for one in (".lc-remedies", ".lc-controls")
    )
    assert why["y"] >= inputs["y"] + inputs["height"]
    assert inputs["y"] < 1400
    context.close()


def test_a_nonsense_address_is_answered_with_a_sentence(reader):
    root = reader.open("apps/vram?gpu=h100x&users=-3")
    assert "h100" in root.locator(".lc-messages").inner_text().lower()


def chapters():
    notebooks = (build.ROOT / "book").glob("*.ipynb")
    return sorted(p.stem for p in notebooks if '"Calculator(' in p.read_text("utf-8"))


@pytest.mark.parametrize("chapter", chapters())
def test_a_calculator_in_a_text_is_alive_and_nothing_moves(reader, chapter):
    page = reader.page
    page.add_init_script(
        "window.moved = []; new PerformanceObserver((list) => {"
        "for (const one of list.getEntries()) window.moved.push(one.value); })"
        ".observe({ type: 'layout-shift', buffered: true });"
    )
    root = reader.open(f"book/{chapter}.html")
    name = root.get_attribute("data-name")
    assert shown(root) == computed(name, shown(root)["query"])
    page.wait_for_selector(".lc-plot .main-svg")
    reader.settled()
    assert sum(page.evaluate("window.moved")) < 0.02
    slider = root.locator("input[type=range]:visible").first
    if slider.count():
        before = shown(root)["query"]
        slider.focus()
        slider.press("ArrowRight")
        page.wait_for_function(
            "([node, before]) => node.dataset.query !== before",
            arg=[root.element_handle(), before],
        )
        assert shown(root) == computed(name, shown(root)["query"])


def test_what_is_touched_before_python_is_there_is_kept(browser, static_site):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    reader = Reader(context, static_site)
    page = reader.page
    page.goto(f"{static_site}/apps/vram/")
    root = page.locator("section.lc")
    slider = root.locator('input[type="range"]').first
    slider.focus()
    slider.press("Home")
    assert not page.locator(LIVE).count(), "it was alive before the test could touch it"
    assert "Python" in root.locator(".lc-done").inner_text()
    page.wait_for_selector(LIVE)
    page.wait_for_function(
        "() => document.querySelector('section.lc').dataset.query.includes('users=1&')"
    )
    assert shown(root) == computed("vram", shown(root)["query"])
    context.close()
    assert not reader.faults


def test_a_second_visit_needs_no_network(context, reader):
    reader.open("apps/cliff/")
    page = reader.page
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    kept = "() => caches.keys().then((all) => all.some((one) => one.startsWith('llmcap-python')))"
    page.wait_for_function(kept)
    page.goto(f"{reader.address}/book/intro.html")
    page.wait_for_timeout(2000)  # what the page had loaded is being kept
    context.set_offline(True)
    try:
        root = reader.open("apps/cliff")
        assert shown(root) == computed("cliff", "")
        page.goto(f"{reader.address}/book/intro.html")
        assert page.locator("article h1").first.is_visible()
    finally:
        context.set_offline(False)
    reader.faults[:] = [one for one in reader.faults if not one.startswith("failed: ")]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("delete window.WebAssembly;", "WebAssembly"),
        ("window.Worker = class { constructor() { throw new Error('refused'); } };", "refused"),
    ],
)
def test_where_python_cannot_start_the_numbers_stay_and_a_sentence_says_so(
    browser, static_site, script, said
):
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(script)
    page.goto(f"{static_site}/apps/vram/")
    page.wait_for_function(
        f"() => document.querySelector('.lc-done').textContent.includes({said!r})", timeout=START_MS
    )
    assert "as built" in page.inner_text(".lc-done")
    assert shown(page.locator("section.lc")) == computed("vram", "")
    context.close()


def test_where_the_network_fails_the_numbers_stay_and_another_touch_tries_again(
    browser, static_site
):
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.route("**/*.wasm.gz", lambda route: route.abort())
    page.goto(f"{static_site}/apps/vram/")
    page.wait_for_function(
        "() => document.querySelector('.lc-done').textContent.includes('as built')",
        timeout=START_MS,
    )
    page.unroute("**/*.wasm.gz")
    slider = page.locator("input[type=range]").first
    slider.focus()
    slider.press("ArrowRight")
    page.wait_for_selector(LIVE, timeout=START_MS)
    context.close()


def test_a_calculator_opened_from_a_text_has_its_inputs_and_the_way_back(reader):
    page = reader.page
    root = reader.open("book/3-capacity.html", "vram")
    slider, before = root.locator("input[type=range]").first, shown(root)["query"]
    slider.focus()
    slider.press("End")
    moved = [root.element_handle(), before]
    page.wait_for_function("([root, before]) => root.dataset.query !== before", arg=moved)
    reader.settled()
    query = shown(root)["query"]
    root.get_by_role("link", name="Open on a page of its own").click()
    page.wait_for_url("**/apps/vram/*")
    page.wait_for_selector(LIVE)
    assert shown(page.locator("section.lc"))["query"] == query
    page.get_by_role("link", name=re.compile("Back to 3")).click()
    page.wait_for_url("**/book/3-capacity.html#*")


def test_the_way_back_leads_to_pages_of_the_book_alone(reader):
    reader.open("apps/vram#from=https%3A%2F%2Fevil.example")
    assert reader.page.locator(".lt-back").is_hidden()


def test_a_file_is_scored_in_the_browser_and_never_leaves_it(reader, tmp_path):
    rows = build.ROOT / "benchmarks" / "measured.csv"
    lines = rows.read_text("utf-8").splitlines()
    mine = tmp_path / "mine.csv"
    mine.write_text("\n".join(lines[:40]), encoding="utf-8")
    sent = []
    reader.page.on("request", lambda request: sent.append(request) if request.post_data else None)
    root = reader.open("apps/validate/")
    root.locator('input[type="file"]').set_input_files(mine)
    reader.page.wait_for_function("() => document.body.textContent.includes('mine.csv')")
    reader.page.wait_for_function(
        "() => document.querySelector('.lc-status').textContent.startsWith('Your 39 rows: ')"
    )
    assert not sent
    assert not urlsplit(reader.page.url).query.count("mine")


def test_a_start_up_log_is_read_in_the_browser_and_never_leaves_it(reader):
    sent = []
    reader.page.on("request", lambda request: sent.append(request) if request.post_data else None)
    root = reader.open("apps/validate/")
    root.locator("summary", has_text="Or paste its text").click()
    root.locator(".lc-file textarea").fill(K00139)
    root.locator("[data-act=usetext]").click()
    reader.page.wait_for_function(
        "() => document.querySelector('.lc-results caption').textContent === 'Term by term'"
    )
    assert "It started, and the ledger says so." in root.locator(".lc-status").inner_text()
    assert not sent


def test_a_start_up_log_fills_the_inputs_of_calculate_in_the_browser(reader):
    root = reader.open("apps/calculate/?gpu=rtx-3090&tp=1")
    root.locator(".lc-kind-text summary").click()
    root.locator(".lc-kind-text textarea").fill(K29)
    root.locator("[data-act=use]").click()
    reader.page.wait_for_function(
        "() => document.querySelector('input[name=maxlen]').value === '31,800'"
    )
    assert "KV cache 6.95 GiB and" in root.locator(".lc-messages").inner_text()


def test_a_question_that_came_with_the_address_stays_in_its_line(reader):
    root = reader.open("apps/calculate/?ask=H100+or+H200+for+gpt-oss-120b")
    reader.page.get_by_text("Read: gpt-oss 120B").wait_for()
    assert root.locator("input[name=ask]").input_value() == "H100 or H200 for gpt-oss-120b"
    root.get_by_role("link", name="Ask there").click()
    reader.page.wait_for_url("**/apps/compare/?**")
    reader.page.get_by_text("Read: gpt-oss 120B, 1x H100 SXM5 80GB, 1x H200").wait_for()


@pytest.mark.parametrize(
    "chapter", ["1-law", "2-bandwidth", "3-capacity", "4-toolbox", "5-design", "vendor-numbers"]
)
def test_every_picture_of_a_page_answers_its_inputs(reader, chapter):
    """Two had an input named as the page names what it opens, and stood still."""
    reader.page.goto(f"{reader.address}/book/{chapter}.html")
    moved = ".lc-picture:has(form)"
    reader.page.wait_for_selector(f"{moved} fieldset:enabled")
    reader.page.evaluate(
        """(moved) => {
          for (const root of document.querySelectorAll(moved)) {
            root.querySelector(".lc-drawn").firstElementChild.setAttribute("data-old", "");
            const input = root.querySelector("form input:not(:checked), form select");
            input.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }""",
        moved,
    )
    reader.page.wait_for_function("() => !document.querySelector('[data-old]')")
