"""What a scheme of quantisation is: a format of the catalogue, and the bits of a weight."""

from typing import NamedTuple

from ...refuse import BadInput, number, shown
from ..config import LIMITS, Fields

# Weights that share a scale where a config does not say, by method.
USUAL_GROUP, MLX_GROUP, HQQ_GROUP, HIGGS_GROUP = 128, 64, 64, 256
HALF = 16  # bits of a scale or zero point that is kept as it is
BLOCK = 128 * 128  # weights that share a scale in DeepSeek's blocks


class Scheme(NamedTuple):
    """How a checkpoint stores a weight that it converts.

    Attributes
    ----------
    name : str
        A format of the catalogue.
    bits : float
        Size of a weight with its share of scales, zero points and code books [bits].
    pinned : bool
        Whether that is more than the format's own, so that each tensor has to say it.
    codebook_bits : float
        What each matrix keeps once beside its weights [bits].
    """

    name: str
    bits: float
    pinned: bool = False
    codebook_bits: float = 0.0


AS_IT_WAS = Scheme("bf16", 16.0)
# Formats without a field that moves their size, and the bits of a weight with its share of scales.
FIXED = {
    "fp8": 8.0,
    "fp8-a16": 8.0,
    "fp8-block": 8 + 32 / BLOCK,
    "mxfp4": 4 + 8 / 32,
    "mxfp6": 6 + 8 / 32,
    "mxfp8": 8 + 8 / 32,
    "nvfp4": 4 + 8 / 16,
    "int8": 8.0,
    "int8-channel": 8.0,
    "experts-int8": 8.0,
    "fp6": 6.0,
    "ternary": 2.0,
    "gguf-q8-0": 8.5,
    "nf4": 4 + 8.125 / 64,
    "nf4-single": 4 + 32 / 64,
    "int4-awq": 4 + 20 / 128,
    "int4-gptq": 4 + 20 / 128,
    "int4-g128-afp8": 4 + 16 / 128,
    "int4-channel-a8": 4.0,
}


# What a format multiplies with where nothing is said of activations, and the suffix of its name
# where they are otherwise, as `catalog.names.made.built` reads it. Whole numbers have 16 bits.
OWN_ACTIVATIONS = {
    **dict.fromkeys(("nvfp4", "mxfp4"), "4"),
    **dict.fromkeys(("fp8", "fp8-block", "mxfp6", "mxfp8"), "fp8"),
    "int8": "8",
}
SUFFIXES = {"16": "-a16", "fp8": "-afp8", "8": "-a8"}


def beside(scheme: Scheme, activations: str) -> Scheme:
    """Name a format by what its activations are converted to.

    Parameters
    ----------
    scheme : Scheme
        The format of the weights.
    activations : str
        "16" where they are not converted; "fp8", "8" or "4"; "" where nothing is said of them.

    Returns
    -------
    Scheme
        The same bits, under the name of a format that computes so.

    Examples
    --------
    >>> beside(fixed("nvfp4"), "16").name, beside(fixed("nvfp4"), "4").name
    ('nvfp4-a16', 'nvfp4')
    """
    own = OWN_ACTIVATIONS.get(scheme.name, "16")
    suffix = SUFFIXES.get(activations, "") if activations != own else ""
    return scheme._replace(name=f"{scheme.name}{suffix}")


def fixed(name: str) -> Scheme:
    """Look up a format that has one size.

    Parameters
    ----------
    name : str
        One of `FIXED`, or with one of `SUFFIXES`.

    Returns
    -------
    Scheme
        Its name and bits.

    Examples
    --------
    >>> fixed("nvfp4").bits, fixed("mxfp4-a16").bits
    (4.5, 4.25)
    """
    bare = name if name in FIXED else name.rpartition("-")[0]
    return Scheme(name, FIXED[bare])


def grouped(bits: int, group: int, zeros: bool, *, packed: bool = False) -> Scheme:
    """Name a format of whole numbers with a scale, and maybe a zero point, for each group.

    Parameters
    ----------
    bits : int
        Size of a weight [bits].
    group : int
        Weights that share a scale; 0 or less for all of an output channel.
    zeros : bool
        Whether a group has a zero point, of a weight's bits.
    packed : bool
        Whether as many whole weights as fit are packed into each 32 bits, and no weight over two.

    Returns
    -------
    Scheme
        Its name and bits.

    Examples
    --------
    >>> grouped(3, 128, True).bits, grouped(3, 128, False, packed=True).bits
    (3.1484375, 3.325)
    """
    stored = 32 / (32 // bits) if packed else bits
    if group <= 0:
        return Scheme(f"int{bits}-channel", stored, pinned=stored > bits)
    usual = {
        (8, 128): "int8-weight-only",
        (4, 128): "int4-gptq",
        (4, 32): "int4-gptq-g32",
    }
    name = usual.get((bits, group))
    beside = HALF + bits * (zeros if name is None else name == "int4-gptq")
    name = name or f"int{bits}-g{group}{'-asym' if zeros else ''}"
    return Scheme(name, stored + beside / group, pinned=stored > bits)


def bits_of(quant: Fields, name: str = "bits", default: int = 4) -> int:
    """Read the bits of a weight."""
    given = quant.data.get(name)
    return number(quant.path(name), default if given is None else given, 1, 8, whole=True)


GROUPS = (16, 32, 64, 128, 256, 512, 1024)


def group_of(quant: Fields, usual: int, name: str = "group_size", *, channel: bool = True) -> int:
    """Read how many weights share a scale, -1 for a whole channel."""
    given = quant.data.get(name)
    if given is None:
        return usual
    where = quant.path(name)
    group = number(where, given, -1, LIMITS["small"], whole=True)
    if group in GROUPS or (channel and group <= 0):
        return group
    if group > GROUPS[-1] and channel:
        return -1  # as good as none
    listed = ", ".join(map(str, GROUPS))
    raise BadInput(where, f"{where} is {shown(given)}: it takes {listed}{' or -1' * channel}.")


def two_halves(method: str, bits: int, group: int, usual: int) -> Scheme:
    """A scale and a zero point of 16 bits for each group."""
    if group <= 0:
        return grouped(bits, group, zeros=False)
    suffix = f"-g{group}" if group != usual else ""
    return Scheme(f"{method}-{bits}bit{suffix}", bits + 2 * HALF / group)


def averaged(method: str, bits: float) -> Scheme:
    """A method by the mean bits of its weights, all scales and books among them."""
    bits = number("quantization_config", round(bits, 2), 1, 8, "bits")
    return Scheme(f"{method}-{bits:g}bpw", bits)
