"""A measured row beside its prediction."""

from typing import NamedTuple


class Row(NamedTuple):
    """A measurement and its prediction.

    Attributes
    ----------
    id, metric, regime : str
        The row's identifier, quantity and regime.
    measured, predicted, low, high, ceiling : float or None
        In the metric's own unit.
    failure_modes : tuple of str
        The failure modes that apply.
    skipped : str or None
        Why it was not predicted; None when it was.
    reason : str
        The reason for the width of the interval.
    model, gpu, engine, source : str
        The catalogue's names, and the source; "" when unknown.
    doubts : tuple of str
        The doubts about the row itself, names of `weak_spots.DOUBTS`.
    left_out : tuple of float or None
        The predictions of fits that left out its model, its card, its source.
    """

    id: str
    metric: str | None
    regime: str | None
    measured: float | None
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    failure_modes: tuple[str, ...] = ()
    skipped: str | None = None
    reason: str = ""
    model: str = ""
    gpu: str = ""
    engine: str = ""
    source: str = ""
    doubts: tuple[str, ...] = ()
    left_out: tuple[float | None, ...] = (None, None, None)

    @property
    def error(self) -> float | None:
        """Relative error of the prediction; None without one."""
        if self.predicted is None or self.measured is None:
            return None
        return abs(self.predicted / self.measured - 1)

    @property
    def inside(self) -> bool:
        """Whether the measurement lies in the interval."""
        if self.low is None or self.high is None or self.measured is None:
            return False
        return self.low <= self.measured <= self.high
