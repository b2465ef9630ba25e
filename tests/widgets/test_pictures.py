"""Every picture, wherever its inputs stand: well-formed, inside its frame, said and tabled."""

import itertools
import json
import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from llmcap_kernel.refuse import BadInput
from tests.widgets.reading import rects, svg
from widgets.figures.drawing import WHISKER, Drawing, Scale, colour, spread, ticks
from widgets.figures.plots import Axis, Bar, Limit, Line, Mark, Part, bars, chart, grid
from widgets.picture_session import PictureSession
from widgets.pictures import CHAPTERS, PICTURES

MOST = 24  # positions of a picture that are drawn; a picture with more has its corners drawn


def positions(picture):
    """Where the inputs may stand: all of it, or each at its ends and start."""
    options = [one.options for one in picture.controls]
    whole = list(itertools.islice(itertools.product(*options), MOST + 1))
    if len(whole) > MOST:
        ends = [dict.fromkeys((o.options[0], o.start, o.options[-1])) for o in picture.controls]
        whole = list(itertools.islice(itertools.product(*ends), 2 * MOST + 1))
    if len(whole) > 2 * MOST:  # each at its ends, the others at their start
        starts = [o.start for o in picture.controls]
        whole = [(*starts[:i], end, *starts[i + 1 :]) for i, of in enumerate(ends) for end in of]
    names = [one.name for one in picture.controls]
    return [dict(zip(names, values, strict=True)) for values in whole]


# Each colour of the style sheet, light and dark.
SHEET = (Path(__file__).parents[2] / "widgets/front/calculator.css").read_text("utf-8")
COLOURS = {
    name: shades
    for name, *shades in re.findall(r"--lc-([\w-]+): light-dark\((#\w+), (#\w+)\)", SHEET)
}


def luminance(shade):
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(shade[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def pixels(text):
    return float(text.rstrip("%"))


@pytest.mark.parametrize("name", PICTURES)
def test_the_words_of_a_picture_are_read_in_both_themes(name):
    """WCAG 2 asks of small text 4.5:1 on its ground; axe does not look into a drawing."""
    figure = PictureSession(name)._parts()["figure"]
    inks = set(re.findall(r"<text [^>]*?fill:var\(--lc-([\w-]+),", figure)) - {"ground"}
    for ink, dark in itertools.product(inks, (0, 1)):
        pair = sorted(luminance(COLOURS[one][dark]) for one in (ink, "ground"))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.45, (ink, ("light", "dark")[dark])


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_sound_wherever_its_inputs_stand(name):
    for values in positions(PICTURES[name]):
        session = PictureSession(name, **values)
        drawn = session.drawn
        section = ElementTree.fromstring(f"<div>{session._parts()['figure']}</div>")
        for picture in section.iter("svg"):
            if picture.get("class") != "lc-drawing":
                continue
            height = float(picture.get("height"))
            for node in picture.iter("rect"):
                if "%" in node.get("width"):
                    x, width = pixels(node.get("x")), pixels(node.get("width"))
                    assert x >= -0.1 and x + width <= 100.1, (values, node.attrib)
                    assert float(node.get("y")) + float(node.get("height")) <= height + 0.1
            for node in picture.iter("text"):
                assert node.text.strip(), values
                assert 0 <= float(node.get("y")) <= height, (values, node.text)
        assert drawn.said.endswith("."), values
        assert "nan" not in session.text and "inf" not in session.text.split(), values
        assert len(repr(drawn.table).splitlines()) > 2
        assert all(len(line) <= 100 for line in repr(drawn.table).splitlines())


STEADY = (
    ("experts", "model"),
    ("lever-matrix", "model"),
    ("cache-groups", "model"),
    ("second-card", "cards"),
)


def heights(name, of):
    """How high a picture is, wherever one of its inputs stands."""
    control = next(one for one in PICTURES[name].controls if one.name == of)
    return {one: PictureSession(name, **{of: one}).drawn.drawing.height for one in control.options}


@pytest.mark.parametrize(("name", "of"), STEADY)
def test_a_page_stays_where_it_is_when_an_input_moves(name, of):
    assert len(set(heights(name, of).values())) == 1


def test_a_page_stays_while_settings_would_help():
    """From 0.93 on candidate A starts by itself, and the picture is one bar."""
    helped = {high for at, high in heights("remedies", "fraction").items() if at < 0.93}
    assert len(helped) == 1 and len({*heights("remedies", "context").values()}) <= 2


def test_a_tree_with_few_levers_is_no_lower_than_where_it_begins():
    begins = PictureSession("decision-tree").drawn.drawing.height
    assert min(heights("decision-tree", "cards").values()) == pytest.approx(begins)


@pytest.mark.parametrize("chapter", CHAPTERS[:5], ids=lambda one: one.__name__.split(".")[-1])
def test_a_chapter_has_six_pictures_or_more(chapter):
    assert len(chapter.PICTURES) >= 6


def test_no_two_pictures_have_one_name():
    assert len(PICTURES) == sum(len(chapter.PICTURES) for chapter in CHAPTERS)


@pytest.mark.parametrize("name", PICTURES)
def test_each_input_moves_its_picture(name):
    picture = PICTURES[name]
    start = PictureSession(name)
    for control in picture.controls:
        drawn = {
            PictureSession(name, **{control.name: value})._parts()["figure"]
            for value in control.options[:: max(len(control.options) // 4, 1)]
        }
        assert len(drawn) > 1, control.name
    assert start.text == PictureSession(name).text
    assert len(start._html()) < 40_000


def places_of(control):
    """All of its places, or some of a list of models or cards."""
    few = control.is_slider or len(control.options) <= MOST
    return control.options if few else control.options[:: len(control.options) // 8]


def rows_of_places(name):
    """Each control through its places, the others at their start or one at an end."""
    controls = PICTURES[name].controls
    for control in controls:
        for other in controls:
            ends = (other.options[0], other.options[-1]) if other.is_slider else places_of(other)
            for end in ends if other is not control else (control.start,):
                start = PICTURES[name].start | {other.name: end}
                yield control, [start | {control.name: value} for value in places_of(control)]


@cache
def shown(name, places):
    """A drawing without what is said of it, and what is said."""
    session = PictureSession(name, **dict(places))
    figure = re.sub(r'aria-label="[^"]*"', "", session._parts()["figure"])
    return figure, session.drawn.said


# What a sentence says where an input has nothing to move.
MOVES_NOTHING = {
    ("cache-groups", "tokens"): "moves nothing|larger ones move nothing",
    ("split-users", "model"): "DeepSeek-V3, split users|Llama-3.1-70B, split users",
    ("engines-compared", "prefix"): "1 user, system prompt",
}


@pytest.mark.parametrize("name", PICTURES)
def test_an_input_moves_the_drawing_whatever_the_others_say_or_the_sentence_says_why_not(name):
    """Users moved nothing of three engines where users that fit were shown."""
    for control, row in rows_of_places(name):
        seen = [shown(name, tuple(places.items())) for places in row]
        if len({figure for figure, _ in seen}) == 1:
            words = MOVES_NOTHING.get((name, control.name))
            assert words, (control.name, row[0])
            assert all(re.search(words, said) for _, said in seen), (control.name, row[0])


# An input that changes how the same numbers are drawn.
LOOKS = {("cliff", "axes")}


@pytest.mark.parametrize("name", [name for name, one in PICTURES.items() if not one.asks])
def test_the_sentence_follows_whatever_moves_the_drawing(name):
    for control, row in rows_of_places(name):
        seen = [shown(name, tuple(places.items())) for places in row]
        for before, after in itertools.pairwise(seen):
            if before[0] != after[0] and (name, control.name) not in LOOKS:
                assert before[1] != after[1], (control.name, row[0], before[1])


def test_a_page_moves_a_picture_by_places_and_is_not_believed():
    session = PictureSession("step")
    before = session.drawn.said
    shown = session.set({"asked": {"at": {"users": 6}, "seq": 7}})["shown"]
    assert shown["seq"] == 7
    assert "64 users" in shown["table"] and shown["said"] != before
    for bad in (
        None,
        3,
        {"at": []},
        {"at": {"users": 99, "weights": -1, "x": 1}},
        {"at": {"users": "6"}},
    ):
        again = session.set({"asked": bad})["shown"]
        assert again["said"] == shown["said"]
    json.dumps(session.traits())


def test_a_wrong_start_is_refused_in_a_sentence():
    with pytest.raises(BadInput, match="step"):
        PictureSession("stepp")
    with pytest.raises(BadInput, match="users"):
        PictureSession("step", user=3)
    with pytest.raises(BadInput, match="users takes one of 1 user, 2 users"):
        PictureSession("step", users=3)


# ---- the grammar -------------------------------------------------------------------------


def spans(drawing):
    """Where each rectangle begins, and how wide it is [%]."""
    return [(pixels(node.get("x")), pixels(node.get("width"))) for node in rects(drawing)]


def test_bars_are_to_scale():
    parts = [Part("weights", 30.0, "weights"), Part("cache", 10.0, "cache")]
    drawing = bars([Bar("a", parts), Bar("b", [Part("late", 10.0, start=20.0)])], "GB")
    assert spans(drawing) == [(0, 75), (75, 25), (50, 25)]
    wider = bars([Bar("a", parts)], "GB", longest=80.0)
    assert spans(wider) == [(0, 37.5), (37.5, 12.5)]


@pytest.mark.parametrize("name", ["engines-compared", "binding", "candidates", "waterfall"])
def test_whiskers_are_explained_once_in_their_picture(name):
    figure = PictureSession(name).traits()["html"].split('class="lc-said"')[0]
    assert figure.count(f">{WHISKER}</text>") == 1


def test_bars_without_whiskers_explain_none():
    assert WHISKER not in PictureSession("step").traits()["html"]


def test_points_stand_where_the_scales_say():
    """On a logarithmic axis from 1 to 100, 10 stands in the middle."""
    drawing = chart(
        [Mark("here", 10, 5)], Axis("x", 1, 100, log=True), Axis("y", 0, 10), height=166
    )
    (dot,) = svg(drawing).iter("circle")
    assert pixels(dot.get("cx")) == 50
    assert float(dot.get("cy")) == (26 + 126) / 2


def test_what_lies_beyond_an_axis_stands_at_its_end():
    assert Scale(0, 10)(25) == 100
    assert Scale(1, 10, log=True)(0.1) == 0


def test_names_of_curves_do_not_touch():
    lines = [Line(name, [(0, 1), (1, y)]) for name, y in (("a", 5), ("b", 5.01), ("c", 5.02))]
    drawing = chart([*lines, Limit("limit", y=2)], Axis("x"), Axis("y"))
    places = sorted(
        float(node.get("y")) for node in svg(drawing).iter("text") if node.text in "abc"
    )
    assert min(b - a for a, b in itertools.pairwise(places)) >= 12


@pytest.mark.parametrize("gap", [5, 14, 40])
def test_spread_labels_are_a_gap_apart_and_in_order(gap):
    wanted = [3, 80, 4, 5, 79, 200]
    got = spread(wanted, gap)
    order = sorted(range(6), key=wanted.__getitem__)
    apart = [got[b] - got[a] for a, b in itertools.pairwise(order)]
    assert min(apart) >= gap - 1e-9


def test_ticks_are_round_and_few():
    for low, high in ((0, 7), (0, 1234), (3, 4.2)):
        found = ticks(low, high, False)
        assert 2 <= len(found) <= 7
        assert low <= found[0] and found[-1] <= high
    assert ticks(0.5, 20_000, True) == [1, 10, 100, 1000, 10_000]


def test_a_grid_counts_its_cells():
    text = grid([("cache", 3), ("", 5)], 4).svg("said")
    assert text.count("M") == 8
    assert colour("cache") in text


def test_many_things_are_one_path():
    drawing = Drawing(10)
    drawing.dots([(x, 5) for x in range(100)], "other")
    assert drawing.svg("said").count("<path") == 1
