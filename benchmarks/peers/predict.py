"""One prediction by one tool, timed: run by `speed.py` with the tool's own Python.

    python predict.py NAME

prints a line of JSON: seconds to import it, for the first prediction and for each
later one, and the decode step it predicts. The question is the same for all as far
as the tool can be asked it: Llama-3.1-70B, FP8 weights and KV cache, two H100 SXM
with tensor parallelism, 16 users at 8 000 tokens. The network is shut off.
"""

import contextlib
import importlib
import io
import json
import logging
import os
import socket
import sys
import timeit
import warnings
from pathlib import Path
from time import perf_counter

USERS, CONTEXT, OUTPUT = 16, 8000, 1000
CONFIGS = Path(__file__).parents[2] / "llmcap_kernel" / "catalog" / "configs"
CONFIG = CONFIGS / "meta-llama__Meta-Llama-3.1-70B.json"


def llmcap():
    """Ask ours, from names to scorecard, so that the lookups are timed as well."""
    from llmcap_kernel import catalog, design
    from llmcap_kernel.spec import Workload

    names = {"model": "llama-3.1-70b", "gpu": "h100-sxm", "weights": "fp8", "kv": "fp8"}
    load = Workload(CONTEXT - OUTPUT, OUTPUT, USERS)

    def predict():
        return design.card(catalog.deployment(tp=2, **names), load)

    return predict, lambda card: card.serving.decode.total_s


def mlsysim():
    """Ask its serving model, which knows one node: a card of twice the memory and bandwidth."""
    from mlsysim import Hardware, Models
    from mlsysim.solvers import ServingModel

    one, model = Hardware.Cloud.H100, Models.Language.Llama3_70B
    twice = {"bandwidth": 2 * one.memory.bandwidth, "capacity": 2 * one.memory.capacity}
    two = one.model_copy(update={"memory": one.memory.model_copy(update=twice)})

    def predict():
        return ServingModel().solve(
            model, two, seq_len=CONTEXT, batch_size=USERS, precision="fp8", efficiency=1.0
        )

    return predict, lambda result: result.itl.to("s").magnitude


def servcalc():
    """Ask its vLLM profile, which knows one card: one of twice the memory, bandwidth and rate."""
    from servcalc import GpuSpec, Workload, estimate, profiles

    config = json.loads(CONFIG.read_text())
    two = GpuSpec("2x H100 as one", 2 * 80 * 2**30, 2 * 3350.0, 2 * 989.0)
    profile = profiles.vllm(quant="fp8", kv_bits=8)
    load = Workload(CONTEXT - OUTPUT, OUTPUT, (USERS,))

    def predict():
        return estimate(config, two, workload=load, profile=profile)

    return predict, lambda result: result.points[0].itl_ms.mid / 1e3


def genz():
    """Ask GenZ at efficiency 1; its result is a dict whose attributes stay 0."""
    from GenZ import decode_moddeling

    def predict():
        return decode_moddeling(
            model="meta-llama/Llama-3.1-70B",
            batch_size=USERS,
            Bb=1,  # beams, 4 when left out
            input_tokens=CONTEXT,
            system_name="H100_GPU",
            system_eff=1,
            bits="fp8",
            tensor_parallel=2,
            parallelism_heirarchy="TP{2}_EP{1}_PP{1}",
        )

    return predict, lambda result: result["Latency"] / 1e3


def llm_analysis():
    """Ask llm-analysis at efficiency 1, with INT8 for FP8, which it does not have."""
    from llm_analysis import analysis, config

    model = config.ModelConfig(
        name="llama-3.1-70b",
        num_layers=80,
        n_head=64,
        hidden_dim=8192,
        vocab_size=128256,
        max_seq_len=131072,
        num_key_value_heads=8,
        expansion_ratio=3.5,
        model_type="llama",
    )
    asked = analysis.LLMAnalysis(
        model,
        config.get_gpu_config_by_name("h100-sxm-80gb"),
        config.get_dtype_config_by_name("w8a16e16"),
        config.ParallelismConfig(tp_size=2),
        flops_efficiency=1,
        hbm_memory_efficiency=1,
        intra_node_memory_efficiency=1,
    )

    def predict():
        return asked.inference(
            batch_size_per_gpu=USERS,
            seq_len=CONTEXT,
            num_tokens_to_generate=1,
            kv_cache_dtype_bytes=1,
        )

    return predict, lambda result: result["decode_latency"]


def aiconfigurator():
    """Ask for decode alone: its static generation mode, from measured vLLM kernels."""
    from aiconfigurator.cli.api import cli_estimate

    def predict():
        return cli_estimate(
            "meta-llama/Meta-Llama-3.1-70B",
            "h100_sxm",
            mode="static_gen",
            backend_name="vllm",
            isl=CONTEXT,
            osl=2,
            batch_size=USERS,
            tp_size=2,
            gemm_quant_mode="fp8",
            kvcache_quant_mode="fp8",
        )

    return predict, lambda result: result.tpot / 1e3


TOOLS = {
    "llmcap": (llmcap, "llmcap_kernel.catalog", "llmcap_kernel.design"),
    "mlsysim": (mlsysim, "mlsysim", "mlsysim.solvers"),
    "servcalc": (servcalc, "servcalc"),
    "genz-llm": (genz, "GenZ"),
    "llm-analysis": (llm_analysis, "llm_analysis.analysis"),
    "aiconfigurator": (aiconfigurator, "aiconfigurator.cli.api"),
}


def shut():
    """Shut the network off and silence what the tools print and log."""

    def refuse(*_):
        raise OSError("no network at prediction time")

    os.environ["HF_HUB_OFFLINE"] = "1"
    socket.socket.connect = socket.socket.connect_ex = refuse
    socket.getaddrinfo = refuse
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


def seconds_each(predict):
    """Time one of many predictions: the best of three loops of about a fifth of a second."""
    loops = max(1, int(0.2 / timeit.timeit(predict, number=1)))
    return min(timeit.repeat(predict, number=loops, repeat=3)) / loops


def timed(name):
    """Import a tool, ask it once and then often."""
    prepare, *modules = TOOLS[name]
    start = perf_counter()
    for module in modules:
        importlib.import_module(module)
    imported = perf_counter()
    predict, read = prepare()
    decode_s = float(read(predict()))
    first = perf_counter()
    return {
        "import_s": imported - start,
        "first_s": first - imported,
        "each_s": seconds_each(predict),
        "decode_s": decode_s,
    }


if __name__ == "__main__":
    shut()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        answer = timed(sys.argv[1])
    print(json.dumps(answer))
