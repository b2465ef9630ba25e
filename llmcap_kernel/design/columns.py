"""The rows of a search's candidates as columns: one numpy array per field."""

from collections.abc import Iterable, Sequence
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
        integers = {"copies": int, "users": int, "num_gpus": int}
        numbers: dict[str, Any] = {
            n: integers.get(n, float)(column[at]) for n, column in self.columns.items()
        }
        headrooms = ((n, float(column[at])) for n, column in self.headrooms.items())
        return Row(**numbers, headrooms={n: x for n, x in headrooms if x == x})

    @cached_property
    def least(self) -> Array:
        """Least headroom of each candidate."""
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
        feasible = np.flatnonzero(self.least >= 1)
        keys = [coarse(c[n][feasible]) for n in ("itl_s", "num_gpus", second, first)]
        return tuple(feasible[np.lexsort(keys)].tolist())

    def misses(self) -> tuple[int, ...]:
        """Number the others, nearest miss first.

        Returns
        -------
        tuple of int
            As a search orders them.
        """
        infeasible = np.flatnonzero(~(self.least >= 1))
        keys = coarse(self.columns["lack"][infeasible]), -coarse(self.least[infeasible])
        return tuple(infeasible[np.lexsort(keys)].tolist())

    def front(self, order: tuple[int, ...]) -> list[int]:
        """List the numbers of an order that are on the Pareto front.

        Parameters
        ----------
        order : tuple of int
            Candidates that meet every limit.

        Returns
        -------
        list of int
            As `rows.undominated` finds them.
        """
        numbers = np.array(order, int)
        values = [self.columns[n][numbers] for n in ("usd_h", "usd_mtok", "itl_s", "ttft_s")]
        points = coarse(np.stack([*values, -self.least[numbers]], axis=1))
        remaining, front = np.lexsort([np.arange(len(numbers)), *points.T[::-1]]), []
        while len(remaining):
            front.append(int(remaining[0]))
            remaining = remaining[~(points[remaining] >= points[remaining[0]]).all(axis=1)]
        return [order[i] for i in sorted(front)]

    def missing_only(self, name: str) -> bool:
        """Say whether a candidate misses this limit and no other.

        Parameters
        ----------
        name : str
            Name of the limit.

        Returns
        -------
        bool
            Whether one does.
        """
        others = [headroom for other, headroom in self.headrooms.items() if other != name]
        missed = self.headrooms[name] < 1 if name in self.headrooms else np.zeros(len(self), bool)
        return bool((missed & (np.fmin.reduce(others) >= 1)).any())

    def fastest(self) -> list[tuple[float, int]]:
        """List the output rate of all copies of each candidate and its number, highest first.

        Returns
        -------
        list of (float, int)
            A rate, infinite where no rent tells it, and a number [tok/s].
        """
        c = self.columns
        with np.errstate(invalid="ignore"):
            output_tok_s = c["usd_h"] / 3600 * 1e6 / c["usd_mtok"]
        output_tok_s = np.where(np.isnan(output_tok_s), np.inf, output_tok_s)
        order = np.argsort(-output_tok_s, kind="stable")
        return list(zip(output_tok_s[order].tolist(), order.tolist(), strict=True))

    def extended(self, rows: Iterable[Row]) -> "Columns":
        """Add rows at the end.

        Parameters
        ----------
        rows : iterable of Row
            Of candidates that meet every limit.

        Returns
        -------
        Columns
            New columns.
        """
        new = tuple(rows)
        alone = None if self.alone is None else np.ones(len(new), bool)
        return Columns.joined([self, Columns.of_rows(new, self.headrooms, alone)])

    @classmethod
    def of_rows(
        cls, rows: Sequence[Row], limits: Iterable[str], alone: Array | None = None
    ) -> "Columns":
        """Make columns of rows.

        Parameters
        ----------
        rows : sequence of Row
            One for each candidate.
        limits : iterable of str
            Names of the limits that are set.
        alone : array of bool, optional
            As the columns have it.

        Returns
        -------
        Columns
            In the same order.
        """
        names = (n for n in Row._fields if n != "headrooms")
        return cls(
            {n: np.array([getattr(row, n) for row in rows], float) for n in names},
            {n: np.array([row.headrooms.get(n, np.nan) for row in rows]) for n in limits},
            alone,
        )

    @classmethod
    def joined(cls, parts: "Sequence[Columns]") -> "Columns":
        """Concatenate columns.

        Parameters
        ----------
        parts : sequence of Columns
            With the same columns.

        Returns
        -------
        Columns
            All rows.
        """
        columns, headrooms = (
            {n: np.concatenate([getattr(p, kind)[n] for p in parts]) for n in first}
            for kind, first in (("columns", parts[0].columns), ("headrooms", parts[0].headrooms))
        )
        alone = [p.alone for p in parts if p.alone is not None]
        return cls(columns, headrooms, np.concatenate(alone) if alone else None)
