"""Five situations to start from, told once for every calculator that takes them."""

from llmcap_kernel import design

WORKED = {"label": "The worked spec", "note": "A coding agent: 16 users of 8,000 tokens"}
LAPTOP = {"label": "A laptop", "note": "8B in four bits for one user"}
CHAT = {"label": "A chat service", "note": "32B in FP8, many short talks"}
RAG = {"label": "RAG at 128K", "note": "Few users with very long prompts"}
BATCH = {"label": "A batch job", "note": "8B for as many sequences as there is room"}
STORIES = (WORKED, LAPTOP, CHAT, RAG, BATCH)

# What each is served on. A calculator opens with the worked spec's model and cards, and with the
# cache of 16 bits and the memory fraction that its engine takes unless told; the spec says both.
AS_UNTOLD: dict = {"kv": "bf16", "fraction": None}
AS_SPECIFIED = {"kv": "fp8", "fraction": design.worked_spec()[0].memory_fraction}
ON_LAPTOP = {
    "model": "llama-3.1-8b",
    "gpu": "apple-m4-max",
    "tp": 1,
    "weights": "gguf-q4-k-m",
    "kv": "fp16",
    "engine": "llama.cpp",
}
ON_ONE_CARD = {"model": "qwen3-32b", "gpu": "h100-sxm", "tp": 1, "weights": "fp8"}
ON_FOUR_CARDS = {"gpu": "h200-sxm", "tp": 4}
SMALL_ON_ONE = {"model": "llama-3.1-8b", "gpu": "h100-sxm", "tp": 1, "weights": "fp8"}


def situations(*values):
    """Give the five situations with a calculator's own inputs.

    Parameters
    ----------
    *values : dict
        What differs from the defaults, one for each situation in turn.

    Returns
    -------
    tuple of dict
        Presets: label, note and values.
    """
    return tuple(story | {"values": value} for story, value in zip(STORIES, values, strict=True))
