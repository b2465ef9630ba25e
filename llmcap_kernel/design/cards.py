"""The card of one deployment: capacity, expected speed, price and binding limit."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

from .. import calibration, capacity, serving
from ..calibration import Estimate, Estimates
from ..explain import Explained, Line, counted, digits, quantity
from ..once import cached_property
from ..refuse import BadInput
from ..simulation.open_loop import OpenLoop
from ..simulation.percentiles import derived, percentile, value_s
from ..simulation.rates import AtRate, check_rate, open_loop_of, with_rate
from ..spec import Deployment, Slo, Workload
from .limits import (
    LIKELY,
    MISSED,
    OPEN,
    VERDICTS,
    Limit,
    expected,
    headrooms,
    latency_limits,
    limits,
    tail_label,
)
from .notes import Note, limit_notes, warnings
from .requests import requests_within

GAPS, WAITS = ("itl", "tpot"), ("ttft", "e2e")
MAX_FRACTION = 0.98  # the driver needs the rest of a card
BUSY = 0.95  # share of the output rate: a lower offered rate leaves cards idle
# Efficiencies that a single card, or a model without experts, does not use.
OF_MANY = ("link_bandwidth", "all_reduce_s", "pcie_exchange_s", "one_path_share")
OF_EXPERTS = ("expert_bandwidth", "expert_compute", "moe_layer_s")
NO_SLO = Slo()
# How the interval of a percentile comes about, in words.
MOVED = "its mean's, moved as measured percentiles ask, over half and twice the steps with prompts"


@dataclass(frozen=True)
class Card(Explained):
    """One column of a scorecard: all predictions for one deployment.

    Attributes
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.
    slo : Slo
        Limits to meet.
    room : Room
        What a user takes of the cache, and how many it holds.
    estimates : Estimates or None
        Estimates and ceilings under the load; None where the engine does not start.
    heading : str
        Heading of the column, where it is given one.
    rate_rps : float or None
        Requests that come to it each second, whether others are answered or not; None for users
        who ask again when they are answered [requests/s].
    """

    deployment: Deployment
    workload: Workload
    slo: Slo
    room: capacity.Room
    estimates: Estimates | None
    heading: str = ""
    rate_rps: float | None = None

    @property
    def label(self) -> str:
        """Heading of the column; by default the deployment's title."""
        return self.heading or self.deployment.title

    @cached_property
    def ledger(self) -> capacity.Ledger:
        """Memory of a card, term by term."""
        return capacity.workload_ledger(self.deployment, self.workload)

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """Every limit with its estimate, least headroom first."""
        found = limits(self.ledger, self.estimates, self.slo, self.percentile)
        if self.rate_rps is None:
            return found
        # nobody asks for as many as a rate keeps in flight
        return tuple(replace(x, unit="requests") if x.name == "capacity" else x for x in found)

    @property
    def memory_words(self) -> str:
        """What the ledger says, of requests at a rate without a number that nobody asked for."""
        ledger = self.ledger
        return (ledger if self.rate_rps is None else replace(ledger, concurrency=1)).verdict

    @cached_property
    def open_loop(self) -> OpenLoop:
        """The deployment at each number of requests in flight, for requests at a rate."""
        return open_loop_of(self.deployment, self.workload, self.expected.family)

    @cached_property
    def at_rate(self) -> AtRate | None:
        """The prediction at its rate; None without a rate, or where it answers less."""
        found = self.estimates
        return found if isinstance(found, AtRate) and found.answered else None

    @property
    def saturated(self) -> str:
        """Where more requests come than are answered, a phrase that says so; else ""."""
        if self.rate_rps is None or self.estimates is None or self.at_rate is not None:
            return ""
        most = f"it answers at most {self.open_loop.most_rps:.3g} of {self.rate_rps:.4g} requests/s"
        users = f"the numbers are of {counted(self.users, 'user')} at once"
        return f"{most}, and the queue grows without end: {users}"

    @cached_property
    def answered_rps(self) -> dict[str, Estimate]:
        """The most requests a second that are answered, by label; none for users at once.

        First within the limits, where a latency is limited; last in all, late or not [requests/s].
        """
        if self.rate_rps is None:
            return {}
        d, load = self.deployment, self.workload
        rates = {"Most within limits": self.slo} if latency_limits(self.slo) else {}
        rates["Most it answers"] = NO_SLO
        return {label: requests_within(d, load, slo) for label, slo in rates.items()}

    def percentile(self, quantity: str, percent: float) -> Estimate:
        """Estimate a percentile of a latency.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.
        percent : float
            Percent of them that are no longer.

        Returns
        -------
        Estimate
            Of requests that come at the rate, where there is one that is answered; else of the
            users at once [s].
        """
        if self.at_rate is not None:
            return self.at_rate.percentile(quantity, percent)
        return percentile(self.expected, quantity, percent)

    def percentile_s(self, quantity: str, percent: float) -> float:
        """Compute the value of a percentile of a latency, without its interval.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.
        percent : float
            Percent of them that are no longer.

        Returns
        -------
        float
            That of `percentile` [s].
        """
        if self.at_rate is not None:
            return self.at_rate.percentile_s(quantity, percent)
        return value_s(self.expected, quantity, percent)

    def derived(self, quantity: str, percent: float) -> tuple[Line, ...]:
        """Derive a percentile of a latency in lines.

        Parameters
        ----------
        quantity : str
            One of `spec.TAILED`.
        percent : float
            Percent of them that are no longer.

        Returns
        -------
        tuple of Line
            The steps to the value of `percentile`.
        """
        if self.at_rate is not None:
            return self.at_rate.derived(quantity, percent)
        return derived(self.expected, quantity, percent)

    @cached_property
    def headrooms(self) -> dict[str, float]:
        """Headroom of every limit by its name, as `limits` has it, without intervals."""
        return headrooms(self.ledger, self.estimates, self.slo, self.percentile_s)

    @cached_property
    def warnings(self) -> tuple[Note, ...]:
        """What to know before relying on the predictions."""
        return (*warnings(self.deployment, self.workload), *limit_notes(self.slo))

    def percentiles(self, *latencies: str) -> tuple[tuple[str, Estimate | None], ...]:
        """List the estimates of the percentiles that have a limit.

        Parameters
        ----------
        *latencies : str
            Of which latencies, as `Tail` names them; all if omitted.

        Returns
        -------
        tuple of (str, Estimate or None)
            Label of a row, and the estimate [s]; None where the engine does not start.
        """
        by_name = {limit.name: limit.estimate for limit in self.limits}
        tails = (t for t in self.slo.tails if not latencies or t.quantity in latencies)
        return tuple((tail_label(tail), by_name.get(tail.name)) for tail in tails)

    @property
    def starts(self) -> bool:
        """Whether the engine starts."""
        return self.room.starts

    @property
    def fits(self) -> bool:
        """Whether all requested users have room."""
        return self.max_concurrent >= self.workload.concurrency

    @property
    def meets_all(self) -> bool:
        """Whether the estimates meet every limit, and the rate is answered."""
        return min(self.headrooms.values()) >= 1 and not self.saturated

    @property
    def users(self) -> int:
        """Users served at once; the others wait for room."""
        return self.estimates.served.users if self.estimates else 0

    @property
    def max_concurrent(self) -> int:
        """Users that have room."""
        return self.room.sequences

    @property
    def usd_h(self) -> float:
        """Rent of the deployment [USD/h]."""
        return self.deployment.usd_h_all

    @property
    def usd_mtok(self) -> Estimate | None:
        """Expected price of a million output tokens; None when unknown [USD/Mtok]."""
        return self.estimates.usd_mtok if self.estimates else None

    @property
    def usd_mtok_busy(self) -> float | None:
        """Price of a million output tokens if its cards were always busy [USD/Mtok].

        None where no rent is known, and where no rate leaves its cards idle.
        """
        if self.usd_mtok is None:
            return None
        capacity_tok_s = self.expected.served.output_tok_s
        idle = self.expected.offered_tok_s < BUSY * capacity_tok_s
        return serving.usd_per_mtok(usd_h=self.usd_h, tok_s=capacity_tok_s) if idle else None

    def at(self, concurrency: int) -> "Card":
        """Predict the same deployment for another number of users.

        Parameters
        ----------
        concurrency : int
            Users at once.

        Returns
        -------
        Card
            The card for that number.
        """
        if concurrency == self.workload.concurrency:
            return self
        load = replace(self.workload, concurrency=concurrency)
        return card(self.deployment, load, self.slo, label=self.heading)

    @property
    def binding(self) -> str:
        """The binding constraint in one line, or what runs out first where no limit is set."""
        if self.saturated:
            return self.saturated
        limit = self.limits[0]
        if self.slo == NO_SLO and limit.holds:
            return f"no limit set; {self._first_to_run_out()}"
        return "; ".join([f"{limit.sentence}: {limit.words}", *self.doubted])

    @property
    def verdict(self) -> str:
        """The worst verdict of any limit, which need not be that of the least headroom.

        A rate that is not answered misses, whatever the limits.
        """
        if self.saturated:
            return MISSED
        return max((limit.verdict for limit in self.limits), key=VERDICTS.index)

    @property
    def doubted(self) -> tuple[str, ...]:
        """Other limits that are only likely or perhaps met; none where a limit is missed."""
        if not self.meets_all:
            return ()
        doubted = (x for x in self.limits[1:] if x.verdict in (LIKELY, OPEN))
        return tuple(f"{x.title} {x.words}" for x in doubted)

    def _first_to_run_out(self) -> str:
        max_running = serving.most_running(self.deployment, self.workload)
        if max_running < self.max_concurrent:
            users = counted(max_running, "user")
            return f"the engine's limit on sequences is reached first, at {users}"
        return f"the cache runs out first, at {counted(self.max_concurrent, 'user')}"

    def rows(self) -> tuple[tuple[str, str], ...]:
        """List the rows of the scorecard.

        Returns
        -------
        tuple of (str, str)
            Label and text: estimate, interval and ceiling.
        """
        return (
            ("Fits", self.fits_text),
            ("Gap between tokens", self._cell(_full, "itl_s", "s")),
            *self._percentile_rows(_full, *GAPS),
            ("Speed of one user", self._cell(_full, "tok_s_user", "tok/s")),
            ("First token, mean", self._cell(_full, "ttft_s", "s")),
            *self._percentile_rows(_full, *WAITS),
            ("Output of all users", self._cell(_full, "output_tok_s", "tok/s")),
            ("Users that fit", f"{self.max_concurrent:,}"),
            *self._rate_rows(),
            ("Rent", quantity(self.usd_h, "USD/h") if self.usd_h else "unknown"),
            ("$/M output", self._cell(_full, "usd_mtok", "USD/Mtok")),
            ("Binding constraint", self.binding),
        )

    def _cell(self, formatted: Callable[[Estimate, str], str], name: str, unit: str) -> str:
        estimate = getattr(self.estimates, name) if self.estimates else None
        return "-" if estimate is None else formatted(estimate, unit)

    def _percentile_rows(
        self, formatted: Callable[[Estimate, str], str], *latencies: str
    ) -> list[tuple[str, str]]:
        estimates = self.percentiles(*latencies)
        return [
            (label, "-" if estimate is None else formatted(estimate, "s"))
            for label, estimate in estimates
        ]

    def _rate_rows(self) -> list[tuple[str, str]]:
        """The rates of `answered_rps`, as text."""
        return [
            (name, f"{digits(made.value)} req/s" if self.starts else "-")
            for name, made in self.answered_rps.items()
        ]

    def brief(self) -> tuple[tuple[str, str], ...]:
        """List the rows of a narrow table, where a cell is a few characters.

        Returns
        -------
        tuple of (str, str)
            Label and text, without intervals.
        """
        users = f"{self.max_concurrent:,} of {self.workload.concurrency:,}"
        users = users if self.starts else "no start"
        return (
            ("Fits", "yes" if self.fits else users),
            ("Gap between tokens", self._cell(_short, "itl_s", "s")),
            *self._percentile_rows(_short, *GAPS),
            ("Speed of one user", self._cell(_short, "tok_s_user", "tok/s")),
            ("First token, mean", self._cell(_short, "ttft_s", "s")),
            *self._percentile_rows(_short, *WAITS),
            ("Users that fit", f"{self.max_concurrent:,}"),
            *self._rate_rows(),
            ("Rent", quantity(self.usd_h, "USD/h") if self.usd_h else "-"),
            ("$/M output", self._cell(_short, "usd_mtok", "USD/Mtok")),
        )

    @property
    def fits_text(self) -> str:
        """Fits or not, and what would help, in one line."""
        if self.fits:
            return f"yes, at memory fraction {self.deployment.fraction:g}"
        if self.starts:
            return f"{self.max_concurrent:,} of {self.workload.concurrency:,} users"
        fraction = least_fraction(self.deployment, self.workload.context_tokens)
        if fraction is None:
            return "does not start at any memory fraction"
        return f"does not start at {self.deployment.fraction:g}; would at {fraction:.2f}"

    def lines(self) -> tuple[Line, ...]:
        """List memory, ceiling, estimates, rent, price and limits.

        Returns
        -------
        tuple of Line
            The steps of the derivation.
        """
        rent = Line(
            "rent",
            "cards x usd_h",
            f"{self.deployment.num_gpus} x {quantity(self.deployment.gpu_usd_h, 'USD/h')}",
            quantity(self.usd_h, "USD/h"),
        )
        if not self.estimates:
            return (*self.ledger.lines(), rent, *self.limits[0].lines())
        return (
            *self.ledger.lines(),
            *self.ceiling_lines(),
            *self.estimate_lines(),
            rent,
            self.price_line(),
            *(line for limit in self.limits for line in limit.lines()),
        )

    @property
    def expected(self) -> Estimates:
        """The estimates; `BadInput` where the engine does not start."""
        if self.estimates is None:
            raise BadInput("gpu", self.ledger.verdict)
        return self.estimates

    def price_line(self) -> Line:
        """Derive the price.

        Returns
        -------
        Line
            Rent divided by output rate.
        """
        rate, price = quantity(self.expected.output_tok_s.value, "tok/s"), self.usd_mtok
        rate_bound = self.expected.offered_tok_s < self.expected.served.output_tok_s
        return Line(
            "usd_mtok",
            f"rent / 3600 / {'what the rate asks for' if rate_bound else 'output_rate'} x 1e6",
            f"{quantity(self.usd_h, 'USD/h')} / 3600 / {rate} x 1e6",
            quantity(price.value, "USD/Mtok") if price else "no rent known",
        )

    def ceiling_lines(self) -> tuple[Line, ...]:
        """Derive what the spec sheet allows.

        Returns
        -------
        tuple of Line
            The same law at full efficiency, with the first token on an idle deployment.
        """
        ceiling = self.expected.ceiling
        head = Line("ceiling", "what the spec sheet allows: every efficiency 1", "", "")
        ttft = Line("ttft", "prefill of one prompt", "", quantity(ceiling.ttft_idle_s, "s"))
        others = (line for line in ceiling.lines() if line.name != "ttft")
        return (head, *others, ttft)

    def estimate_lines(self) -> tuple[Line, ...]:
        """Derive the estimates.

        Returns
        -------
        tuple of Line
            The efficiencies with their constants, the estimates, and the interval of each.
        """
        intervals = [*self.at_rate.derived_means()] if self.at_rate else []
        for name, unit in (("itl_s", "s"), ("ttft_s", "s"), ("output_tok_s", "tok/s")):
            estimate = getattr(self.expected, name)
            text = f"{expected(estimate, unit)}, four times in five"
            intervals.append(Line(f"{name} interval", estimate.reason, "", text))
        for tail, (_, made) in zip(self.slo.tails, self.percentiles(), strict=True):
            intervals += self.derived(tail.quantity, tail.percent)
            text = f"{expected(made, 's')}, four times in five" if made else "-"
            intervals.append(Line(f"{tail.name} interval", MOVED, "", text))
        return (*self.constant_lines(), *self.expected.served.lines(), *intervals)

    def constant_lines(self) -> tuple[Line, ...]:
        """Derive each efficiency from what kernels reach and from the fitted constants.

        Returns
        -------
        tuple of Line
            Where they are from, then a line an efficiency. The page on constants has each by the
            name that it has here, "servers.layer_s".
        """
        return _constants(self.deployment)


@calibration.cache_until_reload  # the load of a deployment changes more often than the deployment
def _constants(d: Deployment) -> tuple[Line, ...]:
    sets = calibration.table()["sets"]
    set_keys = [key for key in calibration.keys(d.engine.family, d.gpu) if key in sets]
    head = f"timed kernels, and measurements of {', '.join(set_keys)}"
    unused = (OF_MANY if d.num_gpus == 1 else ()) + (() if d.model.experts else OF_EXPERTS)
    used = (one for one in calibration.compositions(d) if one.name not in unused)
    where = "each constant by its name, and its rows: the book's page The constants"
    return (Line("efficiencies", head, where, ""), *map(_constant_line, used))


def _constant_line(efficiency: calibration.Composition) -> Line:
    """Derive an efficiency from its constants, by name and by value."""
    is_time = efficiency.name.endswith("_s")
    kernel_value = [] if efficiency.timed is None else [("timed kernels", efficiency.timed)]
    names, (base, *factors) = zip(*kernel_value, *efficiency.fitted, strict=True)
    start, value = (quantity(x, "s") if is_time else f"{x:.3g}" for x in (base, efficiency.value))
    numbers = " x ".join([start, *(f"{x:.3g}" for x in factors)])
    if factors and not is_time:  # as `shifted` does, so that no share passes 1
        numbers += ", a factor acting on share / (1 - share)"
    return Line(f"efficiency.{efficiency.name}", " x ".join(names), numbers, value)


def _full(estimate: Estimate, unit: str) -> str:
    return f"{expected(estimate, unit)}; ceiling {quantity(estimate.ceiling, unit)}"


def _short(estimate: Estimate, unit: str) -> str:
    return quantity(estimate.value, unit)


def least_fraction(deployment: Deployment, context_tokens: int) -> float | None:
    """Find the smallest memory fraction at which the engine starts.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : int
        Length of a sequence that must have room [tokens].

    Returns
    -------
    float or None
        The fraction, rounded up to a hundredth; None when it would exceed 0.98,
        since the driver needs the rest.

    Examples
    --------
    >>> from llmcap_kernel.design import worked_spec
    >>> a, b, c = worked_spec()
    >>> 0.90 < least_fraction(a, 8000) <= 0.98
    True
    """

    def starts(percent: int) -> bool:
        trial = replace(deployment, memory_fraction=percent / 100)
        return capacity.max_concurrent(trial, context_tokens) >= 1

    percents = range(5, round(MAX_FRACTION * 100) + 1)
    index = bisect_left(percents, True, key=starts)
    return percents[index] / 100 if index < len(percents) else None


def card(
    deployment: Deployment,
    workload: Workload,
    slo: Slo | None = None,
    *,
    label: str = "",
    rate_rps: float | None = None,
) -> Card:
    """Predict one deployment, as a column of a scorecard.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    workload : Workload
        Prompt, answer, users and shared prefix.
    slo : Slo, optional
        Limits to meet; if omitted, only room for all users.
    label : str
        Heading of the column.
    rate_rps : float, optional
        Requests that come to it each second, one by one, of which as many as there are users are
        in flight; if omitted, users ask again at once, some of them at the same moment
        [requests/s].

    Returns
    -------
    Card
        The column.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> card(b, WORKED_WORKLOAD, WORKED_SLO).meets_all
    True
    """
    if rate_rps is not None:
        check_rate(rate_rps)
    room = capacity.workload_room(deployment, workload)
    estimates = calibration.estimates(deployment, workload) if room.starts else None
    if rate_rps is not None and estimates:
        estimates = with_rate(estimates, rate_rps)
    return Card(deployment, workload, slo or NO_SLO, room, estimates, label, rate_rps)


def price(card: Card) -> float:
    """Order cards by their expected price, with unknown prices last.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    float
        Price of a million output tokens; infinite when unknown [USD/Mtok].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_WORKLOAD, worked_spec
    >>> a, b, c = (card(d, WORKED_WORKLOAD) for d in worked_spec())
    >>> price(b) < price(c) < price(a)
    True
    """
    return card.usd_mtok.value if card.usd_mtok else math.inf
