"""Formats as people write them: a table to read, names that mean themselves, and mutations."""

import csv
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from llmcap_kernel import catalog
from llmcap_kernel.catalog import names
from llmcap_kernel.refuse import BadInput

with (Path(__file__).parent / "formats.csv").open(encoding="utf-8", newline="") as file:
    TABLE = tuple(csv.DictReader(file))


def found(row, spelled=None):
    text = row["spelled"] if spelled is None else spelled
    if row["of"] == "kv":
        return names.kv_format(text, "bf16", row["engine"])
    return names.weight_format(text, "", "bf16", row["engine"])


def bits(name):
    return catalog.format(name).bytes_per_element * 8


@pytest.mark.parametrize("row", TABLE, ids=lambda r: f"{r['of']}: {r['spelled']} {r['engine']}")
def test_every_spelling_of_the_table(row):
    got = found(row)
    assert (got.name, bool(got.assumed)) == (row["name"], row["assumed"] == "said")
    if got.name:
        assert bits(got.name) == pytest.approx(float(row["bits"]), rel=1e-3)


NAMES = {row["name"] for row in TABLE if row["name"]}
NAMES |= {*catalog.formats(), *catalog.formats(kv=True), "int4-g64-asym", "exl3-5.25bpw"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_means_itself(name):
    assert catalog.format(name).name == name


@pytest.mark.parametrize(
    ("method", "spelled", "stored"),
    [
        # bits, and the scale and zero or bias of a group spread over it
        ("exl3", "exl3-{b}bpw", lambda b, g: b),
        ("mlx", "mlx-{b}bit-g{g}", lambda b, g: b + 32 / g),
        ("hqq", "hqq-{b}bit-g{g}", lambda b, g: b + 32 / g),
        ("int", "int{b}-g{g}", lambda b, g: b + 16 / g),
        ("int", "int{b}-g{g}-asym", lambda b, g: b + (16 + b) / g),
    ],
)
@given(b=st.integers(1, 8), g=st.sampled_from((16, 32, 64, 128, 256)))
def test_any_bits_and_group(method, spelled, stored, b, g):
    made = catalog.format(spelled.format(b=b, g=g))
    assert made.bytes_per_element * 8 == pytest.approx(stored(b, g))
    assert catalog.format(made.name) == made
    assert made.compute[0] in ("fp16", "bf16")


@pytest.mark.parametrize("text", ["mlx-4.5bit", "int9", "exl3-60bpw", "hqq-0bit", "mlx-4bit-g48"])
def test_bits_that_a_method_does_not_have_are_refused(text):
    with pytest.raises(BadInput, match="not known"):
        catalog.format(text)


@pytest.mark.parametrize(
    ("weights", "model", "native", "wanted"),
    [
        ("", "org/Model-exl3-5.5bpw", "bf16", "exl3-5.5bpw"),
        ("", "mlx-community/Model-4B-4bit", "bf16", "mlx-4bit"),
        ("", "org/Model-7B", "bf16", "bf16"),
        ("Q4_K_M", "Model-AWQ", "bf16", "gguf-q4-k-m"),  # the column wins
        ("qwen3moe 30B.A3B Q4_K - Medium", "Qwen3-30B-A3B-UD-Q4_K_XL", "bf16", "gguf-ud-q4-k-xl"),
        ("4bit", "Model-AWQ-4bit", "bf16", "int4-awq"),
        ("fp8 (checkpoint)", "DeepSeek-V3.2", "fp8-block", "fp8-block"),
        ("fp8", "DeepSeek-R1", "fp8-block", "fp8"),
        ("fp8", "DeepSeek-V4-Flash", "mxfp4", "mxfp4"),
        ("fp8", "sgl-project/DeepSeek-V4-Flash-FP8", "mxfp4", "fp8-block"),
    ],
)
def test_a_column_beside_a_name(weights, model, native, wanted):
    assert names.weight_format(weights, model, native).name == wanted


def test_a_name_that_disagrees_is_said():
    assert "int8" in names.weight_format("Q4_K_M", "Model-W8A8", "bf16").assumed
    assert not names.weight_format("Q4_K_M", "Model-Q4_K_M", "bf16").assumed


def test_a_file_of_sixteen_bits_keeps_experts_that_shipped_in_four():
    meant = names.weight_format("gpt-oss ?B F16", "gpt-oss-20b-F16", "mxfp4", "llama.cpp")
    assert meant.name == "gguf-mxfp4" and meant.assumed
    assert names.weight_format("F16", "gpt-oss-20b", "mxfp4", "vLLM").name == "fp16"


def test_what_was_assumed_stands_in_the_title():
    assert "taken" in catalog.format("UD-Q6_K_XL").title
    assert "taken" not in catalog.format("Q6_K").title


def test_a_deployment_takes_any_spelling():
    one = catalog.deployment(
        model="qwen3-8b", gpu="rtx-4090", weights="EXL3 5.5 bpw", kv="q8_0/q4_0"
    )
    assert one.weights.name == "exl3-5.5bpw"
    assert one.kv.bytes_per_element * 8 == pytest.approx((8.5 + 4.5) / 2)
    with pytest.raises(BadInput, match="weights"):
        catalog.deployment(model="qwen3-8b", gpu="rtx-4090", weights="kv4")


# A mutation leaves the digits of a spelling where they are: cases, separators and letters change.
SEPARATORS = " -_"


@st.composite
def mutations(draw):
    row = draw(st.sampled_from([r for r in TABLE if r["name"] and len(r["spelled"]) < 40]))
    text = row["spelled"]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text) - 1))
        how = draw(st.sampled_from(("case", "separator", "drop", "double", "swap")))
        letter = text[at]
        if how == "case":
            text = text[:at] + letter.swapcase() + text[at + 1 :]
        elif how == "separator" and letter in SEPARATORS:
            text = text[:at] + draw(st.sampled_from(SEPARATORS)) + text[at + 1 :]
        elif how == "drop" and letter.isalpha():
            text = text[:at] + text[at + 1 :]
        elif how == "double" and letter.isalpha():
            text = text[:at] + letter + text[at:]
        elif how == "swap" and text[at : at + 2].isalpha():
            text = text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
        assume(text)
    return row, text


def stated(name):
    """The bits a format is named by: 4 of Q4_K_M, of 4.5 stored."""
    return int(float(catalog.format(name).element_bits))


@settings(max_examples=500)
@given(mutations())
@example(({"of": "weights", "engine": "", "name": "gguf-q4-k-m", "assumed": ""}, "q4_K m"))
@example(({"of": "kv", "engine": "", "name": "gguf-q8-0", "assumed": ""}, "q80"))
def test_a_mutation_gives_the_same_bits_or_says_so(mutated):
    row, text = mutated
    got = found(row, text)
    if got.name and not got.assumed:
        assert stated(got.name) == stated(row["name"])


def slips(text):
    """Every text with one letter left out, doubled or exchanged with the next."""
    for at, letter in enumerate(text):
        if letter.isalpha():
            yield text[:at] + text[at + 1 :]
            yield text[:at] + letter + text[at:]
        if text[at : at + 2].isalpha():
            yield text[:at] + text[at : at + 2][::-1] + text[at + 2 :]


def test_no_slip_of_one_letter_changes_bits_in_silence():
    silent = []
    for row in TABLE:
        for text in slips(row["spelled"]) if row["name"] else ():
            got = found(row, text) if text.strip() else names.UNKNOWN
            if got.name and not got.assumed and stated(got.name) != stated(row["name"]):
                silent.append((row["spelled"], text, got.name))
    assert not silent
