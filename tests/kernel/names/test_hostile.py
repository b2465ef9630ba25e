"""Names from a careless or a hostile hand: a record or one short sentence, soon, not in silence."""

import csv
import re
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcap_kernel import catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.catalog.names.models import read
from llmcap_kernel.catalog.names.spelled import last_part
from llmcap_kernel.catalog.names.text import cleaned
from llmcap_kernel.refuse import BadInput

LONGEST = 300  # characters of an answer
SLOWEST_S = 3.0  # of the processor: a regex that never ends takes minutes


def rows(table):
    with (Path(__file__).parent / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


MODELS = [row["spelling"] for row in rows("models.csv")]
FORMATS = [(row["of"], row["spelled"], row["engine"]) for row in rows("formats.csv")]
LOOK_ALIKE = dict(zip("aeopcxBM30-48", "аеорсхВМЗΟ‐４８", strict=True))
ODD = (
    *("\u202e", "\u200b", "\x00", "\x1b[31m", "\n", "\ufeff", "\u0301", "\ud800", "🙂"),
    *("<b>", "</script>", "'; DROP TABLE models;--", "../../", "C:\\", "%00", "${jndi:x}"),
    *("(", "((", ")", "[", "+", "/", "|", "&", "=", "@"),
)


@st.composite
def slips(draw, texts):
    """A text with one to three letters or signs changed, and the text itself."""
    source = draw(st.sampled_from(texts))
    text = source if isinstance(source, str) else source[1]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(text) - 1, 0)))
        one, before, after = text[at : at + 1], text[:at], text[at + 1 :]
        text = draw(
            st.sampled_from(
                (
                    before + after,
                    before + one + one + after,
                    before + after[:1] + one + after[1:],
                    before + re.sub(r"\d", str(draw(st.integers(0, 9))), one + after, count=1),
                    before + LOOK_ALIKE.get(one, one) + after,
                    before + draw(st.sampled_from(ODD)) + one + after,
                    before + draw(st.sampled_from(" -_./:+,")) + one + after,
                    re.sub("[-_ .]", "", text, count=1),
                    text * 3,
                )
            )
        )
    return source, text


def sentence(text):
    """Whether an answer is short, on one line and shows nothing that a terminal would obey."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return len(text) <= LONGEST and not any(unicodedata.category(c) in hidden for c in text)


def answer(ask):
    """What a call gives, or its refusal, within the time."""
    began = time.process_time()
    try:
        found = ask()
    except BadInput as refused:
        found = str(refused)
    assert time.process_time() - began < SLOWEST_S
    return found


SIZE = re.compile(r"(?<![\d.aex])(\d+(?:\.\d+)?)b(?![a-z])", re.IGNORECASE)


def another_size(text, model):
    """Whether every size that a reader sees in a name is another than a model's."""
    sizes = [float(size) * 1e9 for size in SIZE.findall(last_part(cleaned(text)))]
    own = (model.params, model.active_params, *(float(n) * 1e9 for n in SIZE.findall(model.name)))
    return bool(sizes) and all(abs(size / n - 1) > 0.2 for size in sizes for n in own)


def check_model(text):
    model = answer(lambda: catalog.model(text))
    if isinstance(model, str):
        assert sentence(model), model
        return
    found = read(text)
    assert sentence(found.assumed), found.assumed
    assert found.assumed or "x" in text.lower() or not another_size(text, model), found.name


@settings(max_examples=250, deadline=None)
@given(slips(MODELS))
def test_a_slip_in_a_model_s_name(slip):
    check_model(slip[1])


def of_format(of, text, engine):
    if of == "kv":
        return names.kv_format(text, "bf16", engine)
    return names.weight_format(text, "", "bf16", engine)


@settings(max_examples=250, deadline=None)
@given(slips(FORMATS))
def test_a_slip_in_a_format(slip):
    (of, spelled, engine), text = slip
    found, own = answer(lambda: of_format(of, text, engine)), of_format(of, spelled, engine)
    assert sentence(found.assumed), found.assumed
    digits = [re.findall(r"\d", cleaned(one)) for one in (spelled, text)]
    if found.name and own.name and not found.assumed and digits[0] == digits[1]:
        bits = [int(catalog.format(one.name).element_bits) for one in (found, own)]
        assert bits[0] == bits[1], found.name
    refusal = answer(lambda: catalog.deployment(model="qwen3-8b", gpu="l4", **{of: text}))
    assert not isinstance(refusal, str) or sentence(refusal), refusal


REPEATED = ("a", "1", "-", "_", "(", " ", ".-", "q4_k", "q4_k_", "1b-", "8x7b", "llama ", "w4a16-")


@pytest.mark.parametrize("length", [60, 500, 501, 10_000])
@pytest.mark.parametrize("piece", REPEATED)
def test_what_repeats_takes_no_longer(piece, length):
    text = (piece * length)[:length]
    check_model(text)
    for of in ("weights", "kv"):
        assert sentence(answer(lambda of=of: of_format(of, text, "")).assumed)
    names.program(text)


@pytest.mark.parametrize("of", ["weights", "kv"])
def test_a_format_too_long_to_be_one_is_unknown(of):
    assert not of_format(of, "fp8 " * 200, "").name


# Names that once were a model of another size, or broke.
@pytest.mark.parametrize(
    "text",
    [
        "BIGCODE/STARCODERBASE-0B",
        "command-r0b",
        "Llama-3.1-8B/Llama-3.1-70B",
        "Llama-3.1-8B / Llama-3.1-70B",
        "Qwen3-8B/14B",
        "Qwen3-8B, Qwen3-32B",
        "DeepSeek-R1 | Qwen3-8B",
    ],
)
def test_what_names_no_model_or_several_is_refused(text):
    assert not read(text).name


@pytest.mark.parametrize(
    "text",
    [
        "ERNIE 4.5 21B A3B Thinking-Nemotron-3-Ultra",
        "Qwen3.5-35B-A3B (NVFP4)-Llama-Nemotron-Ultra 253B",
        "TinyLlama-1.1B-intermediate-step-1431k-3T",
        "ERNIE-4.5-0.3B",
        "999999999999b",
        "0.0000001b-a1b",
        "1e9b",
    ],
)
def test_what_once_broke(text):
    check_model(text)


def test_commas_between_keys_and_values_are_two_formats():
    assert names.kv_format("f16,q8_0", "bf16").name == "k-fp16-v-gguf-q8-0"


def test_an_unknown_name_is_told_what_to_give():
    with pytest.raises(BadInput, match=r"its config.json, or its size, as in 'dense 12B'\."):
        catalog.model("abacus")
