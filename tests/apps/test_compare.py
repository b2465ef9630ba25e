"""Compare in a browser: a person drives the inputs and reads the curves."""

import re

import pytest

from tests.apps.test_calculators import Site
from widgets.calculators.compare import FORM, PRESETS
from widgets.calculators.question import VARIABLES

pytestmark = pytest.mark.browser
HOVER = ".lc-plot .hoverlayer"


def point_at(page, share):
    """Move the pointer over the figure, a share of its width from the left."""
    page.locator(".lc-plot").scroll_into_view_if_needed()
    box = page.locator(".lc-plot .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    read = f"[...document.querySelectorAll('{HOVER} text')].map((t) => t.textContent).join('; ')"
    page.wait_for_function(f"() => {read}.includes(':')")
    return page.evaluate(read)


def test_the_pointer_reads_all_curves_at_once(here):
    calculator = here.live("compare")
    text = point_at(here.page, 0.4)
    users = int(re.search(r"(\d+) users", text).group(1))
    drawn = {t["name"]: t for t in calculator.view["figure"]["data"] if t.get("name")}
    for name in ("2x H100", "1x MI300X"):
        at = drawn[name]["x"].index(users)
        assert drawn[name]["customdata"][at] in text


WORKED = FORM.query(FORM.check(PRESETS[0]["values"])[0])  # its second ends long before its third


def test_where_a_curve_has_ended_the_pointer_reads_the_others(here):
    here.live("compare", WORKED)
    text = point_at(here.page, 0.9)
    assert "8x H200:" in text and "2x H100:" not in text


def test_inputs_drive_curves_sentences_and_address(here):
    calculator = here.live("compare")
    page = here.page
    page.select_option("select[name=show]", "price")
    here.answered(1)
    assert "has the lowest price" in page.inner_text(".lc-status")
    page.select_option("select[name=sweep]", "ctx")
    here.answered(2)
    assert re.search(r"\d+ tokens of context", point_at(page, 0.2))
    page.click(".lc-fold summary:has-text('Range')")
    box = page.locator("input[type=text][name=to]")
    box.fill("20k")
    box.press("Enter")
    here.answered(3)
    assert max(t["x"][-1] for t in calculator.view["figure"]["data"] if t.get("name")) <= 20_000
    page.wait_for_url("**/apps/compare?*to=20000*")
    state, messages = FORM.parse(page.url.partition("?")[2])
    assert (state["sweep"], state["show"], state["to"], messages) == ("ctx", "price", 20_000, [])


def test_a_part_of_the_deployment_is_drawn_as_points_without_a_range(here):
    here.live("compare", WORKED)
    page = here.page
    page.select_option("select[name=sweep]", "tp")
    here.answered(1)
    assert page.locator("input[name=from]").count() == 0
    assert page.locator(".lc-plot .errorbar").count() >= 3
    assert "1 card: does not start" in page.text_content(".lc-plot")


def test_no_question_overflows_a_phone(browser):
    here = Site(browser, viewport={"width": 390, "height": 844})
    calculator = here.live("compare")
    others = [moved for moved in VARIABLES if moved != FORM.defaults()["sweep"]]
    for seq, moved in enumerate([*others, FORM.defaults()["sweep"]], 1):
        here.page.select_option("select[name=sweep]", moved)
        here.answered(seq)
        assert calculator.view["query"] == FORM.query(FORM.check({"sweep": moved})[0])
        assert here.page.evaluate("document.documentElement.scrollWidth") <= 390, moved
    here.context.close()
    assert here.faults == []


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset["label"])
def test_a_preset_s_address_draws_its_figure(here, preset):
    here.live("compare", FORM.query(FORM.check(preset["values"])[0]))
    assert here.page.locator(".lc-plot .main-svg").count()
    assert "read" not in here.page.inner_text(".lc-messages")


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset["label"])
def test_no_word_of_a_preset_s_figure_is_cut_on_a_phone(browser, preset):
    here = Site(browser, viewport={"width": 390, "height": 844})
    here.live("compare", FORM.query(FORM.check(preset["values"])[0]))
    cut = """() => {
      const frame = document.querySelector(".lc-plot .main-svg").getBoundingClientRect();
      return [...document.querySelectorAll(".lc-plot .main-svg text")].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1);
      }).map((one) => one.textContent); }"""
    assert here.page.evaluate(cut) == []
    here.context.close()
