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
