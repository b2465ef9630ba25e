"""Cost: the copies that all users need, and when renting is cheaper than paying per token."""

from dataclasses import dataclass, replace

from .. import calibration
from ..explain import Explained, Line, digits, quantity
from ..refuse import number
from ..serving import usd_per_mtok
from ..spec import Deployment, Slo, Workload
from .users import users_within

HOURS_MONTH = 730  # a twelfth of the 8 760 hours of a year
# Cached, since the users of one copy do not depend on all users, and a search needs them often.
_users_within = calibration.cache_until_reload(users_within)


def api_usd_mtok(
    workload: Workload,
    *,
    usd_mtok_input: float,
    usd_mtok_output: float,
    usd_mtok_cached: float | None = None,
) -> float:
    """Compute the price of an API per million output tokens, prompts included.

    An API bills prompt and answer separately, and a prefix that it still holds at a price of its
    own; the rent of cards covers all.

    Parameters
    ----------
    workload : Workload
        Prompt and answer.
    usd_mtok_input, usd_mtok_output : float
        Price of a million prompt tokens and of a million answer tokens [USD/Mtok].
    usd_mtok_cached : float, optional
        Price of a million prompt tokens that are in its cache: the shared prefix of the
        requests that find it; that of others if omitted [USD/Mtok].

    Returns
    -------
    float
        Prompts and answers together, per million output tokens [USD/Mtok].

    Examples
    --------
    >>> from llmcap_kernel.spec import Workload
    >>> api_usd_mtok(Workload(7000, 1000), usd_mtok_input=0.5, usd_mtok_output=1.5)
    5.0
    >>> agent = Workload(7000, 1000, shared_prefix_tokens=6000)
    >>> round(api_usd_mtok(
    ...     agent, usd_mtok_input=0.5, usd_mtok_output=1.5, usd_mtok_cached=0.05), 2)
    2.3
    """
    cached_price = usd_mtok_input if usd_mtok_cached is None else usd_mtok_cached
    cached = workload.shared_prefix_tokens * workload.hit_share
    prompt = (workload.input_tokens - cached) * usd_mtok_input + cached * cached_price
    return usd_mtok_output + prompt / workload.output_tokens


@dataclass(frozen=True)
class BreakEven(Explained):
    """Duty cycle at which rented cards cost the same as an API.

    Attributes
    ----------
    usd_h : float
        Rent of the deployment [USD/h].
    output_tok_s : float
        Output tokens of all users while it is busy [tok/s].
    api_usd_mtok : float
        Price of the API per million output tokens, prompts included [USD/Mtok].
    busy : float
        Share of the hours in which the cards are asked, as it is expected.
    """

    usd_h: float
    output_tok_s: float
    api_usd_mtok: float
    busy: float = 1.0

    @property
    def own_usd_mtok(self) -> float:
        """Price of a million output tokens on cards that are always busy [USD/Mtok]."""
        return usd_per_mtok(usd_h=self.usd_h, tok_s=self.output_tok_s) or 0.0

    @property
    def duty(self) -> float:
        """Share of the hours in which the cards must be busy; above 1 the API is cheaper."""
        return self.own_usd_mtok / self.api_usd_mtok

    @property
    def busy_usd_mtok(self) -> float:
        """Price of a million output tokens where the cards are busy as expected [USD/Mtok]."""
        return self.own_usd_mtok / self.busy

    @property
    def renting_is_cheaper(self) -> bool:
        """Whether the cards, busy as expected, cost less than the API."""
        return self.busy_usd_mtok < self.api_usd_mtok

    @property
    def tokens_month(self) -> float:
        """Output tokens per month for which the API costs as much as the rent [tokens]."""
        return self.usd_h * HOURS_MONTH / self.api_usd_mtok * 1e6

    def lines(self) -> tuple[Line, ...]:
        """List duty cycle and monthly volume.

        Returns
        -------
        tuple of Line
            The steps of the derivation.
        """
        api = quantity(self.api_usd_mtok, "USD/Mtok")
        return (
            Line(
                "break-even duty",
                "own price, always busy / API price",
                f"{quantity(self.own_usd_mtok, 'USD/Mtok')} / {api}",
                f"{self.duty:.0%}",
            ),
            Line(
                "break-even volume",
                f"rent x {HOURS_MONTH} h / API price",
                f"{quantity(self.usd_h, 'USD/h')} x {HOURS_MONTH} h / {api}",
                f"{digits(self.tokens_month / 1e6)} million output tokens a month",
            ),
        )


def break_even(
    *, usd_h: float, output_tok_s: float, api_usd_mtok: float, busy: float = 1.0
) -> BreakEven:
    """Find the duty cycle at which rented cards cost the same as an API.

    Parameters
    ----------
    usd_h : float
        Rent of the deployment [USD/h].
    output_tok_s : float
        Output tokens of all users while it is busy [tok/s].
    api_usd_mtok : float
        Price of the API per million output tokens, prompts included [USD/Mtok].
    busy : float
        Share of the hours in which the cards are asked.

    Returns
    -------
    BreakEven
        Duty cycle and monthly volume.

    Raises
    ------
    BadInput
        When the rent, the rate, the price of the API or the share of hours is not above 0.

    Examples
    --------
    >>> round(break_even(usd_h=7.98, output_tok_s=863, api_usd_mtok=5.0).duty, 2)
    0.51
    >>> break_even(usd_h=7.98, output_tok_s=863, api_usd_mtok=5.0, busy=0.4).renting_is_cheaper
    False
    """
    number("usd_h", usd_h, 1e-9, 1e9, "USD/h")
    number("output_tok_s", output_tok_s, 1e-9, 1e12, "tok/s")
    number("api_usd_mtok", api_usd_mtok, 1e-9, 1e9, "USD/Mtok")
    number("busy", busy, 1e-6, 1)
    return BreakEven(usd_h, output_tok_s, api_usd_mtok, busy)


@dataclass(frozen=True)
class Fleet(Explained):
    """The copies of a deployment that a number of users needs.

    Attributes
    ----------
    deployment : Deployment
        One copy.
    users : int
        Users of all copies together.
    users_per_copy : int
        Most users of one copy within the limits.
    copies : int
        Copies rented; 0 when one copy cannot serve a single user within the limits.
    output_tok_s : float
        Output tokens of all copies [tok/s].
    """

    deployment: Deployment
    users: int
    users_per_copy: int
    copies: int
    output_tok_s: float

    @property
    def usd_h(self) -> float:
        """Rent of all copies [USD/h]."""
        return self.copies * self.deployment.usd_h_all

    @property
    def usd_mtok(self) -> float | None:
        """Price of a million output tokens; None when unknown [USD/Mtok]."""
        if not self.copies:
            return None
        return usd_per_mtok(usd_h=self.usd_h, tok_s=self.output_tok_s)

    def lines(self) -> tuple[Line, ...]:
        """List copies, rent and price.

        Returns
        -------
        tuple of Line
            The steps of the derivation.
        """
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


def fleet(
    deployment: Deployment, workload: Workload, slo: Slo | None = None, *, users: int | None = None
) -> Fleet:
    """Count the copies of a deployment that a number of users needs.

    Users are divided evenly, so that the estimates of each copy meet the limits.

    Parameters
    ----------
    deployment : Deployment
        One copy.
    workload : Workload
        Prompt, answer, users and shared prefix.
    slo : Slo, optional
        Latencies to meet.
    users : int, optional
        Users of all copies; the concurrency of the workload if omitted.

    Returns
    -------
    Fleet
        Copies, rent and price.

    Raises
    ------
    BadInput
        When the number of users is out of range.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD, worked_spec
    >>> a, b, c = worked_spec()
    >>> many = fleet(b, WORKED_WORKLOAD, WORKED_SLO, users=200)
    >>> (many.copies - 1) * many.users_per_copy < 200 <= many.copies * many.users_per_copy
    True
    """
    users = number("users", workload.concurrency if users is None else users, 1, 1e7, whole=True)
    users_per_copy = int(_users_within(deployment, workload, slo).value)
    if not users_per_copy:
        return Fleet(deployment, users, 0, 0, 0.0)
    copies = -(-users // users_per_copy)
    low, larger_copies = divmod(users, copies)  # `more` copies have one user above `low`
    output_tok_s = sum(
        count * _output_tok_s(deployment, replace(workload, concurrency=share))
        for share, count in ((low, copies - larger_copies), (low + 1, larger_copies))
        if count
    )
    return Fleet(deployment, users, users_per_copy, copies, output_tok_s)


def _output_tok_s(deployment: Deployment, workload: Workload) -> float:
    return calibration.estimates(deployment, workload).output_tok_s.value
