"""The card of one deployment: what it holds, how fast it is, and what of that is measured."""

from dataclasses import dataclass, replace
from functools import cached_property

from .. import bandwidth, calibration, capacity
from ..calibration import Estimate
from ..explain import Explained, Line, quantity
from ..spec import CEILING, Deployment, Efficiency, Slo, Workload
from ..toolbox import usd_per_mtok
from .headroom import limits, warnings

MAX_FRACTION = 0.98  # the driver needs the rest of a card
# What is estimated of a deployment: name in a line, unit, and its scale to that unit.
ESTIMATED = {
    "itl_ms": ("itl", "s", 1e-3),
    "ttft_ms": ("ttft", "s", 1e-3),
    "output_tok_s_total": ("output_rate", "tok/s", 1.0),
}


@dataclass(frozen=True)
class Observed(Explained):
    """What a benchmark of a deployment reports, under one set of efficiencies.

    A benchmark reports means over whole answers, so the context is a sequence's
    mean length: the prompt and half of the answer.

    Attributes
    ----------
    decode, prompt : Step
        One decode step at that length, and the prefill of one prompt [s].
    users, output_tokens : int
        Requests in flight, and tokens of an answer [-].
    served : bool
        Whether other users' prompts are in the numbers, as a server's are [-].
    itl_s : float
        Mean gap between tokens [s].
    ttft_s : float
        Mean wait for a first token when users come back as soon as they are
        answered [s].
    output_tok_s : float
        Output of all users [tok/s].
    """

    decode: bandwidth.Step
    prompt: bandwidth.Step
    users: int
    output_tokens: int
    served: bool
    itl_s: float
    ttft_s: float
    output_tok_s: float

    @property
    def queue_s(self):
        """Mean wait for the prefill of a prompt, that prefill included [s]."""
        return bandwidth.Serving(
            self.decode, self.prompt, self.prompt, self.users, self.output_tokens
        ).queue_s

    def lines(self):
        step, gap = quantity(self.decode.itl_s, "s"), quantity(self.itl_s, "s")
        users, out = f"{self.users:,}", f"{self.output_tokens:,}"
        share, fill = self.decode.efficiency.prefill_share, quantity(self.prompt.share_s, "s")
        rate, wait = quantity(self.output_tok_s, "tok/s"), quantity(self.ttft_s, "s")
        fixed = quantity(self.decode.efficiency.first_token_s, "s")
        base = (*self.decode.lines(), self.prompt.lines()[-1])
        alone = Line(
            "ttft", "prefill + fixed", f"{quantity(self.prompt.total_s, 's')} + {fixed}", wait
        )
        if not self.served:
            output = Line(
                "output_rate",
                "users x output_tokens / (users x overlap x prefill + output_tokens x step)",
                f"{users} x {out} / ({users} x {share:.2f} x {fill} + {out} x {step})",
                rate,
            )
            return (*base, Line("itl", "step", step, gap), alone, output)
        queue = quantity(self.queue_s, "s")
        return (
            *base,
            Line(
                "queue",
                "closed-loop wait of users who return as they are answered",
                f"{users} users, {fill} each, back after {out} tokens",
                queue,
            ),
            Line(
                "itl",
                "step + overlap x (users x prefill - queue) / output_tokens",
                f"{step} + {share:.2f} x ({users} x {fill} - {queue}) / {out}",
                gap,
            ),
            Line("ttft", "queue + fixed", f"{queue} + {fixed}", wait),
            Line(
                "output_rate",
                "users x output_tokens / (ttft + output_tokens x itl)",
                f"{users} x {out} / ({wait} + {out} x {gap})",
                rate,
            ),
        )


def _shares(efficiency, known, deployment):
    """Write the efficiencies that matter to a deployment as one line."""
    many, experts = deployment.num_gpus > 1, deployment.model.experts
    shares = (
        ("bandwidth", "bandwidth", True),
        ("KV bandwidth", "kv_bandwidth", True),
        ("compute", "compute", True),
        ("link", "link_bandwidth", many),
        ("expert bandwidth", "expert_bandwidth", experts),
        ("overlap", "prefill_share", True),
    )
    times = (
        ("a layer", "layer_s", True),
        ("an expert layer", "moe_layer_s", experts),
        ("a step", "step_s", True),
        ("an exchange", "all_reduce_s", many),
        ("a first token", "first_token_s", True),
    )
    words = [f"{word} {getattr(efficiency, name):.2f}" for word, name, on in shares if on]
    fixed = [f"{quantity(getattr(efficiency, name), 's')} {word}" for word, name, on in times if on]
    key = f"fitted to measurements: {', '.join(known)}"
    return Line("efficiencies", key, ", ".join(words), ", ".join(fixed))


def _turned(made, turn):
    """Estimate what falls as another rises: the ends of the interval change places."""
    low, high = turn(made.high), turn(made.low)
    return replace(made, value=turn(made.value), low=low, high=high, ceiling=turn(made.ceiling))


def scaled(made, scale):
    """Give an estimate in another unit.

    Parameters
    ----------
    made : Estimate
        The estimate [-].
    scale : float
        The new unit's numbers for one of the old [-].

    Returns
    -------
    Estimate
        Value, interval and ceiling times the scale [-].

    Examples
    --------
    >>> scaled(Estimate(20.0, 15.0, 30.0, 10.0, ""), 1e-3).high
    0.03
    """
    ends = {name: getattr(made, name) * scale for name in ("value", "low", "high", "ceiling")}
    return replace(made, **ends)


@dataclass(frozen=True)
class Check:
    """A limit held against an estimate: whether it is met, and how surely.

    Attributes
    ----------
    name : str
        "latency", "prefill" or "cost" [-].
    allowed : float
        The most that is allowed [-].
    estimate : Estimate
        What is expected, in the same unit; less is better [-].
    unit : str
        Unit of both, as `explain.quantity` knows it [-].
    """

    name: str
    allowed: float
    estimate: Estimate
    unit: str

    @property
    def headroom(self):
        """How many times over the limit is met by estimate; below 1 it is missed [-]."""
        return self.allowed / self.estimate.value

    @property
    def met(self):
        """Whether the estimate meets the limit [-]."""
        return self.estimate.value <= self.allowed

    @property
    def sure(self):
        """Whether the whole interval meets it [-]."""
        return self.estimate.high <= self.allowed

    @property
    def sentence(self):
        """The comparison in words."""
        what = {"latency": "between tokens", "prefill": "to a first token", "cost": "output"}
        made = self.estimate
        value, low, high, allowed = (
            quantity(x, self.unit) for x in (made.value, made.low, made.high, self.allowed)
        )
        return f"{value} {what[self.name]} ({low} to {high}) of {allowed} allowed"


@dataclass(frozen=True)
class Card(Explained):
    """One column of a scorecard: everything the law says of one deployment.

    Attributes
    ----------
    label : str
        Its letter or name [-].
    deployment : Deployment
        What is run [-].
    workload : Workload
        What the users do [-].
    books : Ledger
        Where the memory goes [bytes].
    serving : Serving
        Latency and throughput at the users that fit, wanted ones at most [s].
    limits : tuple of Limit
        Least headroom first [-].
    warnings : tuple of str
        What to know before trusting it [-].
    """

    label: str
    deployment: Deployment
    workload: Workload
    books: capacity.Ledger
    serving: bandwidth.Serving
    limits: tuple
    warnings: tuple

    @cached_property
    def _memo(self):
        """Estimates that were made already, by their names [-]."""
        return {}

    @property
    def starts(self):
        """Whether the engine starts [-]."""
        return self.books.starts

    @property
    def meets_all(self):
        """Whether every limit is met [-]."""
        return all(limit.met for limit in self.limits)

    @property
    def users(self):
        """Users served: those wanted, or as many as fit [-]."""
        return min(self.workload.concurrency, self.max_concurrent)

    @property
    def max_concurrent(self):
        """Users that fit, a shared prefix kept once [-]."""
        return self.books.max_concurrent

    @property
    def fits(self):
        """Whether all the users wanted have room [-]."""
        return self.books.fits

    @property
    def tok_s_user(self):
        """Decode rate of one user while nobody prefills; None if it does not start [tok/s]."""
        return self.serving.decode.tok_s_user if self.starts else None

    @property
    def usd_h(self):
        """Rent of the deployment [USD/h]."""
        return self.deployment.gpu_usd_h * self.deployment.num_gpus

    @property
    def usd_mtok(self):
        """Price of a million output tokens at the users served; None when unknown [USD/Mtok]."""
        if not self.starts or not self.usd_h:
            return None
        return usd_per_mtok(usd_h=self.usd_h, tok_s=self.serving.output_tok_s)

    def estimate(self, metric):
        """Estimate what a benchmark of this deployment would report at the users served.

        Parameters
        ----------
        metric : str
            "itl_ms", "ttft_ms", "output_tok_s_total" or another of
            `calibration.METRICS` [-].

        Returns
        -------
        Estimate or None
            Value, interval, ceiling and the reason for its width; None where
            the engine does not start [-].
        """
        if not self.starts:
            return None
        if metric not in self._memo:
            family = self.deployment.engine.family
            made = calibration.estimate(
                self.deployment, metric=metric, family=family, **self._benchmark()
            )
            self._memo[metric] = calibration.within_ceiling(made, metric)
        return self._memo[metric]

    @property
    def estimated_tok_s_user(self):
        """Estimate of a user's rate, others' prompts in it; None if it does not start [tok/s]."""
        gap = self.estimate("itl_ms")
        return gap and _turned(gap, lambda ms: 1e3 / ms)

    @property
    def estimated_usd_mtok(self):
        """Estimate of the price of a million output tokens; None when unknown [USD/Mtok]."""
        rate = self.estimate("output_tok_s_total")
        if rate is None or not self.usd_h:
            return None
        return _turned(rate, lambda tok_s: usd_per_mtok(usd_h=self.usd_h, tok_s=tok_s))

    def observed(self, *, ceiling=False):
        """Say how a benchmark's numbers come about at the users served.

        Parameters
        ----------
        ceiling : bool
            Whether the cards do all that the spec sheet allows, and only the
            overlap of prefill and decode is a fitted one; all efficiencies are
            when left out [-].

        Returns
        -------
        Observed or None
            Decode step, prefill, and the three numbers made of them; None where
            the engine does not start [-].
        """
        if not self.starts:
            return None
        if ceiling not in self._memo:
            self._memo[ceiling] = self._observed(ceiling)
        return self._memo[ceiling]

    def _observed(self, ceiling):
        fitted, _, served = self._fitted()
        efficiency = calibration.ceiling_beside(fitted) if ceiling else fitted
        load = self._benchmark()
        asked = {
            metric: calibration.demand(self.deployment, metric=metric, served=served, **load)
            for metric in ESTIMATED
        }
        whole = asked["output_tok_s_total"]
        return Observed(
            bandwidth.Step.of(whole.step, efficiency, self.deployment),
            bandwidth.Step.of(whole.prompt, efficiency, self.deployment, "prefill"),
            self.users,
            load["output_tokens"],
            served,
            *(
                calibration.time(asked[metric], efficiency) * scale
                for metric, (_, _, scale) in ESTIMATED.items()
            ),
        )

    def _benchmark(self):
        """The load as a benchmark would state it."""
        load = self.workload
        return {
            "input_tokens": load.input_tokens,
            "cached_tokens": load.input_tokens - load.computed_input_tokens,
            "output_tokens": load.output_tokens,
            "concurrency": self.users,
        }

    def _fitted(self) -> tuple[Efficiency, tuple[str, ...], bool]:
        """Its efficiencies, the sets they come from, and whether they are a server's."""
        family = self.deployment.engine.family
        served = calibration.is_served(family, "itl_ms", "", self.users)
        return *calibration.efficiency_for(self.deployment, family, served), served

    def estimate_lines(self):
        """Give the arithmetic of the estimates.

        Returns
        -------
        tuple of Line
            The efficiencies, the numbers they give, and the interval of each;
            empty where the engine does not start [-].
        """
        if not self.starts:
            return ()
        efficiency, known, _ = self._fitted()
        bands = []
        for metric, (name, unit, scale) in ESTIMATED.items():
            made = self.estimate(metric)
            low, value, high = (
                quantity(x * scale, unit) for x in (made.low, made.value, made.high)
            )
            words = f"{value}, from {low} to {high} four times in five"
            bands.append(Line(f"estimated {name}", made.reason, "", words))
        return (_shares(efficiency, known, self.deployment), *self.observed().lines(), *bands)

    def checks(self, slo):
        """Hold the estimates against what must hold.

        Parameters
        ----------
        slo : Slo
            What must hold; only its latencies and its price are compared [-].

        Returns
        -------
        tuple of Check
            Least headroom first; empty where the engine does not start [-].
        """
        if not self.starts:
            return ()
        in_s = {"itl_s": ("latency", "itl_ms"), "ttft_s": ("prefill", "ttft_ms")}
        out = []
        for field, (name, metric) in in_s.items():
            allowed = getattr(slo, field)
            if allowed is not None:
                made = scaled(self.estimate(metric), 1e-3)
                out.append(Check(name, allowed, made, "s"))
        price = self.estimated_usd_mtok
        if slo.usd_mtok is not None and price is not None:
            out.append(Check("cost", slo.usd_mtok, price, "USD/Mtok"))
        return tuple(sorted(out, key=lambda check: check.headroom))

    @property
    def binding(self):
        """The binding constraint in one line."""
        limit = self.limits[0]
        how = f"{limit.headroom:.2f}x headroom" if limit.met else "missed"
        return f"{limit.name}, {how}: {limit.sentence}"

    def rows(self):
        """Give the scorecard's rows, label and text.

        Returns
        -------
        tuple of (str, str)
            Fits, decode, served latency, concurrency and price at the ceiling,
            the two estimates with their intervals, binding [-].
        """
        s = self.serving
        dash = "-"
        price = quantity(self.usd_mtok, "USD/Mtok") if self.usd_mtok is not None else dash
        return (
            ("Fits", self.fits_text),
            ("Decode per user", quantity(self.tok_s_user, "tok/s") if self.starts else dash),
            ("Gap between tokens, served", quantity(s.itl_served_s, "s") if self.starts else dash),
            ("Max concurrent", f"{self.max_concurrent:,}"),
            ("$/M output", price),
            ("Estimated gap, served", self._estimated_gap() or dash),
            ("Estimated $/M output", self._estimated_price() or dash),
            ("Binding constraint", self.binding),
        )

    def _estimated_gap(self):
        """The gap a client would see, and within what, four times in five."""
        gap = self.estimate("itl_ms")
        if gap is None:
            return ""
        value, low, high = (quantity(ms / 1e3, "s") for ms in (gap.value, gap.low, gap.high))
        return f"{value} ({low} to {high})"

    def _estimated_price(self):
        """The price a measured throughput would give, and within what."""
        price = self.estimated_usd_mtok
        if price is None:
            return ""
        value, low, high = (
            quantity(usd, "USD/Mtok") for usd in (price.value, price.low, price.high)
        )
        return f"{value} ({low} to {high})"

    def brief(self):
        """Give the rows of a narrow table, where a cell is a few characters.

        Returns
        -------
        tuple of (str, str)
            Fits, decode, served gap, concurrency, rent, price, and the gap as
            estimated [-].
        """
        most = self.max_concurrent
        dash = "-"
        price = quantity(self.usd_mtok, "USD/Mtok") if self.usd_mtok is not None else dash
        served = f"{most:,} of {self.workload.concurrency:,}" if self.starts else "no start"
        gap = quantity(self.estimate("itl_ms").value / 1e3, "s") if self.starts else dash
        return (
            ("Fits", "yes" if self.fits else served),
            ("Decode per user", quantity(self.tok_s_user, "tok/s") if self.starts else dash),
            ("Served gap", quantity(self.serving.itl_served_s, "s") if self.starts else dash),
            ("Max concurrent", f"{most:,}"),
            ("Rent", quantity(self.usd_h, "USD/h") if self.usd_h else dash),
            ("$/M output", price),
            ("Estimated gap", gap),
        )

    @property
    def fits_text(self):
        """Fits or not, and what would help, in one line."""
        if self.fits:
            return f"yes, at memory fraction {self.deployment.fraction:g}"
        if self.starts:
            return f"{self.max_concurrent:,} of {self.workload.concurrency:,} users"
        least = least_fraction(self.deployment, self.workload.context_tokens)
        if least is None:
            return "does not start at any memory fraction"
        return f"does not start at {self.deployment.fraction:g}; would at {least:.2f}"

    def lines(self):
        rent = Line(
            "rent",
            "cards x usd_h",
            f"{self.deployment.num_gpus} x {quantity(self.deployment.gpu_usd_h, 'USD/h')}",
            quantity(self.usd_h, "USD/h"),
        )
        memory = self.books.lines()
        if not self.starts:
            return (*memory, rent, *self.limits[0].lines())
        price = Line(
            "usd_mtok",
            "rent / 3600 / output_rate x 1e6",
            f"{quantity(self.usd_h, 'USD/h')} / 3600 / "
            f"{quantity(self.serving.output_tok_s, 'tok/s')} x 1e6",
            quantity(self.usd_mtok, "USD/Mtok") if self.usd_mtok is not None else "no rent known",
        )
        return (
            *memory,
            *self.serving.lines(),
            rent,
            price,
            *(x for lim in self.limits for x in lim.lines()),
            *self.estimate_lines(),
        )


def least_fraction(deployment, context_tokens):
    """Find the smallest memory fraction at which the engine starts.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    context_tokens : int
        Tokens one sequence must have room for [tokens].

    Returns
    -------
    float or None
        The fraction, rounded up to a hundredth; None when 0.98 is not enough,
        since the driver needs the rest [-].

    Examples
    --------
    >>> from llmcap_kernel.design import worked_spec
    >>> a, b, c = worked_spec()
    >>> 0.90 < least_fraction(a, 8000) <= 0.98
    True
    """
    low, high = 5, round(MAX_FRACTION * 100)

    def holds(percent):
        trial = replace(deployment, memory_fraction=percent / 100)
        return capacity.max_concurrent(trial, context_tokens) >= 1

    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low / 100


def card(deployment, workload, slo=None, *, label="", efficiency=CEILING):
    """Make one column of a scorecard.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    workload : Workload
        What the users do [-].
    slo : Slo, optional
        What must hold; nothing but the users when left out [-].
    label : str
        Heading of the column [-].
    efficiency : Efficiency
        Shares and latencies in force; the ceiling when left out [-].

    Returns
    -------
    Card
        The column [-].

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> card(b, WORKED_WORKLOAD, WORKED_SLO).meets_all
    True
    """
    books = capacity.workload_ledger(deployment, workload)
    users = max(min(workload.concurrency, books.max_concurrent), 1)
    serving = bandwidth.serve(deployment, workload, concurrency=users, efficiency=efficiency)
    compared = limits(deployment, workload, slo or Slo(), books=books, serving=serving)
    return Card(
        label=label or deployment.title,
        deployment=deployment,
        workload=workload,
        books=books,
        serving=serving,
        limits=compared,
        warnings=warnings(deployment, workload),
    )
