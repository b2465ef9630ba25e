"""What Calculate says of the load that is asked: users at once, or requests at a rate."""

import textwrap

from llmcap_kernel import design
from llmcap_kernel.design.limits import latency_limits
from llmcap_kernel.explain import capitalised, counted, digits, quantity

from . import answers

UNIT = "requests/s"
LINE = 72  # characters of a line of arithmetic
MOST_REQUESTS = 10_000_000  # a load has no more


class UsersAtOnce:
    """How many users one deployment serves, beside those who are asked for.

    Parameters
    ----------
    card : Card
        The deployment under its users.
    """

    def __init__(self, card):
        self.card, self.limited = card, bool(card.starts and latency_limits(card.slo))
        self.most = design.users_within(card.deployment, card.workload, card.slo)
        # one user, those served, those within the limits and those who have room
        numbers = {1, card.users, self.most.value, card.max_concurrent}
        self.cards = {n: card.at(n) for n in sorted(numbers) if 0 < n <= MOST_REQUESTS}

    def status(self, likely, limits_said):
        """Say whether the users have room, and how the limits are met.

        Parameters
        ----------
        likely : str
            "likely " where the engine only likely starts.
        limits_said : str
            What is met and missed.

        Returns
        -------
        str
            Sentences.
        """
        card = self.card
        room = next(limit for limit in card.limits if limit.name == "capacity").sentence
        fits = f"It {likely}fits" if card.fits else f"It {likely}starts, but not all fit"
        waits = waiting(card) if card.fits else ""
        return f"{fits}: {room}{waits}. {limits_said}".strip()

    def headline(self):
        """Give the number of users.

        Returns
        -------
        dict
            An item of the headline.
        """
        card, ledger, most = self.card, self.card.ledger, self.most
        fit = ledger.fit_words(ledger.max_concurrent)
        room = f"{ledger.max_concurrent:,} {fit} in memory; {card.workload.concurrency:,} wanted"
        return {
            "label": "Users within the limits",
            "value": f"{most.value:,}",
            "unit": answers.users(most.value),
            "note": f"{room}; {most.low or 'none'} at the slow end" if most.doubt else room,
            "explain": self._explained(),
        } | (answers.span(most) or _room_span(ledger, most))

    def _explained(self):
        parts = [f"MEMORY: a ledger\n{answers.arithmetic(self.card.ledger)}"]
        if self.limited:
            rows = ["LIMITS: the most users whose estimates meet them"]
            for users, trial in self.cards.items():
                rows.append(f"at {counted(users, 'user')}")
                rows += _latencies(trial)
            parts += ["\n".join(rows), why_wide(self.most)]
        return "\n\n".join(parts)

    def table(self):
        """Show what more and fewer users do to the same deployment.

        Returns
        -------
        dict
            A table of a view.
        """
        rows = [[f"{users:,}", *_speeds(trial)] for users, trial in self.cards.items()]
        return {
            "caption": "More or fewer users",
            "columns": ["Users", *SPEEDS],
            "rows": rows,
            "levels": [[None, None, None, _level(trial)] for trial in self.cards.values()],
            "highlight": [list(self.cards).index(self.card.users)],
        }

    def sentences(self):
        """Say how many of those who fit are within the limits, and what ends them.

        Returns
        -------
        list of str
            Sentences; none where no latency is limited.
        """
        if not self.limited:
            return []
        card, most = self.card, self.most
        said = answers.how_many(answers.fitting(card, most), most).removesuffix(".")
        why = design.why_no_more(card.deployment, card.workload, card.slo, most)
        return [f"{said}. {why}".strip()]


def why_wide(estimate):
    """Say why an interval is as wide as it is.

    Parameters
    ----------
    estimate : Estimate
        With its interval.

    Returns
    -------
    str
        Lines of an arithmetic.
    """
    return textwrap.fill(f"Why this wide: {estimate.reason}.", LINE)


def waiting(card):
    """Say who waits though memory has room, where the engine runs fewer at once.

    Parameters
    ----------
    card : Card
        One deployment under its users.

    Returns
    -------
    str
        The rest of a sentence; "" where nobody does.
    """
    waiting = card.workload.concurrency - card.users
    if not waiting:
        return ""
    wait = "waits" if waiting == 1 else "wait"
    return f", but {waiting:,} of them {wait}: the engine runs {card.users:,} at once"


def _room_span(ledger, most):
    """Where memory alone bounds the users, what the room for them is off by."""
    low, high = ledger.concurrent_interval
    ceiling = ledger.ceiling_concurrent
    high = min(high, ceiling)
    alone = most.low == most.value == ledger.max_concurrent
    if not alone or not low <= most.value <= high or low == high:
        return {}
    return {"span": {"low": low, "value": most.value, "high": high, "ceiling": ceiling}}


class RequestsAtRate:
    """The rates that one deployment answers, beside the one that is asked.

    Parameters
    ----------
    card : Card
        The deployment under its rate.
    """

    def __init__(self, card):
        self.card, self.asked_rps = card, card.rate_rps
        rates = list(card.answered_rps.values())
        self.within, self.most, self.limited = rates[0], rates[-1], len(rates) > 1
        self.cards = {rate: self._at(rate) for rate in self._shown()}

    def _shown(self):
        """Half of the rate, the rate, and the most within the limits where they answer it."""
        rates = {self.asked_rps / 2, self.asked_rps, self.within.value}
        return sorted(rate for rate in rates if 0 < rate < self.most.value)

    def _at(self, rate_rps):
        card = self.card
        if rate_rps == self.asked_rps:
            return card
        return design.card_at_rate(card.deployment, card.workload, card.slo, rate_rps)

    def status(self, likely, limits_said):
        """Say whether the rate is answered, and how the limits are met.

        Parameters
        ----------
        likely : str
            "likely " where the engine only likely starts.
        limits_said : str
            What is met and missed.

        Returns
        -------
        str
            Sentences.
        """
        card = self.card
        if card.saturated:
            return f"{capitalised(card.saturated)}."
        in_flight = card.at_rate.in_flight
        waits = ": the others wait" * (in_flight > card.max_concurrent)
        room = (
            f"It {likely}answers {quantity(self.asked_rps, UNIT)}: about "
            f"{digits(in_flight, 2)} are in flight, and {card.max_concurrent:,} have room{waits}."
        )
        return f"{room} {limits_said}".strip()

    def headline(self):
        """Give the number that stands in place of users.

        Returns
        -------
        dict
            An item of the headline.
        """
        most = f"{digits(self.most.value)} at most"
        return {
            "label": next(iter(self.card.answered_rps)),
            "value": digits(self.within.value),
            "unit": UNIT,
            "note": f"{self.asked_rps:.4g} asked{f'; {most}, late or not' * self.limited}",
            "explain": self._explained(),
        } | answers.span(self.within)

    def _explained(self):
        rows = [f"MEMORY: a ledger\n{answers.arithmetic(self.card.ledger)}", ""]
        rows.append("RATES: requests in flight, and what they wait")
        for rate, one in self.cards.items():
            rows.append(f"at {quantity(rate, UNIT)}: {digits(one.at_rate.in_flight)} in flight")
            rows += _latencies(one)
        rows += [f"{quantity(self.most.value, UNIT)}: the queue grows without end", ""]
        rows.append(why_wide(self.within))
        return "\n".join(rows)

    def table(self):
        """Show what more and fewer requests do to the same deployment.

        Returns
        -------
        dict
            A table of a view.
        """
        rows = [
            [digits(rate), digits(one.at_rate.in_flight), *_speeds(one)]
            for rate, one in self.cards.items()
        ]
        return {
            "caption": "More or fewer requests",
            "columns": ["Requests/s", "In flight", *SPEEDS],
            "rows": rows,
            "levels": [[None] * 4 + [_level(one)] for one in self.cards.values()],
            "highlight": [i for i, rate in enumerate(self.cards) if rate == self.asked_rps],
            "stack": True,
        }

    def sentences(self):
        """Say how far the rate may rise, and what ends it.

        Returns
        -------
        list of str
            Sentences.
        """
        said = f"It answers at most {_between(self.most)}"
        if self.limited and self.within.value:
            said += f", and {_between(self.within)} within the limits"
        elif self.limited:
            said += ", and no rate within the limits"
        return [f"{said}. {design.why_no_faster(self.card)}".strip()]


SPEEDS = ("Speed of one", "First token", "$/M output", "Tightest latency")


def _speeds(card):
    """The cells of `SPEEDS`."""
    e, worst = card.estimates, _tightest(card)
    return (
        quantity(e.tok_s_user.value, "tok/s"),
        quantity(e.ttft_s.value, "s"),
        quantity(e.usd_mtok.value, "USD/Mtok") if e.usd_mtok else "-",
        f"{answers.limit_name(worst)}: {worst.words}" if worst else "-",
    )


def _level(card):
    worst = _tightest(card)
    return worst and answers.LEVELS[worst.verdict]


def _tightest(card):
    """The limit on a latency with the least headroom; None where none is set."""
    latency = [limit for limit in card.limits if limit.unit == "s"]
    return min(latency, key=lambda limit: limit.headroom, default=None)


def _latencies(card):
    return [f"    {limit.sentence}" for limit in card.limits if limit.unit == "s"]


def _between(made):
    low, high = quantity(made.low, UNIT).partition(" ")[0], quantity(made.high, UNIT)
    return f"{quantity(made.value, UNIT)} ({low} to {high})"
