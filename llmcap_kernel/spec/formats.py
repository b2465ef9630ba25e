"""How weights and caches are stored: bytes a parameter, and what they are computed in."""

from dataclasses import dataclass

from ..once import cached_property
from ..refuse import BadInput, a_name, number, one_of, shown
from .models import ROLES

WIDE = ("bf16", "fp16", "fp32")  # what every format can be computed in


@dataclass(frozen=True)
class Format:
    """A storage format of weights, or of keys and values.

    Parameters
    ----------
    name : str
        Identifier in the catalogue.
    title : str
        Display name.
    element_bits : float
        Size of one element, without its scale [bits].
    scale_bits : float
        Size of one scale [bits].
    group : int
        Elements that share a scale; 0 when scales are negligible.
    covers : tuple of str
        Tensor roles the format is applied to; other tensors stay in 16 bit.
    covers_mixture : tuple of str
        The same in a mixture of experts; empty where it is the same.
    compute : tuple of str
        Compute dtypes in order of preference; the first that the card supports is used.
    kv : bool
        Whether engines support it for the KV cache.
    gguf : str
        Name of llama.cpp's own file type, which mixes block types by tensor (`gguf.py`);
        "" for other formats.
    timed : bool
        Whether kernels that read it, or alike ones, were timed; where not, speeds are less certain.

    Raises
    ------
    BadInput
        When a field is out of range.

    Examples
    --------
    >>> Format("nvfp4", "NVFP4", 4, 8, 16, ("mlp",), compute=("fp4", "bf16")).bytes_per_element
    0.5625
    """

    name: str
    title: str
    element_bits: float
    scale_bits: float = 0.0
    group: int = 0
    covers: tuple[str, ...] = ()
    covers_mixture: tuple[str, ...] = ()
    compute: tuple[str, ...] = ("bf16",)
    kv: bool = False
    gguf: str = ""
    timed: bool = True

    def __hash__(self) -> int:
        return hash(self.name)  # of all fields it would take longer than some predictions

    def __post_init__(self) -> None:
        a_name("Format", name=self.name, title=self.title)
        number("element_bits", self.element_bits, 1, 64, "bits")
        number("scale_bits", self.scale_bits, 0, 1024, "bits")
        number("group", self.group, 0, 1_000_000, whole=True)
        if not isinstance(self.gguf, str):
            raise BadInput("gguf", f"gguf is {shown(self.gguf)}: it takes the name of a file type.")
        for name in ("covers", "covers_mixture"):
            for role in getattr(self, name):
                one_of(name, role, ROLES)

    @cached_property
    def short_title(self) -> str:
        """The display name before a bit of weights or cache: no size of groups, no "cache"."""
        return self.title.partition(",")[0].removesuffix(" cache")

    @cached_property
    def tried(self) -> tuple[str, ...]:
        """Compute dtypes in order of preference, wider ones last."""
        return (*self.compute, *WIDE)

    @cached_property
    def bytes_per_element(self) -> float:
        """Size of one element with its share of the scale [bytes]."""
        scale = self.scale_bits / self.group if self.group else 0.0
        return (self.element_bits + scale) / 8
