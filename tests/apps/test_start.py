"""Whether it starts, in a browser: buttons that mend it, lines to copy, limits in their fold."""

import pytest

from tests.apps.test_calculators import CLIPBOARD, Site
from tests.kernel.test_startup import K29

pytestmark = pytest.mark.browser


@pytest.fixture
def open_at(browser):
    made = []

    def open_at(name, query="", width=1280):
        made.append(Site(browser, viewport={"width": width, "height": 850}))
        made[-1].page.add_init_script(CLIPBOARD)
        made[-1].calculator = made[-1].live(name, query)
        return made[-1]

    yield open_at
    for here in made:
        here.context.close()
        assert here.faults == []


@pytest.mark.parametrize("width", [390, 1280])
def test_a_button_makes_it_start_and_undo_takes_it_back(open_at, width):
    here = open_at("vram", width=width)
    before, first = here.calculator.view["query"], here.calculator.view["remedies"]["items"][0]
    here.page.get_by_role("button", name=first["label"]).click()
    here.answered(1)
    assert here.calculator.view["query"] == first["query"] != before
    assert "starts" in here.page.inner_text(".lc-status")
    assert not here.page.locator(".lc-remedies").is_visible()
    here.page.click("[data-act=undo]")
    here.answered(2)
    assert here.calculator.view["query"] == before
    assert here.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_alone_applies_a_remedy(open_at):
    here = open_at("calculate", "tp=1")
    here.page.locator(".lc-remedies button").first.focus()
    here.page.keyboard.press("Tab")
    second = here.calculator.view["remedies"]["items"][1]
    assert here.page.evaluate("document.activeElement.textContent") == second["label"]
    here.page.keyboard.press("Enter")
    here.answered(1)
    assert here.calculator.view["query"] == second["query"]


def test_a_button_that_goes_with_what_it_did_leaves_the_focus_on_the_answer(open_at):
    """Else the next Tab would begin at the top of the page."""
    here = open_at("vram")
    here.page.locator(".lc-remedies button").first.focus()
    here.page.keyboard.press("Enter")
    here.answered(1)
    assert not here.page.locator(".lc-remedies").is_visible()
    assert here.page.evaluate("document.activeElement.matches('.lc-status')")


def test_a_button_pressed_twice_says_what_it_does_again(open_at):
    here = open_at("vram", "tp=2")
    here.page.clock.install()
    here.page.click("[data-act=lines]")
    here.page.wait_for_selector("[data-act=lines]:has-text('Copied')")
    here.page.click("[data-act=lines]")
    here.page.clock.fast_forward(5000)
    here.page.wait_for_selector("[data-act=lines]:has-text('Copy')")
    assert here.page.text_content("[data-act=lines]") == "Copy"
    assert here.page.text_content(".lc-done") == ""


def test_where_the_clipboard_is_shut_the_button_that_copies_keeps_the_focus(open_at):
    here = open_at("vram", "tp=2")
    here.page.evaluate("void (navigator.clipboard.writeText = () => Promise.reject())")
    here.page.evaluate("void (document.execCommand = () => false)")
    here.page.locator("[data-act=lines]").focus()
    here.page.keyboard.press("Enter")
    here.page.wait_for_selector("[data-act=lines]:has-text('The browser refused')")
    assert here.page.evaluate("document.activeElement.dataset.act") == "lines"


def test_the_lines_of_the_engine_are_copied_as_they_stand(open_at):
    here = open_at("vram", "tp=2")
    here.page.click("[data-act=lines]")
    here.page.wait_for_selector("[data-act=lines]:has-text('Copied')")
    assert here.page.evaluate("window.clip") == here.calculator.view["texts"][-1]["text"]
    assert "Available KV cache memory: " in here.page.evaluate("window.clip")


def test_a_limit_is_typed_in_its_fold_which_stays_open(open_at):
    here = open_at("vram", "gpu=rtx-3090&model=llama-3.1-8b")
    fold = here.page.locator(".lc-fold", has_text="own limits")
    box = here.page.locator("input[name=seqs]")
    assert not box.is_visible()
    fold.locator("summary").click()
    assert (box.input_value(), box.get_attribute("placeholder")) == ("", "256")
    box.fill("64")
    box.press("Enter")
    here.answered(1)
    assert "seqs=64" in here.calculator.view["query"] and box.is_visible()
    assert fold.locator("summary").inner_text().endswith("1 set")
    here.page.select_option("select[name=tp]", "2")  # one more input stands above it now
    here.answered(2)
    assert box.is_visible() and box.input_value() == "64"
    box.fill("")
    box.press("Enter")
    here.answered(3)
    assert "seqs" not in here.calculator.view["query"]


def test_a_limit_of_one_of_several_deployments_is_its_own(open_at):
    here = open_at("compare")
    group = here.page.locator(".lc-group").nth(1)
    group.locator("summary").first.click()
    group.locator(".lc-fold summary").click()
    box = group.locator("input[name='b.seqs']")
    box.fill("64")
    box.press("Enter")
    here.answered(1)
    assert "b.seqs=64" in here.calculator.view["query"] and box.is_visible()


@pytest.mark.parametrize("name", ["calculate", "vram"])
def test_a_log_that_is_pasted_where_a_config_goes_fills_the_inputs(open_at, name):
    here = open_at(name, "gpu=rtx-3090&tp=1")
    here.page.click(".lc-kind-text summary")
    here.page.fill(".lc-kind-text textarea", K29)  # what comes at once needs no button
    here.answered(1)
    assert here.page.input_value("input[name=model]") == "Llama 3.1 8B"
    assert here.page.input_value("input[name=maxlen]") == "31,800"
    assert "KV cache 6.95 GiB and " in here.page.inner_text(".lc-messages")
    here.page.click("[data-act=undo]")
    here.answered(2)
    assert here.page.input_value("input[name=maxlen]") == ""
