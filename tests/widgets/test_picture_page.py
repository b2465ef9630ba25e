"""Pictures in a browser, with their sessions as the kernel: they move, are read, and are saved."""

import json
from html import escape

import pytest

from tests.book.test_pages import overflow, serious_faults
from tests.widgets.in_a_page import pages
from widgets.picture_session import PictureSession
from widgets.pictures import PICTURES
from widgets.question_host import FRONT

pytestmark = pytest.mark.browser

SITE = "http://pictures.test"
HOST = """
import picture from "./picture.js";
for (const section of document.querySelectorAll(".lc-picture")) {
  const traits = {};
  const heard = new Set();
  picture.render({ el: section, model: {
    get: (trait) => traits[trait],
    set: (trait, value) => { traits[trait] = value; },
    on: (_, act) => heard.add(act),
    off: (_, act) => heard.delete(act),
    async save_changes() {
      Object.assign(traits, await ask(section.dataset.name, traits.asked));
      heard.forEach((act) => act());
    },
  } });
}
document.body.dataset.ready = "";
"""
# Words that leave their picture, or that run into each other by more than a stroke.
CROWDED = """() => {
  const faults = [];
  for (const svg of document.querySelectorAll("svg.lc-drawing")) {
    const box = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")]
      .map((text) => [text.textContent, text.getBoundingClientRect()])
      .filter(([, b]) => b.width); // not what is for another width
    const of = svg.closest("[data-name]").dataset.name;
    texts.forEach(([words, b], i) => {
      if (b.left < box.left - 3 || b.right > box.right + 3) {
        faults.push(`${of}: ${words} leaves it`);
      }
      for (const [other, c] of texts.slice(i + 1)) {
        const wide = Math.min(b.right, c.right) - Math.max(b.left, c.left);
        const high = Math.min(b.bottom, c.bottom) - Math.max(b.top, c.top);
        if (wide > 4 && high > 7) faults.push(`${of}: ${words} on ${other}`);
      }
    });
  }
  return faults;
}"""


def placed(name, end):
    """A picture at its start, or with every slider at one of its ends: 0 or -1."""
    sliders = [one for one in PICTURES[name].controls if end is not None and one.is_slider]
    return PictureSession(name, **{one.name: one.options[end] for one in sliders})


def html(names, scripted, end=None):
    script = f'<script type="module">{HOST}</script>' if scripted else ""
    sections = "".join(placed(name, end).traits()["html"] for name in names)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Pictures</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="stylesheet" href="calculator.css"><link rel="stylesheet" href="picture.css">'
        '<link rel="stylesheet" href="ask.css">'
        "<style>:root { color-scheme: light dark } body { margin: 16px; "
        "background: light-dark(#fff, #14181d) }</style></head>"
        f"<body><main><h1>Pictures</h1>{sections}</main>{script}</body></html>"
    )


@pytest.fixture
def show(browser):
    """A function that opens pictures in a page; what goes wrong in it fails the test."""
    with pages(browser, SITE) as opened:

        def open_page(*names, end=None, scripted=True, **look):
            sessions = {name: PictureSession(name) for name in names}
            context = opened.context(
                html(names, scripted, end),
                lambda name, asked: sessions[name].set({"asked": asked}),
                scripted=scripted,
                **look,
            )
            return opened.page(context, scripted)

        yield open_page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_picture_is_readable_at_any_width_and_theme(show, width, scheme):
    page = show(*PICTURES, width=width, scheme=scheme, end=-1 if scheme == "dark" else None)
    assert overflow(page) <= 0
    assert page.evaluate(CROWDED) == []
    assert serious_faults(page) == ""


@pytest.mark.parametrize("width", [1280, 390])
def test_no_words_meet_where_every_slider_is_at_its_first_value(show, width):
    assert show(*PICTURES, width=width, end=0).evaluate(CROWDED) == []


def test_no_words_meet_wherever_one_input_stands(browser):
    """Names of curves lay under the number at the mark, where a slider was halfway."""
    places = [
        (name, PICTURES[name].start | {control.name: value})
        for name, picture in PICTURES.items()
        if not picture.asks
        for control in picture.controls
        for value in control.options
    ]
    sections = "".join(
        f'<section class="lc lc-picture" data-name="{name} {escape(json.dumps(at))}">'
        f'<div class="lc-drawn">{PictureSession(name, **at)._parts()["figure"]}</div></section>'
        for name, at in places
    )
    looks = "".join((FRONT / name).read_text() for name in ("calculator.css", "picture.css"))
    page = browser.new_page(viewport={"width": 864, "height": 900})
    page.set_content(f"<style>body {{ margin: 16px }} {looks}</style><main>{sections}</main>")
    faults = {}
    for width in (864, 664, 390):  # what takes long is drawn once
        page.set_viewport_size({"width": width, "height": 900})
        faults |= {width: found} if (found := page.evaluate(CROWDED)) else {}
    page.close()
    assert faults == {}


SEEN = """(root) => [...root.querySelectorAll("text")]
  .filter((text) => text.getBoundingClientRect().width)
  .map((text) => [text.textContent, Math.round(text.getBoundingClientRect().top)])"""


@pytest.mark.parametrize(("width", "lines"), [(1280, 1), (700, 2), (390, 3)])
def test_what_names_the_parts_of_a_bar_takes_the_lines_that_it_needs(show, width, lines, tmp_path):
    page = show("second-card", width=width)
    svg = page.locator("svg.lc-drawing").first
    named = [(words, y) for words, y in svg.evaluate(SEEN) if words.endswith("GiB")]
    assert [words.rsplit(" ", 2)[0] for words, _ in named] == [
        "weights",
        "largest batch",
        "runtime",
        "CUDA graphs",
        "room for users",
    ]
    assert len({y for _, y in named}) == lines
    # nothing but the words ends the picture, and a file of it is as high as it is here
    box = svg.bounding_box()
    assert box["y"] + box["height"] - max(y for _, y in named) < 24
    page.get_by_text("The numbers").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save as SVG").click()
    waiting.value.save_as(tmp_path / "one.svg")
    page.goto((tmp_path / "one.svg").as_uri())
    seen = page.evaluate(f"() => ({SEEN})(document)")
    assert len({y for words, y in seen if words.endswith("GiB")}) == lines


def test_below_a_shorter_key_all_moves_up_and_a_limit_ends_where_the_picture_does(show):
    page = show("two-models", width=1280)
    svg = page.locator("svg.lc-drawing").first
    line = svg.locator(":scope > line, :scope > g.lc-wide > line").last
    box, limit = svg.bounding_box(), line.bounding_box()
    assert limit["y"] + limit["height"] == pytest.approx(box["y"] + box["height"], abs=2)


def test_a_slider_and_its_value_stand_on_one_line_of_a_desk(show):
    page = show("start-edge", width=852)
    for slide in page.locator(".lc-slide").all():
        slider, value = (slide.locator(one).bounding_box() for one in ("input", "output"))
        assert slider["y"] < value["y"] + value["height"] / 2 < slider["y"] + slider["height"]


def test_the_first_page_names_no_part_of_a_memory_on_a_line_of_its_own(show):
    page = show("front", width=1240)
    tops = page.locator(".lf-key li").evaluate_all("all => all.map((one) => one.offsetTop)")
    assert len(set(tops)) == 2
    assert min(tops.count(top) for top in tops) > 1


def wait_for_words(page, words):
    page.wait_for_function(f"document.querySelector('.lc-said').textContent.includes({words!r})")


def test_a_slider_moves_the_picture_its_words_and_its_numbers(show):
    page = show("step")
    slider = page.get_by_role("slider", name="Users")
    before = page.locator(".lc-drawn").inner_html()
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('caption').textContent.includes('16 users')")
    assert page.locator(".lc-drawn").inner_html() != before
    assert slider.get_attribute("aria-valuetext") == "16 users"
    assert page.locator("output").first.inner_text() == "16 users"
    page.get_by_text("bf16").click()
    # 139 GB of weights, and 16 times 2.62 GB of cache
    page.wait_for_function("document.querySelector('.lc-drawn').textContent.includes('181 GB')")


def test_a_point_is_pulled_where_the_pointer_goes(show):
    page = show("shared-reading")
    svg = page.locator("svg[data-drag]")
    box = svg.bounding_box()
    page.mouse.move(box["x"] + 0.26 * box["width"], box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.985 * box["width"], box["y"] + 80, steps=4)
    page.mouse.up()
    wait_for_words(page, "64 users")
    assert page.get_by_role("slider", name="Users").get_attribute("aria-valuetext") == "64 users"


@pytest.mark.parametrize("kind", ["SVG", "PNG"])
def test_a_picture_is_saved_with_its_colours_in_it(show, kind, tmp_path):
    page = show("experts", scheme="dark")
    page.get_by_text("The numbers").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Save as {kind}").click()
    waiting.value.save_as(tmp_path / "one")
    data = (tmp_path / "one").read_bytes()
    assert waiting.value.suggested_filename == f"experts.{kind.lower()}"
    if kind == "PNG":
        assert data.startswith(b"\x89PNG") and len(data) > 5000
    else:
        assert b"var(" not in data and PICTURES["experts"].title.encode() in data
        assert b"rgb(93, 164, 224)" in data  # weights, in the dark theme


def test_without_a_script_the_picture_and_its_numbers_stand(show):
    page = show("roofline", scripted=False)
    page.locator("svg.lc-drawing").wait_for()
    assert page.get_by_role("slider").is_disabled()
    page.get_by_text("The numbers").click()
    assert page.get_by_role("table").is_visible()
