"""Timings of kernels: read, predicted by a formula a kind, scored, and fitted."""

import json
import math
import random
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from llmcap_kernel import catalog
from llmcap_kernel.catalog.tables import table
from llmcap_kernel.cli import main
from llmcap_kernel.evidence import kernels
from llmcap_kernel.evidence.kernels import constants, formulas
from llmcap_kernel.evidence.kernels.kinds import KINDS, RATES
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Gpu

ROOT = Path(__file__).parents[2]
DRAWN = ROOT / "benchmarks" / "kernels_drawn.csv"
H100 = catalog.gpu("h100-sxm")
# one ordinary kernel of each kind
SHAPES = {
    "product": {"m": 64, "n": 4096, "k": 4096},
    "decode_attention": {
        **{"batch_size": 32, "context": 4096, "num_heads": 32, "num_key_value_heads": 8},
        "head_dim": 128,
    },
    "prefill_attention": {
        **{"batch_size": 2, "isl": 2048, "num_heads": 32, "num_key_value_heads": 8},
        "head_dim": 128,
    },
    "mla_decode": {"batch_size": 32, "context": 4096, "num_heads": 16},
    "mla_prefill": {"batch_size": 2, "isl": 2048, "num_heads": 16},
    "experts": {
        **{"num_tokens": 64, "hidden_size": 4096, "inter_size": 1536, "topk": 8},
        "num_experts": 128,
    },
    "all_reduce": {"num_gpus": 8, "message_size": 1 << 20},
    "collective": {"num_gpus": 8, "message_size": 1 << 20},
}
# columns that more of never takes less time
MORE = {
    "product": ("m", "n", "k"),
    "decode_attention": ("batch_size", "context", "num_heads"),
    "prefill_attention": ("batch_size", "isl", "num_heads"),
    "mla_decode": ("batch_size", "context", "num_heads"),
    "mla_prefill": ("batch_size", "isl", "num_heads"),
    "experts": ("num_tokens", "hidden_size", "inter_size"),
    "all_reduce": ("message_size",),
    "collective": ("message_size",),
}


def a_format(kind, gpu=H100):
    """A format that the kind takes."""
    return ("link" if gpu.direct_link else "pcie") if KINDS[kind].of == "link" else "bf16"


def seconds(kind, shape, gpu=H100, **given):
    """The time of a kernel."""
    given = {"format": a_format(kind, gpu)} | given
    return constants.kernel_s(kind, shape, gpu=gpu, **given)


def work(kind, shape, gpu=H100, name="bf16"):
    """The work of a kernel, with what a file may leave out."""
    extra = {"power": 0.0, "matrices": 3.0, "element_bytes": 2.0, "operation": 0.0}
    return KINDS[kind].work({**KINDS[kind].optional, **extra, **shape}, gpu, name)


def csv(**columns):
    """A file with one row."""
    return f"{','.join(columns)}\n{','.join(map(str, columns.values()))}\n"


def product(**more):
    """A file with one product."""
    return csv(**({"card": "h100-sxm", "m": 1, "n": 64, "k": 64, "latency_us": 5.0} | more))


# the work, by hand


def test_work_of_a_product():
    got = work("product", {"m": 4096, "n": 4096, "k": 4096})
    assert got["math_s"] == pytest.approx(138.9e-6, rel=1e-3)  # 2 x 4096^3 / 989.4e12
    assert got["read_s"] == pytest.approx(30.05e-6, rel=1e-3)  # three matrices of 33.55 MB
    assert got["quantise_s"] == 0


def test_a_product_in_eight_bits_quantises_its_activations_first():
    got = work("product", {"m": 1000, "n": 2000, "k": 3000}, name="fp8")
    assert got["math_s"] == pytest.approx(12e9 / 1978.9e12)
    # weights 6 MB, activations 3 MB, the result 4 MB in 16 bits
    assert got["read_s"] == pytest.approx(13e6 / 3.35e12)
    assert got["quantise_s"] == pytest.approx(9e6 / 3.35e12)  # 6 MB read, 3 MB written


def test_weights_alone_in_eight_bits_are_computed_in_sixteen():
    got = work("product", {"m": 1000, "n": 2000, "k": 3000}, name="int8-weight-only")
    assert got["math_s"] == pytest.approx(12e9 / 989.4e12)
    # 6 MB of weights and a 16-bit scale for each 128; activations 6 MB, the result 4 MB
    assert got["read_s"] == pytest.approx((16e6 + 2 * 6e6 / 128) / 3.35e12)
    assert got["quantise_s"] == 0


def test_work_of_decode_attention():
    got = work("decode_attention", SHAPES["decode_attention"])
    # Llama-3.1-8B's layer: 4 096 bytes a token, 32 sequences; 2 x 32 heads of queries and results
    assert got["read_s"] == pytest.approx((32 * 4096 * 4096 + 2 * 32 * 8192) / 3.35e12)
    assert got["blocks"] == 256
    window = work("decode_attention", {**SHAPES["decode_attention"], "window_size": 128})
    assert window["read_s"] == pytest.approx((32 * 128 * 4096 + 2 * 32 * 8192) / 3.35e12)


def test_work_of_mla():
    got = work("mla_decode", {"batch_size": 1, "context": 1000, "num_heads": 128}, name="fp8")
    # 576 bytes a token; 2 x 128 x (576 + 512) FLOP a token, in FP8
    assert got["read_s"] == pytest.approx((576_000 + 128 * 1088 * 2) / 3.35e12)
    assert got["math_s"] == pytest.approx(2 * 128 * 1088 * 1000 / 1978.9e12)


def test_work_of_experts():
    shape = {"num_tokens": 1, "hidden_size": 2048, "inter_size": 768, "topk": 8}
    got = work("experts", {**shape, "num_experts": 128})
    # Qwen3-30B-A3B: 8 experts of 3 x 2048 x 768 parameters
    assert got["read_s"] == pytest.approx(8 * 4.719e6 * 2 / 3.35e12, rel=1e-3)
    assert got["math_s"] == pytest.approx(2 * 8 * 4.719e6 / 989.4e12, rel=1e-3)
    spread = work("experts", {**shape, "num_experts": 128, "moe_ep_size": 8})
    assert spread["read_s"] == pytest.approx(got["read_s"] / 8)
    assert spread["routed_s"] == got["routed_s"]


def test_the_best_liked_expert_keeps_one_card_busy():
    shape = {**SHAPES["experts"], "num_tokens": 4096, "moe_ep_size": 8}
    even, skewed = work("experts", shape), work("experts", {**shape, "power": 1.2})
    # 4 096 x 8 / 8 pairs on each card; the first of 128 experts is asked by every token
    assert skewed["math_s"] / even["math_s"] == pytest.approx(1 + (4096 - 256) / 4096)


def test_elements_of_a_collective_are_two_bytes():
    assert work("all_reduce", SHAPES["all_reduce"])["wire_s"] == pytest.approx(2 * 2**20 / 450e9)
    # a ring of eight sends twice 7/8 of the vector
    assert work("collective", SHAPES["collective"])["wire_s"] == pytest.approx(
        1.75 * 2 * 2**20 / 450e9
    )


@pytest.mark.parametrize(
    "queries,cached", [(1, 0), (64, 0), (65, 0), (200, 0), (100, 300), (1, 64)]
)
def test_pairs_are_those_of_tiles_below_the_diagonal(queries, cached):
    padded = math.ceil(queries / 64) * 64
    # rows of tiles, each with the keys cached before and the tiles up to its own
    counted = sum(64 * (cached + 64 * (row + 1)) for row in range(padded // 64))
    assert formulas.tiled_pairs(queries=queries, cached=cached) == counted


@pytest.mark.parametrize("queries,window", [(300, 100), (1000, 128), (64, 1000), (5000, 1024)])
def test_pairs_in_a_window_are_few_more_than_the_mask_leaves(queries, window):
    exact = sum(min(i + 1, window) for i in range(queries))
    tiled = formulas.tiled_pairs(queries=queries, window=window)
    assert exact <= tiled <= exact + (queries + 64) * 128
    assert formulas.tiled_pairs(queries=queries, window=window, tile=1) == pytest.approx(
        exact, abs=queries
    )


# the formulas, by hand


def test_a_roofline_round_at_the_ridge():
    given = {"depth": 8192, "bandwidth": 0.5, "compute": 0.25, "depth_s": 7.0, "launch_s": 11.0}
    # 3 / 0.5 = 6 and 2 / 0.25 = 8 make 10; beyond 4 096 the way through k is as long
    assert formulas.product_s(read_s=3.0, math_s=2.0, **given) == 28
    more = {"quantise_s": 3.0, "quantise": 0.5, "rows": 10, "row_s": 0.5}
    assert formulas.product_s(read_s=3.0, math_s=2.0, **more, **given) == 39


def test_blocks_and_bytes_of_a_decode_step_overlap():
    times = {"block_s": 0.4, "context_s": 7.0, "launch_s": 11.0}
    # 3 and 10 x 0.4 make 5; half of 1 024 tokens take half of 7
    got = formulas.decode_attention_s(read_s=1.5, blocks=10, context=512, bandwidth=0.5, **times)
    assert got == 5 + 3.5 + 11


def test_prompts_and_experts_add_up():
    got = formulas.prefill_attention_s(
        **{"math_s": 1.0, "move_s": 2.0, "blocks": 3, "span": 8192, "compute": 0.5},
        **{"bandwidth": 0.25, "block_s": 5.0, "span_s": 7.0, "launch_s": 11.0},
    )
    assert got == 2 + 8 + 15 + 14 + 11
    got = formulas.experts_s(
        **{"read_s": 3.0, "math_s": 2.0, "kept_s": 1.0, "routed_s": 6.0, "launch_s": 11.0},
        **{"bandwidth": 1.0, "compute": 0.5, "kept": 0.5, "routed": 2.0},
    )
    assert got == 5 + 2 + 3 + 11


def test_a_collective_pays_for_each_other_card():
    none = {"wire_s": 0.0, "link": 1.0}
    # one shot of the two: 3 and 7 others at 2 each
    assert formulas.summed_s(cards=8, hop_s=2.0, launch_s=3.0, **none) == 17
    times = {"hop_s": 2.0, "ramp_s": 5.0, "launch_s": 3.0}
    # half of what fills the pipeline takes half the ramp
    got = formulas.collective_s(hops=14, message_bytes=2e6, **none, **times)
    assert got == 28 + 2.5 + 3


def test_formulas_take_arrays_as_they_take_numbers():
    numpy = pytest.importorskip("numpy")
    for name, kind in KINDS.items():
        one = work(name, SHAPES[name])
        many = {key: numpy.array([value, 2 * value]) for key, value in one.items()}
        got = kind.time(**many, **kind.start)
        assert got[0] == pytest.approx(kind.time(**one, **kind.start)), name


# what can never happen


def shapes(kind, seed):
    """Shapes of a kind between a small kernel and a large one."""
    draw = random.Random(seed)
    for _ in range(20):
        shape = {n: max(1, int(v * 2 ** draw.uniform(-6, 4))) for n, v in SHAPES[kind].items()}
        if "num_key_value_heads" in shape:
            shape["num_heads"] = shape["num_key_value_heads"] * draw.choice((1, 4, 8))
        if kind == "experts":
            shape |= {"num_experts": 128, "topk": draw.choice((1, 2, 8))}
        if "num_gpus" in shape:
            shape["num_gpus"] = draw.choice((2, 4, 8))
        yield shape


CARDS = ("h100-sxm", "b200-sxm", "rtx-pro-6000-server", "a100-sxm-80gb", "l40s", "mi300x")


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_kernel_is_faster_than_the_card(kind, card):
    gpu = catalog.gpu(card)
    extra = {"power": 0.0, "matrices": 3.0, "element_bytes": 2.0, "operation": 0.0}
    for shape in shapes(kind, 1):
        for engine in ("vllm", "sglang", "other"):
            full = {**KINDS[kind].optional, **extra, **shape}
            row = kernels.Timing(1, kind, gpu, engine, a_format(kind, gpu), full, 1.0)
            assert kernels.predicted_s(row) >= kernels.ceiling_s(row) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_more_of_anything_never_takes_less_time(kind):
    for shape in shapes(kind, 2):
        before = seconds(kind, shape)
        for column in MORE[kind]:
            assert seconds(kind, {**shape, column: 2 * shape[column]}) >= before, (shape, column)


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_with_more_bandwidth_is_never_slower(kind):
    faster = Gpu(
        **{
            **{f.name: getattr(H100, f.name) for f in fields(H100)},
            "bandwidth_bytes_s": 2 * H100.bandwidth_bytes_s,
            "link_bandwidth_bytes_s": 2 * H100.link_bandwidth_bytes_s,
        }
    )
    for shape in shapes(kind, 3):
        assert seconds(kind, shape, faster) <= seconds(kind, shape)


def test_a_sequence_of_zero_work_still_takes_its_launch():
    tiny = seconds("product", {"m": 1, "n": 1, "k": 1}, engine="vllm")
    assert 1e-6 < tiny < 1e-5


# the constants


def entries():
    """Every entry of the table."""
    for kind in KINDS:
        for name, families in table("kernels")[kind].items():
            for family, entry in families.items():
                yield kind, name, family, entry


def numbers(entry):
    """The constants of an entry, with the values by engine one by one."""
    for name, held in entry.items():
        if isinstance(held, dict):
            yield from ((name, triple) for triple in held.values())
        elif name not in ("rows", "cards", "left_out"):
            yield name, held


def test_constants_are_shares_and_times():
    count = 0
    for kind, name, family, entry in entries():
        where = (kind, name, family)
        assert set(KINDS[kind].start) - set(entry) <= {"quantise", "row_s"}, where
        apart = {n for n, held in entry.items() if isinstance(held, dict)}
        assert apart == KINDS[kind].by_engine & set(entry), where
        for constant, (value, *spread) in numbers(entry):
            count += 1
            high = 1e-3 if constant.endswith("_s") else 500 if constant in RATES else 1.0
            assert 0 < value <= high, (where, constant)
            assert not spread or spread[0] <= value <= spread[1], (where, constant)
    assert count == table("kernels")["provenance"]["constants"]


def test_every_format_has_constants_for_a_family_never_timed():
    assert all("any" in families for kind in KINDS for families in table("kernels")[kind].values())


def test_a_family_never_timed_takes_those_of_all():
    found = constants.constants_of("product", format="bf16", gpu=catalog.gpu("mi300x"))
    assert found.family == "any"
    known = constants.constants_of("product", format="bf16", gpu=H100)
    assert known.family == "hopper"


def test_a_format_never_timed_takes_what_is_computed_alike():
    near = {
        name: constants.constants_of("product", format=name, gpu=H100).format
        for name in ("fp16", "int4-awq", "mxfp4-a16", "mxfp4-afp8")
    }
    assert near["fp16"] == "bf16"
    assert near["int4-awq"] == near["mxfp4-a16"] == "int4-gptq"
    assert near["mxfp4-afp8"] in ("fp8", "fp8-block")


def test_an_engine_never_timed_takes_the_middle_of_all():
    by_engine = [
        constants.constants_of("product", format="bf16", gpu=H100, engine=e).values["launch_s"]
        for e in ("vllm", "sglang", "trtllm")
    ]
    other = constants.constants_of("product", format="bf16", gpu=H100, engine="llama.cpp")
    assert other.values["launch_s"] == sorted(by_engine)[1]


def test_a_shape_that_lacks_a_number_is_refused():
    with pytest.raises(BadInput, match="shape has no 'k': matrix product takes it"):
        seconds("product", {"m": 1, "n": 2})


# the rows kept here


@pytest.mark.parametrize("name", ["bf16", "fp8"])
def test_kept_products_are_within_the_stated_error(name):
    told = kernels.report(DRAWN.read_text(encoding="utf-8"))
    [group] = [g for g in told.by(lambda row: (row.format,)) if g.name == (name,)]
    median, p80 = table("kernels")["product"][name]["hopper"]["left_out"]
    assert group.rows == 350
    assert group.median <= median and group.p80 <= p80
    assert group.bias == pytest.approx(1, abs=0.05)


def test_without_its_round_ridge_the_roofline_is_farther_off(monkeypatch):
    text = DRAWN.read_text(encoding="utf-8")
    before = kernels.report(text).whole
    monkeypatch.setattr(formulas, "root_of_squares", lambda *times: max(times))
    assert kernels.report(text).whole.p80 > before.p80


# reading


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_told_by_its_columns(kind):
    shape = dict(SHAPES[kind]) | ({"op_name": "all_reduce"} if kind == "collective" else {})
    text = csv(card="H100 SXM", engine="vLLM 0.24", **shape, latency_us=100)
    assert kernels.recognises(text)
    [row] = kernels.read(text).timings
    assert (row.kind, row.gpu.name, row.engine) == (kind, "h100-sxm", "vllm")
    assert row.latency_s == pytest.approx(1e-4)
    assert kernels.report(text).whole.rows == 1


def test_notes_above_the_header_and_a_mark_of_the_encoding_are_passed_over():
    assert kernels.recognises("\ufeff# notes\n\n" + product())
    [row] = kernels.read("\ufeff# notes\n\n" + product()).timings
    assert row.shape == {"m": 1, "n": 64, "k": 64}


@pytest.mark.parametrize(
    "text",
    ["", "#", "\n\n", "metric,value\nitl_ms,3\n", "m,n,k\n1,2,3\n", "{}", "latency_us\n3\n"],
)
def test_another_file_is_not_taken_for_timings(text):
    assert not kernels.recognises(text)
    with pytest.raises(BadInput, match="file has no timings of kernels"):
        kernels.read(text)


def test_a_header_whose_quote_nothing_closes_is_refused():
    with pytest.raises(BadInput, match="file is no CSV"):
        kernels.read('card,m,n,k,latency_us,"x\n' + "h100-sxm,1,2,3,4.5\n" * 8000)


@pytest.mark.parametrize(
    "change,why",
    [
        ({"card": "h9000"}, "card 'h9000' is not known"),
        ({"card": ""}, "card is missing"),
        ({"m": "x"}, "m is 'x': it takes a number"),
        ({"m": 0}, "m is 0.0: it takes a number from 1"),
        ({"k": "nan"}, "k is nan"),
        ({"latency_us": "-3"}, "latency_us is -3.0"),
        ({"latency_us": ""}, "latency_us is ''"),
        ({"gemm_dtype": "fp7"}, "format 'fp7' is not known"),
    ],
)
def test_a_row_that_cannot_be_read_is_left_out_with_its_reason(change, why):
    bad = product(gemm_dtype="bf16", **change) if "gemm_dtype" not in change else product(**change)
    [reason] = kernels.read(bad).skipped
    assert reason.startswith(why)
    with pytest.raises(BadInput, match=why[:8]):
        kernels.report(bad)


def test_routing_and_operations_have_names():
    text = csv(card="h100", **SHAPES["experts"], distribution="zipf", latency_us=9)
    assert next(iter(kernels.read(text).skipped)).startswith("distribution is 'zipf'")
    text = csv(card="h100", op_name="gossip", num_gpus=8, message_size=9, latency_us=9)
    assert next(iter(kernels.read(text).skipped)).startswith("op_name is 'gossip'")


def test_cards_without_a_link_sum_over_pcie():
    shape = SHAPES["all_reduce"]
    for card, wanted in (("rtx-pro-6000-server", "pcie"), ("h100", "link")):
        [row] = kernels.read(csv(card=card, **shape, latency_us=30)).timings
        assert row.format == wanted


def test_a_card_and_an_engine_given_hold_for_every_row():
    text = product(card="", engine="")
    [row] = kernels.read(text, "b200", "sglang").timings
    assert (row.gpu.name, row.engine) == ("b200-sxm", "sglang")
    [row] = kernels.read(text, catalog.gpu("l40s")).timings
    assert row.gpu.name == "l40s"


def test_of_two_rows_of_a_message_the_first_is_of_sixteen_bits():
    lines = ["card,engine,op_name,num_gpus,message_size,latency_us"]
    sizes = (256, 512, 512, 1024, 1024, 2048)  # the same bytes in 16 and in 8 bits
    lines += [f"h100-sxm,nccl,all_gather,2,{size},9" for size in sizes]
    held = [row.shape["element_bytes"] for row in kernels.read("\n".join(lines)).timings]
    assert held == [2, 2, 1, 2, 1, 1]
    [named] = kernels.read(
        csv(
            card="h100",
            op_name="all_gather",
            num_gpus=2,
            message_size=8,
            dtype="int8",
            latency_us=9,
        )
    ).timings
    assert named.shape["element_bytes"] == 1


@pytest.mark.parametrize(
    "kind,change,wanted",
    [
        ("product", {"engine": "vllm", "gemm_dtype": "fp8_block"}, "host-bound"),
        ("product", {"engine": "sglang", "gemm_dtype": "fp8_block"}, ""),
        ("product", {"card": "rtx-pro-6000", "n": 8192}, "cached"),  # 67 MB
        ("product", {"card": "rtx-pro-6000", "n": 65536}, ""),
        ("decode_attention", {"kernel": "triton"}, "fallback"),
        ("decode_attention", {"engine": "trtllm", "num_key_value_heads": 1}, "heads"),
        ("decode_attention", {"engine": "vllm", "num_key_value_heads": 1}, ""),
    ],
)
def test_doubts_are_of_card_engine_and_shape(kind, change, wanted):
    for latency in (1, 100_000):
        text = csv(**({"card": "h100", **SHAPES[kind], "latency_us": latency} | change))
        [row] = kernels.read(text).timings
        assert row.doubt == wanted
    assert not wanted or wanted in kernels.DOUBTS


def test_a_row_in_doubt_is_named_and_not_counted():
    text = product(engine="vllm", gemm_dtype="fp8_block")
    told = kernels.report(text)
    assert told.whole.rows == 0 and told.doubted == {"host-bound": 1}
    json.dumps(told.as_dict(), allow_nan=False)


# the fit, on times made from known constants


def made(card, bandwidth, compute, launch_us, noise=0.0, rows=300):
    """Products whose times follow a roofline of our own."""
    draw, gpu = random.Random(7), catalog.gpu(card)
    lines = ["card,engine,gemm_dtype,m,n,k,latency_us"]
    for _ in range(rows):
        m, n, k = (2 ** draw.randint(*ends) for ends in ((0, 13), (9, 14), (9, 14)))
        read = 2 * (n * k + m * n + m * k) / gpu.bandwidth_bytes_s / bandwidth
        math_s = 2 * m * n * k / gpu.flop_s["bf16"] / compute
        time = math.hypot(read, math_s) * 1e6 + launch_us
        wrong = 10 if draw.random() < noise else 1  # some rows are of something else
        lines.append(f"{card},vllm,bf16,{m},{n},{k},{time * wrong:.6g}")
    return kernels.read("\n".join(lines)).timings


def test_a_fit_finds_the_constants_of_made_times_among_wrong_ones():
    fitting = pytest.importorskip("llmcap_kernel.evidence.kernels.fitting")
    pytest.importorskip("scipy")
    found = fitting.fit(fitting.Stack(made("h100-sxm", 0.8, 0.7, 4.0, noise=0.1))).flat()
    assert found["bandwidth"] == pytest.approx(0.8, abs=0.02)
    assert found["compute"] == pytest.approx(0.7, abs=0.02)
    assert found["launch_s.vllm"] == pytest.approx(4e-6, rel=0.1)
    assert "quantise.vllm" not in found  # nothing is quantised in BF16
    again = fitting.fit(fitting.Stack(made("h100-sxm", 0.8, 0.7, 4.0, noise=0.1))).flat()
    assert found == again


def test_every_card_weighs_alike():
    fitting = pytest.importorskip("llmcap_kernel.evidence.kernels.fitting")
    pytest.importorskip("scipy")
    parts = (("h100-sxm", 0.8, 600), ("h200-sxm", 0.6, 100), ("b200-sxm", 0.6, 100))
    measured = [row for card, share, n in parts for row in made(card, share, 0.7, 4.0, rows=n)]
    # weighed by rows it would be 0.79
    assert fitting.fit(fitting.Stack(measured)).values["bandwidth"] < 0.75


def test_a_card_left_out_is_predicted_from_its_family():
    fitting = pytest.importorskip("llmcap_kernel.evidence.kernels.fitting")
    pytest.importorskip("scipy")
    parts = (("h100-sxm", 0.8), ("h200-sxm", 0.8), ("b200-sxm", 0.4))
    stack = fitting.Stack([row for card, share in parts for row in made(card, share, 0.7, 4.0)])
    out = fitting.left_out(stack)
    for card, near in (("h100-sxm", True), ("h200-sxm", True), ("b200-sxm", False)):
        mine = stack.cards == card
        assert (fitting.middle(out.card[mine])[0] < 0.02) == near
        assert fitting.middle(out.own[mine])[0] < 0.02
        assert fitting.middle(out.family[mine])[0] > 0.05


def test_what_is_written_is_read(tmp_path):
    fitting = pytest.importorskip("llmcap_kernel.evidence.kernels.fitting")
    pytest.importorskip("scipy")
    import tomllib

    measured = [*made("h100-sxm", 0.8, 0.7, 4.0), *made("h200-sxm", 0.7, 0.7, 4.0)]
    lines = fitting.table(measured, lambda line: None)
    path = fitting.write(tmp_path / "kernels.toml", lines, "made", 600)
    kept = tomllib.loads(path.read_text(encoding="utf-8"))
    assert kept["provenance"] == {"source": "made", "rows": 600, "constants": 8}
    value, least, greatest = kept["product"]["bf16"]["hopper"]["bandwidth"]
    assert (least, greatest) == (pytest.approx(0.7, abs=0.02), pytest.approx(0.8, abs=0.02))
    assert least < value < greatest


# the command


def test_validate_scores_a_file_of_timings(capsys):
    assert main(["validate", str(DRAWN)]) == 0
    out = capsys.readouterr().out
    assert "Measured is the time of one kernel." in out
    assert "matrix product, fp8, vllm" in out and "farthest off" in out


def test_validate_says_what_it_does_not_count(tmp_path, capsys):
    path = tmp_path / "gemm.csv"
    path.write_text(product(engine="vllm", gemm_dtype="fp8_block") + "h9,vllm,fp8,1,1,1,1\n")
    assert main(["validate", str(path)]) == 0
    out = capsys.readouterr().out
    assert "in doubt 1x: launched outside a graph" in out
    assert "skipped 1x:  card 'h9' is not known" in out


def test_validate_writes_timings_as_json(capsys):
    assert main(["validate", str(DRAWN), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["all"]["rows"] == len(told["rows"]) == 700
    assert {"measured_us", "predicted_us", "card", "m"} <= set(told["rows"][0])


def test_validate_refuses_options_that_timings_have_no_use_for(capsys):
    assert main(["validate", str(DRAWN), "--model", "llama-3.1-8b"]) == 2
    assert "model is for results" in capsys.readouterr().err


def test_timings_are_scored_without_numpy():
    script = (
        "import sys; sys.modules['numpy'] = None\n"
        "from llmcap_kernel.evidence import kernels\n"
        f"print(kernels.report(open({str(DRAWN)!r}, encoding='utf-8').read()).whole.rows)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.strip() == "700", ran.stderr
