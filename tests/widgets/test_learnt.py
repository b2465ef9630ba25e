"""What a reader's rows say goes from Validate to the others in a link, and no further."""

import pytest

from llmcap_kernel import calibration, catalog
from llmcap_kernel.spec import Workload
from tests.kernel.test_own import measured
from tests.widgets.reading import control, headline
from widgets import session
from widgets.calculators import calculate, validate
from widgets.form import learnt, packed

ESTIMATING = ("calculate", "design", "scorecard", "compare")


@pytest.fixture(scope="module")
def handed(tmp_path_factory):
    """What Validate makes of a file whose gaps are twice as long as strangers'."""
    path = measured(tmp_path_factory.mktemp("own") / "mine.csv", 2.0)
    mine = validate.with_file("mine.csv", path.read_bytes())
    return session.safe_view(mine, mine.FORM.defaults())


def query_of(view, name):
    (link,) = [one for one in view["links"] if one["name"] == name]
    return link["query"]


@pytest.mark.parametrize("name", ESTIMATING)
def test_a_calculator_opened_from_validate_says_whose_rows_it_has(handed, name):
    made = session.Calculator(name, query_of(handed, name))
    plain = session.Calculator(name, query_of(handed, name).replace("own=", "was="))
    chosen = control(made.view, learnt.NAME)
    assert "24 of vllm" in chosen["text"] and "24 of vllm" in handed["sentences"][0]
    assert control(plain.view, learnt.NAME) is None
    answers = ("headline", "tables", "figure")
    assert [made.view[one] for one in answers] != [plain.view[one] for one in answers]


@pytest.mark.parametrize("name", ESTIMATING)
def test_a_verdict_names_the_rows_that_it_stands_on(handed, name):
    """Gaps twice as long as strangers' are steps some twice as long, of vLLM alone."""
    status = session.Calculator(name, query_of(handed, name)).view["status"]["text"]
    code = learnt.read(calculate.FORM.parse(query_of(handed, "calculate"))[0][learnt.NAME])
    assert status.endswith(f" By your rows of vllm x{code['vllm'].factor:.3g}.")
    plain = session.Calculator(name, query_of(handed, name).replace("own=", "was="))
    assert "your rows" not in plain.view["status"]["text"]


def test_factors_are_named_of_the_engines_that_were_measured_and_are_asked_about():
    one = {"factor": 1.2, "rows": 12, "deployments": 3, "chips": ["hopper"], "intervals": {}}
    value = packed.pack(packed.canonical({"vllm": one, "sglang": one | {"factor": 0.8714}}))
    assert learnt.factors(value, ["vllm"]) == "By your rows of vllm x1.2."
    both = learnt.factors(value, ["sglang", "vllm", "vllm", "llama.cpp"])
    assert set(both.removeprefix("By your rows of ")[:-1].split(" and ")) == {
        "vllm x1.2",
        "sglang x0.871",
    }
    assert learnt.factors(value, ["llama.cpp"]) == learnt.factors(None, ["vllm"]) == ""


def test_the_estimate_is_that_of_the_command_with_own_rows(handed):
    state, messages = calculate.FORM.parse(query_of(handed, "calculate"))
    assert messages == []
    state |= {"model": "qwen3-8b", "weights": "bf16", "tp": 1, "kv": "bf16", "users": 8}
    before = calculate.view(state | {learnt.NAME: None})
    told = session.safe_view(calculate, state)
    with calibration.using(learnt.read(state[learnt.NAME])):
        d = catalog.deployment(model="qwen3-8b", gpu=state["gpu"], memory_fraction=0.9)
        speed = calibration.estimates(d, Workload(state["in"], state["out"], 8)).tok_s_user
    assert f"{speed.value:.3g}" in {item["value"] for item in told["headline"]}
    # what is seen beside it, and after it, is as it was
    assert calculate.view(state | {learnt.NAME: None}) == before
    assert headline(told) != headline(before)


def test_it_is_taken_away_by_the_list_beside_it(handed):
    made = session.Calculator("calculate", query_of(handed, "calculate"))
    off = [one["value"] for one in control(made.view, learnt.NAME)["options"]][1]
    changed = made.set({"state": {"values": {learnt.NAME: off}, "seq": 1}})
    assert control(changed["view"], learnt.NAME) is None and "own=" not in changed["view"]["query"]


@pytest.mark.parametrize(
    "raw", ["x", "eJw", "own", "<script>", 7, ["a"], "eJyrVspLzE1VslIqLU4tUgIAJpsEsw"]
)
def test_a_code_that_was_cut_is_one_sentence(raw):
    state, (message,) = calculate.FORM.check({learnt.NAME: raw})
    assert state[learnt.NAME] is None and message["field"] == learnt.NAME
    assert "cut or changed" in message["text"]


def test_the_published_rows_and_the_example_teach_nothing():
    for state in ({}, {"file": validate.EXAMPLE}):
        made = session.safe_view(validate, validate.FORM.defaults() | state)
        assert all("own=" not in one["query"] for one in made["links"])
