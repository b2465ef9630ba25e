"""Laws that are exact, which closed forms of the kernel are held to. `test_exact` counts them."""

import math
from typing import NamedTuple


def erlang_c(servers, offered):
    """Share of the requests that find every server busy, M/M/c: Erlang 1917."""
    blocked = 1.0  # Erlang B, by its recursion on the servers
    for busy in range(1, servers + 1):
        blocked = offered * blocked / (busy + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def md1_wait_s(busy, service_s):
    """Mean wait for one server whose services are alike, M/D/1: Pollaczek 1930, Khinchine 1932."""
    return busy * service_s / (2 * (1 - busy))


class Batch(NamedTuple):
    """A batch whose steps last `step_s + sequence_s n` with n sequences, and give each a token.

    Over time the requests are negative binomial, `r = step_s / sequence_s + 1` and
    `p = rate_rps x output_tokens x sequence_s`: processor sharing with a capacity that depends on
    the requests (Baskett, Chandy, Muntz and Palacios 1975, doi 10.1145/321879.321887).
    """

    rate_rps: float
    output_tokens: float
    step_s: float
    sequence_s: float

    @property
    def busy(self):
        return self.rate_rps * self.output_tokens * self.sequence_s

    @property
    def time_s(self):
        """Mean time of an answer."""
        return self.output_tokens * (self.step_s + self.sequence_s) / (1 - self.busy)

    @property
    def mean(self):
        """Mean requests in progress."""
        return self.rate_rps * self.time_s

    def percentile(self, percent):
        """Requests in progress, of which there are no more in a percent of the time."""
        alone = self.rate_rps * self.output_tokens * self.step_s
        # in logarithms: the share of an empty batch may be too small for a float
        share = (self.step_s / self.sequence_s + 1) * math.log1p(-self.busy)
        below, n = math.exp(share), 0
        while below < percent / 100:
            n += 1
            share += math.log((alone + self.busy * n) / n)
            below += math.exp(share)
        return n

    def gap_s(self, percent):
        """A percentile of the gap between two tokens.

        Large batches make more tokens: the batch that a token sees is one more than the requests
        over time, its own.
        """
        return self.step_s + self.sequence_s * (1 + self.percentile(percent))
