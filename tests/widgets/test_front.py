"""The question of the first page: the kernel's answer, said as Calculate says it."""

import re
from html import unescape

import pytest

from llmcap_kernel import design
from llmcap_kernel.calibration import Estimate
from llmcap_kernel.explain import GIB, digits
from llmcap_kernel.refuse import BadInput
from widgets.calculators import answers, calculate
from widgets.form import meaning
from widgets.pages import build
from widgets.picture_session import PictureSession
from widgets.pictures import PICTURES, front
from widgets.pictures.small import SMALL
from widgets.session import CALCULATORS

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
    state = front.to_state(**asked(values))
    said = plain(session.drawn.drawing)
    for one in calculate.view(state)["headline"]:
        assert one["value"] in said, one["label"]
    assert session.drawn.drawing.count("<dt>") == 5


def test_it_starts_at_the_worked_spec():
    """The calculator opens with the cache that an engine keeps unless told; the spec says FP8."""
    assert front.to_state(**asked({})) == calculate.FORM.defaults() | {"kv": "fp8"}


@pytest.mark.parametrize("values", [*ASKED, {"gpu": "L4", "cards": 1}])
def test_the_memory_adds_up_to_one_card_and_what_is_asked_beyond(values):
    books = front.card_of(front.to_state(**asked(values))).ledger
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
        ({"gpu": "H200 SXM 141GB", "cards": 1}, "warn", "likely met"),
        ({"model": "Qwen3 32B", "gpu": "L40S"}, "bad", "over the limit of 50 ms"),
        ({"users": 64, "context": "128K"}, "bad", "have room"),
        ({"gpu": "H200 SXM 141GB", "cards": 8}, "bad", "over the budget of $30 an hour"),
        ({"gpu": "L4", "cards": 1}, "bad", "It does not start"),
    ],
)
def test_the_verdict_says_what_is_missed(values, level, words):
    drawn = PictureSession("front", **values).drawn
    assert words in drawn.said and f'data-level="{level}"' in drawn.drawing


def test_where_nobody_is_within_the_limits_and_two_have_room_there_still_is_an_answer():
    """A line from zero to zero had no scale, and the page stood still."""
    drawn = PictureSession("front", model="Qwen3 32B", gpu="L4", cards=2).drawn
    assert "0 users" in plain(drawn.drawing) and 'data-level="bad"' in drawn.drawing


def test_what_the_kernel_refuses_is_one_sentence():
    refused = {"gpu": "M1, 8-core GPU", "cards": 8}
    with pytest.raises(BadInput, match="no link to a second card") as problem:
        front.card_of(front.to_state(**asked(refused)))
    said = PictureSession("front", **refused).drawn.said
    assert said.removeprefix("Cards (TP)") == str(problem.value).removeprefix("tp")


def test_every_model_and_card_of_the_catalogue_can_be_asked_for():
    controls = {one.name: one for one in PICTURES["front"].controls}
    names = {front.to_state(**asked({"model": one}))["model"] for one in controls["model"].options}
    assert names == set(front.catalog.models())
    cards = {front.to_state(**asked({"gpu": one}))["gpu"] for one in controls["gpu"].options}
    assert cards == set(front.catalog.gpus())


def stands(*asked):
    """Where the sentence stands after what was asked, its words written out."""
    session = PictureSession("front")
    for one in asked:
        shown = session.set({"asked": {"seq": 1} | one})["shown"]
    written = {
        one.name: one.options[at] if isinstance(at := shown["at"][one.name], int) else at
        for one in PICTURES["front"].controls
    }
    return written, shown


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ({"model": "Qwen/Qwen3-32B"}, {"model": "Qwen3 32B"}),
        ({"model": "meta-llama/Llama-3.3-70B-Instruct"}, {"model": "Llama 3.3 70B"}),
        ({"model": "Qwen3-32B-AWQ"}, {"model": "Qwen3 32B", "weights": "INT4"}),
        ({"gpu": "A100-80GB"}, {"gpu": "A100 SXM4 80GB"}),
        ({"gpu": "8x H100 SXM"}, {"gpu": "H100 SXM5 80GB", "cards": 8}),
        ({"weights": "Q4_K_M"}, {"weights": "GGUF Q4_K_M"}),
        ({"cards": "6"}, {"cards": "6"}),
        ({"users": "24 users"}, {"users": "24 users"}),
        ({"users": "1"}, {"users": 1}),
        ({"context": "32Ki"}, {"context": "32,768 tokens"}),
        ({"context": "40k"}, {"context": "40,000 tokens"}),
        ({"context": "32000"}, {"context": "32K"}),
    ],
)
def test_a_word_may_be_typed_as_people_write_it(typed, means):
    written, shown = stands({"at": typed})
    assert written == asked({}) | means and shown["refused"] == {}
    assert stands({"at": typed}, {"at": shown["at"]})[0] == written  # as the page gives it back


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"model": "foo"}, "Model 'foo' is not known. It takes one of "),
        ({"model": "lamma-3.1-70b"}, "llama-3.1-70b"),
        ({"gpu": "h2"}, "Did you mean h20"),
        ({"cards": "9999"}, "Cards (TP) is 9999: it takes a whole number from 1 to 1,024"),
        ({"users": "many"}, "Users at once is 'many'"),
        ({"context": "5"}, "Context is 5: it takes a whole number from 1,001"),
    ],
)
def test_a_word_that_cannot_be_read_is_refused_in_a_sentence_and_the_old_one_stays(typed, words):
    written, shown = stands({"at": typed})
    assert words in " ".join(shown["refused"].values())
    assert written == asked({})


def test_the_sentence_goes_into_an_address_of_calculate_and_comes_back():
    there, shown = stands({"at": {"model": "Qwen3-32B", "users": "24", "context": "32Ki"}})
    state, messages = calculate.FORM.parse(shown["query"])
    assert state["model"] == "qwen3-32b" and state["users"] == 24 and not messages
    assert state["in"] + state["out"] == 32 * 1024
    again, shown = stands({"query": shown["query"]})
    assert again == there
    _, shown = stands({"query": "model=foo&tp=4"})
    assert "'foo' is not known" in shown["refused"]["query"] and "tp=4" in shown["query"]


def test_room_in_memory_and_users_within_the_limits_are_two_numbers():
    card = front.card_of(front.to_state(**asked(ASKED[3])))
    most = design.users_within(card.deployment, card.workload, card.slo)
    assert 0 < most.value < card.max_concurrent
    words = f"{card.max_concurrent:,} fit in memory, {most.value:,} of them within 50 ms"
    assert words in PictureSession("front", **ASKED[3]).drawn.said
    said = calculate.view(front.to_state(**asked(ASKED[3])))["sentences"]
    assert any(words in one for one in said)


def test_a_percentile_far_from_the_mean_says_why():
    def gaps(tail, mean):
        made = (Estimate(x, x / 2, 2 * x, x / 3, "") for x in (tail, mean))
        return answers.beside_mean(*made, 95)

    assert gaps(0.02, 0.03) == "below the mean: a few gaps wait for another user's prompt"
    assert gaps(0.5, 0.03) == "more than 5% of the gaps wait for another user's prompt"
    assert gaps(0.03, 0.02) == ""


def test_what_is_not_known_closely_is_said_in_a_sentence():
    wide = Estimate(10, 2, 20, 30, "")
    assert answers.noted("on average", wide) == "on average. It is uncertain by more than 6x."
    said = answers.how_many("52 fit in memory", wide)
    assert said == (
        "52 fit in memory. At the slow end of the interval 2 meet the limits, at the fast end 20."
    )


@pytest.mark.parametrize("itl", [20, 26, 30, 40, 50, 80, 200])
def test_the_verdict_and_the_users_within_the_limits_agree(itl):
    """What is said of all who fit is the verdict on as many users, and no surer."""
    state = calculate.FORM.defaults() | {"users": None, "itl": itl, "budget": 0}
    view, (d, slo) = calculate.view(state), (meaning.deployment(state), meaning.limits(state))
    card = design.card(d, design.most_users_load(d, meaning.load(state | {"users": 1}), slo), slo)
    (note,) = (one for one in view["sentences"] if "in memory" in one)
    (gap,) = (one for one in card.limits if one.unit == "s")
    said = view["status"]["text"]
    assert ("likely meets" in said) is (gap.verdict == "likely")
    assert ("could go either way" in said) is (gap.verdict == "open")
    if gap.holds and card.workload.concurrency == card.max_concurrent:
        words = {"met": ", all of them within", "likely": ", likely all of them within"}
        assert words.get(gap.verdict, ", but all at once could go over") in note


@pytest.mark.parametrize(
    ("typed", "state"),
    [
        ({"gap": "0.04 s"}, {"itl": 40, "itlp": "p95"}),
        ({"gap": "35"}, {"itl": 35}),
        ({"gap": "any"}, {"itl": 0}),
        ({"budget": "$12.50 an hour"}, {"budget": 12.5}),
        ({"budget": "any budget"}, {"budget": 0}),
        ({"kv": "bf16"}, {"kv": "bf16", "weights": "fp8"}),
        ({"weights": "bf16"}, {"kv": "fp8", "weights": "bf16"}),
    ],
)
def test_limits_and_cache_are_words_of_the_sentence_and_go_into_the_address(typed, state):
    written, shown = stands({"at": typed})
    there, messages = calculate.FORM.parse(shown["query"])
    assert not messages and {name: there[name] for name in state} == state
    assert stands({"query": shown["query"]})[0] == written


def test_without_limits_the_verdict_asks_for_none():
    drawn = PictureSession("front", gap=front.ANY_GAP, budget=front.ANY_RENT).drawn
    assert "every limit is met" in drawn.said and "within 50 ms" not in drawn.said
    assert "percentile" not in drawn.drawing


def test_what_is_known_within_a_factor_is_not_said_firmly():
    drawn = PictureSession("front").drawn
    wide = re.findall(r'<div class="lf-rough"><dt>(.*?)</dt>.*?<i>about</i>', drawn.drawing)
    assert wide == ["Users within the limits", "First token, mean"]
    assert re.search(r"about 1\.\d+ s", repr(drawn.table))


def test_how_wrong_it_is_is_said_as_validate_opens_on_it():
    from widgets.calculators import validate

    opens = validate.view(validate.FORM.defaults())["status"]["text"]
    rows, half, most = re.match(
        r"Half of ([\d,]+) .* within (\d+%) .* within (\d+%);", opens
    ).groups()
    said = SMALL["scatter"]()[1]
    assert said.startswith(f"{rows} published speeds of one user")
    assert f"within {half} of the measurement, four of five within {most}." in said


def test_what_32k_was_taken_for_is_said():
    drawn = plain(PictureSession("front", context="32K").drawn.drawing)
    assert "32K is 32,000 tokens, 1,000 of them the answer" in drawn


LINK = re.compile(r'<a href="\.\./apps/(\w+)\?([^"#]*)">(.*?)</a>')


def test_the_ready_questions_start_from_what_the_sentence_starts_from():
    """The same memory fraction and cache, or a reader gets two answers to one question."""
    text = (build.ROOT / "book" / "intro.md").read_text("utf-8")
    links = LINK.findall(text)
    assert len(links) == 5
    for name, query, words in links:
        state, messages = CALCULATORS[name].FORM.parse(unescape(query))
        assert not messages, messages
        for letter in ("a.", "b.", "c.") if name == "compare" else ("",):
            assert state[letter + "fraction"] == front.to_state(**asked({}))["fraction"]
            assert re.search(rf"cache in {state[letter + 'kv']}", words, re.I), words


@pytest.mark.parametrize("name", SMALL)
def test_a_small_picture_is_said_in_whole_sentences(name):
    drawing, said = SMALL[name]()
    assert said.endswith(".") and len(drawing.parts) > 1
    assert "nan" not in drawing.svg(said)
