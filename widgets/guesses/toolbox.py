"""Predictions of chapter 4."""

from llmcap_kernel import design, toolbox

from .record import Guess


def _prefix_gain(users):
    """Output of B with the shared prompt cached over the output without, as estimated."""
    load = toolbox.change_batch(design.WORKED_WORKLOAD, users)
    seen = toolbox.effect(
        "prefix",
        design.worked_spec()[1],
        load,
        workload_after=toolbox.cache_prefix(load, 6000),
    )
    return (seen.after.output_tok_s_card or 0.0) / (seen.before.output_tok_s_card or 1.0)


GUESSES = {
    "4.1": Guess(
        "Throughput of 16 users with the prefix cached, as a multiple",
        lambda: _prefix_gain(16),
        "As estimated: throughput gains as much as prefill was of the total.",
        unit="times",
    ),
    "4.2": Guess(
        "Throughput of 3 users with the prefix cached, as a multiple",
        lambda: _prefix_gain(3),
        "As estimated: so few prompts were a small part of the work.",
        unit="times",
    ),
}
