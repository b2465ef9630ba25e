"""How each tool is asked one question, with its own names for models, cards and formats.

A question is a dict: `model`, `gpu`, `weights` and `kv` as our catalogue names them, the model's
`config` file, `engine`, `tp`, `ep`, whether the format is `native` to the checkpoint, how many
`experts` a layer has, the load (`users`, `input`, `output`) and the `kind` of answer wanted:

    step     a decode step of all users, at the mean context of an answer [s]
    prefill  the prompts of all users read at once [s]
    itl      the gap between tokens while others' prompts are served [s]
    ttft     the mean time to the first token under that load [s]
    rate     output tokens of all users [tok/s]

Each function gives what is to be timed and what reads its answer. It raises `Refused` where the
tool says of itself that it does not cover the question. Settings not named here are the tool's own
defaults. This file runs under each tool's Python and imports nothing of ours at its top.
"""

import json
import tempfile
from pathlib import Path

SIXTEEN = {"bf16", "fp16"}
CARDS = {
    "mlsysim": {
        "a100-sxm-40gb": "A100_40GB", "a100-sxm-80gb": "A100", "h100-sxm": "H100",
        "h100-pcie": "H100_PCIe", "h200-sxm": "H200", "b200-sxm": "B200", "mi300x": "MI300X",
        "mi325x": "MI325X", "gaudi-2": "Gaudi2", "gaudi-3": "Gaudi3", "t4": "T4",
    },
    "servcalc": {
        "rtx-3060-12gb": "RTX 3060", "rtx-3070": "RTX 3070", "rtx-3080-ti": "RTX 3080 Ti",
        "rtx-3090": "RTX 3090", "rtx-3090-ti": "RTX 3090 Ti", "rtx-4070": "RTX 4070",
        "rtx-4070-ti": "RTX 4070 Ti", "rtx-4070-ti-super": "RTX 4070 Ti Super",
        "rtx-4080": "RTX 4080", "rtx-4090": "RTX 4090", "rtx-5090": "RTX 5090", "t4": "T4",
        "rtx-a6000": "RTX A6000", "a100-sxm-40gb": "A100 40GB", "a100-sxm-80gb": "A100 80GB",
        "a100-pcie-80gb": "A100 80GB", "h100-sxm": "H100 80GB", "h800-sxm": "H800 80GB",
        "h200-sxm": "H200", "l4": "L4", "l40s": "L40S", "b200-sxm": "B200",
    },
    "genz-llm": {
        "a100-sxm-40gb": "A100_40GB_GPU", "a100-sxm-80gb": "A100_80GB_GPU", "h100-sxm": "H100_GPU",
        "gh200-144gb": "GH200_GPU", "gb200": "GB200", "mi300x": "MI300X", "mi325x": "MI325X",
        "gaudi-3": "Gaudi3",
    },
    "llm-analysis": {
        "a10g": "a10g-pcie-24gb", "a100-sxm-40gb": "a100-sxm-40gb",
        "a100-sxm-80gb": "a100-sxm-80gb",
        "a100-pcie-80gb": "a100-pcie-80gb", "rtx-a6000": "a6000-48gb", "h100-sxm": "h100-sxm-80gb",
        "h100-pcie": "h100-pcie-80gb",
    },
    "aiconfigurator": {
        "a100-sxm-80gb": "a100_sxm", "a100-pcie-80gb": "a100_pcie", "h100-sxm": "h100_sxm",
        "h100-pcie": "h100_pcie", "h200-sxm": "h200_sxm", "b200-sxm": "b200_sxm",
        "gb200": "gb200", "gb300": "gb300", "l40s": "l40s", "l4": "l4",
    },
}  # fmt: skip
CARDS["aisimulate"] = CARDS["aiconfigurator"]
MODELS = {
    "mlsysim": {
        "llama-2-7b": "Llama2_7B", "llama-2-13b": "Llama2_13B", "llama-2-70b": "Llama2_70B",
        "llama-3-8b": "Llama3_8B", "llama-3-70b": "Llama3_70B", "llama-3.1-8b": "Llama3_8B",
        "llama-3.1-70b": "Llama3_70B", "llama-3.3-70b": "Llama3_70B",
        "llama-3.1-405b": "Llama3_405B", "mixtral-8x7b": "Mixtral_8x7B",
        "deepseek-v3": "DeepSeek_V3", "deepseek-r1": "DeepSeek_V3",
    },
    "genz-llm": {
        "llama-2-7b": "meta-llama/Llama-2-7B", "llama-2-13b": "meta-llama/Llama-2-13B",
        "llama-2-70b": "meta-llama/Llama-2-70B", "llama-3-8b": "meta-llama/Llama-3.1-8B",
        "llama-3-70b": "meta-llama/Llama-3.1-70B", "llama-3.1-8b": "meta-llama/Llama-3.1-8B",
        "llama-3.1-70b": "meta-llama/Llama-3.1-70B", "llama-3.3-70b": "meta-llama/Llama-3.1-70B",
        "llama-3.1-405b": "meta-llama/Llama-3.1-405B", "llama-3.2-3b": "meta-llama/Llama-3.2-3B",
        "mistral-7b": "mistralai/Mistral-7B", "mistral-7b-v0.2": "mistralai/Mistral-7B",
        "mistral-7b-v0.3": "mistralai/Mistral-7B", "mixtral-8x7b": "mistralai/Mixtral-8x7B",
        "mixtral-8x22b": "mistralai/Mixtral-8x22B", "qwen2.5-7b": "Qwen/Qwen2.5-7B",
        "qwen2.5-14b": "Qwen/Qwen2.5-14B", "qwen2.5-32b": "Qwen/Qwen2.5-32B",
        "qwen2.5-72b": "Qwen/Qwen2.5-72B", "qwen2.5-coder-7b": "Qwen/Qwen2.5-7B",
        "qwen1.5-moe-a2.7b": "Qwen/Qwen1.5-MoE-A2.7B", "gemma-3-27b": "google/gemma-3-27B",
    },
}  # fmt: skip
GEMMS = {  # weights, as aiconfigurator names what it has timed
    "bf16": "bfloat16", "fp16": "bfloat16", "fp8": "fp8", "fp8-block": "fp8_block",
    "nvfp4": "nvfp4", "int8": "sq", "int8-weight-only": "int8_wo", "int4-awq": "int4_wo",
    "int4-gptq": "int4_wo",
}  # fmt: skip
QUANTS = {
    "bf16": None, "fp16": None, "fp8": "fp8", "int4-awq": "awq", "int4-gptq": "gptq",
    "gguf-q8-0": "gguf_q8_0", "gguf-q6-k": "gguf_q6_k", "gguf-q5-k-m": "gguf_q5_k_m",
    "gguf-q4-k-m": "gguf_q4_k_m", "gguf-q4-0": "gguf_q4_0",
}  # fmt: skip


class Refused(ValueError):
    """A question that the tool does not cover."""


def known(tool, table, q, what):
    """The tool's own name, or a refusal."""
    if q[what] not in table[tool]:
        raise Refused(f"the {what} is not in its list")
    return table[tool][q[what]]


def precision(q, names):
    """The one format that a tool takes for weights and cache together."""
    for kind, name in names.items():
        if {q["weights"], q["kv"]} <= (SIXTEEN if kind == "bf16" else {kind}):
            return name
    raise Refused("it has no such pair of formats for weights and cache")


def context(q):
    """Mean tokens of a sequence while its answer is decoded."""
    return int(q["input"] + q["output"] / 2)


def answers(q, *kinds):
    """Refuse a kind of answer that the tool does not give."""
    if q["kind"] not in kinds:
        raise Refused(f"it does not answer: {q['kind']}")


def llmcap(q):
    """Ask ours, from names to numbers, of a deployment and a load that were never asked before."""
    from llmcap_kernel import catalog, design
    from llmcap_kernel.spec import Workload

    names = {key: q[key] for key in ("model", "gpu", "tp", "weights", "kv")}
    load = Workload(q["input"], q["output"], q["users"])
    fraction = 0.9 - q["input"] / 1e9

    def predict():
        return design.card(catalog.deployment(**names, memory_fraction=fraction), load)

    def read(card):
        served = card.expected.served
        return served.itl_s, served.ttft_mean_s, card.max_concurrent

    return predict, read


def mlsysim(q):
    """Ask its serving model, which knows one card."""
    from mlsysim import Hardware, Models
    from mlsysim.solvers import ServingModel

    answers(q, "step", "prefill", "itl")
    model = getattr(Models.Language, known("mlsysim", MODELS, q, "model"))
    card = getattr(Hardware.Cloud, known("mlsysim", CARDS, q, "gpu"))
    if q["tp"] > 1 and not q.get("merged"):
        raise Refused("it serves one card")
    wide = {
        "bandwidth": q["tp"] * card.memory.bandwidth,
        "capacity": q["tp"] * card.memory.capacity,
    }
    card = card.model_copy(update={"memory": card.memory.model_copy(update=wide)})
    asked = {"batch_size": q["users"], "precision": precision(q, {"bf16": "fp16", "fp8": "fp8"})}
    asked["seq_len"] = q["input"] if q["kind"] == "prefill" else context(q)

    def predict():
        return ServingModel().solve(model, card, **asked)

    part = "ttft" if q["kind"] == "prefill" else "itl"
    return predict, lambda result: getattr(result, part).to("s").magnitude


def servcalc(q):
    """Ask the middle of the range that it gives for one card."""
    from servcalc import GpuSpec, Workload, estimate, profiles
    from servcalc.gpus import resolve

    answers(q, "step", "prefill", "itl", "ttft", "rate")
    card = resolve(known("servcalc", CARDS, q, "gpu"))
    if q["tp"] > 1 and not q.get("merged"):
        raise Refused("it serves one card")
    if q["weights"] not in QUANTS or q["kv"] not in SIXTEEN | {"fp8"}:
        raise Refused("it has no such pair of formats for weights and cache")
    tp = q["tp"]
    card = GpuSpec(card.name, tp * card.vram_bytes, tp * card.bandwidth_gbs, tp * card.bf16_tflops)
    load = Workload(q["input"], max(q["output"], 2), (q["users"],))
    more = {"quant": QUANTS[q["weights"]], "kv_bits": 8 if q["kv"] == "fp8" else 16}
    makes = {"vllm": profiles.vllm, "transformers": profiles.hf}
    if q["engine"] == "llama.cpp":
        profile = profiles.ollama(q["users"], q["input"] + load.gen_len, **more)
    elif q["engine"].split()[0].split("-")[0] in makes:
        profile = makes[q["engine"].split()[0].split("-")[0]](**more)
    else:
        raise Refused("it has no profile of the engine")
    if q["kind"] in ("step", "prefill") and profile.mixes_prefill:  # nothing but this, at once
        from dataclasses import replace

        profile = replace(profile, batching="static", mixes_prefill=False, token_budget=None)

    def predict():
        return estimate(q["config"], card, workload=load, profile=profile)

    part = {"prefill": "ttft_ms", "ttft": "ttft_ms", "rate": "total_tok_s"}.get(q["kind"], "itl_ms")

    def read(result):
        point = result.points[0]
        if not point.feasible:
            raise Refused("it finds that the load does not fit")
        return getattr(point, part).mid / (1 if part == "total_tok_s" else 1e3)

    return predict, read


def genz(q):
    """Ask GenZ; its result is a dict whose attributes stay 0."""
    from GenZ import decode_moddeling, prefill_moddeling

    answers(q, "step", "prefill", "itl")
    tp, ep = q["tp"] // q["ep"], q["ep"]
    asked = {
        "model": known("genz-llm", MODELS, q, "model"),
        "batch_size": q["users"],
        "system_name": known("genz-llm", CARDS, q, "gpu"),
        "bits": precision(q, {"bf16": "bf16", "fp8": "fp8"}),
        "tensor_parallel": tp,
        "expert_parallel": ep,
        "parallelism_heirarchy": f"TP{{{tp}}}_EP{{{ep}}}_PP{{1}}",
    }

    def predict():
        if q["kind"] == "prefill":
            return prefill_moddeling(input_tokens=q["input"], **asked)
        return decode_moddeling(input_tokens=context(q), Bb=1, **asked)  # beams, 4 when left out

    return predict, lambda result: result["Latency"] / 1e3


def llm_analysis(q):
    """Ask llm-analysis, with integers of as many bits for floats that it does not have."""
    from llm_analysis import analysis, config

    answers(q, "step", "prefill", "itl", "rate")
    raw = json.loads(Path(q["config"]).read_text())
    if raw["model_type"] not in ("llama", "mistral", "mixtral", "qwen2"):
        raise Refused("the model is of no family that it describes")
    bits = {"bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int8-weight-only": 8}
    bits |= {"int4-awq": 4, "int4-gptq": 4}
    if q["weights"] not in bits or q["kv"] not in SIXTEEN | {"fp8"} or q["ep"] > 1:
        raise Refused("it has no such formats or split")
    model = config.ModelConfig(
        name=q["model"],
        num_layers=raw["num_hidden_layers"],
        n_head=raw["num_attention_heads"],
        hidden_dim=raw["hidden_size"],
        vocab_size=raw["vocab_size"],
        num_key_value_heads=raw.get("num_key_value_heads"),
        expansion_ratio=raw["intermediate_size"] / raw["hidden_size"],
        model_type=raw["model_type"],
        moe_num_experts=raw.get("num_local_experts", 1),
        moe_top_k=raw.get("num_experts_per_tok", 1),
    )
    asked = analysis.LLMAnalysis(
        model,
        config.get_gpu_config_by_name(known("llm-analysis", CARDS, q, "gpu")),
        config.get_dtype_config_by_name(f"w{bits[q['weights']]}a16e16"),
        config.ParallelismConfig(tp_size=q["tp"]),
    )
    part = {"prefill": "prefill_latency", "rate": "total_tokens_per_sec"}
    whole = q["kind"] in part

    def predict():
        return asked.inference(
            batch_size_per_gpu=q["users"],
            seq_len=q["input"] if whole else context(q),
            num_tokens_to_generate=q["output"] if whole else 1,
            kv_cache_dtype_bytes=1 if q["kv"] == "fp8" else 2,
        )

    return predict, lambda result: result[part.get(q["kind"], "decode_latency")]


def nvidia(tool, q):
    """What aiconfigurator and AISimulate are both asked: model, card, engine and formats."""
    engine = q["engine"].split()[0].split("-")[0]
    if engine not in ("vllm", "sglang", "trtllm"):
        raise Refused("it has no profile of the engine")
    native = q["native"] and q["weights"] not in SIXTEEN  # it reads formats from the checkpoint
    if (not native and q["weights"] not in GEMMS) or q["kv"] not in SIXTEEN | {"fp8"}:
        raise Refused("it has no such pair of formats for weights and cache")
    gemm = None if native else GEMMS[q["weights"]]
    kv = "fp8" if q["kv"] == "fp8" else "bfloat16"
    folder = Path(tempfile.gettempdir(), "peer-configs", q["model"])
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(Path(q["config"]).read_text())
    quant = {"gemm_quant_mode": gemm, "kvcache_quant_mode": kv}
    if q["experts"]:
        quant["moe_quant_mode"] = gemm
    return str(folder), known(tool, CARDS, q, "gpu"), engine, quant


def aiconfigurator(q):
    """Ask for one static pass, or for requests in progress together where a load is served."""
    from aiconfigurator.cli.api import cli_estimate

    model, card, engine, asked = nvidia("aiconfigurator", q)
    asked["tp_size"] = q["tp"]
    if q["experts"]:
        asked |= {"moe_tp_size": q["tp"] // q["ep"], "moe_ep_size": q["ep"]}
    lengths = {
        "step": {"mode": "static_gen", "isl": context(q), "osl": 2},
        "prefill": {"mode": "static_ctx", "isl": q["input"], "osl": 2},
    }.get(q["kind"], {"mode": "agg", "isl": q["input"], "osl": q["output"]})

    def predict():
        return cli_estimate(
            model, card, backend_name=engine, batch_size=q["users"], **lengths, **asked
        )

    reads = {
        "step": lambda r: r.tpot / 1e3,
        "prefill": lambda r: r.ttft / 1e3,
        "itl": lambda r: r.tpot / 1e3,
        "ttft": lambda r: r.ttft / 1e3,
        "rate": lambda r: r.raw["tokens/s"],
    }
    return predict, reads[q["kind"]]


def simulated_traffic(q, requests):
    """What aisimulate is told of a load: so many requests of users who ask again at once."""
    lengths = {"input_tokens": q["input"], "output_tokens": max(q["output"], 2)}
    return {
        "source": {"type": "synthetic", **lengths},
        "stop": {"requests": requests},
        "load": {"type": "concurrency", "concurrency": q["users"]},
    }


def aisimulate(q):
    """Ask for a run of users who ask again at once; a step or a prompt alone is one user's."""
    from aisimulate import EngineReplayRunnerFactory
    from aisimulate.config import CorePredictionConfig
    from aisimulate.predict import run_prediction

    model, card, engine, quant = nvidia("aisimulate", q)
    alone = q["kind"] in ("step", "prefill")
    if alone and q["users"] > 1:
        raise Refused("it simulates requests, no step or prompt of a batch alone")
    split = {"tensor": q["tp"]}
    if q["experts"]:
        split |= {"moe_tensor": q["tp"] // q["ep"], "moe_expert": q["ep"]}
    config = CorePredictionConfig.model_validate(
        {
            "traffic": simulated_traffic(q, 2 if alone else 4 * q["users"]),
            "engine": {
                "model": model,
                "hardware": card,
                "backend": engine,
                "workers": {"aggregated": {"parallelism": split}},
                **quant,
            },
        }
    )

    def predict():
        factory = EngineReplayRunnerFactory()
        return run_prediction(config, stack="engine", runner_factory=factory).summary

    reads = {
        "step": ("mean_itl_ms", 1e3),
        "prefill": ("mean_ttft_ms", 1e3),
        "itl": ("mean_itl_ms", 1e3),
        "ttft": ("mean_ttft_ms", 1e3),
        "rate": ("output_throughput_tok_s", 1),
    }
    part, scale = reads[q["kind"]]

    def read(summary):
        if summary[part] is None:
            raise Refused("it finds that no request is completed")
        return summary[part] / scale

    return predict, read


TOOLS = {
    "llmcap": (llmcap, "llmcap_kernel.catalog", "llmcap_kernel.design"),
    "mlsysim": (mlsysim, "mlsysim", "mlsysim.solvers"),
    "servcalc": (servcalc, "servcalc"),
    "genz-llm": (genz, "GenZ"),
    "llm-analysis": (llm_analysis, "llm_analysis.analysis"),
    "aiconfigurator": (aiconfigurator, "aiconfigurator.cli.api"),
    "aisimulate": (aisimulate, "aisimulate", "aisimulate.predict"),
}
