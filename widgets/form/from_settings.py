"""TensorRT-LLM's file of settings pasted alone: what it sets, and what it leaves to be said."""

import re
from typing import Any

from llmcap_kernel.evidence.launch import engines
from llmcap_kernel.evidence.launch.reading import PROGRAM
from llmcap_kernel.refuse import BadInput

# The input that each field of a launch fills.
INPUTS = {
    "tp": "tp",
    "pp": "pp",
    "ep": "ep",
    "kv": "kv",
    "memory_fraction": "fraction",
    "max_num_seqs": "seqs",
    "max_num_batched_tokens": "batched",
    "max_model_len": "maxlen",
    "block_size": "block",
    "dp_attention": "dp",
}
FIELDS = {path: field for path, (field, _) in engines.OF_FILE.items()} | engines.SWITCHES_OF_FILE
PLACES = {path.rpartition(".")[2]: path for path in FIELDS}  # by their last names
PAIR = re.compile(r"\b([a-z]\w+)\s*:\s*([^\s,{}:]+)(?=[\s,}]|$)", re.I)
# Settings of that engine's alone; two make a file, one is a word of a question.
OWN = {*PLACES, "kv_cache_config", "cuda_graph_config"} - {"tensor_parallel_size", "dtype"}
ENGINE = "trtllm"
MISSING = "The file names neither model nor card, so both stay as they were: choose them."


def is_settings(text):
    """Say whether a text is TensorRT-LLM's file of settings, even on one line.

    Parameters
    ----------
    text : object
        What was pasted or asked.

    Returns
    -------
    bool
        Whether it is; not where it stands in a command, which says more.

    Examples
    --------
    >>> is_settings("max_batch_size: 64 kv_cache_config: free_gpu_memory_fraction: 0.85")
    True
    >>> is_settings("qwen3-8b on H100: 16 users")
    False
    """
    if not isinstance(text, str) or len(text) > 20_000 or "{" in text[:1]:
        return False
    if PROGRAM.search(text):
        return False
    named = set(re.findall(r"\b([a-z]\w+)\s*:", text))
    return bool(named & OWN) and len(named & {*OWN, *PLACES}) > 1


def inputs(text, state, prefix=""):
    """Read the inputs of a deployment from such a file.

    Parameters
    ----------
    text : str
        The file, its lines perhaps joined to one.
    state : dict
        A complete state, of which nothing is needed.
    prefix : str
        What the names of the deployment's inputs begin with.

    Returns
    -------
    tuple of dict and list of str
        Values by input, and what to say of them, with what is missing last.

    Raises
    ------
    BadInput
        When a setting takes no such value.
    """
    pairs = [(name, value.strip("'\"")) for name, value in PAIR.findall(text)]
    settings: dict[str, Any] = {}
    for name, value in pairs:
        *outer, last = PLACES.get(name, name).split(".")
        within = settings.setdefault(outer[0], {}) if outer else settings
        within[last] = value
    try:
        read = engines.of_file(settings)
    except BadInput as problem:
        raise BadInput("config", f"config is TensorRT-LLM's file of settings: {problem}") from None
    values = {INPUTS[name]: value for name, value in read.items() if name in INPUTS}
    values |= {"engine": ENGINE, "ep": read.get("ep", 1) > 1}
    filled = {name for name, path in PLACES.items() if FIELDS[path] in INPUTS}
    taken = [f"{name} {value}" for name, value in pairs if name in filled]
    left = [name for name, _ in pairs if name not in filled]
    notes = [f"These are settings of TensorRT-LLM: {', '.join(taken)}."]
    notes += [f"Not among these inputs, so not in the answer: {', '.join(left)}."] if left else []
    values = {prefix + name: value for name, value in values.items() if prefix + name in state}
    return values, [*notes, MISSING]
