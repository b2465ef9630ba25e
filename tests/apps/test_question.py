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
