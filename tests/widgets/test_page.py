"""The first view as HTML: true numbers, inputs with labels, no other host."""

import json
import re
from html.parser import HTMLParser

import pytest

from tests.widgets.reading import headline
from widgets.host import FRONT
from widgets.page import static_html, summary
from widgets.session import CALCULATORS, Calculator

VOID = {"br", "hr", "img", "input", "link", "meta"}


class Tree(HTMLParser):
    """Checks that elements close in order, and collects what they are."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" not in self.open:
            self.words.append(data)


@pytest.mark.parametrize("name", CALCULATORS)
def test_every_number_stands_in_the_page(name):
    view = Calculator(name).whole()
    words = " ".join(Tree(static_html(view)).words).replace("\N{NON-BREAKING HYPHEN}", "-")
    for item in view["headline"]:
        assert item["value"] in words
    for table in view["tables"]:
        assert all(cell in words for row in table["rows"] for cell in row)
    assert view["status"]["text"] in words


@pytest.mark.parametrize("name", CALCULATORS)
def test_every_input_has_a_label_and_nothing_is_foreign(name):
    text = static_html(Calculator(name).whole())
    seen = Tree(text).seen
    ids = [attrs["id"] for _, attrs in seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    labels = {attrs["for"] for tag, attrs in seen if tag == "label"}
    for tag, attrs in seen:
        if tag in ("input", "select", "textarea"):
            assert attrs["id"] in labels or attrs.get("aria-label")
    assert not {tag for tag, _ in seen} & {"form", "img", "iframe"}
    # an address in a log or a command, and where a row was published: nothing is loaded from either
    assert "//" not in re.sub(r"<pre.*?</pre>|<a href=.*?>", "", text, flags=re.S)


def test_a_text_about_an_input_shows_that_input_and_folds_the_others():
    text = Calculator("vram", inputs=("users",))._repr_mimebundle_()["text/html"]
    before, _, after = text.partition("All inputs")
    assert 'name="users"' in before and 'name="users"' not in after
    assert 'name="model"' in after and 'name="model"' not in before
    with pytest.raises(ValueError, match=r"usrs.*users"):
        Calculator("vram", inputs=("usrs",))


@pytest.mark.parametrize("name", CALCULATORS)
def test_the_chart_is_in_the_page_and_no_text_can_end_it(name):
    view = Calculator(name).whole()
    view["figure"] = view["figure"] | {"alt": 'a </script> & "quote"'}
    text = static_html(view)
    written = re.search(r'<script type="application/json">(.*?)</script>', text, re.S).group(1)
    assert json.loads(written) == view["figure"]


def test_what_a_stranger_wrote_is_escaped():
    view = Calculator("vram", "model=%3Cimg+src=x+onerror=alert(1)%3E").whole()
    assert "<img" not in static_html(view)
    assert "&lt;img" in static_html(view)


@pytest.mark.parametrize("name", CALCULATORS)
def test_the_plain_text_is_short_and_has_the_numbers(name):
    view = Calculator(name).whole()
    text = summary(view)
    assert len(text.splitlines()) <= 8
    assert all(item["value"] in text for item in view["headline"])


def test_the_front_end_names_no_other_host():
    for path in FRONT.rglob("*.*"):
        assert not re.search(r"https?://|@import|cdn", path.read_text(), re.I), path.name


def rgb(hexadecimal):
    return [int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def palettes():
    css = (FRONT / "calculator.css").read_text()
    pairs = re.findall(r"--lc-([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", css)
    return [{name: pair[i] for name, *pair in pairs} for i in (0, 1)]


@pytest.mark.parametrize("colours", palettes(), ids=["light", "dark"])
def test_colours_can_be_told_from_their_ground(colours):
    for ground in ("ground", "panel"):
        for text in ("text", "quiet", "accent", "good", "bad", "warn"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for level in ("good", "warn", "bad"):
        assert contrast(colours[level], colours[f"{level}-ground"]) >= 4.5, level
    for name in ("edge", *(f"mark-{n}" for n in range(1, 9))):
        assert contrast(colours[name], colours["ground"]) >= 3, name


def test_the_answer_in_a_line_names_each_number_and_says_its_unit_once():
    view = Calculator("calculate").whole()
    line = re.search(r'<p class="lc-short.*?</p>', static_html(view), re.S)[0]
    by_label = headline(view)
    first, users = by_label["First token, mean"], by_label["Users within the limits"]
    assert first["rough"] and users["rough"]  # uncertain by more than 6x: not said firmly
    for one, unit in ((first, f" {first['unit']}"), (users, "")):
        assert f"<span>{one['label']} <b>about {one['value']}{unit}</b></span>" in line


def test_the_answer_in_a_line_begins_with_the_recommended_and_says_no_phrase_twice():
    def line(name):
        text = static_html(Calculator(name).whole())
        return re.search(r'<p class="lc-short.*?</p>', text, re.S)[0]

    view = Calculator("scorecard").whole()
    winner = re.match(r"Run (.*?), at", view["status"]["text"])[1]
    assert line("scorecard").partition("<span>")[2].startswith(f"{winner} <b>")
    assert line("validate").count("are within") == 1 and "of the measurement" not in line(
        "validate"
    )


@pytest.mark.parametrize("name", ["scorecard", "compare"])
def test_what_most_people_change_of_a_deployment_is_not_folded(name):
    groups = static_html(Calculator(name).whole()).split('class="lc-group"')[1:]
    for letter, group in zip("abc", groups, strict=True):
        open_, _, folded = group.partition("<details")
        for inner in ("model", "gpu", "tp", "weights"):
            assert f'name="{letter}.{inner}"' in open_
        assert f'name="{letter}.engine"' in folded


def test_a_number_in_a_table_stays_beside_its_unit():
    text = static_html(Calculator("vram").whole())
    found = {words: looks for looks, words in re.findall(r"<td([^>]*)>([^<]*)</td>", text)}
    numbers = [words for words in found if re.fullmatch(r"[\d.,]+ (GiB|GB|users|tok/s)", words)]
    assert numbers
    assert all("lc-brief" in found[words] for words in numbers)
    assert not any("lc-brief" in looks for words, looks in found.items() if len(words) > 30)
