"""2:4 sparsity: of each four weights in a row a checkpoint stores two, and where they stood."""

from collections.abc import Iterator

from ..refuse import shown
from .config import Fields
from .schemes import Scheme

SUFFIX = "-2of4"  # as `catalog.names.made.built` reads it
STRUCTURE = "2:4"
# Formats of compressed-tensors that store half the weights; "dense" and "sparse-bitmask" do not
# (the second is unpacked when it is loaded).
HALVED = "sparse-24-bitmask"
MARLIN = "marlin-24"


def halved(scheme: Scheme) -> Scheme:
    """Name the format that stores two of four weights.

    Parameters
    ----------
    scheme : Scheme
        The format of the weights that are kept.

    Returns
    -------
    Scheme
        Half the weights' bits, and one a weight that says which are kept; scales as they were.

    References
    ----------
    compressed-tensors, compressors/sparse_compressors/sparse_24_bitmask.py; for Marlin's, two
    bits for each weight that is kept, as NVIDIA's sparse units read them.

    Examples
    --------
    >>> halved(Scheme("fp8", 8.0)).bits, halved(Scheme("int4-g128", 4.125)).bits
    (5.0, 3.125)
    """
    width = int(scheme.bits)  # what is beside it are scales
    return scheme._replace(name=f"{scheme.name}{SUFFIX}", bits=scheme.bits - width / 2 + 1)


def applied(quant: Fields, scheme: Scheme) -> Scheme:
    """The format of weights that no list names, with the sparsity that a config states."""
    if _marlin(quant):
        return halved(scheme)
    stated = _stated(quant)
    return halved(scheme) if stated and not _named(stated) else scheme


def by_module(quant: Fields, scheme: Scheme) -> Iterator[tuple[str, Scheme]]:
    """Modules that are sparse beside others that are not, or the other way round."""
    stated = _stated(quant)
    if stated is None:
        return
    for name in _named(stated):
        yield name, halved(scheme)
    for name in stated.items("ignore") if not _named(stated) else ():
        if isinstance(name, str) and _of_module(name):
            yield name, scheme


def note(quant: Fields | None) -> str:
    """What is assumed of a config's sparsity; "" where it states none."""
    stated = quant.sub("sparsity_config") if quant else None
    if quant and (_marlin(quant) or _stated(quant)):
        return "2:4 sparsity: half the weights are read; products counted at the rate of dense ones"
    if stated and stated.text("format") not in ("", "dense"):
        form = shown(stated.text("format"))
        return f"sparsity of format {form} is counted as dense, as engines unpack it"
    return ""


def _marlin(quant: Fields) -> bool:
    said = (quant.text("format"), quant.text("checkpoint_format"), quant.text("quant_method"))
    return any(MARLIN in word.lower().replace("_", "-") for word in said)


def _stated(quant: Fields) -> Fields | None:
    stated = quant.sub("sparsity_config")
    if stated is None or stated.text("format") != HALVED:
        return None
    return stated if stated.text("sparsity_structure", STRUCTURE) in (STRUCTURE, "") else None


def _named(stated: Fields) -> list[str]:
    """The modules that are sparse where a config names them, not a class of them."""
    targets = [t for t in stated.items("targets") if isinstance(t, str)]
    return targets if targets and all(map(_of_module, targets)) else []


def _of_module(target: str) -> bool:
    return "." in target or target.startswith("re:")
