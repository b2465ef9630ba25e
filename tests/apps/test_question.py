"""A typed question in a browser: what was read of it is seen where it was typed."""

import pytest

from tests.apps.test_calculators import Site

pytestmark = pytest.mark.browser
SCREENS = {1280: 800, 390: 844}


@pytest.fixture(params=SCREENS)
def here(browser, request):
    made = Site(browser, viewport={"width": request.param, "height": SCREENS[request.param]})
    yield made
    made.context.close()
    assert made.faults == []


def ask(here, text):
    box = here.page.locator("input[name=ask]")
    box.fill(text)
    box.press("Enter")


@pytest.mark.parametrize("name", ["calculate", "design", "vram"])
def test_what_was_read_and_what_was_not_stands_under_the_question_on_the_first_screen(here, name):
    here.live(name)
    ask(here, "Llama 3.1 70B on two H100, wombat, p95 gap 50 ms")
    here.answered(1)
    page = here.page
    box = page.locator("input[name=ask]").bounding_box()
    lines = page.locator(".lc-receipt li")
    assert lines.first.inner_text().startswith("Read: Llama 3.1 70B")
    lost = page.locator(".lc-receipt .lc-warning").last
    assert lost.inner_text() == "Not understood: wombat."
    below = lines.first.bounding_box()["y"] - box["y"] - box["height"]
    assert 0 <= below < 16
    end = lost.bounding_box()
    assert end["y"] + end["height"] < page.viewport_size["height"]
    colours = [one.evaluate("node => getComputedStyle(node).color") for one in (lines.first, lost)]
    assert colours[0] != colours[1]
    assert "Not understood: wombat." in page.inner_text(".lc-status")


@pytest.fixture
def wide(browser):
    made = Site(browser, viewport={"width": 1280, "height": 800})
    yield made
    made.context.close()
    assert made.faults == []


def test_back_leads_from_a_preset_and_from_a_question_to_what_stood_before(wide):
    wide.live("vram")
    page = wide.page
    before = page.inner_text(".lc-status")
    page.click("button[data-act=preset] >> nth=2")
    wide.answered(1)
    preset = page.inner_text(".lc-status")
    ask(wide, "Qwen3-32B on two H200, 32K context")
    wide.answered(2)
    assert "model=qwen3-32b" in page.url
    page.go_back()
    wide.answered(3)
    assert page.inner_text(".lc-status") == preset
    page.go_back()
    wide.answered(4)
    assert page.inner_text(".lc-status") == before
    page.go_forward()
    wide.answered(5)
    assert page.inner_text(".lc-status") == preset
    page.click("[data-act=undo]")
    wide.answered(6)
    assert page.inner_text(".lc-status") == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "it takes the text of a config.json"),
        ("vllm serve Qwen/Qwen3-8B -tp 2", "The inputs are those of the launch command"),
    ],
)
def test_what_comes_into_the_box_at_once_needs_no_button(wide, text, said):
    wide.live("vram")
    page = wide.page
    page.click(".lc-kind-text > summary")
    page.fill("textarea[name=config]", text)
    wide.answered(1)
    assert said in page.inner_text(".lc-messages")


def test_what_is_typed_letter_by_letter_waits_for_its_button(wide):
    wide.live("vram")
    page = wide.page
    page.click(".lc-kind-text > summary")
    page.locator("textarea[name=config]").press_sequentially("hello")
    assert page.locator('.lc[data-seq="0"]').count()
    page.click("[data-act=use]")
    wide.answered(1)


def test_the_list_of_cards_finds_each_memory(wide):
    wide.live("vram")
    box = wide.page.locator("input[role=combobox][name=gpu]")
    box.click()
    box.fill("m3 max")
    shown = wide.page.locator("[role=option]").all_inner_texts()
    for size in ("48 GB", "64 GB", "128 GB"):
        assert any(f"M3 Max, 40-core GPU, {size}" in one for one in shown)
    wide.choose("gpu", "m3 max 64")
    wide.answered(1)
    assert box.input_value() == "M3 Max, 40-core GPU, 64 GB"
    assert "Engine went from" in wide.page.inner_text(".lc-messages")
    assert "Engine went from" in wide.page.locator(".lc-help").all_text_contents().__str__()


def test_design_searches_among_the_cards_that_are_chosen(wide):
    wide.live("design")
    wide.page.get_by_text("What may be chosen").click()
    wide.choose("gpus", "h100 sxm")
    wide.answered(1)
    box = wide.page.locator("input[role=combobox][name=gpus]")
    assert box.input_value().startswith("H100 SXM")
    box.click()
    box.fill("H100, L40S")
    box.press("Enter")
    wide.answered(2)
    assert box.input_value().startswith("H100 SXM") and "L40S" in box.input_value()
    assert not wide.page.locator("input[name=pick]").count()
    box.click()
    box.fill("all that")
    box.press("Enter")
    wide.answered(3)
    assert box.input_value() == "all that have a price"
