"""The question of the first page: the kernel's answer, said as Calculate says it."""

import re

import pytest

from llmcap_kernel.explain import digits
from llmcap_kernel.refuse import BadInput
from widgets.calculators import calculate
from widgets.figures import GIB
from widgets.picture_session import PictureSession
from widgets.pictures import PICTURES, front
from widgets.pictures.small import SMALL

ASKED = [
    {},
    {"gpu": "Instinct MI300X", "cards": 1, "users": 32, "context": "32K"},
    {"model": "gpt-oss 120B", "weights": front.OWN, "users": 64},
    {"model": "Qwen3 32B", "cards": 2, "gpu": "H200 SXM 141GB", "context": "32K"},
]


def asked(values):
    return PICTURES["front"].start | values


def plain(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize("values", ASKED)
def test_it_says_what_calculate_says(values):
    session = PictureSession("front", **values)
    state = front.inputs(**asked(values))
    said = plain(session.drawn.drawing)
    for one in calculate.view(state)["headline"]:
        assert one["value"] in said, one["label"]
    assert session.drawn.drawing.count("<dt>") == 5


def test_it_starts_at_the_worked_spec():
    assert front.inputs(**asked({})) == calculate.FORM.defaults()


@pytest.mark.parametrize("values", [*ASKED, {"gpu": "L4", "cards": 1}])
def test_the_memory_adds_up_to_one_card_and_what_is_asked_beyond(values):
    books = front.card_of(front.inputs(**asked(values))).ledger
    parts = front.memory(books)
    inside = sum(size for kind, _, size in parts if kind != "missing")
    if books.kv_pool_bytes >= 0:
        assert inside == pytest.approx(books.visible_bytes)
    else:
        assert inside > books.visible_bytes
    weights = next(size for kind, _, size in parts if kind == "weights")
    drawn = plain(PictureSession("front", **values).drawn.drawing)
    assert f"weights {digits(weights / GIB, 3)} GiB" in drawn


@pytest.mark.parametrize(
    ("values", "level", "words"),
    [
        (
            {"model": "gpt-oss 20B", "weights": front.OWN, "cards": 1, "users": 1},
            "good",
            "every limit is met",
        ),
        ({"users": 32}, "warn", "likely met"),
        ({"model": "Qwen3 32B", "gpu": "L40S"}, "bad", "over the limit of 50 ms"),
        ({"users": 64, "context": "128K"}, "bad", "have room"),
        ({"gpu": "H200 SXM 141GB", "cards": 8}, "bad", "over the budget of $30 an hour"),
        ({"gpu": "L4", "cards": 1}, "bad", "It does not start"),
    ],
)
def test_the_verdict_says_what_is_missed(values, level, words):
    drawn = PictureSession("front", **values).drawn
    assert words in drawn.said and f'data-level="{level}"' in drawn.drawing


def test_what_the_kernel_refuses_is_one_sentence():
    refused = {"gpu": "M1, 8-core GPU", "cards": 8}
    with pytest.raises(BadInput, match="no link to a second card") as problem:
        front.card_of(front.inputs(**asked(refused)))
    assert PictureSession("front", **refused).drawn.said == str(problem.value)


def test_every_model_and_card_of_the_catalogue_can_be_asked_for():
    controls = {one.name: one for one in PICTURES["front"].controls}
    names = {front.inputs(**asked({"model": one}))["model"] for one in controls["model"].options}
    assert names == set(front.catalog.models())
    cards = {front.inputs(**asked({"gpu": one}))["gpu"] for one in controls["gpu"].options}
    assert cards == set(front.catalog.gpus())


@pytest.mark.parametrize("name", SMALL)
def test_a_small_picture_is_said_in_whole_sentences(name):
    drawing, said = SMALL[name]()
    assert said.endswith(".") and len(drawing.parts) > 1
    assert "nan" not in drawing.svg(said)
