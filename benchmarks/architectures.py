"""Write what Hugging Face transformers counts of its own classes.

Every class of its auto mappings that generates text is built from its default config on
PyTorch's meta device, where nothing is allocated, and its parameters are counted, tied
ones once. transformers is not a dependency of the project; in an environment of its own:

    pip install torch==2.13.0 transformers==5.24.0
    python benchmarks/architectures.py

A line of `tests/kernel/golden_architectures.jsonl` is one class: its model_type, its name, its
parameters, and its config without the fields that say nothing of weights or caches. A class that
cannot be built has no line; the script names it, and why.
"""

import json
import multiprocessing
import sys
from pathlib import Path

import torch
import transformers
from transformers import modeling_utils  # noqa: F401 -- read once, before the processes part
from transformers.models.auto import modeling_auto

OUT = Path(__file__).parents[1] / "tests" / "kernel" / "golden_architectures.jsonl"
TIMEOUT_S = 120
TABLES = ("CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "MULTIMODAL_LM")
ENDINGS = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")
# Fields of every config that say nothing of its weights or caches.
NOISE = {
    "transformers_version", "output_hidden_states", "output_attentions", "return_dict", "dtype",
    "torch_dtype", "chunk_size_feed_forward", "id2label", "label2id", "problem_type",
    "attention_dropout", "hidden_dropout", "initializer_range", "rms_norm_eps", "layer_norm_eps",
    "bos_token_id", "eos_token_id", "pad_token_id", "use_cache", "hidden_act", "bad_words_ids",
    "resid_pdrop", "embd_pdrop", "attn_pdrop", "dropout", "classifier_dropout", "rope_parameters",
    "rope_scaling", "norm_eps", "hidden_activation", "is_decoder_only", "image_token_id",
    "video_token_id", "audio_token_id", "task_specific_params", "initializer_factor",
}  # fmt: skip


def classes() -> list[tuple[str, str]]:
    """List each model_type with the names of its classes that generate text."""
    found = set()
    for table in dir(modeling_auto):
        if table.endswith("_MAPPING_NAMES"):
            for kind, names in getattr(modeling_auto, table).items():
                for name in [names] if isinstance(names, str) else names:
                    if name.endswith(ENDINGS) or any(t in table for t in TABLES):
                        found.add((kind, name))
    return sorted(found)


def bare(value):
    """Drop what says nothing: noise, nulls, and names that begin with an underscore."""
    if isinstance(value, dict):
        return {
            k: bare(v)
            for k, v in value.items()
            if k not in NOISE and v is not None and not k.startswith("_")
        }
    return value


def count(kind: str, name: str) -> dict:
    """Build a class from the default config of a model_type, and count its parameters."""
    config = transformers.CONFIG_MAPPING[kind]()
    build = getattr(transformers, name)
    wanted = build.config_class
    if wanted is not None and not isinstance(config, wanted):
        # A text class of a multimodal model_type takes the config of its text model.
        config = config.get_text_config()
    with torch.device("meta"):
        model = build(config)
    model.tie_weights()
    unique = {id(p): p for p in model.parameters()}
    row = {
        "model_type": kind,
        "class": name,
        "params": sum(p.numel() for p in unique.values()),
        "config": bare(json.loads(config.to_json_string(use_diff=False))),
    }
    row["config"]["architectures"] = [name]
    return row


def work(kind: str, name: str, pipe) -> None:
    """Send a row, or why there is none."""
    try:
        pipe.send(count(kind, name))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}".splitlines()[0][:200])


def main() -> None:
    """Count every class, each in a process of its own."""
    processes = multiprocessing.get_context("fork")
    rows = []
    for kind, name in classes():
        ours, theirs = processes.Pipe()
        process = processes.Process(target=work, args=(kind, name, theirs))
        process.start()
        row = ours.recv() if ours.poll(TIMEOUT_S) else "it took too long"
        process.kill()
        process.join()
        if isinstance(row, dict):
            rows.append(json.dumps(row, separators=(",", ":")))
        else:
            print(f"{kind} {name}: {row}", file=sys.stderr)
    OUT.write_text("\n".join(rows) + "\n", encoding="utf-8")
    print(f"{len(rows)} classes of transformers {transformers.__version__}, {OUT.name}")


if __name__ == "__main__":
    main()
