"""A card: its memory, bandwidth, peaks and links, as the vendor says and the driver reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..once import cached_property
from ..refuse import BadInput, a_name, number, one_of, shown, yes_or_no
from .formats import WIDE, Format

COMPUTE = (
    *("fp64", "fp32", "tf32", "bf16", "fp16", "fp16-acc16"),
    *("fp8", "fp6", "int8", "fp4", "int4"),
)
UNPACKED = (*WIDE, "fp16-acc16")
PLACES = ("server", "desk")
MAX_GPUS = 4096


@dataclass(frozen=True)
class Gpu:
    """An accelerator card, as specified by the vendor and reported by the driver.

    Parameters
    ----------
    name : str
        Identifier in the catalogue.
    title : str
        Name as the vendor writes it.
    vendor, family, form : str
        Vendor, chip generation (with "-graphics" for the graphics chips of a
        generation that has separate data-centre chips), and form factor.
    place : str
        Where it stands: "server" for a card of data centres, "desk" for one of
        workstations, personal computers and laptops.
    memory_sold_bytes : float
        Advertised memory [bytes].
    memory_visible_bytes : float
        Memory reported by the driver, which the engine allocates from [bytes].
    bandwidth_bytes_s : float
        Peak memory bandwidth [bytes/s].
    flop_s : mapping of str to float
        Peak dense rate per compute dtype; unsupported dtypes are absent [FLOP/s].
    link_bandwidth_bytes_s : float
        One-way link bandwidth to other cards, per card; 0 for no link [bytes/s].
    link : str
        Kind of link.
    max_per_node : int
        Cards in one link domain.
    node_link_bandwidth_bytes_s : float
        One-way bandwidth between link domains, per card [bytes/s].
    host_bandwidth_bytes_s : float
        One-way bandwidth from host memory [bytes/s].
    power_w : float
        Board power [W].
    memory_usable_share : float
        Share of the visible memory available to a model; below 1 where the memory is
        shared with the host.
    unified_memory : bool
        Whether card and host share one memory.
    rates_doubted : bool
        Whether its FLOP/s are a guess that users do not reach.
    usd_h : float
        Reference price for renting one card; 0 if unknown [USD/h].
    parts : tuple of Gpu
        The unequal cards of which this record is the mean; empty for one card. A deployment on
        them has a pipeline stage on each.

    Raises
    ------
    BadInput
        When a field is out of range.
    """

    name: str
    title: str
    vendor: str
    family: str
    form: str
    memory_sold_bytes: float
    memory_visible_bytes: float
    bandwidth_bytes_s: float
    flop_s: Mapping[str, float]
    link_bandwidth_bytes_s: float = 0.0
    link: str = "none"
    max_per_node: int = 8
    node_link_bandwidth_bytes_s: float = 50e9
    host_bandwidth_bytes_s: float = 32e9
    power_w: float = 0.0
    memory_usable_share: float = 1.0
    place: str = "server"
    unified_memory: bool = False
    rates_doubted: bool = False
    usd_h: float = 0.0
    parts: tuple["Gpu", ...] = ()

    def __post_init__(self) -> None:
        a_name("Gpu", name=self.name, title=self.title, vendor=self.vendor, family=self.family)
        for name in ("memory_sold_bytes", "memory_visible_bytes"):
            number(name, getattr(self, name), 1e8, 1e14, "bytes")
        number("bandwidth_bytes_s", self.bandwidth_bytes_s, 1e9, 1e15, "bytes/s")
        number("link_bandwidth_bytes_s", self.link_bandwidth_bytes_s, 0, 1e14, "bytes/s")
        number("max_per_node", self.max_per_node, 1, MAX_GPUS, whole=True)
        for name in ("node_link_bandwidth_bytes_s", "host_bandwidth_bytes_s"):
            number(name, getattr(self, name), 1e6, 1e15, "bytes/s")
        number("power_w", self.power_w, 0, 1e5, "W")
        number("memory_usable_share", self.memory_usable_share, 0.01, 1)
        one_of("place", self.place, PLACES)
        yes_or_no("rates_doubted", self.rates_doubted)
        number("usd_h", self.usd_h, 0, 1e5, "USD/h")
        if not isinstance(self.parts, tuple) or not all(isinstance(p, Gpu) for p in self.parts):
            raise BadInput("parts", f"parts is {shown(self.parts)}: it takes a tuple of Gpu.")
        if not isinstance(self.flop_s, Mapping) or not self.flop_s:
            raise BadInput(
                "flop_s", f"flop_s is {shown(self.flop_s)}: it takes FLOP/s by dtype, one at least."
            )
        for dtype, rate in self.flop_s.items():
            one_of("flop_s", dtype, COMPUTE)
            number(f"flop_s[{shown(dtype)}]", rate, 1e9, 1e18, "FLOP/s")
        object.__setattr__(self, "flop_s", MappingProxyType(dict(self.flop_s)))

    @cached_property
    def direct_link(self) -> bool:
        """Whether cards are joined by a link of their own, not only through PCIe."""
        return self.link != "none" and not self.link.startswith("pcie")

    def computes(self, number_format: "Format") -> tuple[str, float] | None:
        """Find the dtype the card computes a format in, and its rate.

        Parameters
        ----------
        number_format : Format
            The stored format; its `compute` list is tried in order, then wider dtypes.

        Returns
        -------
        tuple of (str, float) or None
            Dtype, and its dense rate; None where the card lists none of them [FLOP/s].
        """
        for dtype in number_format.tried:
            rate = self.flop_s.get(dtype)
            if rate:
                return dtype, rate
        return None

    def unpacks(self, number_format: "Format") -> bool:
        """Say whether weights are unpacked before the card multiplies them.

        Parameters
        ----------
        number_format : Format
            Their format.

        Returns
        -------
        bool
            True for weights of 8 bits or fewer that it computes in 16 or more.
        """
        found = self.computes(number_format)
        return number_format.element_bits <= 8 and found is not None and found[0] in UNPACKED

    @cached_property
    def peer_access(self) -> bool:
        """Whether cards reach each other's memory.

        NVIDIA's drivers give GeForce cards none over PCIe: what one sends another is written to
        the host's memory and read from there (github.com/tinygrad/open-gpu-kernel-modules).
        """
        return self.direct_link or "GeForce" not in self.title

    def __hash__(self) -> int:
        return hash(self.name)  # of all fields it would take longer than some predictions

    def __reduce__(self) -> tuple[Any, ...]:
        # a MappingProxyType does not pickle, and sweeps may send cards to other processes
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _rebuilt, (Gpu, {**fields, "flop_s": dict(self.flop_s)})


def _rebuilt(kind: type[Gpu], fields: dict[str, Any]) -> Gpu:
    return kind(**fields)
