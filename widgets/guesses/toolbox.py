"""Predictions of chapter 4."""

from ..exercises.toolbox import prefix_gain
from .record import Guess

GUESSES = {
    "4.1": Guess(
        "Throughput of 16 users with the prefix cached, as a multiple",
        lambda: prefix_gain(16),
        "As estimated: throughput gains as much as prefill was of the total.",
        unit="times",
    ),
    "4.2": Guess(
        "Throughput of 3 users with the prefix cached, as a multiple",
        lambda: prefix_gain(3),
        "As estimated: so few prompts were a small part of the work.",
        unit="times",
    ),
}
