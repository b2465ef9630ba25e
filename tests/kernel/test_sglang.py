"""What SGLang sets itself, by the source of its releases: srt/ of 0.5.9, 0.5.10 and 0.5.23."""

import pytest

from llmcap_kernel import bandwidth, catalog, design
from llmcap_kernel.catalog import names
from llmcap_kernel.evidence import stated
from llmcap_kernel.serving import serve
from llmcap_kernel.spec import CEILING, Workload


@pytest.mark.parametrize(
    ("gpu", "engine", "share", "chunk", "graphs"),
    [
        ("t4", "sglang", 0.735, 2048, 8),  # 512 + 3,072 + 128 + 16 + 42 graphs of 8 MiB
        ("rtx-4090", "sglang", 0.704, 4096, 48),  # 512 + 6,144 + 128 + 96 + 50 x 8
        ("rtx-4090", "sglang-0.5.19", 0.833, 2048, 24),
        ("rtx-4090", "sglang-0.5.9", 0.847, 2048, 24),  # no graphs of prompts
        ("h100-sxm", "sglang", 0.83, 8192, 256),  # 512 + 12,288 + 128 + 512 + 58 x 8
        ("h100-sxm", "sglang-0.5.9", 0.835, 8192, 256),  # 13,440 MiB
        ("h200-sxm", "sglang-0.5.9", 0.907, 8192, 256),
        (
            "mi300x",
            "sglang",
            0.867,
            16_384,
            512,
        ),  # 26,240 of 196,592: ROCm has no graphs of prompts
    ],
)
def test_sglang_sets_its_share_from_the_card(gpu, engine, share, chunk, graphs):
    """0.5.23, srt/arg_groups/memory_hook.py, by hand; 0.5.9, srt/server_args.py."""
    d = catalog.deployment(model="llama-3.1-8b", gpu=gpu, engine=engine)
    assert d.fraction == share
    assert (d.batch_limit_tokens, d.seqs_limit, d.graph_seqs_limit) == (chunk, 2048, graphs)


@pytest.mark.parametrize(
    ("more", "share"),
    [
        ({}, 0.886),  # 512 + 12,288 + 1,024 + 2 x 512 + 1,536 for graphs of MLA's prompts
        ({"dp_attention": True}, 0.758),  # and 8 x 512 x 4.5
        ({"pp": 2}, 0.89),  # no graphs of prompts, 128 MiB more for each card
        ({"eager": True}, 0.904),  # neither kind of graphs
        ({"max_num_seqs": 64}, 0.892),  # graphs of no more than may run
        ({"max_num_batched_tokens": 32_768}, 0.63),
    ],
)
def test_sglang_keeps_room_for_graphs(more, share):
    """0.5.23, reserve_for_graph_mb, by hand; 143,771 MiB."""
    tp = {"tp": 8, "engine": "sglang"}
    d = catalog.deployment(model="deepseek-v3", gpu="h200-sxm", weights="fp8", **tp, **more)
    assert d.fraction == share


@pytest.mark.parametrize(
    ("model", "gpu", "more", "one_by_one"),
    [
        ("llama-3.1-8b", "h100-sxm", {}, False),
        ("llama-3.1-8b", "h100-sxm", {"eager": True}, True),
        ("llama-3.1-8b", "h100-sxm", {"pp": 2}, True),
        ("llama-3.1-8b", "mi300x", {}, True),
        ("qwen3-vl-8b", "h100-sxm", {}, True),  # with a tower, and on no list
        ("qwen3.5-9b", "h100-sxm", {}, False),  # allowed with its tower
        ("gemma-3-27b", "h100-sxm", {}, False),  # whose tower is not loaded
        ("kimi-linear-48b-a3b", "h200-sxm", {}, True),
        ("deepseek-v3", "h200-sxm", {"tp": 8}, False),
        ("llama-3.1-8b", "h100-sxm", {"engine": "sglang-0.5.9"}, True),
        ("llama-3.1-8b", "h100-sxm", {"engine": "sglang-0.5.10"}, False),
        ("deepseek-v3", "h200-sxm", {"tp": 8, "engine": "sglang-0.5.10"}, True),
        ("llama-3.1-8b", "h100-sxm", {"engine": "vllm"}, False),
    ],
)
def test_sglang_has_graphs_of_most_prompts(model, gpu, more, one_by_one):
    """0.5.23, arg_groups/cuda_graph_hook.py; 0.5.10, server_args.py."""
    d = catalog.deployment(**{"model": model, "gpu": gpu, "engine": "sglang", **more})
    assert d.launches_prompts is one_by_one
    work = bandwidth.prefill_work(d, input_tokens=100)
    assert (work.awaited_layers > 0) is one_by_one


def test_groups_of_attention_share_sglang_s_chunk():
    """0.5.23, arg_groups/parallel_hook.py: each takes chunked_prefill_size // attn_dp_size."""
    more = {"model": "deepseek-v3", "gpu": "h200-sxm", "tp": 8, "engine": "sglang"}
    d = catalog.deployment(**more, dp_attention=True)
    for one, passes in ((d, 8), (catalog.deployment(**more), 1)):
        assert bandwidth.prefill_work(one, input_tokens=8192, alone=True).steps == passes
        assert bandwidth.prefill_work(one, input_tokens=8192).steps == 1
    served = serve(d, Workload(8192, 100, 64), CEILING)
    assert served.prefill_s > 1.5 * served.pass_s  # the experts' weights are read eight times


@pytest.mark.parametrize(
    ("more", "most"),
    [({}, 131_070), ({"max_model_len": 8000}, 7998), ({"engine": "vllm"}, 131_072)],
)
def test_sglang_s_answers_end_two_tokens_early(more, most):
    """0.5.23: max_req_len is one less (managers/tp_worker.py), an answer again (scheduler.py)."""
    d = catalog.deployment(
        **{"model": "llama-3.1-8b", "gpu": "h100-sxm", "engine": "sglang", **more}
    )
    assert d.request_limit_tokens == most
    loads = Workload(most - 100, 100, 1), Workload(most - 100, 101, 1)
    said = [[n.text for n in design.warnings(d, load) if n.about == "context"] for load in loads]
    assert not said[0] and said[1]


@pytest.mark.parametrize(
    ("version", "day", "record"),
    [
        ("0.5.6.post2", "", "sglang-0.5.9"),
        ("0.4.6", "", "sglang-0.5.9"),
        ("0.5.10.post1", "", "sglang-0.5.19"),  # graphs of prompts by default
        ("v0.5.19", "", "sglang-0.5.19"),
        ("0.5.20", "", "sglang-0.5"),  # another chunk below 35 GiB
        ("0.5.23", "2026-01-01", "sglang-0.5"),
        ("0.6", "", "sglang-0.5"),
        ("", "", "sglang-0.5"),
        ("main branch", "2026-03-11", "sglang-0.5.9"),  # before 0.5.10, of 6 April
        ("nightly-dev", "2026-04-07", "sglang-0.5.19"),
        ("", "2026-11-01", "sglang-0.5"),
    ],
)
def test_a_version_has_its_own_record(version, day, record):
    assert names.engine_record("SGLang", names.version_on("SGLang", version, day)) == record


@pytest.mark.parametrize(
    ("card", "cards", "said", "share"),
    [
        # 81,559 MiB: 512 + 12,288 + 16 x 128 + 2 x 512 + 16 x 512 x 4.5 leave 36% for 42 GB of 671
        ("H800", 16, 0.0, 0.805),  # without the last
        ("H800", 16, 0.9, 0.9),
        ("H200 SXM", 8, 0.0, 0.769),  # 512 + 12,288 + 1,024 + 1,024 + 8 x 512 x 4.5 of 143,771
    ],
)
def test_a_row_that_was_served_had_room_for_its_weights(card, cards, said, share):
    """0.5.9, srt/server_args.py, _handle_gpu_memory_settings."""
    split = {"num_gpus": cards, "tp": cards, "dp_attention": cards}
    row = stated.Spelled(
        "DeepSeek-V3", card, "SGLang", "0.5.9", weights="fp8", memory_fraction=said, **split
    )
    assert stated.meaning(row).deployment.fraction == share
