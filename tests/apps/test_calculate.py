"""Calculate in a browser: a newcomer's question, asked with the inputs alone."""

import pytest

from llmcap_kernel import catalog, design
from llmcap_kernel.spec import Workload
from tests.apps.test_calculators import Site

pytestmark = pytest.mark.browser
WIDTHS = (390, 1280)


@pytest.fixture
def open_at(browser):
    made = []

    def open_at(width, query=""):
        made.append(Site(browser, viewport={"width": width, "height": 850}))
        made[-1].live("calculate", query)
        return made[-1]

    yield open_at
    for here in made:
        here.context.close()
        assert here.faults == []


def numbers(page):
    """The headline as a person reads it: label to value and unit."""
    cards = page.locator(".lc-number")
    return {
        card.locator("dt").inner_text(): card.locator("dd").first.inner_text()
        for card in cards.all()
    }


def test_how_many_users_at_32k_on_two_h200_with_qwen3_32b_in_fp8(open_at):
    here = open_at(1280)
    here.choose("model", "qwen3 32b")
    here.answered(1)
    here.choose("gpu", "h200")  # as the command line reads it, the SXM card
    here.answered(2)
    assert here.page.input_value("input[name=gpu]").startswith("H200 SXM")
    assert here.page.input_value("select[name=tp]") == "2"
    assert here.page.input_value("input[name=weights]") == "FP8"  # as it was chosen
    here.choose("weights", "bf16")
    here.answered(3)
    here.choose("weights", "fp8")
    here.answered(4)
    box = here.page.locator("input[type=text][name='in']")
    box.fill("32k")
    box.press("Enter")
    here.answered(5)
    d = catalog.deployment(model="qwen3-32b", gpu="h200-sxm", tp=2, weights="fp8")
    load = Workload(32_000, 1000, 16)
    most = design.users_within(d, load, design.WORKED_SLO)
    users = numbers(here.page)["Users within the limits"]
    assert users.removeprefix("about ") == f"{most.value:,} users"
    room = design.card(d, load).max_concurrent
    assert f"room for {room:,} users" in here.page.inner_text(".lc-status")


def test_users_left_empty_are_the_most_that_meet_the_limits(open_at):
    here = open_at(1280)
    most = numbers(here.page)["Users within the limits"]
    box = here.page.locator("input[type=text][name=users]")
    box.fill("")
    box.press("Enter")
    here.answered(1)
    assert "No number of users was given" in here.page.inner_text(".lc-messages")
    assert (
        f"about {box.input_value()} users" == most == numbers(here.page)["Users within the limits"]
    )
    assert f"All numbers at {most.removeprefix('about ')}" in here.page.inner_text(".lc-results")


def test_every_kind_of_input_moves_the_numbers(open_at):
    here = open_at(1280)
    page, before = here.page, numbers(here.page)
    page.select_option("select[name=tp]", "4")
    here.answered(1)
    assert numbers(page)["Speed of one user"] != before["Speed of one user"]
    page.focus("input[type=range][name=users]")
    page.keyboard.press("ArrowRight")
    here.answered(2)
    assert "All numbers at 20 users" in page.inner_text(".lc-results")
    page.click(".lc-fold summary:has-text('Prices')")
    for seq, (name, value) in enumerate((("usd", "1"), ("api", "3"), ("duty", "80")), 3):
        box = page.locator(f"input[type=text][name={name}]")
        box.fill(value)
        box.press("Enter")
        here.answered(seq)
    assert "An API at $3.00 for answers" in page.inner_text(".lc-sentences")
    assert "At 80%, these cards are cheaper" in page.inner_text(".lc-sentences")


def test_a_refused_number_stays_in_its_box_and_its_error_goes_when_it_is_put_right(open_at):
    here = open_at(1280)
    box = here.page.locator("input[type=text][name=users]")
    box.fill("many")
    box.press("Enter")
    here.answered(1)
    assert box.input_value() == "many" and box.get_attribute("aria-invalid") == "true"
    assert "takes a whole number" in here.page.inner_text(".lc-messages .lc-error")
    box.fill("16")  # what it was before
    box.press("Enter")
    here.answered(2)
    assert box.input_value() == "16" and box.get_attribute("aria-invalid") is None
    assert not here.page.locator(".lc-messages .lc-error").count()


def test_a_preset_fills_the_inputs_and_a_refusal_marks_its_own(open_at):
    here = open_at(1280)
    here.page.get_by_role("button", name="A laptop").click()
    here.answered(1)
    assert here.page.input_value("input[name=weights]") == catalog.format("gguf-q4-k-m").title
    assert numbers(here.page)["$/M output"] == "no price"
    box = here.page.locator("input[type=text][name=prefix]")
    box.fill("90k")
    box.press("Enter")
    here.answered(2)
    assert box.get_attribute("aria-invalid") == "true"


def test_no_table_is_wider_than_a_phone(open_at):
    page = open_at(390).page
    over = "[...document.querySelectorAll('.lc-table')].map((t) => t.scrollWidth - t.clientWidth)"
    assert max(page.evaluate(over)) <= 0


@pytest.mark.parametrize("width", WIDTHS)
def test_each_number_has_a_bar_and_its_arithmetic(open_at, width):
    page = open_at(width).page
    # none for a first token, or users within a percentile, unknown within a factor of six
    said = ("uncertain by more than", "at the slow end")
    unknown = sum(page.locator(f".lc-number:has-text('{one}')").count() for one in said)
    assert unknown <= 2 and page.locator(".lc-number .lc-bar").count() == 5 - unknown
    page.click("summary:has-text('Show the arithmetic')")
    text = page.inner_text(".lc-explain")
    assert text.count("Why this wide") == 5
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_the_whole_answer_is_on_the_first_screen(open_at, width):
    page = open_at(width).page
    for part in [page.locator(".lc-status"), *page.locator(".lc-number strong, .lc-bar").all()]:
        box = part.bounding_box()
        assert box["y"] + box["height"] <= 800  # an app's page has a line above it


def test_on_a_phone_the_answer_in_a_line_stays_in_sight_while_an_input_below_moves(open_at):
    here = open_at(390)
    page = here.page
    page.locator("input[type=range][name=duty]").scroll_into_view_if_needed()
    short = page.locator(".lc-short")
    box = short.bounding_box()
    assert box["y"] >= 0 and box["height"] < 60
    speed = " ".join(numbers(page)["Speed of one user"].split())
    assert short.inner_text().startswith(f"Speed of one user {speed}")
    page.click("input[role=combobox][name=weights]")  # in the right half
    list_ = page.locator("ul[role=listbox]:visible").bounding_box()
    assert list_["x"] >= 0 and list_["x"] + list_["width"] <= 390
    at_1280 = open_at(1280).page.locator(".lc-short")
    assert not at_1280.is_visible()
