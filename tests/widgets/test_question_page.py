"""The front end of a question in a browser, with the sessions as its kernel and no notebook."""

import pytest

from tests.book.test_pages import overflow, serious_faults
from tests.widgets.in_a_page import pages
from widgets.exercises import EXERCISES
from widgets.live.page import KINDS

pytestmark = pytest.mark.browser

HOST = """
import question from "./question.js";
window.moved = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.moved += entry.value;
}).observe({ type: "layout-shift", buffered: true });
for (const section of document.querySelectorAll(".lc-question")) {
  const { kind, name, until = "" } = section.dataset;
  const traits = { verdict: {} };
  const heard = new Set();
  question.render({ el: section, model: {
    get: (trait) => traits[trait],
    set: (trait, value) => { traits[trait] = value; },
    on: (_, act) => heard.add(act),
    off: (_, act) => heard.delete(act),
    async save_changes() {
      Object.assign(traits, await ask(kind, name, until, traits.answer));
      heard.forEach((act) => act());
    },
  } });
}
document.body.dataset.ready = "";
"""
ASKED = (
    ("guess", "3.1", "section 3"), ("guess", "3.1", ""), ("guess", "1.5", ""),
    ("exercise", "3.1", ""), ("exercise", "3.2", ""), ("exercise", "3.3", ""),
)  # fmt: skip
SITE = "http://questions.test"
IN_CHAPTER = sum(name.startswith("3.") for name in EXERCISES)


def session(kind, name, until):
    return KINDS[kind](name, until) if until else KINDS[kind](name)


def html():
    parts = [session(*asked).traits()["html"] for asked in ASKED]
    line = '<p class="lc lc-progress lc-progress-3">Three exercises.</p>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Questions</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="stylesheet" href="calculator.css"><link rel="stylesheet" href="question.css">'
        "<style>:root { color-scheme: light dark }"
        "body { background: light-dark(#fff, #121212) }</style>"
        f"</head><body><main><h1>Questions</h1>{''.join(parts[:3])}<h2>Exercises</h2>{line}"
        f"{''.join(parts[3:])}</main>"
        f'<script type="module">{HOST}</script></body></html>'
    )


@pytest.fixture
def ask_page(browser):
    """A function that opens the questions; windows of one call share what they keep."""
    with pages(browser, SITE) as opened:

        def open_page(context=None, *, script="", scripted=True, **look):
            if context is None:
                context = opened.context(html(), answer, scripted=scripted, **look)
                if script:
                    context.add_init_script(script)
            return opened.page(context, scripted)

        yield open_page


def answer(kind, name, until, given):
    return session(kind, name, until).set({"answer": given})


def question(page, kind, name, until=None):
    more = "" if until is None else "[data-until]" if until else ":not([data-until])"
    return page.locator(f'.lc-question[data-kind="{kind}"][data-name="{name}"]{more}')


def verdict(box, state):
    box.page.wait_for_selector(
        f'.lc-question[data-kind="{box.get_attribute("data-kind")}"]'
        f'[data-name="{box.get_attribute("data-name")}"][data-state="{state}"]'
    )
    return box.locator(".lc-verdict").inner_text()


def progress(page):
    return page.locator(".lc-progress-3 [role=status]").inner_text()


def test_an_exercise_is_solved_with_the_keyboard_alone(ask_page):
    page = ask_page()
    box = question(page, "exercise", "3.1")
    box.get_by_role("textbox", name="Your answer, in GB").focus()
    page.keyboard.type("7.81")
    page.keyboard.press("Enter")
    assert "GiB" in verdict(box, "slip")
    page.keyboard.press("Tab")  # Check
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert box.locator("details[open]").count() == 1
    box.get_by_role("textbox").fill("7.8125 GiB")
    page.keyboard.press("Enter")
    assert verdict(box, "right") == "Right, 8.39 GB."
    assert progress(page) == f"1 of {IN_CHAPTER} solved"


def test_hints_come_one_by_one(ask_page):
    hints = question(ask_page(), "exercise", "3.1").locator("summary")
    for shown in (1, 2, 3):
        assert [hint.is_visible() for hint in hints.all()] == [n < shown for n in range(3)]
        hints.nth(shown - 1).click()


def test_what_cannot_be_read_is_said_at_the_input(ask_page):
    box = question(ask_page(), "exercise", "3.1")
    box.get_by_role("button", name="Check").click()
    assert verdict(box, "unread").startswith("Type a number")
    assert box.get_by_role("textbox").get_attribute("aria-invalid") == "true"
    assert box.locator(".lc-verdict").get_attribute("role") == "status"


def test_progress_outlives_the_page_and_can_be_reset(ask_page):
    page = ask_page()
    for name, text in (("3.1", "8.39"), ("3.2", "127")):
        box = question(page, "exercise", name)
        box.get_by_role("textbox").fill(text)
        box.get_by_role("button", name="Check").click()
        verdict(box, "right")
    kept = page.evaluate("JSON.parse(localStorage['llmcap:progress:v1'])")
    page.evaluate(
        "all => localStorage.setItem('llmcap:progress:v1', JSON.stringify(all))",
        kept | {"exercise 1.1": "15 GB"},
    )
    page.reload()
    page.wait_for_selector("body[data-ready]", state="attached")
    assert progress(page) == f"2 of {IN_CHAPTER} solved"
    box = question(page, "exercise", "3.1")
    assert box.get_by_role("textbox").input_value() == "8.39"
    assert box.locator(".lc-verdict").inner_text() == "Solved before."

    line = page.locator(".lc-progress-3")
    line.get_by_role("button", name="Reset").click()
    assert progress(page).endswith("in this chapter?")
    page.keyboard.press("Escape")
    assert progress(page) == f"2 of {IN_CHAPTER} solved"
    line.get_by_role("button", name="Reset").click()
    line.get_by_role("button", name="Clear").press("Enter")
    # its button is gone, and the next Tab goes on from what it says
    assert page.evaluate("document.activeElement.textContent") == f"0 of {IN_CHAPTER} solved"
    assert progress(page) == f"0 of {IN_CHAPTER} solved"
    assert line.get_by_role("button").count() == 0
    assert box.get_by_role("textbox").input_value() == ""
    assert box.get_attribute("data-state") is None
    kept = page.evaluate("JSON.parse(localStorage['llmcap:progress:v1'])")
    assert kept == {"exercise 1.1": "15 GB"}  # another chapter's


def test_an_answer_elsewhere_leaves_what_is_being_tried(ask_page):
    page = ask_page()
    one, other = (question(page, "exercise", name) for name in ("3.1", "3.3"))
    one.get_by_role("textbox").fill("5")
    one.get_by_role("button", name="Check").click()
    assert "A hint may help" in verdict(one, "wrong")
    other.get_by_role("textbox").fill(f"{EXERCISES['3.3'].expected():,}")
    other.get_by_role("button", name="Check").click()
    verdict(other, "right")
    assert one.get_by_role("textbox").input_value() == "5"
    assert one.get_attribute("data-state") == "wrong"


@pytest.mark.parametrize(
    "script",
    [
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('private'); } });",
        "Storage.prototype.setItem = () => { throw new Error('full'); };",
        "localStorage.setItem('llmcap:progress:v1', '{not json');",
        "localStorage.setItem('llmcap:progress:v1', '[3]');",
    ],
)
def test_a_browser_that_keeps_nothing_still_checks(ask_page, script):
    page = ask_page(script=script)
    box = question(page, "exercise", "3.1")
    box.get_by_role("textbox").fill("8.39")
    box.get_by_role("button", name="Check").click()
    verdict(box, "right")
    assert progress(page) == f"1 of {IN_CHAPTER} solved"


def test_a_guess_is_kept_for_its_section_and_drawn_there(ask_page):
    page = ask_page()
    head, beat = (question(page, "guess", "3.1", until) for until in (True, False))
    head.get_by_role("textbox").fill("7 users")
    head.get_by_role("button", name="Guess").click()
    assert verdict(head, "kept") == "Kept. Section 3 draws it beside the answer."
    assert head.locator(".lc-beside").count() == 0
    assert beat.get_by_role("textbox").input_value() == "7 users"
    beat.get_by_role("button", name="Compare").click()
    verdict(beat, "shown")
    picture = beat.get_by_role("img")
    assert picture.get_attribute("aria-label") == "answer 0 users, your guess 7 users, to scale"
    assert picture.is_visible()
    page.locator(".lc-progress-3").get_by_role("button", name="Reset").click()
    page.locator(".lc-progress-3").get_by_role("button", name="Clear").click()
    assert not picture.is_visible()
    assert beat.get_by_role("button", name="Guess").is_visible()
    assert head.get_by_role("textbox").input_value() == ""


def test_a_choice_is_made_with_the_keyboard_and_a_guess_can_be_skipped(ask_page):
    page = ask_page()
    box = question(page, "guess", "1.5")
    assert not box.get_by_role("img").is_visible()
    box.get_by_text("Show me").click()
    assert box.get_by_role("img").is_visible()  # without a guess
    box.get_by_role("button", name="Guess").click()
    assert verdict(box, "unread") == "Choose one first."
    box.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert verdict(box, "shown") == "Right: Llama-3.1-8B."


def test_without_a_script_the_question_is_there_and_unfolds(ask_page):
    page = ask_page(scripted=False)
    box = question(page, "exercise", "3.1")
    assert box.get_by_role("textbox").is_visible()
    assert box.get_by_role("textbox").is_disabled()
    box.locator("summary").first.click()
    assert box.get_by_text("Begin with one token").is_visible()
    question(page, "guess", "1.5").get_by_text("Show me").click()
    assert question(page, "guess", "1.5").get_by_role("img").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_moves_nothing_as_it_starts_and_is_accessible(ask_page, width, scheme):
    page = ask_page(width=width, scheme=scheme)
    page.wait_for_timeout(300)
    assert page.evaluate("window.moved") == 0
    box = question(page, "guess", "3.1", False)
    box.get_by_role("textbox").fill("1e9")
    box.get_by_role("button", name="Guess").click()
    question(page, "guess", "1.5").get_by_role("radio").first.check()
    question(page, "guess", "1.5").get_by_role("button", name="Guess").click()
    verdict(question(page, "guess", "1.5"), "shown")
    assert overflow(page) <= 0
    assert not serious_faults(page)


def test_paper_has_no_buttons(ask_page):
    page = ask_page()
    page.emulate_media(media="print")
    assert not [b for b in page.get_by_role("button").all() if b.is_visible()]
