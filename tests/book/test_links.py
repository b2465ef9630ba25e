"""The links from the text to the calculators: each opens, at inputs that go together."""

import re
from html import unescape

import nbformat
import pytest

from widgets.pages import build, front
from widgets.session import CALCULATORS

BOOK = build.ROOT / "book"
LINK = re.compile(r'<a href="\.\./apps/([^"]*)">')


FEW = 12  # of the links of the catalogue, which are all written by one line, one in so many


def texts():
    for path in sorted(BOOK.glob("*.md")):
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted(BOOK.glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        yield path.name, "\n".join(c.source for c in cells if c.cell_type == "markdown")


LINKS = [
    (name, unescape(found))
    for name, text in texts()
    for found in LINK.findall(text)[:: FEW if name == "catalogue.md" else 1]
]


@pytest.mark.parametrize(("page", "address"), LINKS)
def test_a_link_opens_a_calculator_at_inputs_that_go_together(page, address):
    name, _, query = address.partition("#")[0].partition("?")
    assert (BOOK / "apps" / f"{name}.ipynb").is_file()
    form = CALCULATORS[name].FORM
    state, messages = form.parse(query)
    assert not messages
    for part in filter(None, query.split("&")):
        key = part.partition("=")[0]
        assert key in {"v", *(field.name for field in form.fields)}, f"{page}: {key}"
    shown = CALCULATORS[name].view(state)
    assert not [m for m in shown["messages"] if m["level"] == "error"]


def test_the_front_page_leads_to_every_calculator():
    assert "{front} tools" in (BOOK / "intro.md").read_text(encoding="utf-8")
    assert LINK.findall(front.html("tools")) == list(CALCULATORS)


def test_every_chapter_leads_to_a_calculator_with_its_spec():
    chapters = {page for page, live in LINKS if "?" in live}
    assert chapters >= {path.name for path in BOOK.glob("*.ipynb")}


def test_the_question_of_the_front_page_is_answered_by_its_first_figure():
    live = next(live for page, live in LINKS if page == "intro.md" and "qwen3-32b" in live)
    name, _, query = live.partition("?")
    state, _ = CALCULATORS[name].FORM.parse(query)
    asked = {"model": "qwen3-32b", "gpu": "h200-sxm", "tp": 2, "weights": "fp8", "ctx": 32_000}
    assert {key: state[key] for key in asked} == asked
    first = CALCULATORS[name].view(state)["headline"][0]
    assert first["label"] == "Users that fit at 32,000 tokens" and int(first["value"]) > 0


@pytest.mark.browser
def test_the_first_question_is_one_click_from_the_answer(visit):
    page = visit("/")
    page.wait_for_url("**/book/intro.html")
    page.get_by_role("link", name="How many users at 32K").click()
    page.get_by_text("Users that fit at 32,000 tokens").first.wait_for()
