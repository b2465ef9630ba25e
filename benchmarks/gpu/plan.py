"""What is measured: matrix products and attention at the shapes of the catalogue's models.

A cell is one product or one attention at one load. Its bytes and its FLOP are the law's, so
that a share of the spec sheet means here what it means in `calibration`.
"""

import math
from dataclasses import dataclass
from functools import cached_property

from llmcap_kernel import bandwidth, catalog, law
from llmcap_kernel.refuse import BadInput

MODELS = ("llama-3.1-8b", "llama-3.1-70b")
FORMATS = ("bf16", "fp8")
BATCHES = tuple(2**n for n in range(9))
CONTEXTS = tuple(1024 * 2**n for n in range(6))
# An engine joins the matrices that read the same input, so these are the products it runs.
JOINED = {
    "qkv": ("q_proj", "k_proj", "v_proj"),
    "o": ("o_proj",),
    "gate_up": ("gate_proj", "up_proj"),
    "down": ("down_proj",),
    "head": ("lm_head",),
}
FROM_WIDE = ("o", "down")  # their output is the hidden state; for the others their input is
CACHE_TIMES = 4  # a card's cache is passed over this many times before a buffer comes again
MOST_COPIES = 64
MEMORY_SHARE = 0.6  # of the card, for the buffers of one cell


@dataclass(frozen=True)
class Cell:
    """One product or one attention, at one load.

    Parameters
    ----------
    model : str
        A name of the catalogue.
    part : str
        A key of `JOINED`, or "attention".
    weights : str
        Format of the weights; attention reads a cache of 16 bits.
    batch : int
        Sequences at once.
    tokens : int
        Tokens of each: 1 in decode, the prompt in prefill [tokens].
    context : int
        Cached tokens that each sequence reads in decode; 0 for a product [tokens].
    rows, columns : int
        The matrix: outputs and inputs; 0 for attention [elements].
    copies : int
        How many of it a pass through the model runs.
    """

    model: str
    part: str
    weights: str
    batch: int
    tokens: int
    context: int = 0
    rows: int = 0
    columns: int = 0
    copies: int = 1

    @property
    def key(self):
        """Everything that tells it from other cells."""
        return (self.model, self.part, self.weights, self.batch, self.tokens, self.context)

    @property
    def prompt(self):
        """Whether it has the shape of prefill."""
        return self.tokens > 1

    @cached_property
    def attention(self):
        """The model's attention."""
        return catalog.model(self.model).attention[0]

    @property
    def flops(self):
        """Work, as the law counts it [FLOP]."""
        if self.part != "attention":
            return law.matmul_flops(
                params=self.rows * self.columns, tokens=self.batch * self.tokens
            )
        a, pairs = self.attention, self.context
        if self.prompt:
            pairs = self.tokens * (self.tokens + 1) / 2
        width = {"heads": a.heads, "qk_dim": a.head_dim, "v_dim": a.v_head_dim or a.head_dim}
        return self.batch * law.attention_flops(**width, tokens_read=pairs)

    @property
    def bytes_read(self):
        """Weights or cache read, as the law counts them [bytes]."""
        if self.part != "attention":
            return self.rows * self.columns * catalog.format(self.weights).bytes_per_element
        if self.prompt:
            return 0.0
        return self.batch * self.context * self.cache_bytes_per_token

    @property
    def cache_bytes_per_token(self):
        """What a token leaves in one layer, in 16 bits [bytes]."""
        a = self.attention
        kept = law.gqa_elements_per_token(
            kv_heads=a.kv_heads, head_dim=a.head_dim, v_head_dim=a.v_head_dim or None
        )
        return kept * catalog.format("bf16").bytes_per_element

    @property
    def buffer_bytes(self):
        """Weights or cache of one copy, and what goes in and out [bytes]."""
        two = catalog.format("bf16").bytes_per_element
        lines = self.batch * self.tokens
        if self.part != "attention":
            return self.bytes_read + lines * (self.rows + self.columns) * two
        held = self.batch * max(self.context, self.tokens) * self.cache_bytes_per_token
        return held + lines * 2 * self.attention.heads * self.attention.head_dim * two

    def roofline_s(self, gpu):
        """Give the least time that a card's spec sheet allows.

        Parameters
        ----------
        gpu : Gpu
            The card.

        Returns
        -------
        float
            The time [s].
        """
        flop_s, bandwidth_bytes_s = self.rates(gpu)
        return law.roofline_s(
            flops=self.flops,
            bytes_moved=self.bytes_read,
            flop_s=flop_s,
            bandwidth_bytes_s=bandwidth_bytes_s,
        )

    def rates(self, gpu):
        """Give the two rates of the spec sheet that bound it.

        Parameters
        ----------
        gpu : Gpu
            The card.

        Returns
        -------
        tuple of float
            Dense rate of its format [FLOP/s], and memory bandwidth [bytes/s].
        """
        stored = catalog.format("bf16" if self.part == "attention" else self.weights)
        return bandwidth.compute_dtype(gpu, stored)[1], gpu.bandwidth_bytes_s

    def waits_for_memory(self, gpu):
        """Say which of the two rates bounds it.

        Parameters
        ----------
        gpu : Gpu
            The card.

        Returns
        -------
        bool
            True for bandwidth.
        """
        flop_s, bandwidth_bytes_s = self.rates(gpu)
        return self.bytes_read / bandwidth_bytes_s > self.flops / flop_s


def matrices(model, weights):
    """List the products of one pass through a model.

    Parameters
    ----------
    model : Model
        A dense model whose layers are all alike.
    weights : str
        The format; what it does not cover stays in 16 bits.

    Returns
    -------
    list of dict
        part, rows, columns, copies and weights of each.

    Raises
    ------
    BadInput
        When the model has other parts, such as experts or a latent cache.

    Examples
    --------
    >>> [m["rows"] for m in matrices(catalog.model("llama-3.1-8b"), "bf16")]
    [6144, 4096, 28672, 4096, 128256]
    """
    tensors = {t.name.rpartition(".")[2]: t for t in model.tensors}
    names = [name for group in JOINED.values() for name in group]
    plain = len(model.attention) == 1 and model.attention[0].kind == "full"
    if not plain or model.experts or any(name not in tensors for name in (*names, "norm")):
        raise BadInput(
            "models",
            f"{model.name} is not a plain dense model: it takes those with {', '.join(names)}.",
        )
    hidden = tensors["norm"].elements
    covered = catalog.format(weights).covers
    out = []
    for part, joined in JOINED.items():
        other = sum(tensors[name].elements for name in joined) // hidden
        rows, columns = (hidden, other) if part in FROM_WIDE else (other, hidden)
        first = tensors[joined[0]]
        kept = weights if first.role in covered else "bf16"
        size = {"rows": rows, "columns": columns, "copies": first.copies}
        out.append({"part": part, "weights": kept, **size})
    return out


def cells(models=MODELS, formats=FORMATS, batches=BATCHES, contexts=CONTEXTS):
    """List everything that is measured, each cell once.

    Parameters
    ----------
    models, formats : iterable of str
        Names of the catalogue.
    batches : iterable of int
        Sequences in a decode step.
    contexts : iterable of int
        Cached tokens in decode, prompt tokens in prefill [tokens].

    Returns
    -------
    list of Cell
        Shortest first, so that a run that is cut off has the most to tell.
    """
    found = {}
    for name in models:
        model = catalog.model(name)
        attention = {"part": "attention", "weights": "bf16", "copies": model.layers}
        made = [{"batch": b, "tokens": 1, "context": c, **attention}
                for b in batches for c in contexts]  # fmt: skip
        made += [{"batch": 1, "tokens": c, **attention} for c in contexts]
        loads = [(b, 1) for b in batches] + [(1, c) for c in contexts]
        made += [
            {"batch": b, "tokens": t, **matrix}
            for weights in formats
            for matrix in matrices(model, weights)
            for b, t in loads
            if t == 1 or matrix["part"] != "head"  # a prompt needs the head for its last token
        ]
        for fields in made:
            cell = Cell(model=model.name, **fields)
            found[cell.key] = cell
    return sorted(found.values(), key=lambda cell: cell.buffer_bytes)


def fits(cell, memory_bytes):
    """Say whether a cell's buffers have room on a card.

    Parameters
    ----------
    cell : Cell
        The cell.
    memory_bytes : float
        Memory of the card [bytes].

    Returns
    -------
    bool
        True when they have.
    """
    return cell.buffer_bytes <= MEMORY_SHARE * memory_bytes


def buffers(cell, cache_bytes, memory_bytes):
    """Say how many copies of a buffer keep a card's cache from helping.

    Parameters
    ----------
    cell : Cell
        The cell.
    cache_bytes : float
        The card's last cache [bytes].
    memory_bytes : float
        Memory of the card [bytes].

    Returns
    -------
    int
        At least 1: what is far larger than the cache needs no second copy.
    """
    if not cell.bytes_read:
        return 1  # attention of a prompt works on what it has just made
    wanted = math.ceil(CACHE_TIMES * cache_bytes / cell.bytes_read)
    room = int(MEMORY_SHARE * memory_bytes // cell.buffer_bytes)
    return max(min(wanted, room, MOST_COPIES), 1)
