"""Search: the deployments that meet every limit, and why the others do not.

Each candidate is judged by its card (`copies.judge`). The vectorised pass of `arrays` judges
thousands at once. A search keeps a row of numbers per candidate, and builds its card again on
access.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any

from ..refuse import BadInput, number, one_of
from ..spec import Model, Slo, Workload
from .copies import (
    DESK_CARDS,
    MOST_COPIES,
    MOST_DESK,
    Choice,
    Requirements,
    cards_of,
    holds_one,
    judge,
    most_answered_rps,
    most_copies_of,
)
from .limits import MET
from .reasons import Reason, reason_for
from .rows import RANKS, RowList, Rows, cost, first_of_each, row_of
from .space import Block, Quality, Space, space
from .step_tokens import other_steps

MOST_SURE = 500  # candidates whose intervals are checked
MOST_IN_COPIES = 2_000  # largest space that is searched again with several copies
MOST_REASONS = 5  # reasons of each kind in `why_not`
# Candidates judged between two reports of progress. With arrays, each block also has a fixed cost,
# of as many candidates as the last number.
PART, PART_OF_ARRAYS, BLOCK_OF_ARRAYS = 256, 65_536, 2_000
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Search:
    """Result of a search: the deployments that meet every limit, and the others.

    Attributes
    ----------
    space : Space
        The candidates, numbered.
    asked : Requirements
        The load and the limits.
    rows : Rows
        Numbers of each candidate.
    rank : str
        One of `RANKS`: what is cheapest.
    complete : bool
        Whether all candidates were judged; those that were not are in neither list.
    choices : mapping of str to object
        What the space was made from, as `search` takes it.
    own_steps : mapping of int to int
        Of candidates with other tokens a step than the engine's own, the number of the same
        candidate with these.
    """

    space: Space
    asked: Requirements
    rows: Rows
    rank: str = "usd_h"
    complete: bool = True
    choices: Mapping[str, Any] = field(default_factory=dict)
    own_steps: Mapping[int, int] = field(default_factory=dict)
    _made: dict[int, Choice] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Numbers of the candidates that meet every limit, cheapest first."""
        return self.rows.order(self.rank)

    @cached_property
    def misses(self) -> tuple[int, ...]:
        """Numbers of the others, nearest miss first, then what lacks the least memory."""
        return self.rows.misses()

    @property
    def found(self) -> "Choices":
        """Candidates that meet every limit, cheapest first."""
        return Choices(self, self.order)

    @property
    def passed_over(self) -> "Choices":
        """Candidates that miss a limit, nearest miss first."""
        return Choices(self, self.misses)

    @property
    def winner(self) -> Choice | None:
        """The cheapest that meets every limit; None where none does."""
        return self.choice(self.order[0]) if self.order else None

    @cached_property
    def in_copies(self) -> Choice | None:
        """The cheapest candidate in several copies, where no single copy meets every limit."""
        asked = self.asked
        if self.order or asked.most_copies > 1 or asked.rate is not None:
            return None
        if not self.complete or len(self.space) > MOST_IN_COPIES:
            return None
        with_copies = asked._replace(most_copies=MOST_COPIES)
        parts = [part for part, _ in _judge_parts(self.space, with_copies, False, None)]
        result = replace(self, asked=with_copies, rows=_join_rows(parts), _made={})
        return _with_other_steps(result).winner

    @cached_property
    def surest(self) -> Choice | None:
        """The cheapest that meets every limit also at the unfavourable end of its interval."""
        choices = map(self.choice, self.order[:MOST_SURE])
        return next((c for c in choices if all(x.verdict == MET for x in c.limits)), None)

    @cached_property
    def front(self) -> tuple[Choice, ...]:
        """Pareto front of rent, price, gap, first token and headroom."""
        return tuple(map(self.choice, self.rows.front(self.order)))

    @property
    def by_hardware(self) -> tuple[Choice, ...]:
        """The best for each model, card and number of cards, in the order of the search."""
        return tuple(self.choice(i) for i in self.first_of_each(chain(self.order, self.misses)))

    @cached_property
    def why_not(self) -> tuple[Reason, ...]:
        """Neighbours of the winner: cheaper ones that miss a limit, then the next that meet all."""
        if not self.order:
            return tuple(map(self.reason, map(self.choice, _first(self.misses, self))))
        best = self.rows[self.order[0]]
        cheaper = (i for i in self.misses if cost(self.rows[i], self.rank) < cost(best, self.rank))
        own_steps = [self.own_steps[i] for i in self.order[:1] if i in self.own_steps]
        others = *_first(cheaper, self), *_first(self.order, self, skip=self.order[0])
        numbers = dict.fromkeys((*own_steps, *others))
        return tuple(map(self.reason, map(self.choice, numbers)))

    @property
    def why_other_steps(self) -> str:
        """Why the answer has no steps of the engine's own, in a sentence; "" where it has."""
        best = self.winner
        if best is None or best.number not in self.own_steps:
            return ""
        own = self.choice(self.own_steps[best.number])
        tokens = f"{own.deployment.batch_limit_tokens:,} tokens a step"
        return f"With the engine's own {tokens}: {self.reason(own).sentence}."

    def choice(self, number: int) -> Choice:
        """Build the card of a candidate.

        Parameters
        ----------
        number : int
            Its place in the space.

        Returns
        -------
        Choice
            Its card.
        """
        if number not in self._made:
            row = self.rows[number]
            # the row already has the number of copies
            at = cards_of(self.space[number], self.asked, number)
            self._made[number] = at(row.copies, row.users)
        return self._made[number]

    def first_of_each(self, numbers: Iterable[int]) -> Iterator[int]:
        """Keep the first candidate of each model, card and number of cards.

        Parameters
        ----------
        numbers : iterable of int
            Candidates.

        Yields
        ------
        int
            Candidates on hardware that was not there before.
        """
        return first_of_each(numbers, self.space, self.rows)

    def reason(self, choice: Choice) -> Reason:
        """Say why a candidate is not the answer, or why it is.

        Parameters
        ----------
        choice : Choice
            A candidate, as this search made it.

        Returns
        -------
        Reason
            Limits that it misses and by how much, or how much dearer it is.
        """
        if self.asked.rate is None:
            return reason_for(choice, self.winner)
        return reason_for(choice, self.winner, self.asked, self.space[choice.number])


def _first(numbers: Iterable[int], result: Search, skip: int | None = None) -> Iterator[int]:
    numbers_left = (i for i in result.first_of_each(numbers) if i != skip)
    return (i for i, _ in zip(numbers_left, range(MOST_REASONS), strict=False))


@dataclass(frozen=True)
class Choices(Sequence[Choice]):
    """Candidates of a search, whose cards are built on access."""

    search: Search
    numbers: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        if isinstance(at, slice):
            return Choices(self.search, self.numbers[at])
        return self.search.choice(self.numbers[at])


def search(
    workload: Workload,
    slo: Slo | None = None,
    budget: float | None = None,
    *,
    models: Iterable[str | Model] = (),
    quality: Quality | None = None,
    rank: str = "usd_h",
    most_copies: int | None = None,
    rate: float | None = None,
    desk_cards: int | None = DESK_CARDS,
    prefix_cache: bool = True,
    max_num_batched_tokens: Iterable[int | None] | None = None,
    arrays: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
    **choices: Any,
) -> Search:
    """Find the deployments that meet every limit, cheapest first.

    Parameters
    ----------
    workload : Workload
        Prompt, answer, users and shared prefix.
    slo : Slo, optional
        Limits to meet.
    budget : float, optional
        Highest rent of all copies, in place of the one in `slo` [USD/h].
    models : iterable of str or Model
        Models to choose from.
    quality : Quality, optional
        The least that is asked of models and formats.
    rank : str
        "usd_h" puts the lowest rent first, "usd_mtok" the lowest price of a million tokens.
    most_copies : int, optional
        Most copies of a deployment that share the users; 1 if omitted, and with `rate` as many
        as it takes.
    rate : float, optional
        Requests that arrive each second, in place of users. Means are those with as many in flight
        as answer it, percentiles those of requests that come at random moments [requests/s].
    desk_cards : int, optional
        Most cards of a workstation in all copies, where no cards are named: a fleet of them is
        no service that anybody runs. None for as many as it takes.
    prefix_cache : bool
        Whether prompts that begin alike share their cache.
    max_num_batched_tokens : iterable of int or None, optional
        Most tokens of a step, the engine's own for None; if omitted the engine's own, and others
        where they may cost less (`step_tokens`) [tokens].
    arrays : bool
        Whether candidates are judged by the thousand, with numpy; the answer is the same.
    executor : Executor, optional
        Any of `concurrent.futures`, or like it, that shares out the work.
    progress : callable, optional
        Called with the candidates judged and all of them; stops the search where it returns
        False.
    **choices : object
        The space: `gpus`, `vendors`, `engines`, `weights`, `kv`, `tps`, `nodes`,
        `expert_parallel`, `dp_attention` and `max_num_seqs`, as `space` takes them. Without `gpus`
        a card on a spot price is left out; named, it is taken.

    Returns
    -------
    Search
        Deployments that meet every limit, cheapest first, and the others.

    Raises
    ------
    BadInput
        When a name is unknown, a number out of range, or nothing is left to choose from.

    Examples
    --------
    >>> from llmcap_kernel.design import WORKED_SLO, WORKED_WORKLOAD
    >>> answer = search(
    ...     WORKED_WORKLOAD,
    ...     WORKED_SLO,
    ...     models=["llama-3.1-70b"],
    ...     gpus=["h100-sxm", "h200-sxm"],
    ... )
    >>> answer.winner.meets_all
    True
    """
    asked = _asked(workload, slo, budget, most_copies, rate, prefix_cache)
    if desk_cards is not None and not choices.get("gpus"):
        asked = asked._replace(
            desk_cards=number("desk_cards", desk_cards, 1, MOST_DESK, whole=True)
        )
    one_of("rank", rank, RANKS)
    choices |= {"models": tuple(models), "quality": quality}
    if max_num_batched_tokens is not None:
        choices["max_num_batched_tokens"] = tuple(max_num_batched_tokens)
    candidates = space(asked.workload, **choices)
    result = searched(candidates, asked, rank, choices, arrays, executor, progress)
    _check_rate(result)
    return result


def searched(
    candidates: Space,
    asked: Requirements,
    rank: str,
    choices: Mapping[str, Any],
    arrays: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Search:
    """Judge every candidate of a space, and those with other steps that may cost less.

    Parameters
    ----------
    candidates : Space
        At least one.
    asked : Requirements
        The load and the limits.
    rank : str
        One of `RANKS`.
    choices : mapping
        What the space was made of, as `search` takes it.
    arrays : bool
        As `search` takes it.
    executor : Executor, optional
        As `search` takes it.
    progress : callable, optional
        As `search` takes it.

    Returns
    -------
    Search
        The deployments that meet every limit, cheapest first, and the others.
    """
    parts: list[Any] = []
    choices_made: dict[int, Choice] = {}
    judged_count = 0
    for part, cards in _judge_parts(candidates, asked, arrays, executor):
        choices_made |= {
            judged_count + i: replace(c, number=judged_count + i) for i, c in enumerate(cards)
        }
        parts.append(part)
        judged_count += len(part)
        if progress is not None and progress(judged_count, len(candidates)) is False:
            break
    rows = _join_rows(parts)
    complete = judged_count == len(candidates)
    return _with_other_steps(
        Search(candidates, asked, rows, rank, complete, choices, _made=choices_made)
    )


def _with_other_steps(result: Search) -> Search:
    """Add candidates that cost less than the answer with other tokens a step, if these are open."""
    if not result.complete or "max_num_batched_tokens" in result.choices:
        return result
    made = other_steps(result.space, result.asked, result.rows, result.rank)
    if not made:
        return result
    numbered = [replace(one, number=i) for i, one in enumerate(made, len(result.space))]
    return replace(
        result,
        space=result.space.with_deployments(one.deployment for one in made),
        rows=result.rows.extended(map(row_of, made)),
        own_steps={new.number: one.number for new, one in zip(numbered, made, strict=True)},
        _made=result._made | {one.number: one for one in numbered},
    )


def _asked(
    workload: Workload,
    slo: Slo | None,
    budget: float | None,
    most_copies: int | None,
    rate: float | None,
    prefix_cache: bool,
) -> Requirements:
    slo = slo or Slo()
    if budget is not None:
        slo = replace(slo, usd_h=budget)
    if rate is not None:
        number("rate", rate, 1e-6, 1e6, "requests/s")
    default_copies = 1 if rate is None else MOST_COPIES
    most = default_copies if most_copies is None else most_copies
    number("copies", most, 1, MOST_COPIES, whole=True)
    if not prefix_cache:
        workload = replace(workload, shared_prefix_tokens=0)
    return Requirements(workload, slo, most, rate)


def _check_rate(result: Search) -> None:
    """Refuse a rate beyond what the copies serve, where a lower rate meets the limits."""
    rate, max_copies = result.asked.rate, result.asked.most_copies
    if rate is None or result.order or not result.complete or result.rows.missing_only("budget"):
        return
    max_rps = _most_served(result)
    if not max_rps:
        return
    copies = "one copy" if max_copies == 1 else f"{max_copies:,} copies"
    raise BadInput(
        "rate",
        f"rate is {rate:g} requests/s: within the limits, {copies} of any of them "
        f"{'answers' if max_copies == 1 else 'answer'} no more than {max_rps:.3g}.",
    )


def _most_served(result: Search) -> float:
    """Find the highest rate that any candidate answers within the limits in its most copies.

    Candidates come in the order of their rate without limits, which is an upper bound, so the
    search ends where that falls below the best so far.
    """
    best, output = 0.0, result.asked.workload.output_tokens
    for tok_s, i in result.rows.fastest():
        if tok_s / output <= best:
            break
        if _holds_one(result, i) and _at_most(result, i):
            copies = result.rows[i].copies
            copy_rps = most_answered_rps(result.space[i], result.asked, best / copies)
            best = max(best, copies * copy_rps)
    return best


Judged = tuple[Any, list[Choice]]


def _at_most(result: Search, number: int) -> bool:
    """Say whether a candidate has the most copies it may have."""
    return result.rows[number].copies == most_copies_of(result.space[number], result.asked)


def _holds_one(result: Search, number: int) -> bool:
    """Say whether a candidate meets every limit but rent and price with one request in flight."""
    alone = getattr(result.rows, "alone", None)
    if alone is not None:
        return bool(alone[number])
    return holds_one(result.space[number], result.asked)


def _join_rows(parts: list[Any]) -> Rows:
    if isinstance(parts[0], RowList):
        return RowList(chain.from_iterable(parts))
    return parts[0].joined(parts)


def _judge_parts(
    candidates: Space, asked: Requirements, arrays: bool, executor: Executor | None
) -> Iterator[Judged]:
    """Yield the candidates' rows part by part in order, with their cards where those exist."""
    size, block = (PART_OF_ARRAYS, BLOCK_OF_ARRAYS) if arrays else (PART, 0)
    parts = list(_parts(candidates, size, block))
    judge_part = _judge_arrays if arrays else _judge_rows
    if executor is not None:
        return ((rows, []) for rows in executor.map(judge_part, parts, [asked] * len(parts)))
    if arrays:
        return ((judge_part(part, asked), []) for part in parts)
    return (_judge_one_by_one(part, asked) for part in parts)


def _parts(candidates: Space, size: int, block_cost: int) -> Iterator[tuple[Block, ...]]:
    """Group blocks by about `size` candidates, where each block also costs `block_cost`."""
    group: list[Block] = []
    for block in candidates.blocks:
        group.append(block)
        if sum(map(len, group)) + block_cost * len(group) >= size:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


def _judge_one_by_one(blocks: tuple[Block, ...], asked: Requirements) -> Judged:
    choices = [judge(d, asked) for block in blocks for d in block.deployments()]
    return RowList(map(row_of, choices)), choices


def _judge_rows(blocks: tuple[Block, ...], asked: Requirements) -> RowList:
    return _judge_one_by_one(blocks, asked)[0]


def _judge_arrays(blocks: tuple[Block, ...], asked: Requirements) -> Any:
    from . import arrays  # numpy is needed for it alone

    return arrays.rows(blocks, asked)
