"""The rows of a search's candidates as columns: an array of numpy for each number."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .many_copies import Array
from .rows import Row, coarse


class Columns(Sequence[Row]):
    """Rows of candidates, kept as an array for each number.

    Parameters
    ----------
    columns : dict of str to array
        By the names of `Row`, without the headrooms.
    headrooms : dict of str to array
        By the name of the limit; nan where it is not judged.
    alone : array of bool, optional
        Where a rate is asked: whether one request in flight meets every limit but rent and price.
    """

    def __init__(
        self,
        columns: dict[str, Array],
        headrooms: dict[str, Array],
        alone: Array | None = None,
    ) -> None:
        self.columns, self.headrooms, self.alone = columns, headrooms, alone

    def __len__(self) -> int:
        return len(self.columns["usd_h"])

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        whole = {"copies": int, "users": int, "num_gpus": int}
        numbers: dict[str, Any] = {
            n: whole.get(n, float)(column[at]) for n, column in self.columns.items()
        }
        known = ((n, float(column[at])) for n, column in self.headrooms.items())
        return Row(**numbers, headrooms={n: x for n, x in known if x == x})

    @cached_property
    def least(self) -> Array:
        """Least headroom of each."""
        return np.fmin.reduce(list(self.headrooms.values()))

    def order(self, rank: str) -> tuple[int, ...]:
        """Number those that meet every limit, cheapest first.

        Parameters
        ----------
        rank : str
            "usd_h" or "usd_mtok".

        Returns
        -------
        tuple of int
            As `rows.cost` orders them.
        """
        c = self.columns
        first, second = ("usd_mtok", "usd_h") if rank == "usd_mtok" else ("usd_h", "usd_mtok")
        good = np.flatnonzero(self.least >= 1)
        keys = [coarse(c[n][good]) for n in ("itl_s", "num_gpus", second, first)]
        return tuple(good[np.lexsort(keys)].tolist())

    def misses(self) -> tuple[int, ...]:
        """Number the others, nearest miss first.

        Returns
        -------
        tuple of int
            As a search orders them.
        """
        bad = np.flatnonzero(~(self.least >= 1))
        keys = coarse(self.columns["lack"][bad]), -coarse(self.least[bad])
        return tuple(bad[np.lexsort(keys)].tolist())

    def front(self, order: tuple[int, ...]) -> list[int]:
        """Number those of an order that no other beats in everything.

        Parameters
        ----------
        order : tuple of int
            Candidates that meet every limit.

        Returns
        -------
        list of int
            As `rows.undominated` finds them.
        """
        at = np.array(order, int)
        values = [self.columns[n][at] for n in ("usd_h", "usd_mtok", "itl_s", "ttft_s")]
        points = coarse(np.stack([*values, -self.least[at]], axis=1))
        left, front = np.lexsort([np.arange(len(at)), *points.T[::-1]]), []
        while len(left):
            front.append(int(left[0]))
            left = left[~(points[left] >= points[left[0]]).all(axis=1)]
        return [order[i] for i in sorted(front)]

    def missing_only(self, name: str) -> bool:
        """Say whether any misses one limit and no other.

        Parameters
        ----------
        name : str
            Name of the limit.

        Returns
        -------
        bool
            Whether one does.
        """
        others = [room for other, room in self.headrooms.items() if other != name]
        missed = self.headrooms[name] < 1 if name in self.headrooms else np.zeros(len(self), bool)
        return bool((missed & (np.fmin.reduce(others) >= 1)).any())

    def fastest(self) -> list[tuple[float, int]]:
        """List how many tokens all copies of each make, and its number, the most first.

        Returns
        -------
        list of (float, int)
            A rate, infinite where no rent tells it, and a number [tok/s].
        """
        c = self.columns
        with np.errstate(invalid="ignore"):
            made = c["usd_h"] / 3600 * 1e6 / c["usd_mtok"]
        made = np.where(np.isnan(made), np.inf, made)
        order = np.argsort(-made, kind="stable")
        return list(zip(made[order].tolist(), order.tolist(), strict=True))

    @classmethod
    def joined(cls, parts: "Sequence[Columns]") -> "Columns":
        """Put columns behind each other.

        Parameters
        ----------
        parts : sequence of Columns
            With the same columns.

        Returns
        -------
        Columns
            All rows.
        """
        columns, rooms = (
            {n: np.concatenate([getattr(p, kind)[n] for p in parts]) for n in first}
            for kind, first in (("columns", parts[0].columns), ("headrooms", parts[0].headrooms))
        )
        known = [p.alone for p in parts if p.alone is not None]
        return cls(columns, rooms, np.concatenate(known) if known else None)
