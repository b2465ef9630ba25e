"""The first page, answered before it is read and live when touched; and the head of every page."""

import re

import pytest

from tests.book.test_pages import overflow, pages, serious_faults
from tests.conftest import watch
from widgets.calculators import calculate
from widgets.pages import build
from widgets.pages.apps import site_map
from widgets.picture_session import PictureSession

pytestmark = pytest.mark.browser
FRONT = "/book/intro.html"
START_MS = 90_000  # other tests share the machine
ASK = ".lf-ask"
TEXTS = """(root) => [...root.querySelectorAll('.lc-said, .lf-value, .lf-marks, .lf-key li')]
  .map((node) => node.textContent.replace(/\\s+/g, ' ').trim())"""


def texts(values):
    """What the page says of a question, by the session in this process."""
    html = PictureSession("front", **values).traits()["html"]
    found = re.findall(r'class="(?:lc-said|lf-value|lf-marks)"[^>]*>(.*?)</(?:p|dd)>', html)
    found += re.findall(r"<li class=[^>]*>(.*?)</li>", html)
    plain = [re.sub(r"<[^>]+>", "", one).replace("&#x27;", "'") for one in found]
    return sorted(" ".join(one.split()) for one in plain)


def shown(page):
    return sorted(page.locator(ASK).evaluate(TEXTS))


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_page_is_accessible_and_fits(visit, width, scheme):
    page = visit(FRONT, width=width, scheme=scheme)
    assert overflow(page) <= 0
    assert not serious_faults(page)


def test_the_first_screen_holds_a_question_and_four_numbers_of_calculate(visit):
    page = visit(FRONT, javascript=False)
    answer = page.locator(f"{ASK} .lf-numbers")
    box = answer.bounding_box()
    assert box["y"] + box["height"] < 800, "below the first screen"
    values = answer.locator("strong").all_inner_texts()
    view = calculate.view(calculate.FORM.defaults() | {"kv": "fp8"})
    assert sorted(values) == sorted(one["value"] for one in view["headline"])
    assert shown(page) == texts({})
    assert page.locator(f"{ASK} select").first.is_disabled()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_bars_of_a_row_stand_level_whichever_has_an_interval(visit, width):
    page = visit(FRONT, width=width)
    boxes = [line.bounding_box() for line in page.locator(f"{ASK} .lf-line").all()]
    tops = {}
    for number, line in zip(page.locator(f"{ASK} .lf-numbers > div").all(), boxes, strict=True):
        tops.setdefault(round(number.bounding_box()["y"]), set()).add(round(line["y"]))
    assert len(boxes) == 5 and len(tops) == (1 if width == 1280 else 3)
    assert all(len(level) == 1 for level in tops.values())


@pytest.mark.parametrize(
    ("press", "tool"),
    [("How fast, at what price?", "calculate"), ("Does it fit?", "vram")],
)
def test_a_question_in_words_is_put_to_the_tool_that_is_pressed(visit, press, tool):
    page = visit(FRONT)
    page.get_by_label("Or ask in your own words").fill("Qwen3-32B on two H200, 32K")
    page.get_by_role("button", name=press).click()
    page.wait_for_url(re.compile(f"/apps/{tool}.*model=qwen3-32b&gpu=h200-sxm"))
    assert page.locator("input[role=combobox]").first.input_value()


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("gpt-oss-120b on H100, H200 or MI300X, over context", "compare"),
        ("How many users at 32K on two H200 with Qwen3-32B", "vram"),
        ("What GPU do I need for Llama-3.3-70B, 40 users", "design"),
        ("5M tokens a day with llama 3.3 70b on H100", "design"),
        ("500k emails of 1,000 tokens by tomorrow, gpt-oss-120b", "design"),
        ("1M documents of 2,000 tokens in 8 hours, qwen3-8b", "design"),
        ("what would FP8 KV buy me for qwen3-32b on H100 or H200", "calculate"),
        ("price of Llama-3.3-70B on two H100", "calculate"),
        ("DeepSeek-R1 on 8 H200 vs API at $0.55 in and $2.19 out", "calculate"),
    ],
)
def test_enter_puts_a_question_to_the_tool_that_its_words_are_for(visit, text, tool):
    page = visit(FRONT)
    box = page.get_by_label("Or ask in your own words")
    box.fill(text)
    box.press("Enter")
    page.wait_for_url(re.compile(f"/apps/{tool}\\b"))


def test_nothing_heavy_is_loaded_until_a_word_is_touched_and_then_the_numbers_follow(
    browser, static_site
):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, service_workers="block")
    page, faults, asked = context.new_page(), [], []
    page.set_default_timeout(START_MS)
    watch(page, static_site, faults)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(static_site + FRONT)
    page.wait_for_timeout(1500)
    assert not [url for url in asked if "pyodide" in url or "worker" in url or "plotly" in url]
    card = page.get_by_role("combobox", name="Card", exact=True)
    card.fill("h200")
    card.press("Enter")  # as the command line reads it, the SXM card
    assert card.input_value() == "H200 SXM 141GB"
    type_in(page, "Context of each", "32K")
    page.wait_for_function(
        "() => document.querySelector('.lf-ask .lc-said').textContent.includes('at 32K')"
    )
    page.wait_for_function("() => !document.querySelector('.lf-ask [data-slow]')")
    assert shown(page) == texts({"gpu": "H200 SXM 141GB", "context": "32K"})
    page.get_by_role("link", name="Open in Calculate").click()
    page.wait_for_url("**/apps/calculate/?**")
    assert "gpu=h200-sxm" in page.url and "in=31000" in page.url
    context.close()
    assert not faults, "\n".join(faults)


def test_a_ready_question_opens_the_box_to_paste_into(visit):
    page = visit(FRONT)
    page.get_by_role("link", name="Does my config.json fit?").click()
    page.wait_for_url("**/apps/vram**")
    page.wait_for_function("() => document.activeElement.matches('.lc-kind-text textarea')")


def test_ready_questions_follow_the_sentence_and_come_before_the_chapters(visit):
    page = visit(FRONT)
    tops = [page.locator(one).first.bounding_box()["y"] for one in (ASK, ".lf-ready", ".lf-path")]
    assert tops == sorted(tops)
    assert page.locator(".lf-ready a", has_text="Score my benchmark file").count() == 1


def test_a_tool_in_the_menu_says_what_it_is_for(visit):
    page = visit(FRONT)
    page.get_by_text("Tools", exact=True).click()
    entry = page.locator(".lt-top li", has=page.get_by_role("link", name="Validate"))
    assert "score your own benchmark file" in entry.inner_text()


# ---- the sentence as a reader writes it ---------------------------------------------------------


@pytest.fixture
def sentence(browser, static_site):
    """The first page in a window that keeps no page of the past; what goes wrong fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, service_workers="block")
    page, faults = context.new_page(), []
    page.set_default_timeout(START_MS)
    watch(page, static_site, faults)
    page.goto(static_site + FRONT)
    yield page
    context.close()
    assert not faults, "\n".join(faults)


def type_in(page, name, words, leave="Enter"):
    box = page.get_by_role("combobox", name=name, exact=True)
    box.fill(words)
    box.press(leave)
    return box


def test_names_and_numbers_are_typed_and_what_is_unknown_is_said(sentence):
    page = sentence
    assert type_in(page, "Model", "Qwen/Qwen3-32B").input_value() == "Qwen3 32B"
    type_in(page, "Users at once", "12", "Tab")
    page.wait_for_function(
        "() => document.querySelector('.lf-ask .lc-said').textContent.startsWith('12 users')"
    )
    assert "users=12" in page.url and "model=qwen3-32b" in page.url
    box = type_in(page, "Model", "foo", "Tab")
    page.get_by_text("Model 'foo' is not known.").wait_for()
    assert box.input_value() == "Qwen3 32B"
    box = type_in(page, "Model", "meta-llama/Llama-3.3-70B-Instruct")
    page.wait_for_url("**model=llama-3.3-70b**")
    assert box.input_value() == "Llama 3.3 70B"
    assert not page.locator(".lf-refused").is_visible()


def test_a_reload_and_the_way_back_keep_the_sentence_and_its_answer(sentence):
    page = sentence
    type_in(page, "Card", "h200")
    type_in(page, "Context of each", "32K")
    page.wait_for_url("**in=31000**")
    for back in (page.reload, page.go_back):
        if back == page.go_back:
            page.get_by_role("link", name="Open in Calculate").click()
            page.wait_for_url("**/apps/calculate/?**")
        back()
        page.wait_for_selector(f"{ASK}:not([data-pending])")
        page.wait_for_function(
            "() => document.querySelector('.lf-ask .lc-said').textContent.includes('at 32K')"
        )
        assert page.get_by_role("combobox", name="Card", exact=True).input_value() == (
            "H200 SXM 141GB"
        )
        assert shown(page) == texts({"gpu": "H200 SXM 141GB", "context": "32K"})


def test_a_sentence_in_a_link_is_awaited_without_another_one_s_answer(browser, static_site):
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.route("**/*.wasm.gz", lambda route: None)  # Python never comes
    page.goto(f"{static_site}{FRONT}?model=qwen3-32b&in=31000")
    page.get_by_text("Reading your link").wait_for()
    assert not page.locator(f"{ASK} .lf-numbers").is_visible()
    assert page.get_by_role("combobox", name="Model", exact=True).is_disabled()
    context.close()


def test_the_chapters_lead_on_by_their_pictures_too(visit):
    page = visit(FRONT)
    cards = page.locator(".lf-path li")
    assert cards.count() == 5
    for card in cards.all():
        assert card.locator("svg.lc-drawing [style]").count() > 1
    cards.nth(2).click(position={"x": 40, "y": 40})  # on the picture
    page.wait_for_url("**/book/3-capacity.html")


# ---- the head of every page --------------------------------------------------------------------


def head(page):
    """The head with the way to the site's first folder taken out."""
    html = page.locator("header.lt-top").inner_html().replace(' aria-current="page"', "")
    return re.sub(r'((?:href|action)=")[^"]*?((?:book|apps)/|search\.html)', r"\1\2", html)


def test_book_calculators_and_apps_have_one_head(browser, visit, static_site):
    book = head(visit(FRONT))
    assert head(visit("/book/2-bandwidth.html")) == book
    assert head(visit("/search.html?q=cache")) == book
    assert head(visit("/apps")) == book
    app = visit("/apps/vram")
    app.wait_for_selector("main .lc[data-seq]")
    assert head(app) == book
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.goto(f"{static_site}/apps/vram/")
    assert head(page) == book
    context.close()


@pytest.mark.parametrize("path", [FRONT, "/book/2-bandwidth.html", "/search.html?q=cache"])
def test_there_is_one_search_box_one_theme_button_and_no_second_head(visit, path):
    page = visit(path)
    assert page.locator("input[name=q]").count() == 1
    assert page.locator(".lt-theme, .theme-switch-button").count() == 1
    assert page.locator("header:visible").count() - page.locator(".lc header:visible").count() == 1
    assert not page.locator(".bd-sidebar-primary .navbar-brand, .article-header-buttons").count()


def test_the_head_leads_to_every_page_and_every_tool():
    listed = {f"/book/{name}.html" for _, part in site_map()["parts"] for name, _ in part}
    assert listed | {FRONT} == set(pages())
    text = (build.SITE / "book" / "1-law.html").read_text("utf-8")
    for one in site_map()["calculators"]:
        assert f'href="../apps/{one.name}"' in text


def test_an_app_of_the_server_follows_the_theme_that_was_chosen_in_the_book(visit):
    page = visit(FRONT)
    for _ in range(3):
        if page.locator("html").get_attribute("data-theme") == "dark":
            break
        page.click(".lt-theme")
    page.goto("/apps")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(20, 24, 29)"
    page.click(".lt-theme")
    assert page.locator("html").get_attribute("data-theme") == "light"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_a_phone_has_the_contents_of_a_page_and_a_search_that_unfolds(visit):
    page = visit("/book/2-bandwidth.html", width=390)
    page.get_by_role("button", name="Contents of this page").click()
    link = page.locator("#pst-page-toc-nav a", has_text="One division").first
    link.wait_for()
    page.keyboard.press("Escape")
    box = page.get_by_role("searchbox", name="Search the book")
    assert box.bounding_box()["width"] < 60
    box.focus()
    assert box.bounding_box()["width"] > 300
    page.keyboard.type("roofline")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    assert page.get_by_role("searchbox").input_value() == "roofline"
