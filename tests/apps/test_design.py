"""Design in a browser: a mark of the figure is a candidate to look at."""

import re

import pytest

pytestmark = pytest.mark.browser
# Where a mark of those that meet every limit stands on the page, and its number.
PLACE = """() => {
  const plot = document.querySelector(".lc-plot");
  const trace = plot.data.find((one) => one.name === "meets");
  const { xaxis, yaxis } = plot._fullLayout;
  const { left, top } = plot.getBoundingClientRect();
  const along = (axis, value) => axis._offset + axis.l2p(Math.log10(value));
  return [left + along(xaxis, trace.x[0]), top + along(yaxis, trace.y[0]), trace.ids[0]];
}"""


def test_a_click_on_a_mark_looks_at_its_candidate(here):
    here.live("design")
    page = here.page
    answer = re.match(r"Run (.+?) at \$", page.inner_text(".lc-status"))[1]
    page.locator(".lc-plot .main-svg").first.scroll_into_view_if_needed()
    x, y, number = page.evaluate(PLACE)
    page.mouse.click(x, y)
    here.answered(1)
    assert f"The answer: {answer}" in page.inner_text(".lc-status")
    page.wait_for_url(f"**/apps/design?*pick={number}*")
    page.get_by_role("button", name="Undo").click()
    here.answered(2)
    assert page.inner_text(".lc-status").startswith(f"Run {answer}")


def test_on_a_phone_the_reasons_follow_a_few_inputs(here):
    here.page.set_viewport_size({"width": 390, "height": 844})
    here.live("design")
    answer = here.page.locator(".lc-headline").bounding_box()
    assert answer["y"] + answer["height"] < 844
    inputs = here.page.locator(".lc-controls").bounding_box()
    reasons = here.page.locator(".lc-remedies").bounding_box()
    assert 0 < inputs["height"] < 480 and reasons["y"] - inputs["y"] < 500
    row = [here.page.locator(f"[name={name}]").first.bounding_box() for name in ("in", "users")]
    assert row[0]["y"] == row[1]["y"]


# The words in the plot, and how much they cover: of marks, and of each other; and beyond its edge.
COVERED = """() => {
  const plot = document.querySelector(".lc-plot");
  const box = (node) => node.getBoundingClientRect();
  const names = [...plot.querySelectorAll(".annotation-text")].map((n) => [n.textContent, box(n)]);
  const marks = [...plot.querySelectorAll(".xy .scatterlayer .point")].map(box)
    .map((b) => [(b.left + b.right) / 2, (b.top + b.bottom) / 2]);
  const on = (a) => ([x, y]) => a.left < x && x < a.right && a.top < y && y < a.bottom;
  const across = (a, b) => a.left < b.right && b.left < a.right;
  const over = (a, b) => across(a, b) && a.top < b.bottom && b.top < a.bottom;
  const others = (a, i) => names.slice(0, i).map(([, b]) => b).filter((b) => over(a, b));
  const ours = names.filter(([words]) => !/allowed|\\$/.test(words)); // limits are where they are
  return [
    ...ours.filter(([, a]) => marks.some(on(a))).map(([words]) => `${words} on a mark`),
    ...names.filter(([, a], i) => others(a, i).length).map(([words]) => `${words} on words`),
    ...names.filter(([, a]) => a.right > box(plot).right).map(([words]) => `${words} is cut`),
  ];
}"""
SEARCHES = (
    "",
    "model=llama-3.1-8b&in=1000&out=300&users=256&itl=0&budget=0&rank=usd_mtok",
    "in=127000&out=1000&users=4&itl=100&ttft=60&budget=40",
)


@pytest.mark.parametrize("query", SEARCHES)
def test_no_name_lies_on_a_mark_or_on_another(here, query):
    here.page.set_viewport_size({"width": 390, "height": 844})
    here.live("design", query)
    for width in (390, 1280):
        here.page.set_viewport_size({"width": width, "height": 844})
        across = f"document.querySelector('.lc-plot .main-svg').clientWidth > {width / 2}"
        here.page.wait_for_function(across)
        here.page.wait_for_timeout(300)
        assert here.page.evaluate(COVERED) == []
