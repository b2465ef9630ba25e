"""The candidates of a block as one deployment, whose card and limits are numpy arrays."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .. import bandwidth
from ..numeric import Number, minimum, where
from ..spec import Deployment, Format, Gpu
from .many_copies import Array
from .space import Block

RATED = (
    "bandwidth_bytes_s",
    "link_bandwidth_bytes_s",
    "node_link_bandwidth_bytes_s",
    "direct_link",
    "peer_access",
)


@lru_cache(maxsize=1024)
def _field(gpus: tuple[Gpu, ...], name: str) -> Array:
    return np.array([getattr(gpu, name) for gpu in gpus], float)


@lru_cache(maxsize=1024)
def _rates(gpus: tuple[Gpu, ...], number_format: Format) -> Array:
    return np.array([bandwidth.compute_dtype(gpu, number_format)[1] for gpu in gpus], float)


@lru_cache(maxsize=1024)
def _unpacks(gpus: tuple[Gpu, ...], number_format: Format) -> Array:
    return np.array([gpu.unpacks(number_format) for gpu in gpus], float)


class Cards(Gpu):
    """Several cards as one, whose numbers are arrays with an entry per candidate."""

    gpus: tuple[Gpu, ...]
    each: Array
    formats: dict[Any, Array]

    def __init__(self, gpus: tuple[Gpu, ...], each: Array) -> None:
        rated = {name: _field(gpus, name)[each] for name in RATED}
        self.__dict__.update(gpus[0].__dict__, gpus=gpus, each=each, formats={}, **rated)

    def __hash__(self) -> int:
        return id(self)

    def computes(self, number_format: Format) -> Any:
        """Find the rates at which the cards compute a format.

        Parameters
        ----------
        number_format : Format
            The stored format.

        Returns
        -------
        tuple
            No dtype, for they differ, and the rates [FLOP/s].
        """
        return "", self._by_format(_rates, number_format)

    def unpacks(self, number_format: Format) -> Any:
        """Say where weights are unpacked before they are multiplied.

        Parameters
        ----------
        number_format : Format
            Their format.

        Returns
        -------
        array
            1 where they are, 0 elsewhere.
        """
        return self._by_format(_unpacks, number_format)

    def _by_format(self, each_card: Callable[..., Array], number_format: Format) -> Array:
        key = each_card, number_format  # a key with the tuple of cards would hash them all
        if key not in self.formats:
            self.formats[key] = each_card(self.gpus, number_format)[self.each]
        return self.formats[key]


def _limits(block: Block, card: Array, asked_seqs: Array, asked_tokens: Array) -> list[Array]:
    """Compute the tokens of a step, sequences and largest graph batch, as `Deployment` does."""
    engine_limits = [block.engine.limits_on(gpu) for gpu in block.gpus]
    own_prompt_steps = block.engine.family == "sglang"  # prompts have steps of their own
    tokens, seqs, graphs = (
        np.array(x, float)[card]
        for x in (
            [x.batched_tokens for x in engine_limits],
            [x.seqs for x in engine_limits],
            [x.graph_seqs_tp4 if block.tp >= 4 else x.graph_seqs for x in engine_limits],
        )
    )
    tokens = where(asked_tokens > 0, asked_tokens, tokens)
    seqs = where(asked_seqs > 0, asked_seqs, seqs if own_prompt_steps else minimum(seqs, tokens))
    max_graph = seqs if own_prompt_steps else minimum(2 * seqs, tokens)
    return [tokens, seqs, minimum(graphs, max_graph)]


class Stack(Deployment):
    """The candidates of a block as one deployment."""

    block: Block
    card: Array
    tokens: Array
    seqs: Array
    graphs: Array

    def __init__(self, block: Block) -> None:
        gpus, limits = block.gpus, block.limits
        card = np.repeat(np.arange(len(gpus)), len(limits))
        asked_seqs, asked_tokens = (
            np.tile(np.array([x[i] or 0 for x in limits], float), len(gpus)) for i in range(2)
        )
        tokens, seqs, graphs = _limits(block, card, asked_seqs, asked_tokens)
        self.__dict__.update(
            block[0].__dict__,
            gpu=Cards(gpus, card),
            max_num_seqs=asked_seqs,
            block=block,
            card=card,
            tokens=tokens,
            seqs=seqs,
            graphs=graphs,
        )

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def only(self, at: Array) -> "Stack":
        """Keep some of the candidates.

        Parameters
        ----------
        at : array of int
            Their places.

        Returns
        -------
        Stack
            As one deployment, too.
        """
        subset = object.__new__(Stack)
        names = ("card", "tokens", "seqs", "graphs", "max_num_seqs")
        columns = {name: getattr(self, name)[at] for name in names}
        subset.__dict__.update(self.__dict__ | columns, gpu=Cards(self.block.gpus, columns["card"]))
        return subset

    @property
    def batch_limit_tokens(self) -> Array:
        """Tokens of a step in effect, at most [tokens]."""
        return self.tokens

    @property
    def seqs_limit(self) -> Array:
        """Sequences at once in effect, at most."""
        return self.seqs

    @property
    def launches_prompts(self) -> Any:
        """Whether the host launches the kernels of a prompt one by one: 1 where it does."""
        if self.engine.family != "sglang":
            return self.engine.launches_prompts
        return self.like(lambda d: d.launches_prompts, self.card)

    @property
    def graph_seqs_limit(self) -> Array:
        """Largest batch that is captured in a graph."""
        return self.graphs

    @property
    def fraction(self) -> Array:
        """Memory fraction in effect."""
        if not self.engine.memory_fraction:  # the engine sets it from the card and its limits
            return self.like(lambda d: d.fraction, self.card, self.tokens, self.seqs)
        usable = _field(self.block.gpus, "memory_usable_share")
        return minimum(self.engine.memory_fraction, usable)[self.card]

    def of_card(self, name: str) -> Array:
        """Look up a field of each candidate's card.

        Parameters
        ----------
        name : str
            A field of `Gpu`.

        Returns
        -------
        array
            One for each candidate.
        """
        return _field(self.block.gpus, name)[self.card]

    def like(self, number: Callable[[Deployment], Number], *kinds: Array) -> Array:
        """Compute a number from one real deployment of each kind of candidate.

        Parameters
        ----------
        number : callable
            Gives the number of a deployment.
        *kinds : array
            What the number depends on.

        Returns
        -------
        array
            One for each candidate.
        """
        key = kinds[0] if len(kinds) == 1 else np.stack(kinds, axis=1)
        along = None if len(kinds) == 1 else 0
        _, first, place = np.unique(key, axis=along, return_index=True, return_inverse=True)
        values = np.array([number(self.block[i]) for i in first.tolist()], float)
        return values[place.reshape(-1)]
