"""Which calculator Enter asks on the first page: the one that a question's words are for."""

import re

import pytest

from widgets.carried import FRONT

BLOCK = (
    (FRONT / "ask.js").read_text("utf-8").partition("const ASKED_OF = [")[2].partition("\n];")[0]
)
ASKED_OF = [
    (name, re.compile(words.replace(r"\/", "/"), re.I))
    for name, words in re.findall(r'\["(\w+)", /(.*)/i\],', BLOCK)
]


def asked_of(text):
    """The first whose words are in a question; Calculate is asked any other."""
    return next((name for name, words in ASKED_OF if words.search(text)), "calculate")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("compare", "2 replicas TP 2 vs one TP 4 of Llama-3.3-70B on H100"),
        ("compare", "are 8 L4 cheaper than 1 H100 for qwen3-8b"),
        ("calculate", "cheaper to rent 8 H100 or use the api at $0.9 per million"),
        ("calculate", "what happens when users go from 32 to 64"),
        ("calculate", "users from 8 to 80 for gemma 3 27b on H100"),
        ("calculate", "chats per dollar of qwen3-32b on H100"),
        ("calculate", "kv cache per user for Qwen3-32B at 32k"),
        ("calculate", "does fp8 halve the cost of Llama-3.3-70B on 2 H100?"),
        ("calculate", "does fp8 kv double the users that fit, qwen3-32b on H200"),
        ("design", "best model for a 24GB card"),
        ("vram", "does qwen3-32b fit on a 4090"),
    ],
)
def test_a_question_goes_to_the_calculator_that_answers_it(name, text):
    assert asked_of(text) == name
