"""What an address spells, and what becomes of one that spells nonsense."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.widgets.inputs import states
from widgets.calculators import calculate, vram
from widgets.form import versions
from widgets.form.state import MAX_MESSAGES, MAX_QUERY, Field, Form
from widgets.session import CALCULATORS

FORMS = [module.FORM for module in CALCULATORS.values()]
FORM = vram.FORM
EMPTY = f"v={versions.FORM}&" + "&".join(
    f"{key}={stamp}" for key, stamp in versions.stamps().items()
)
HOSTILE = [
    "",
    "?",
    "&&&===",
    "ctx=nan",
    "ctx=inf&users=-inf",
    "ctx=-1",
    "ctx=1e400",
    "users=2.5",
    "model=",
    "model=%00%00",
    "model=%F0%9F%92%A9&gpu=%ff%fe",
    "ctx=8000&ctx=16000",
    "v=99",
    "=8000",
    "__class__=1&__proto__=2",
    "ctx=" + "9" * 5000,
    "&".join(f"x{i}=1" for i in range(5000)),
    "model=" + "a" * 100_000,
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_an_untouched_calculator_writes_only_its_version(form):
    assert form.query(form.defaults()) == EMPTY
    assert form.parse("") == (form.defaults(), [])
    earlier = {field.name: field.formerly for field in form.fields if field.formerly is not None}
    assert form.parse("v=1") == (form.defaults() | earlier, [])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_state_survives_its_address(form):
    @settings(max_examples=60, deadline=None)
    @given(states(form))
    def survives(state):
        assert form.parse(form.query(state)) == (state, [])

    survives()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: query[:20] or "empty")
def test_a_hostile_address_gives_a_state_and_says_what_was_lost(form, query):
    state, messages = form.parse(query)
    assert form.check(state) == (state, [])
    assert len(messages) <= MAX_MESSAGES
    if state == form.defaults() and query.strip("?&="):
        assert messages


@settings(max_examples=600, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([field.name for field in FORM.fields] + ["v", "nope", ""]),
            st.text(max_size=30) | st.sampled_from(["8k", "1M", "fp8", "1e9", "NaN", "٣", "0x10"]),
        ),
        max_size=8,
    ).map(lambda parts: "&".join(f"{key}={value}" for key, value in parts))
)
@example("ctx=８０００")
def test_no_query_raises(query):
    state, messages = FORM.parse(query)
    assert FORM.check(state) == (state, [])
    assert all(message["text"] for message in messages)


@settings(max_examples=1000, deadline=None)
@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_no_text_raises(query):
    FORM.parse(query)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(JSON | st.dictionaries(st.sampled_from([f.name for f in FORM.fields]), JSON))
def test_no_message_from_a_browser_raises(message):
    state, _ = FORM.check(message)
    assert FORM.check(state) == (state, [])


def test_an_unknown_name_is_told_the_nearest():
    state, (message,) = FORM.parse("v=5&gpu=h100-smx")
    assert state == FORM.defaults()
    assert "h100-sxm" in message["text"] and message["field"] == "gpu"
    _, (message,) = FORM.parse("contxt=8000&")
    assert "contxt" in message["text"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *(("8k", 8000), ("128K", 128_000), ("1.5m", 1_500_000), ("8,192", 8192)),
        *((" 8 000 ", 8000), ("32Ki", 32_768), ("1 mi", 1 << 20)),
    ],
)
def test_token_counts_may_be_short(written, read):
    state, messages = FORM.parse(f"ctx={written}")
    assert (state["ctx"], messages) == (read, [])


@pytest.mark.parametrize(("written", "read"), [("8k", 8000), ("128K", 128_000), ("2.5k", 2500)])
def test_a_k_is_a_thousand_and_that_is_said_back(written, read):
    """vLLM takes 32K for 32,768: who means that must see that we do not."""
    state, (message,) = FORM.check({"ctx": written}, FORM.defaults())
    assert state["ctx"] == read and message["level"] == "info"
    assert f"is read as {read:,} tokens" in message["text"]
    assert f"{written[:-1]}Ki" in message["text"]


def test_a_count_of_users_is_not_short():
    _, (message,) = FORM.parse("users=2k")
    assert message["field"] == "users"


def test_the_first_of_two_is_used_and_the_second_is_named():
    state, (message,) = FORM.parse("ctx=4000&ctx=16000")
    assert state["ctx"] == 4000
    assert "more than once" in message["text"]


def test_an_alias_of_the_catalogue_is_written_by_its_name():
    state, messages = FORM.parse("v=5&model=meta-llama/Llama-3.1-70B&gpu=H100_SXM")
    assert (state, messages) == (FORM.defaults(), [])


def test_voila_keeps_its_own_inputs():
    assert FORM.parse("voila-theme=dark") == (FORM.defaults(), [])


def test_a_long_address_is_cut_between_parts():
    state, messages = FORM.parse("ctx=4k&" + "x=1&" * MAX_QUERY)
    assert state["ctx"] == 4000
    assert "too long" in messages[0]["text"]


def test_a_wrong_value_keeps_the_one_before():
    form = Form("one", (Field("users", "whole", 16, "Users", 1, 100),))
    state, (message,) = form.check({"users": "many"}, base={"users": 8})
    assert state == {"users": 8}
    assert "Kept 8" in message["text"]


@pytest.mark.parametrize("name", ["itl", "ttft", "budget", "prefix"])
def test_who_empties_a_limit_wants_none(name):
    """The help says "0 for no limit", and a cleared box says so too."""
    form = CALCULATORS["calculate"].FORM
    state, messages = form.check({name: ""}, form.defaults() | {name: 7})
    assert (state[name], messages) == (0, [])


def test_who_empties_an_input_that_must_be_at_least_one_is_told():
    _, messages = CALCULATORS["calculate"].FORM.check({"in": ""})
    assert messages and "it takes" in messages[0]["text"]


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("fraction", "80%", 0.8),
        ("fraction", "80 percent", 0.8),
        ("fraction", "0.8", 0.8),
        ("duty", "80%", 80),
        ("duty", "80", 80),
    ],
)
def test_a_share_may_be_typed_in_percent(name, typed, value):
    state, messages = calculate.FORM.check({name: typed}, calculate.FORM.defaults())
    assert state[name] == pytest.approx(value) and messages == []


@pytest.mark.parametrize(
    ("name", "typed"), [("in", "1e99"), ("users", "1e99"), ("itl", "1e99"), ("in", "80%")]
)
def test_a_number_that_is_refused_is_quoted_as_typed(name, typed):
    _, (message,) = calculate.FORM.check({name: typed}, calculate.FORM.defaults())
    assert f" is '{typed}': it takes " in message["text"] and len(message["text"]) < 110
