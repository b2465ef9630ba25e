"""Energy: the power of the cards under a load, and the energy of a token.

It is not fitted to measurements of power. A card that computes draws its board power. One that
reads, exchanges or waits needs at most half of it: capped at 350 W of its 700 W, an H100 decodes as
fast as before, and prefills more slowly (Patel et al. 2023, arXiv 2311.18677, section III).
"""

from dataclasses import dataclass

from ..bandwidth import Step, Work
from ..explain import Explained, Line, quantity
from ..refuse import BadInput
from .cards import Card

NOT_COMPUTING = 0.5  # share of the board power while a card is not bound by compute
BASIS = (
    "board power while arithmetic decides, at most half of it while the card reads or waits "
    "(arXiv 2311.18677); no measurement of power is behind it, and hosts and cooling are apart"
)


@dataclass(frozen=True)
class Energy(Explained):
    """The power of a deployment's cards, estimated from the data sheet.

    Attributes
    ----------
    board_w : float
        Board power of all cards: no load draws more [W].
    computing : float
        Share of the time in which arithmetic decides.
    output_tok_s : float
        Output tokens of all users [tok/s].
    """

    board_w: float
    computing: float
    output_tok_s: float

    @property
    def power_w(self) -> float:
        """Estimated power of all cards [W]."""
        return self.board_w * (self.computing + (1 - self.computing) * NOT_COMPUTING)

    @property
    def least_w(self) -> float:
        """Half the board power, as if no part were bound by compute [W]."""
        return self.board_w * NOT_COMPUTING

    @property
    def j_token(self) -> float:
        """Energy of an output token, its share of the prompt included [J]."""
        return self.power_w / self.output_tok_s

    @property
    def j_token_interval(self) -> tuple[float, float]:
        """Energy of an output token at half the board power, and at all of it [J]."""
        return self.least_w / self.output_tok_s, self.board_w / self.output_tok_s

    def sentence(self, copies: int = 1) -> str:
        """Write the power of the cards of some copies, and the energy of a token.

        Parameters
        ----------
        copies : int
            How many there are.

        Returns
        -------
        str
            The sentence, with its basis.
        """
        low, high = self.j_token_interval
        return (
            f"The cards draw about {quantity(copies * self.power_w / 1e3, 'kW')}, and an output "
            f"token takes {quantity(self.j_token, 'J')} ({quantity(low, 'J')} to "
            f"{quantity(high, 'J')}): {BASIS}."
        )

    def lines(self) -> tuple[Line, ...]:
        """List power and energy.

        Returns
        -------
        tuple of Line
            The steps of the derivation.
        """
        low, high = self.j_token_interval
        power = quantity(self.power_w / 1e3, "kW")
        rate = quantity(self.output_tok_s, "tok/s")
        return (
            Line(
                "power",
                f"board power x (computing + {NOT_COMPUTING:g} x the rest)",
                f"{quantity(self.board_w / 1e3, 'kW')} x ({self.computing:.2f} + "
                f"{NOT_COMPUTING:g} x {1 - self.computing:.2f})",
                power,
                "arXiv 2311.18677",
            ),
            Line(
                "energy of a token",
                "power / output_rate",
                f"{power} / {rate}",
                f"{quantity(self.j_token, 'J')} ({quantity(low, 'J')} to {quantity(high, 'J')})",
            ),
        )


def computing_s(step: Step) -> float:
    """Add up the parts of a pass that are bound by compute.

    Parameters
    ----------
    step : Step
        A timed pass.

    Returns
    -------
    float
        Time of dense products, experts and attention where their arithmetic takes as long as
        their reading or longer [s].

    Examples
    --------
    >>> from llmcap_kernel.bandwidth import decode_step, prefill
    >>> from llmcap_kernel.design import worked_spec
    >>> b = worked_spec()[1]
    >>> computing_s(decode_step(b, context_tokens=8000))
    0.0
    >>> prompt = prefill(b, input_tokens=7000)
    >>> computing_s(prompt) > 0.5 * prompt.total_s
    True
    """
    arithmetic = _arithmetic_alone(step.work).parts(step.efficiency)
    named = ("dense_s", "expert_s", "attention_s")
    parts = (arithmetic[n] for n in named if 0 < arithmetic[n] >= getattr(step, n))
    return sum(parts, 0.0)


def _arithmetic_alone(work: Work) -> Work:
    return work._replace(dense_read_s=0.0, expert_read_s=0.0, kv_read_s=0.0)


def energy(card: Card) -> Energy:
    """Estimate the energy of a deployment under its load.

    Parameters
    ----------
    card : Card
        A deployment that starts, on cards whose power is known.

    Returns
    -------
    Energy
        Power, and the energy of a token.

    Raises
    ------
    BadInput
        When the engine does not start, or the card's power is not known.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_WORKLOAD, card, worked_spec
    >>> b = energy(card(worked_spec()[1], WORKED_WORKLOAD))
    >>> b.least_w < b.power_w < b.board_w == 1400
    True
    """
    d, served = card.deployment, card.expected.served
    if not d.gpu.power_w:
        raise BadInput("power_w", f"power_w of {d.gpu.name} is not known.")
    prompts_s = served.users * min(served.prompt.share_s, served.pass_s)
    computed_s = served.users * computing_s(served.prompt) * served.work.prompt.share
    decoding_s = max(served.round_s - prompts_s, 0.0)
    share = computing_s(served.decode) / served.decode.total_s
    total_s = max(prompts_s + decoding_s, served.round_s)
    computing = min((computed_s + decoding_s * share) / total_s, 1.0)
    return Energy(d.gpu.power_w * d.num_gpus, computing, served.output_tok_s)
