"""Stage 5, design: from an SLO and a budget to what to run, and why.

Each limit is a pair: what is required and what there is. The one with the
least headroom binds. A scorecard puts two to four deployments side by side; a
search walks many and keeps a line on why each was passed over.
"""

import itertools
import textwrap
from dataclasses import dataclass, replace
from functools import cached_property

from . import bandwidth, calibration, capacity, catalog, toolbox
from .calibration import Estimate
from .explain import Explained, Line, digits, quantity
from .spec import CEILING, BadInput, Deployment, Efficiency, Slo, Workload, number
from .toolbox import usd_per_mtok

MAX_FRACTION = 0.98  # the driver needs the rest of a card
WIDTH = 60  # characters of a printed line
LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
HOURS_MONTH = 730  # a year of 8 760 hours in twelve parts
# What is estimated of a deployment: name in a line, unit, and its scale to that unit.
ESTIMATED = {
    "itl_ms": ("itl", "s", 1e-3),
    "ttft_ms": ("ttft", "s", 1e-3),
    "output_tok_s_total": ("output_rate", "tok/s", 1.0),
}


@dataclass(frozen=True)
class Limit(Explained):
    """One constraint: what is required, what there is, and the headroom.

    Attributes
    ----------
    name : str
        "capacity", "latency", "prefill", "budget" or "cost" [-].
    required, available : float
        In the same unit, more available being better; a time is compared as
        its rate [-].
    headroom : float
        How many times over the requirement is met; below 1 it is missed [-].
    sentence : str
        The comparison in words [-].
    unit : str
        Unit of both sides, as `explain.quantity` knows it [-].
    """

    name: str
    required: float
    available: float
    headroom: float
    sentence: str
    unit: str = ""

    @property
    def met(self):
        """Whether the requirement is met [-]."""
        return self.headroom >= 1

    def lines(self):
        return (
            Line(
                f"{self.name} headroom",
                "available / required",
                f"{quantity(self.available, self.unit)} / {quantity(self.required, self.unit)}",
                f"{self.headroom:.2f}x",
            ),
        )


def limits(deployment, workload, slo, *, books=None, serving=None):
    """Compare every limit that was asked for with what there is.

    Latency and cost are read at the users who fit, those wanted at most, and
    not at all where the engine does not start. A prefix that the users share
    is kept once.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    workload : Workload
        What the users do [-].
    slo : Slo
        What must hold; only its limits that are set are compared, and the
        users always are [-].
    books : Ledger, optional
        The ledger of this load, when it is known already [-].
    serving : Serving, optional
        The serving state at the users that fit, when it is known already [-].

    Returns
    -------
    tuple of Limit
        Least headroom first: the first one binds [-].

    Examples
    --------
    >>> a, b, c = worked_spec()
    >>> limits(a, WORKED_WORKLOAD, WORKED_SLO)[0].name
    'capacity'
    """
    d, wanted = deployment, workload.concurrency
    users = (books or capacity.workload_ledger(d, workload)).max_concurrent
    serving = serving or bandwidth.serve(d, workload, concurrency=max(min(wanted, users), 1))
    rent = d.gpu_usd_h * d.num_gpus
    rows = [
        Limit(
            "capacity",
            wanted,
            users,
            users / wanted,
            _room(users, wanted),
            "users",
        )
    ]
    if slo.itl_s is not None and users:
        itl = serving.itl_served_s
        rows.append(
            Limit(
                "latency",
                1 / slo.itl_s,
                1 / itl,
                slo.itl_s / itl,
                f"{quantity(itl, 's')} of {quantity(slo.itl_s, 's')} between tokens",
                "tok/s",
            )
        )
    if slo.ttft_s is not None and users:
        ttft = serving.ttft_burst_s
        rows.append(
            Limit(
                "prefill",
                1 / slo.ttft_s,
                1 / ttft,
                slo.ttft_s / ttft,
                f"first token after {quantity(ttft, 's')} when all users arrive at once, "
                f"{quantity(slo.ttft_s, 's')} allowed",
                "1/s",
            )
        )
    if slo.usd_h is not None and rent:
        rows.append(
            Limit(
                "budget",
                rent,
                slo.usd_h,
                slo.usd_h / rent,
                f"{quantity(rent, 'USD/h')} of {quantity(slo.usd_h, 'USD/h')}",
                "USD/h",
            )
        )
    if slo.usd_mtok is not None and rent and users:
        price = usd_per_mtok(usd_h=rent, tok_s=serving.output_tok_s)
        rows.append(
            Limit(
                "cost",
                price,
                slo.usd_mtok,
                slo.usd_mtok / price,
                f"{quantity(price, 'USD/Mtok')} of {quantity(slo.usd_mtok, 'USD/Mtok')}",
                "USD/Mtok",
            )
        )
    return tuple(sorted(rows, key=lambda limit: limit.headroom))


def _room(users, wanted):
    """Compare the users who have room with those wanted, in words."""
    if users <= wanted:
        return f"room for {users:,} of {wanted:,} sequences"
    return f"room for {users:,} sequence{'s' if users > 1 else ''}, {wanted:,} wanted"


def warnings(deployment, workload):
    """Name what a reader should know before trusting the numbers.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    workload : Workload
        What the users do [-].

    Returns
    -------
    tuple of str
        One sentence each; empty when there is nothing to say [-].

    Examples
    --------
    >>> d = catalog.deployment(model="llama-3-70b", gpu="h100-sxm", tp=4)
    >>> warnings(d, Workload(100_000, 1000))[0][:46]
    'The context of 101,000 tokens is beyond the 8,'
    """
    d, model, out = deployment, deployment.model, []
    if workload.context_tokens > model.max_context_tokens:
        out.append(
            f"The context of {workload.context_tokens:,} tokens is beyond the "
            f"{model.max_context_tokens:,} that {model.name} was configured for."
        )
    if model.kv_heads and d.tp > model.kv_heads and not d.dp_attention:
        latent = any(a.latent_dim for a in model.attention)
        if not latent:
            out.append(
                f"tp is {d.tp} and {model.name} has {model.kv_heads} KV heads: the cache is "
                f"split {model.kv_heads} ways and copied on the rest."
            )
    if d.tp > 1 and not d.dp_attention and any(a.latent_dim for a in model.attention):
        out.append(
            f"{model.name} keeps one latent for all heads: each of the {d.tp} cards holds the "
            "whole cache. Data-parallel attention would split it by user."
        )
    dtype, _ = bandwidth.compute_dtype(d.gpu, d.weights)
    if d.weights.compute and dtype != d.weights.compute[0]:
        out.append(
            f"{d.gpu.title} has no {d.weights.compute[0]} units: {d.weights.name} weights keep "
            f"their bytes and compute in {dtype}."
        )
    if d.weights.covers and not any(t.role in d.weights.covers for t in model.tensors):
        out.append(
            f"{d.weights.name} converts {', '.join(d.weights.covers)} weights only and "
            f"{model.name} has none: all of them stay in 16 bits."
        )
    if d.tp > d.gpu.max_per_node:
        out.append(
            f"tp is {d.tp} and a node joins {d.gpu.max_per_node} {d.gpu.name}: collectives "
            f"cross the network at {quantity(bandwidth.link_bandwidth_bytes_s(d), 'bytes/s')}."
        )
    if not d.gpu_usd_h:
        out.append(f"The catalogue has no rent for {d.gpu.name}: give usd_h for prices.")
    out.extend(model.notes)
    return tuple(out)


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


def _aligned(rows):
    """Line up a table's cells: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([f"{name:{widths[0]}}", *map(str.rjust, cells, widths[1:])]).rstrip()
        for name, *cells in rows
    ]


def _wrapped(text, first="", later="   "):
    """Break a sentence into lines that a narrow page holds."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=later)


@dataclass(frozen=True)
class Scorecard(Explained):
    """Deployments side by side for the same users.

    Attributes
    ----------
    cards : tuple of Card
        The columns [-].
    """

    cards: tuple

    @property
    def winner(self):
        """The cheapest column per token that meets every limit; None if none does."""
        good = [c for c in self.cards if c.meets_all]
        priced = [c for c in good if c.usd_mtok is not None]
        if priced:
            return min(priced, key=lambda c: c.usd_mtok)
        return good[0] if good else None

    @property
    def verdict(self):
        """Which column to run and why not the others, in words."""
        best = self.winner
        if best is None:
            reasons = "; ".join(f"{c.label}: {c.binding}" for c in self.cards)
            return f"None meets every limit. {reasons}."
        others = []
        for c in self.cards:
            if c is best:
                continue
            if not c.meets_all:
                others.append(f"{c.label} misses {c.binding.replace(', missed', '')}")
            elif c.usd_mtok is not None and best.usd_mtok is not None:
                times = c.usd_mtok / best.usd_mtok
                others.append(f"{c.label} meets the limits at {times:.2f}x the price per token")
            else:
                others.append(f"{c.label} meets the limits too")
        price = quantity(best.usd_mtok, "USD/Mtok") if best.usd_mtok is not None else "unpriced"
        least = best.limits[0]
        room = f"{least.headroom:.2f}x headroom on {least.name}"
        return ". ".join([f"Run {best.label}, at {price} output and {room}", *others]) + "."

    def text(self):
        """Write the scorecard as a table for a terminal or a narrow page.

        Returns
        -------
        str
            Columns, rows, what binds each, verdict and warnings [-].
        """
        out = [f"{c.label} = {c.deployment.title}" for c in self.cards if c.label]
        table = [("", *(c.label for c in self.cards))]
        for cells in zip(*(c.brief() for c in self.cards), strict=True):
            table.append((cells[0][0], *(text for _, text in cells)))
        out += ["", *_aligned(table), "", "What binds"]
        for c in self.cards:
            out += _wrapped(c.binding, f"{c.label}: ")
            if not c.starts:
                out += _wrapped(c.fits_text, "   ")
        out += ["", *_wrapped(self.verdict, later="")]
        for c in self.cards:
            for text in c.warnings:
                out += ["", *_wrapped(text, f"note, {c.label}: ")]
        return "\n".join(out)

    def lines(self):
        out = []
        for c in self.cards:
            out.append(Line(c.label, c.deployment.title, "", c.fits_text))
            out += c.lines()
        return tuple(out)


def scorecard(columns, workload, slo=None, *, efficiency=CEILING):
    """Put deployments side by side.

    Parameters
    ----------
    columns : mapping of str to Deployment, or iterable of Deployment
        One or more, with their headings; A, B, C ... when left out [-].
    workload : Workload
        What the users do, the same for all [-].
    slo : Slo, optional
        What must hold [-].
    efficiency : Efficiency
        Shares and latencies in force; the ceiling when left out [-].

    Returns
    -------
    Scorecard
        The columns and their verdict [-].

    Raises
    ------
    BadInput
        When there is no column, or more than 26 without a heading.

    Examples
    --------
    >>> scorecard(worked_spec(), WORKED_WORKLOAD, WORKED_SLO).winner.label
    'B'
    """
    if not hasattr(columns, "items"):
        columns = tuple(columns)
        if len(columns) > len(LABELS):
            raise BadInput("columns", f"columns are {len(columns)}: it takes 1 to {len(LABELS)}.")
        columns = dict(zip(LABELS, columns, strict=False))
    if not columns:
        raise BadInput("columns", "columns is empty: it takes at least one deployment.")
    made = [card(d, workload, slo, label=n, efficiency=efficiency) for n, d in columns.items()]
    return Scorecard(tuple(made))


WORKED_WORKLOAD = Workload(input_tokens=7000, output_tokens=1000, concurrency=16)
WORKED_SLO = Slo(itl_s=0.050, usd_h=30.0)


def worked_spec():
    """Give the three deployments of the worked spec, a coding agent.

    The engine is the newest vLLM, held to the memory fraction of 0.90 that was
    its default until version 0.20 raised it to 0.92.

    Returns
    -------
    tuple of Deployment
        A: Llama 3.1 70B in FP8 on one H100. B: the same on two. C: DeepSeek-V3
        on eight H200 [-].

    Examples
    --------
    >>> [d.num_gpus for d in worked_spec()]
    [1, 2, 8]
    """
    same = {"weights": "fp8", "kv": "fp8", "memory_fraction": 0.90}
    llama = {"model": "llama-3.1-70b", "gpu": "h100-sxm", **same}
    return (
        catalog.deployment(**llama),
        catalog.deployment(**llama, tp=2),
        catalog.deployment(model="deepseek-v3", gpu="h200-sxm", tp=8, **same),
    )


@dataclass(frozen=True)
class Search:
    """What a search found: the deployments that hold, and why the rest do not.

    Attributes
    ----------
    found : tuple of Card
        Those that meet every limit, cheapest per token first [-].
    passed_over : tuple of Card
        The others, nearest miss first [-].
    """

    found: tuple
    passed_over: tuple

    @property
    def by_hardware(self):
        """The best card for each kind and number of GPUs, in the order of the search [-]."""
        kept: dict[tuple, Card] = {}
        for c in (*self.found, *self.passed_over):
            kept.setdefault((c.deployment.gpu.name, c.deployment.num_gpus), c)
        return tuple(kept.values())

    def text(self, rows=5):
        """Write the answer, the next best, and the nearest misses, hardware by hardware.

        Parameters
        ----------
        rows : int
            How many of each to print [-].

        Returns
        -------
        str
            Two lines for each kind and number of GPUs: its best formats, and
            what binds there [-].
        """
        good = [c for c in self.by_hardware if c.meets_all]
        bad = [c for c in self.by_hardware if not c.meets_all]
        out = ["meets every limit, cheapest per token first:"] if good else []
        for c in good[:rows]:
            price = quantity(c.usd_mtok, "USD/Mtok") if c.usd_mtok is not None else "unpriced"
            out += [
                f"  {_short_title(c.deployment)}: {price}",
                *_wrapped(c.binding, " " * 6, " " * 6),
            ]
        out.append("why not:" if good else "nothing meets every limit, nearest miss first:")
        for c in bad[:rows]:
            out += [f"  {_short_title(c.deployment)}", *_wrapped(c.binding, " " * 6, " " * 6)]
        return "\n".join(out if bad or not good else out[:-1])


def _short_title(deployment):
    """Leave the model out, which a search has only one of."""
    cards = deployment.title.split(" / ")[1]
    return f"{cards}, {deployment.weights.name} weights, {deployment.kv.name} KV"


def search(
    model,
    workload,
    slo,
    *,
    gpus,
    weights=("bf16", "fp8"),
    kv=("bf16", "fp8"),
    tps=(1, 2, 4, 8),
    dp_attention=(False,),
):
    """Walk the deployments of a model and keep those that meet every limit.

    Parameters
    ----------
    model : str or Model
        The model [-].
    workload : Workload
        What the users do [-].
    slo : Slo
        What must hold [-].
    gpus : iterable of str
        Cards to try [-].
    weights, kv : iterable of str
        Formats to try [-].
    tps : iterable of int
        Card counts to try [-].
    dp_attention : iterable of bool
        Whether attention is split by head, by user, or each in turn [-].

    Returns
    -------
    Search
        What holds, cheapest first, and why the rest does not [-].

    Examples
    --------
    >>> answer = search(
    ...     "llama-3.1-70b", WORKED_WORKLOAD, WORKED_SLO, gpus=["h100-sxm", "h200-sxm"]
    ... )
    >>> answer.found[0].meets_all
    True
    """
    found: list[Card] = []
    passed: list[Card] = []
    for gpu, tp, w, k, dp in itertools.product(gpus, tps, weights, kv, dp_attention):
        try:
            trial = catalog.deployment(
                model=model, gpu=gpu, tp=tp, weights=w, kv=k, dp_attention=dp
            )
        except BadInput as problem:
            if problem.field in ("tp", "dp_attention"):
                continue  # a topology this card or model cannot have is no candidate
            raise
        made = card(trial, workload, slo)
        (found if made.meets_all else passed).append(made)
    found.sort(key=lambda c: (c.usd_mtok is None, c.usd_mtok or 0.0, c.deployment.num_gpus))
    passed.sort(key=lambda c: (-c.limits[0].headroom, c.books.needed_bytes / c.books.budget_bytes))
    return Search(tuple(found), tuple(passed))


def most_users(deployment, workload, slo=None):
    """Count the users one deployment serves before a limit is missed.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    workload : Workload
        Prompt and answer of each user; its concurrency is not used [-].
    slo : Slo, optional
        The latencies that must hold; memory alone counts when left out [-].

    Returns
    -------
    int
        Users at once; 0 when one is too many [-].

    Examples
    --------
    >>> a, b, c = worked_spec()
    >>> most_users(a, WORKED_WORKLOAD, WORKED_SLO)
    0
    >>> most_users(b, WORKED_WORKLOAD, WORKED_SLO) > 16
    True
    """
    slo = slo or Slo()

    def holds(users):
        busy = bandwidth.serve(deployment, workload, concurrency=users)
        in_time = slo.itl_s is None or busy.itl_served_s <= slo.itl_s
        return in_time and (slo.ttft_s is None or busy.ttft_burst_s <= slo.ttft_s)

    low, high = 0, toolbox.max_concurrent(deployment, workload)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def estimated_users(deployment, workload, slo=None):
    """Estimate the users one deployment serves before a latency is missed.

    The first token's wait is the mean of users who come back as soon as they
    are answered. Memory is no estimate: it caps all four numbers.

    Parameters
    ----------
    deployment : Deployment
        The deployment [-].
    workload : Workload
        Prompt and answer of each user; its concurrency is not used [-].
    slo : Slo, optional
        The latencies that must hold; memory alone counts when left out [-].

    Returns
    -------
    Estimate
        Users up to whom the estimates hold; low and high, up to whom the slow
        and the fast end of their intervals do; the ceiling, up to whom the spec
        sheet allows it [-].

    Examples
    --------
    >>> a, b, c = worked_spec()
    >>> made = estimated_users(b, WORKED_WORKLOAD, WORKED_SLO)
    >>> made.low <= made.value <= made.high <= made.ceiling == 51
    True
    """
    slo = slo or Slo()
    top = toolbox.max_concurrent(deployment, workload)
    blank = card(deployment, workload)
    seen: dict[int, tuple] = {}

    def used(users, end):
        """The largest share of a limit that is used, by one end of its interval."""
        if not users:
            return 0.0
        if users not in seen:
            trial = replace(blank, workload=replace(workload, concurrency=users))
            seen[users] = trial.checks(slo)
        return max((getattr(x.estimate, end) / x.allowed for x in seen[users]), default=0.0)

    if not top:
        return Estimate(0, 0, 0, 0, "memory: the engine does not start")
    value = _last(lambda n: used(n, "value"), 0, top)
    few = _last(lambda n: used(n, "high"), 0, value)
    many = _last(lambda n: used(n, "low"), value, top)
    ceiling = _last(lambda n: used(n, "ceiling"), many, top)
    if few == top:
        return Estimate(top, top, top, top, "memory alone: every latency holds at all who fit")
    used(max(value, 1), "value")
    return Estimate(value, few, many, ceiling, seen[max(value, 1)][0].estimate.reason)


def _last(used, low, high):
    """Find the last whole number at which `used`, which grows, is 1 at most; `low` is one.

    Guesses lie on the line between the ends; the end that stays counts half
    from guess to guess, so that a bent curve is closed in from both sides.
    """
    if used(high) <= 1:
        return high
    under, over = used(low) - 1, used(high) - 1
    while high - low > 1:
        guess = round(low + (high - low) * under / (under - over))
        guess = min(max(guess, low + 1), high - 1)
        at = used(guess) - 1
        if at <= 0:
            low, under, over = guess, at, over / 2
        else:
            high, over, under = guess, at, under / 2
    return low


def api_usd_mtok(workload, *, usd_mtok_input, usd_mtok_output):
    """Price what an API asks for a request, a million output tokens at a time.

    An API bills prompt and answer apart; rented cards make both for one rent.

    Parameters
    ----------
    workload : Workload
        Prompt and answer [-].
    usd_mtok_input, usd_mtok_output : float
        What the API asks for a million tokens of prompt and of answer [USD/Mtok].

    Returns
    -------
    float
        Prompt and answer together, for a million output tokens [USD/Mtok].

    Examples
    --------
    >>> api_usd_mtok(Workload(7000, 1000), usd_mtok_input=0.5, usd_mtok_output=1.5)
    5.0
    """
    per_output = workload.input_tokens / workload.output_tokens
    return usd_mtok_output + usd_mtok_input * per_output


@dataclass(frozen=True)
class BreakEven(Explained):
    """How busy rented cards must be to cost what an API does.

    Attributes
    ----------
    usd_h : float
        Rent of the deployment [USD/h].
    output_tok_s : float
        Output of all users while it is busy [tok/s].
    api_usd_mtok : float
        What an API asks for a million output tokens, their prompts with
        them [USD/Mtok].
    """

    usd_h: float
    output_tok_s: float
    api_usd_mtok: float

    @property
    def duty(self):
        """Share of the hours in which the cards must be busy; above 1 it is never enough [-]."""
        return usd_per_mtok(usd_h=self.usd_h, tok_s=self.output_tok_s) / self.api_usd_mtok

    @property
    def tokens_month(self):
        """Output tokens a month whose API bill is the rent [tokens]."""
        return self.usd_h * HOURS_MONTH / self.api_usd_mtok * 1e6

    def lines(self):
        own = usd_per_mtok(usd_h=self.usd_h, tok_s=self.output_tok_s)
        api = quantity(self.api_usd_mtok, "USD/Mtok")
        return (
            Line(
                "break-even duty",
                "own price, always busy / API price",
                f"{quantity(own, 'USD/Mtok')} / {api}",
                f"{self.duty:.0%}",
            ),
            Line(
                "break-even volume",
                f"rent x {HOURS_MONTH} h / API price",
                f"{quantity(self.usd_h, 'USD/h')} x {HOURS_MONTH} h / {api}",
                f"{digits(self.tokens_month / 1e6)} million output tokens a month",
            ),
        )


def break_even(*, usd_h, output_tok_s, api_usd_mtok):
    """Find how busy rented cards must be to cost what an API does.

    Parameters
    ----------
    usd_h : float
        Rent of the deployment [USD/h].
    output_tok_s : float
        Output of all users while it is busy [tok/s].
    api_usd_mtok : float
        What an API asks for a million output tokens, their prompts with
        them [USD/Mtok].

    Returns
    -------
    BreakEven
        Duty cycle and monthly volume [-].

    Raises
    ------
    BadInput
        When the rent, the rate or the API's price is not above 0.

    Examples
    --------
    >>> round(break_even(usd_h=7.98, output_tok_s=863, api_usd_mtok=5.0).duty, 2)
    0.51
    """
    number("usd_h", usd_h, 1e-9, 1e9, "USD/h")
    number("output_tok_s", output_tok_s, 1e-9, 1e12, "tok/s")
    number("api_usd_mtok", api_usd_mtok, 1e-9, 1e9, "USD/Mtok")
    return BreakEven(usd_h, output_tok_s, api_usd_mtok)


@dataclass(frozen=True)
class Fleet(Explained):
    """As many copies of a deployment as its users need.

    Attributes
    ----------
    deployment : Deployment
        One copy [-].
    users : int
        Users of all copies together [-].
    users_per_copy : int
        Most users one copy takes within the limits [-].
    copies : int
        Copies rented; 0 when one copy cannot take one user [-].
    output_tok_s : float
        Output of all copies [tok/s].
    """

    deployment: Deployment
    users: int
    users_per_copy: int
    copies: int
    output_tok_s: float

    @property
    def usd_h(self):
        """Rent of all copies [USD/h]."""
        return self.copies * self.deployment.num_gpus * self.deployment.gpu_usd_h

    @property
    def usd_mtok(self):
        """Price of a million output tokens; None when unknown [USD/Mtok]."""
        if not self.copies or not self.usd_h:
            return None
        return usd_per_mtok(usd_h=self.usd_h, tok_s=self.output_tok_s)

    def lines(self):
        copies = Line(
            "copies",
            "ceil(users / users_per_copy)",
            f"ceil({self.users:,} / {self.users_per_copy:,})",
            f"{self.copies:,}" if self.copies else "none: one copy cannot take one user",
        )
        if self.usd_mtok is None:
            return (copies,)
        d = self.deployment
        rent = Line(
            "rent",
            "copies x cards x usd_h",
            f"{self.copies:,} x {d.num_gpus} x {quantity(d.gpu_usd_h, 'USD/h')}",
            quantity(self.usd_h, "USD/h"),
        )
        price = Line(
            "usd_mtok",
            "rent / 3600 / output_rate x 1e6",
            f"{quantity(self.usd_h, 'USD/h')} / 3600 / "
            f"{quantity(self.output_tok_s, 'tok/s')} x 1e6",
            quantity(self.usd_mtok, "USD/Mtok"),
        )
        return (copies, rent, price)


def fleet(deployment, workload, slo=None, *, users=None):
    """Rent enough copies of a deployment for a number of users.

    Users are shared out evenly; each copy is kept within the limits.

    Parameters
    ----------
    deployment : Deployment
        One copy [-].
    workload : Workload
        What the users do [-].
    slo : Slo, optional
        The latencies that must hold [-].
    users : int, optional
        Users in all; the workload's concurrency when left out [-].

    Returns
    -------
    Fleet
        Copies, rent and price [-].

    Raises
    ------
    BadInput
        When the number of users is out of range.

    Examples
    --------
    >>> a, b, c = worked_spec()
    >>> fleet(b, WORKED_WORKLOAD, WORKED_SLO, users=200).copies
    4
    """
    users = number("users", workload.concurrency if users is None else users, 1, 1e7, whole=True)
    each = most_users(deployment, workload, slo)
    if not each:
        return Fleet(deployment, users, 0, 0, 0.0)
    copies = -(-users // each)
    low, more = divmod(users, copies)  # `more` copies take one user beyond `low`
    rate = sum(
        count * bandwidth.serve(deployment, workload, concurrency=share).output_tok_s
        for share, count in ((low, copies - more), (low + 1, more))
        if count
    )
    return Fleet(deployment, users, each, copies, rate)
