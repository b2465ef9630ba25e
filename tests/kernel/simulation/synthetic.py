"""A server whose steps take what a test says, and loads with little chance in them."""

import math
import random

from llmcap_kernel.simulation import Load, Request, Room, requests


class Plain:
    """Steps of `alpha + beta n` and prompts of a time a token, one after another [s]."""

    def __init__(self, alpha_s=0.0, beta_s=0.0, token_s=0.0):
        self.alpha_s, self.beta_s, self.token_s = alpha_s, beta_s, token_s

    def decode_s(self, sequences, context_tokens):
        return self.alpha_s + self.beta_s * sequences

    def prompt_s(self, start, stop, first, last):
        return self.token_s * (stop - start)

    def pass_s(self, pieces):
        return sum(self.prompt_s(*piece) for piece in pieces)

    def together_s(self, decode_s, prompts_s, sequences, tokens):
        return decode_s + prompts_s

    def request_s(self, input_tokens):
        return 0.0


def room(sequences=1000, batched_tokens=10**7, block_tokens=16, size=10**9):
    """Room for all, unless a test wants less."""
    return Room(sequences, batched_tokens, block_tokens, size)


def spread(count, quantile, rng):
    """Draw as evenly as a distribution allows, in a random order."""
    drawn = [quantile((i + 0.5) / count) for i in range(count)]
    rng.shuffle(drawn)
    return drawn


def poisson_load(count, rate_rps, prompt, answer, seed=0):
    """Requests that come at random, with lengths by their quantile functions."""
    rng = random.Random(seed)
    gaps = spread(count, lambda p: -math.log1p(-p) / rate_rps, rng)
    prompts, answers, now_s, out = spread(count, prompt, rng), spread(count, answer, rng), 0.0, []
    for gap, tokens_in, tokens_out in zip(gaps, prompts, answers, strict=True):
        now_s += gap
        out.append(Request(now_s, max(round(tokens_in), 1), max(round(tokens_out), 1)))
    return out


def drawn(**load):
    """The requests of a load."""
    return requests(Load(**load))
