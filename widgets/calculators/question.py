"""Compare: what is asked, and how its values are written.

What can be moved is a number of the load or a part of the deployment; what can
be looked at is one of the kernel's quantities.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from llmcap_kernel import design, sweep
from llmcap_kernel.design.limits import Limit
from llmcap_kernel.explain import digits, ordinal, quantity
from llmcap_kernel.spec import Slo, Workload

from ..figures.curves import Point
from .answers import LEVELS


@dataclass(frozen=True)
class Variable:
    """What can be moved: how a person calls it, and what the kernel does."""

    label: str
    word: str
    load: str = ""  # the load's field; "" for a part of the deployment


VARIABLES = {
    "users": Variable("Users at once", "users", "concurrency"),
    "ctx": Variable("Context (prompt and answer)", "tokens of context", "context_tokens"),
    "in": Variable("Prompt length", "tokens of prompt", "input_tokens"),
    "out": Variable("Answer length", "tokens of answer", "output_tokens"),
    "prefix": Variable("Shared prefix", "tokens of shared prefix", "shared_prefix_tokens"),
    "requests": Variable("Requests an hour", "requests an hour", "requests_h"),
    "tp": Variable("Cards that split each layer (TP)", "card counts"),
    "weights": Variable("Weight format", "weight formats"),
    "kv": Variable("KV cache format", "KV formats"),
    "gpu": Variable("Card", "cards"),
    "model": Variable("Model", "models"),
}

# Along a length, whether a gap with another's prompt is one of the longest five in a hundred turns
# at once: a percentile jumps there, and says little of the rest.
LENGTHS = ("ctx", "in", "out", "prefix")


@dataclass(frozen=True)
class Show:
    """What can be looked at: its quantity, its words, and its unit on the page."""

    quantity: str
    label: str
    noun: str  # after "the": what the best deployment has
    axis: str
    unit: str
    scale: float = 1.0


SHOWS = {
    "gap": Show("itl_s", "Gap between tokens", "shortest gap",
                "mean gap, ms", "ms", 1e3),
    "rate": Show("tok_s_user", "Speed of one user", "fastest answers",
                 "tokens a second of one user", "tok/s"),
    "ttft": Show("ttft_s", "First token, mean", "shortest wait", "mean first token, s", "s"),
    "fit": Show("max_concurrent", "Users that fit", "most room", "users that fit", "users"),
    "price": Show("usd_mtok", "$/M output tokens", "lowest price",
                  "USD for a million output tokens", "/M output"),
    "total": Show("output_tok_s", "Output of all users", "most output",
                  "output tokens a second, all users", "tok/s"),
}  # fmt: skip
# What is looked at, as the kernel calls the limit on it.
LIMITS = {"gap": "latency", "ttft": "prefill", "fit": "capacity"}


@dataclass(frozen=True)
class Question:
    """What is asked: the state, its load and limits, and the columns that go together."""

    state: dict
    load: Workload
    slo: Slo
    columns: dict

    @property
    def name(self):
        """The input that is moved."""
        return self.state["sweep"]

    @property
    def variable(self):
        """What is moved."""
        return VARIABLES[self.name]

    @cached_property
    def show(self):
        """What is looked at; in place of a mean, the percentile that is limited."""
        mean = SHOWS[self.state["show"]]
        if self.tail is None:
            return mean
        axis = mean.axis.replace("mean", f"{ordinal(self.tail.percent)} percentile", 1)
        return replace(mean, quantity=self.tail.name, label=design.tail_label(self.tail), axis=axis)

    @cached_property
    def tail(self):
        """The percentile that is limited in place of the mean; None where none is."""
        name, _ = self._name_and_bound
        return next((tail for tail in self.slo.tails if tail.name == name), None)

    @cached_property
    def _name_and_bound(self):
        mean = SHOWS[self.state["show"]].quantity
        return (mean, None) if self.shows_mean_alone else sweep.limit_on(self.slo, mean)

    @property
    def shows_mean_alone(self):
        """Whether a percentile is limited that jumps along a length, so that means are drawn."""
        return self.name in LENGTHS and self._limited in [tail.name for tail in self.slo.tails]

    @property
    def _limited(self):
        """What is limited of the quantity: its mean or a percentile, by name."""
        return sweep.limit_on(self.slo, SHOWS[self.state["show"]].quantity)[0]

    @cached_property
    def what(self):
        """The kernel's quantity."""
        return sweep.quantity_of(self.show.quantity)

    @property
    def rate_rps(self):
        """Requests that come every second, in place of users; None where users are asked for."""
        return None if self.name == "users" else self.state["rate"]

    @property
    def now(self):
        """Where the inputs stand on what is moved; None where they say no rate."""
        if self.name == "requests":
            return None if self.rate_rps is None else round(self.rate_rps * sweep.HOUR_S)
        return getattr(self.load, self.variable.load)

    def load_at(self, x):
        """The load where what is moved has a value."""
        return sweep.load_at(self.load, self.variable.load, x)

    def rate_at(self, x):
        """The rate there; None for users at once."""
        return sweep.rate_at(self.variable.load, x, self.rate_rps)

    def measure(self, deployment, load, rate_rps, reason=None):
        """Estimate what is shown."""
        return sweep.measure(deployment, load, self.show.quantity, reason, rate_rps=rate_rps)

    def limit(self, load):
        """The limit on what is shown, at a load, in the quantity's unit; None where none is."""
        if self.state["show"] == "fit":
            return None if self.rate_rps else load.concurrency
        return self._name_and_bound[1]

    @property
    def serves(self):
        """What a deployment does that has a number: all users fit, or all requests are answered."""
        return "answers all" if self.rate_rps else "fits"

    @property
    def serve_all(self):
        """What several do that have a number; a count of users that fit needs no more than one."""
        if self.state["show"] == "fit":
            return "start"
        return "answer all requests" if self.rate_rps else "hold all users"

    def misses(self, value, load):
        """Whether a value misses the limit at a load."""
        limit = self.limit(load)
        if limit is None:
            return False
        return value > limit if self.what.less else value < limit

    def level(self, made, load):
        """How a cell is coloured: met, likely met or missed; None where nothing is asked."""
        bound = self.limit(load)
        if made is None or bound is None:
            return None
        name = self.tail.name if self.tail else LIMITS[self.state["show"]]
        return LEVELS[Limit(name, bound, made, self.what.unit).verdict]

    def number(self, value):
        """Write a value without its unit."""
        if self.what.unit == "users":
            return f"{value:,.0f}"
        if self.what.unit == "USD/Mtok":
            return f"{value:,.2f}"
        return digits(value * self.show.scale)

    def with_unit(self, value):
        """Write a value with its unit."""
        if self.what.unit == "USD/Mtok":
            return f"${self.number(value)}"
        one = self.what.unit == "users" and round(value) == 1
        return f"{self.number(value)} {'user' if one else self.show.unit}"

    def interval(self, made):
        """Write an estimate and its interval."""
        if made.doubt and self.has_ceiling:
            return f"{self.with_unit(made.value)} ({made.doubt})"
        low, high = self.number(made.low), self.number(made.high)
        return f"{self.with_unit(made.value)} ({low} to {high})"

    @property
    def has_ceiling(self):
        """Whether a spec sheet bounds what is shown."""
        return self.what.estimated

    def point(self, x, made, label, at_stop=True):
        """Turn an estimate into a point of the figure."""
        scale = self.show.scale
        return Point(
            x=x,
            value=made.value * scale,
            low=made.low * scale,
            high=made.high * scale,
            ceiling=made.ceiling * scale if self.has_ceiling else None,
            text=f"{label}: {self.reading(made)}",
            at_stop=at_stop,
        )

    def reading(self, made):
        """Write all numbers of an estimate, as the pointer reads them."""
        ceiling = f", ceiling {self.number(made.ceiling)}" if self.has_ceiling else ""
        return self.interval(made) + ceiling

    def ends(self, made):
        """Write the ends of an interval, and the ceiling where there is one, a cell each."""
        ceiling = [self.number(made.ceiling) if made else "-"] if self.has_ceiling else []
        if made is None:
            return ["-", "-", *ceiling]
        if made.doubt and self.has_ceiling:
            return [made.doubt, "-", *ceiling]
        return [self.number(made.low), self.number(made.high), *ceiling]

    def limit_text(self):
        """Name the limit beside its line."""
        if self.state["show"] == "fit":
            return "wanted"
        limit = self.limit(self.load)
        return "" if limit is None else f"{self.with_unit(limit)} wanted"

    def held(self, missed):
        """Say that the limit is missed or met."""
        if self.state["show"] == "fit":
            every = "all" if self.name == "users" else f"all {self.load.concurrency:,}"
            return f"{'no longer holds' if missed else 'holds'} {every} users"
        return f"{'misses' if missed else 'meets'} {self.with_unit(self.limit(self.load))}"

    def over_budget(self, usd_h):
        """Whether a rent is above the budget."""
        return self.slo.usd_h is not None and usd_h > self.slo.usd_h

    def budget(self):
        """Write the budget."""
        return "" if self.slo.usd_h is None else quantity(self.slo.usd_h, "USD/h")

    def words(self):
        """Say how to read the numbers, and what not to read into them."""
        if not self.has_ceiling:
            return (
                "Users that fit are counted from the memory ledger. The bars hold 80% of the "
                "start-ups of sources that it was not made with."
            )
        bar, mark = "Whiskers", "Open marks"
        if self.variable.load:
            bar, mark = "Bands", "Thin dotted lines"
        mean = ""
        if self.shows_mean_alone:
            limited = design.tail_label(next(t for t in self.slo.tails if t.name == self._limited))
            mean = f"Means are drawn: along a length the {limited}, which is limited, jumps. "
        return (
            f"{mean}{bar} hold four measurements of five; where they overlap, the order may turn. "
            f"{mark} are ceilings, what the spec sheets allow."
        )


def times_ahead(values, less):
    """Find how far the best of some values is ahead of the next.

    Parameters
    ----------
    values : iterable of float
        At least one.
    less : bool
        Whether less is better.

    Returns
    -------
    float or None
        Their ratio, 1 or more; None where there is no other.

    Examples
    --------
    >>> times_ahead([30.0, 20.0, 50.0], less=True), times_ahead([20.0], less=True)
    (1.5, None)
    """
    ranked = sorted(values, reverse=not less)
    if len(ranked) < 2:
        return None
    return max(ranked[:2]) / min(ranked[:2])


def tables(question, first, labels, rows, high):
    """Lay out the readings, a number a cell: the estimates, and how sure they are.

    Parameters
    ----------
    question : Question
        What is asked.
    first : str
        Heading of the first column.
    labels : iterable of str
        Headings of the others.
    rows : list of tuple
        Each (name, readings, levels), a reading being an estimate, or None, and why there is none.
    high : list of int
        The rows that the inputs stand on.

    Returns
    -------
    list of dict
        Two tables.
    """
    unit = "" if question.what.unit == "USD/Mtok" else f", {question.show.unit}"
    limited = question.limit(question.load) is not None
    named = f"{question.show.label}{unit}"
    said = [
        [name, *(question.with_unit(made.value) if made else why for made, why in readings)]
        for name, readings, _ in rows
    ]
    ends = ["from", "to", "ceiling"] if question.has_ceiling else ["from", "to"]
    sure = [
        [name, *(cell for made, _ in readings for cell in question.ends(made))]
        for name, readings, _ in rows
    ]
    held = "what held four measurements of five"
    if question.has_ceiling:
        held += ", and what the spec sheet allows"
    else:
        held = "how closely measured engines follow"
    return [
        {
            "caption": named,
            "columns": [first, *labels],
            "rows": said,
            "levels": [levels for _, _, levels in rows] if limited else None,
            "highlight": high,
            "stack": True,
        },
        {
            "caption": f"{named}: {held}",
            "columns": [first, *(f"{label}, {end}" for label in labels for end in ends)],
            "rows": sure,
            "highlight": high,
            "stack": True,
            "fold": True,
        },
    ]
