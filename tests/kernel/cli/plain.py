"""What tests of the command share: strict JSON, and text without its line breaks."""

import json

from llmcap_kernel import catalog

COLUMN = "model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8 kv=fp8 memory_fraction=0.9"
PREDICT = ("predict", "--model", "llama-3.1-70b", "--gpu", "h100-sxm")
# Candidate B as options, and as it is built.
B = (*PREDICT[1:], "--tp", "2", "--weights", "fp8", "--kv", "fp8")
D = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8", kv="fp8")


def strict(text):
    """Read JSON the way the standard has it, without NaN and Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def unwrapped(text):
    """The words of a text with one blank between any two."""
    return " ".join(text.split())
