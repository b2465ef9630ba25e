"""Lines that llama.cpp and ik_llama.cpp print."""

import re
from typing import Any

from ...catalog import names
from .. import stated
from .log import MIB, Log, M, N

# llama.h, `llama_ftype`: what a file's header has as general.file_type
FILE_TYPES = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K"},
    **{11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S"},
    **{17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS"},
    **{23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S"},
    **{29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 38: "MXFP4"},
}
# A line of a header, as llama.cpp or gguf-dump prints it.
HELD = r"general\.{}\s+(?:(?:str|u32)\s+)?= +'?"
RUNNER = r"ollama runner [^\n]{0,1000}?"  # what Ollama starts, with options of its own


def read(log: Log) -> dict[str, Any]:
    """Read a log of llama.cpp.

    Parameters
    ----------
    log : Log
        One start.

    Returns
    -------
    dict
        Fields of a `StartUp`; None or "" for what is not said.
    """
    name = "ik_llama.cpp" if re.search(r"ik_llama|fused_moe|mla_attn", log.text) else "llama.cpp"
    return {
        **_memory(log),
        **_limits(log),
        "engine": name,
        "version": _build(log),
        "model": _model(log),
        "gpu": log.card,
        "weights": _file_type(log),
        "kv": _kv(log),
        "layers_on_cards": next(iter(log.words(r"offloaded (\d{1,4}/\d{1,4}) layers")), ""),
        "starts": log.started,
    }


def _memory(log: Log) -> dict[str, Any]:
    """Buffers of the fullest card; rows split over the cards are shared out evenly."""
    buffers = _buffers(log)
    split = sum(size for (device, _), size in buffers.items() if device.endswith("_Split"))
    cards = {d for d, _ in buffers if not _is_host(d) and not d.endswith("_Split")}
    used = [d for d in cards if buffers.get((d, "model"))]
    rows = len(set(re.findall(r"Device (\d{1,2}): ", log.text))) or 1 if split else 0
    totals = {d: sum(size for (of, _), size in buffers.items() if of == d) for d in cards}
    full = max(sorted(cards), key=lambda d: totals[d], default="")

    def here(what: str) -> float:
        return buffers.get((full, what), 0.0) * MIB

    host = sum(size for (d, what), size in buffers.items() if _is_host(d) and what == "model")
    return {
        "num_gpus": max(len(used), rows, 1),
        "tp": rows,
        "pp": len(used) if len(used) > 1 and not rows else 0,
        "weights_bytes": here("model") + (split * MIB / rows if rows else 0) or None,
        "host_weights_bytes": host * MIB or None,
        "kv_bytes": here("KV") or None,
        "state_bytes": here("RS") or None,
        "compute_buffer_bytes": here("compute") or None,
    }


def _is_host(device: str) -> bool:
    return device.startswith(("CPU", "BLAS", "AMX")) or device.endswith("_Host")


def _buffers(log: Log) -> dict[tuple[str, str], float]:
    """MiB by device and by what they hold: model, KV, RS, compute."""
    line = rf"\s(\S{{1,30}})(?: {{1,9}}(model|KV|RS|compute))? buffer size = {{0,9}}{N} MiB"
    out: dict[tuple[str, str], float] = {}
    for device, what, size in re.findall(line, log.text, re.A):
        plain = re.sub(r"_(?:Mapped|Private|REPACK|AARCH64)$", "", device)
        if plain not in ("output", "LoRA") and float(size) > 0:
            where = (plain, what or "model")
            out[where] = out.get(where, 0.0) + float(size)
    return out


def _limits(log: Log) -> dict[str, Any]:
    def last(name: str) -> int | None:
        return log.last_count(rf"{name}\s+= +{M}")

    length, each = last("n_ctx"), last("n_ctx_seq") or last("n_ctx_per_seq")
    slots = last("n_seq_max") or log.last_count(rf"n_slots = {M}", rf"{RUNNER}--parallel {M}") or 1
    if re.search(r"kv_unified\s+= +true", log.text):
        slots, each = 1, length  # the slots share one cache
    whole = length and each and length // each
    return {
        "max_model_len": each or (length and length // slots),
        "max_num_seqs": whole or slots,
        "max_num_batched_tokens": last("n_ubatch"),
        "kv_tokens": length,
    }


def _build(log: Log) -> str:
    found = re.search(r"build(?:: | = |=)(\d{1,6})[^\n]{0,12}?([0-9a-f]{7,12})\b", log.text)
    return f"b{found.group(1)}-{found.group(2)}" if found else ""


def _model(log: Log) -> str:
    """The first of its names that the catalogue knows; its type and size, or the first one."""
    found = log.words(HELD.format("name") + r"([^'\n]{1,120})")
    found += log.words(r"\(version GGUF[^\n]{0,60}?from ([^\n]{1,300}?\.gguf)")
    found += log.words(r"from ([^\s']{1,300}\.gguf)")
    found += [log.command[k] for k in ("model", "hf-repo") if k in log.command]
    known = next((name for name in found if names.model_name(name)), "")
    return known or _sized(log) or next(iter(found), "")


def _sized(log: Log) -> str:
    arch = log.words(r"(?:print_info|print_meta): arch\s+= (\S+)")
    arch = arch or log.words(HELD.format("architecture") + r"([\w-]+)")
    size = re.search(rf"model params\s+= {N} ([BMT])", log.text)
    size = size or re.search(HELD.format("size_label") + rf"{N}([BMT])\b(?!-)", log.text)
    if not arch or not size:
        return ""
    scale = {"M": 1e6, "B": 1e9, "T": 1e12}[size.group(2)]
    return stated.model_of_size(arch[0], float(size.group(1)) * scale)


def _file_type(log: Log) -> str:
    found = log.words(r"(?:file type|model ftype)\s+= ([^\n]{1,60})")
    if found:
        return re.sub(r"\(guessed\) | - [\d.]+ bpw.*|all ", "", found[0])
    held = log.last(HELD.format("file_type") + M)
    return "" if held is None else FILE_TYPES.get(int(held), "")


def _kv(log: Log) -> str:
    latent = log.words(r"c\^KV \((\w{1,12})\)")
    keys, values = log.words(r"\bK \((\w{1,12})\): "), log.words(r"\bV \((\w{1,12})\): ")
    if latent:
        return latent[0]
    if not keys or not values:
        said = log.command.get("cache-type-k", "")
        return said or next(iter(log.words(rf"{RUNNER}--kv-cache-type (\w{{1,12}})")), "")
    return keys[0] if keys[0] == values[0] else f"{keys[0]}/{values[0]}"
