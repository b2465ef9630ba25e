"""The labels of the measured rows: each rule on a row whose notes a person has read."""

import csv
from collections import Counter

import pytest

from benchmarks import label
from llmcap_kernel.evidence import weak_spots

ROWS = {}
for rows in (label.MEASURED, label.NEWER):
    with rows.open(encoding="utf-8", newline="") as file:
        ROWS |= {row["id"]: row for row in csv.DictReader(file)}

# By the row's id: the cells as its notes have them, and what its source wrote there.
WANTED = {
    # "attention_dp=16; moe_tp=4; concurrency=256"; the cell had the share of one replica
    "m04541": {"concurrency": "256", "stated": "concurrency=16", "doubt": "", "assumed": ""},
    # "version sweep; gmu 0.95"
    "m07886": {"memory_fraction": "0.95", "stated": "memory_fraction=", "assumed": ""},
    # "pp2048 at context depth 4096"
    "m08124": {
        **{"input_tokens": "6144", "cached_tokens": "4096"},
        **{"stated": "input_tokens=2048; cached_tokens=", "assumed": ""},
    },
    # "pp2048 at context depth 0": nothing was in the cache
    "m08122": {"input_tokens": "2048", "cached_tokens": "", "stated": ""},
    # the source's own name of it: "..._agg_1024x1024_c16_tp8_ep8_1874"
    "m04437": {
        **{"tp": "8", "ep": "8", "num_gpus": "8", "doubt": "split-counted-twice"},
        **{"assumed": "tp=8; num_gpus=8", "stated": "tp=64; num_gpus=64"},
    },
    # "Offline; submitter AMD; system 8xMI300X": 70 GB of FP8 stand in half of one card's 192 GB
    "m06708": {
        **{"weight_dtype": "fp8", "tp": "1", "copies": "8", "doubt": "mlperf-setup"},
        **{"assumed": "weight_dtype=fp8; tp=1; copies=8"},
        **{"stated": "weight_dtype=; tp=; copies="},
    },
    # "system B200-SXM-180GBx1_TRT": one card has no split, and it computes in FP4
    "m06764": {
        **{"weight_dtype": "nvfp4", "tp": "", "copies": "", "doubt": "mlperf-setup"},
        "assumed": "weight_dtype=nvfp4",
    },
    "m03775": {"input_tokens": "4000", "doubt": "odd-lengths", "assumed": "", "stated": ""},
    # "only bs=1 kept: for bs>1 the file labels llama.cpp n_batch"
    "m01540": {"engine": "llama.cpp", "doubt": "prompt-at-decode-rate", "assumed": ""},
    "m07899": {"memory_fraction": "0.9", "doubt": "fraction-label"},
    "m07905": {"doubt": "activation-peak"},
    "m00001": {"doubt": "", "assumed": "", "stated": "", "copies": "", "cached_tokens": ""},
    # "vllm_AWQ-4bit_tp2x2_...; 2 independent instances": 8 users of both, on 4 cards
    "h04428": {
        **{"copies": "2", "concurrency": "4", "num_gpus": "4", "doubt": "power-cap"},
        "stated": "power_limit_w=; cached_tokens=; concurrency=8; copies=",
        "power_limit_w": "220",
    },
    # the same with one user: the other three servers wait
    "h04517": {
        **{"copies": "", "concurrency": "1", "num_gpus": "1", "cached_tokens": "511"},
        "stated": "power_limit_w=; cached_tokens=; num_gpus=4",
        "doubt": "speculation; power-cap; prefix-cache",
    },
    # "split_mode layer": each card holds a quarter of the layers
    "h04929": {"tp": "1", "pp": "4", "stated": "power_limit_w=; cached_tokens=; pp=1; tp=4"},
    # 32 users, of whom gap times rate shows eight at once
    "h04948": {"concurrency": "8", "cached_tokens": "511", "doubt": "power-cap"},
    # Qwen3.6 keeps no prompt: its first token of 512 comes after half a second
    "h04154": {"cached_tokens": "", "doubt": "power-cap"},
    # an 8B in F16 that reads prompts at half the rate of a 70B on the same card
    "m00464": {"doubt": "unclear-label"},
    # "the last 2048 tokens after 32768 cached", of a prompt of both
    "h01907": {"input_tokens": "34816", "cached_tokens": "32768", "stated": "cached_tokens="},
    # "prefix hit rate 1.000"
    "h05887": {"cached_tokens": "131072", "doubt": "power-cap"},
    # 75.30 tok/s beside a gap of 13.28 ms
    "h05132": {"metric": "decode_tok_s_per_user", "regime": "batch1_decode"},
    # "attention_dp" as a word, over all 8 cards
    "h06211": {"dp_attention": "8", "ep": "8", "stated": "dp_attention=yes"},
    # an editor's remark that holds what stands between two parts
    "h09093": {"weight_dtype": "fp8", "stated": "weight_dtype=fp8 (checkpoint)"},
    # "test 9: 4 cards on different nodes; ... prefix cache hits lower TTFT"
    "h00535": {"doubt": "several-nodes; prefix-cache", "tp": "4"},
    # "10 requests" at one user
    "h06144": {"doubt": "first-requests; unclear-label"},
    # "open loop 1.0 req/s"
    "h03023": {"doubt": "unclear-label"},
}


@pytest.mark.parametrize("name", WANTED)
def test_a_row_of_each_rule_has_the_right_cells(name):
    bare = label.original(ROWS[name])
    assert not any(bare[column] for column in label.ADDED)
    made = label.labelled(bare)
    assert {column: made[column] for column in WANTED[name]} == WANTED[name]


@pytest.mark.parametrize("kept", [label.MEASURED, label.NEWER], ids=lambda path: path.stem)
def test_the_file_is_labelled_and_a_second_run_changes_nothing(kept, tmp_path):
    path = tmp_path / "measured.csv"
    path.write_bytes(kept.read_bytes())
    assert label.label(path) == 0, "run `python benchmarks/label.py`"
    assert path.read_bytes() == kept.read_bytes()


def test_a_file_without_the_columns_gets_them(tmp_path):
    path = tmp_path / "measured.csv"
    header = [name for name in ROWS["m04437"] if name not in label.ADDED]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(map(label.original, ROWS.values()))
    assert label.label(path) == len(ROWS)
    newer = label.NEWER.read_bytes().partition(b"\n")[2]  # without its header
    assert path.read_bytes() == label.MEASURED.read_bytes() + newer


def test_every_doubt_is_known_and_has_its_rows():
    counts = Counter(name for row in ROWS.values() for name in weak_spots.doubts(row))
    assert counts == {
        **{"power-cap": 1736, "token-position": 507, "speculation": 401, "mlperf-setup": 316},
        **{"prefix-cache": 379, "unclear-label": 764, "split-counted-twice": 134},
        **{"several-nodes": 87, "prompt-at-decode-rate": 72, "odd-lengths": 66},
        **{"others-beside": 184, "first-requests": 45, "in-step": 468},
        **{"fraction-label": 1, "activation-peak": 1},
    }


@pytest.mark.parametrize(
    ("tp", "ep", "gpu", "doubted"),
    [
        ("64", "8", "H200 SXM", True),
        ("16", "4", "B200 SXM", True),
        ("4", "2", "H100 SXM", False),  # fits a node: it may be meant
        ("8", "8", "H200 SXM", False),
        ("64", "8", "abacus", False),
        ("64.0", "²", "H200 SXM", False),
    ],
)
def test_a_square_is_doubted_only_where_no_node_has_as_many_cards(tp, ep, gpu, doubted):
    made = label.labelled(ROWS["m00001"] | {"tp": tp, "ep": ep, "gpu": gpu})
    assert (made["doubt"] == "split-counted-twice") is doubted
    assert made["tp"] == (ep if doubted else tp)


def test_what_is_filled_in_names_cells_and_keeps_what_was_there():
    for row in ROWS.values():
        assumed = dict(part.split("=", 1) for part in label.parts(row["assumed"]))
        stated = dict(part.split("=", 1) for part in label.parts(row["stated"]))
        assert all(row[name] == value for name, value in assumed.items())
        assert set(assumed) <= set(stated)
        assert all(row[name] != value for name, value in stated.items())


@pytest.mark.parametrize(
    ("used_mib", "cards", "doubted"),
    [(54_136, "1", True), (24_576, "1", False), (88_928, "2", True), (88_928, "4", False)],
)
def test_a_run_is_doubted_where_more_memory_is_in_use_than_its_cards_have(used_mib, cards, doubted):
    notes = f"run orch/x_tp1x1; peak VRAM sum {used_mib} MiB; kind aggregate"
    row = label.original(ROWS["m00001"]) | {"num_gpus": cards, "notes": notes}
    assert ("others-beside" in weak_spots.doubts(label.labelled(row))) is doubted
