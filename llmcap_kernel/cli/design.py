"""`llmcap design`: what to run for a load and limits, why, and what a little more would buy."""

import argparse
import importlib.util
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .. import catalog, design
from ..design import Choice, Search, handover
from ..explain import quantity
from ..refuse import BadInput, number, one_of
from ..spec import Model, Slo
from . import cards
from .options import (
    LENGTHS,
    LOAD,
    add_gpu_file,
    add_limits,
    add_load,
    add_output,
    add_own,
    add_rate,
    by_default,
    no_pace,
    read_limits,
    read_load,
    read_model,
    read_number,
    read_rate,
)
from .progress import Bar
from .tables import Answer, Column, Screen, Table, of_records

if TYPE_CHECKING:
    from concurrent.futures import Executor

MOST_ROWS = 10_000


def _cell(unit: str, scale: float = 1.0) -> Any:
    return lambda made: quantity(made["value"] * scale, unit)


COLUMNS = {
    "model": (Column("model", left=True), str),
    "copies": (Column("copies"), "{:,}".format),
    "cards": (Column("cards", left=True), str),
    "weights": (Column("weights", 2, left=True), str),
    "kv": (Column("KV", 3, left=True), str),
    "usd_h": (Column("rent"), lambda rent: quantity(rent, "USD/h")),
    "usd_per_mtok_output": (Column("$/M output"), _cell("USD/Mtok")),
    "itl_ms": (Column("gap", 1), _cell("s", 1e-3)),
    "ttft_ms": (Column("first token", 1), _cell("s", 1e-3)),
    "headroom": (Column("headroom", 4), "{:.2f}x".format),
}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    add = parser.add_argument_group("model", "lists are parted by commas").add_argument
    add("--model", "--models", metavar="NAMES", help="models to choose from: see llmcap models")
    add("--config", metavar="FILE", help="or the config.json of your own")
    add("--min-params", metavar="N", help="or all with so many parameters, as 30B (default none)")
    add("--weights", metavar="FORMATS", help="formats (default: the checkpoint's own, and fp8)")
    add("--kv", metavar="FORMATS", help="of the KV cache (default bf16,fp8)")
    add("--min-weight-bits", metavar="BITS", help="fewest bits of a weight (default none)")
    add("--min-kv-bits", metavar="BITS", help="fewest bits of the cache (default none)")
    group = parser.add_argument_group("cards")
    add = group.add_argument
    add(
        "--gpu",
        "--gpus",
        metavar="NAMES",
        help="cards (default: all with a price on demand but NVIDIA's before Turing)",
    )
    add_gpu_file(group)
    add("--vendor", metavar="NAMES", help="vendors of the cards (default: all)")
    add("--tp", metavar="CARDS", help="numbers of cards that split a layer (default 1,2,4,8)")
    add("--nodes", metavar="N", help="most nodes of a deployment (default 1)")
    add("--copies", metavar="N", help="most copies that share the load (default 1, any for a rate)")
    add(
        "--desk-cards", metavar="N", help="most cards of workstations, if none is named (default 8)"
    )
    add = parser.add_argument_group("engine").add_argument
    add("--engine", "--engines", metavar="NAMES", help="engines (default vllm where it runs)")
    add("--max-num-seqs", metavar="NS", help="most sequences at once (default: the engine's own)")
    add("--max-num-batched-tokens", metavar="NS", help="most tokens of a step (default: its own)")
    add("--no-prefix-cache", action="store_true", help="turn the prefix cache off")
    add_load(parser, context=True)
    add_rate(parser)
    add_limits(parser, Slo(), where_met=design.PACE)
    add = parser.add_argument_group("beside an API", "USD for a million tokens").add_argument
    add("--api-input", metavar="USD", help="its price of prompts (default none)")
    add("--api-output", metavar="USD", help="its price of answers (default none)")
    add("--api-cached", metavar="USD", help="its price of prompts it holds (default: as others)")
    add("--duty", metavar="SHARE", help="share of the hours with load, 0 to 1 (default 1)")
    parser.add_argument(
        "--rank", metavar="BY", help=f"what is cheapest, {' or '.join(RANKS)} (default rent)"
    )
    add_own(parser)
    add_output(parser, rows=5)


RANKS = {"rent": "usd_h", "token": "usd_mtok"}


def run(args: argparse.Namespace) -> Answer:
    """Search for the deployments that meet every limit.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        The cheapest, the front, and why not the others.
    """
    most = number("rows", read_number("rows", args.rows, int), 1, MOST_ROWS, whole=True)
    api = _api_prices(args)
    found, limits = _search(args)
    usual = by_default(args, *(LOAD if args.rate is None else LENGTHS))
    if found.asked.slo != limits:
        usual += [f"--{x.quantity}-p{x.percent:g}-ms {1e3 * x.bound_s:g}" for x in design.PACE]
    data = _data(found, api) | {"by_default": usual}
    shown = found.front or tuple(reason.choice for reason in found.why_not)
    records = tuple(map(_record, shown))
    columns = dict(COLUMNS)
    if all(choice.copies == 1 for choice in shown):
        del columns["copies"]
    if not _several(found):
        del columns["model"]
    table = of_records(records, columns)

    def text(screen: Screen) -> str:
        return "\n\n".join(_parts(found, data, table, screen, most))

    return Answer(data, records, table, text)


def _search(args: argparse.Namespace) -> tuple[Search, Slo]:
    """The search, and the limits that were asked of it."""
    choices: dict[str, Any] = {
        "models": _models(args),
        "quality": _quality(args),
        "gpus": _list(args.gpu),
        "vendors": _list(args.vendor),
        "engines": _list(args.engine),
        "weights": _list(args.weights),
        "kv": _list(args.kv),
        "rank": RANKS[one_of("rank", args.rank or "rent", RANKS)],
        "prefix_cache": not args.no_prefix_cache,
    }
    for name, field in (("tp", "tps"), *((n, n) for n in SEVERAL)):
        if text := getattr(args, name):
            choices[field] = [read_number(name, word, int) for word in _list(text)]
    for name, field, kind in (
        ("nodes", "nodes", int),
        ("copies", "most_copies", int),
        ("desk_cards", "desk_cards", int),
    ):
        if (text := getattr(args, name)) is not None:
            choices[field] = read_number(name, text, kind)
    windows = [catalog.model(one).max_context_tokens for one in choices["models"]]
    load, limits = read_load(args, *([max(windows)] if windows else [])), read_limits(args)
    choices["rate"] = read_rate(args)
    many = _many(choices)
    with Bar("searching") as bar, _workers() if many else nullcontext() as pool:
        choices |= {"arrays": many, "executor": pool}

        def search(slo: Slo) -> Search:
            return design.search(load, slo, progress=bar.count, **choices)

        return search(limits) if no_pace(args) else design.paced(search, limits), limits


def _workers() -> "Executor":
    from concurrent.futures import ProcessPoolExecutor  # only the whole catalogue is worth it

    return ProcessPoolExecutor()


def _many(choices: dict[str, Any]) -> bool:
    """Whether the whole catalogue is searched, and numpy is there to do it."""
    return not choices["models"] and importlib.util.find_spec("numpy") is not None


FEWEST_PARAMS = 10_000  # a number below it was meant in billions
SEVERAL = ("max_num_seqs", "max_num_batched_tokens")


def _list(text: str | None) -> list[str]:
    return [part for part in (text or "").replace(",", " ").split() if part]


def _models(args: argparse.Namespace) -> list[str | Model]:
    if args.model is None and args.config is None:
        if args.min_params is None:
            many = "or --min-params 30B for all that are as large"
            raise BadInput("model", f"model is missing: give --model NAMES, --config FILE, {many}.")
        return []
    read = read_model(args)
    return list(_list(read)) if isinstance(read, str) else [read]


def _quality(args: argparse.Namespace) -> design.Quality:
    names = ("min_weight_bits", "min_kv_bits", "min_params")
    given = {name: getattr(args, name) for name in names}
    read = {name: read_number(name, text) for name, text in given.items() if text is not None}
    least = read.get("min_params", 0.0)
    if 0 < least < FEWEST_PARAMS:
        text = f"min_params is {least:g} parameters, and every model has more: write {least:g}B?"
        raise BadInput("min_params", text)
    return design.Quality(*(read.get(name, 0.0) for name in names))


def _api_prices(args: argparse.Namespace) -> dict[str, float]:
    """Prices of an API, by the names that `api_usd_mtok` has for them, and the duty cycle."""
    asked = {"input": args.api_input, "output": args.api_output, "cached": args.api_cached}
    prices = {
        f"usd_mtok_{kind}": number(f"api_{kind}", read_number(f"api_{kind}", text), 0, 1e6)
        for kind, text in asked.items()
        if text is not None
    }
    if prices and not {"usd_mtok_input", "usd_mtok_output"} <= set(prices):
        raise BadInput("api_input", "an API takes two prices: give --api-input and --api-output.")
    if args.duty is not None:
        prices["busy"] = number("duty", read_number("duty", args.duty), 1e-6, 1)
    return prices


def _data(found: Search, api: dict[str, float]) -> dict[str, Any]:
    best = found.winner
    data: dict[str, Any] = {
        "verdict": _verdict(found),
        "winner": _full(best) if best else None,
        "surest": _record(found.surest) if found.surest else None,
        "front": [_record(choice) for choice in found.front],
        "in_copies": _record(found.in_copies) if found.in_copies else None,
        "why_not": [_reason(reason) for reason in found.why_not],
        "relaxations": [
            {
                "changes": [change._asdict() for change in one.changes],
                "factor": one.factor,
                "deployment": one.choice.title,
                "usd_h": one.choice.usd_h_all or None,
                "sentence": one.sentence,
            }
            for one in design.relaxations(found)
        ],
        "exchange_rates": [
            {"what": one.what, "usd_h": one.usd_h, "sentence": one.sentence}
            for one in design.trade_offs(found)
        ],
        "engines": [
            asdict(design.evidence(choice))
            | {"deployment": choice.title, "meets_limits": choice.meets_all}
            for choice in design.by_engine(found)
        ],
        "candidates": {"tried": len(found.rows), "meet_every_limit": len(found.order)},
        "energy": _energy(best),
        "api": _beside_api(best, api),
    }
    return data | _handed_over(best)


def _handed_over(best: Choice | None) -> dict[str, str | None]:
    if best is None:
        return {"launch": None, "benchmark": None}
    d, load = best.deployment, best.workload
    return {
        "launch": handover.launch(d, load).text,
        "benchmark": handover.benchmark(d, load, rate_rps=best.rate_rps).text,
    }


def _record(choice: Choice) -> dict[str, Any]:
    d, estimates = choice.deployment, cards.estimates(choice) or {}
    split = f" TP-{d.tp}" * (d.tp > 1) + f" PP-{d.pp}" * (d.pp > 1) + f" EP-{d.ep}" * (d.ep > 1)
    return {
        "deployment": d.title,
        "model": d.model.name,
        "engine": d.engine.name,
        "cards": f"{d.num_gpus}x {d.gpu.name}{split}{' DP attention' * d.dp_attention}",
        "gpu": d.gpu.name,
        "num_gpus": d.num_gpus,
        "copies": choice.copies,
        "users_per_copy": choice.workload.concurrency,
        **{name: getattr(d, name) for name in ("tp", "pp", "ep", "dp_attention")},
        "weights": d.weights.name,
        "kv": d.kv.name,
        "max_num_seqs": d.seqs_limit,
        "max_num_batched_tokens": d.batch_limit_tokens,
        "meets_limits": choice.meets_all,
        "usd_h": choice.usd_h_all or None,
        **(dict.fromkeys(cards.ESTIMATED) | estimates),
        "max_concurrent": choice.max_concurrent,
        "headroom": choice.limits[0].headroom,
        "binding_constraint": choice.binding,
        "warnings": [note.text for note in choice.warnings],
    }


def _full(choice: Choice) -> dict[str, Any]:
    return _record(choice) | {"limits": [cards.limit_as_dict(limit) for limit in choice.limits]}


def _reason(reason: design.Reason) -> dict[str, Any]:
    return {
        "deployment": reason.choice.title,
        "usd_h": reason.choice.usd_h_all or None,
        "meets_limits": not reason.misses,
        "misses": [cards.limit_as_dict(limit) for limit in reason.misses],
        "dearer_usd_h": reason.dearer_usd_h,
        "sentence": reason.sentence,
    }


def _energy(best: Choice | None) -> dict[str, Any] | None:
    if best is None or not best.deployment.gpu.power_w:
        return None
    made = design.energy(best)
    low, high = made.j_token_interval
    return {
        "kw": best.copies * made.power_w / 1e3,
        "j_per_output_token": made.j_token,
        "j_per_output_token_low": low,
        "j_per_output_token_high": high,
        "basis": design.ENERGY_BASIS,
    }


def _beside_api(best: Choice | None, api: dict[str, float]) -> dict[str, Any] | None:
    """The break-even, where prices of an API were given."""
    if best is None or "usd_mtok_input" not in api or not best.usd_h_all:
        return None
    prices = {name: value for name, value in api.items() if name != "busy"}
    even = design.break_even(
        usd_h=best.usd_h_all,
        output_tok_s=best.copies * best.expected.output_tok_s.value,
        api_usd_mtok=design.api_usd_mtok(best.workload, **prices),
        busy=api.get("busy", 1.0),
    )
    return {
        "usd_per_mtok_output_api": even.api_usd_mtok,
        "usd_per_mtok_output_own": even.busy_usd_mtok,
        "duty": even.busy,
        "duty_break_even": even.duty,
        "renting_is_cheaper": even.renting_is_cheaper,
    }


def _verdict(found: Search) -> str:
    many = f"{len(found.order):,} of {len(found.rows):,} candidates meet every limit"
    best = found.winner
    if best is None:
        return f"None of {len(found.rows):,} candidates meets every limit.{_more_copies(found)}"
    rent = f" at {quantity(best.usd_h_all, 'USD/h')}" if best.usd_h_all else ""
    price = f", {quantity(best.usd_mtok.value, 'USD/Mtok')} of output" if best.usd_mtok else ""
    if busy := best.usd_mtok_busy:
        price += f" at this rate ({quantity(busy, 'USD/Mtok')} were it always busy)"
    steps = f" {found.why_other_steps}" if found.why_other_steps else ""
    return f"Run {best.title}{rent}{price}: {best.binding}. {many}.{best.pace}{steps}"


def _more_copies(found: Search) -> str:
    """What more than the one copy would do that is taken where nobody says how many."""
    many = found.in_copies
    if many is None:
        return ""
    rent = f" at {quantity(many.usd_h_all, 'USD/h')}" if many.usd_h_all else ""
    told = f" One copy is taken unless told: with --copies {many.copies},"
    return f"{told} {many.title}{rent} meet every limit."


def _parts(
    found: Search, data: dict[str, Any], table: Table, screen: Screen, most: int
) -> Iterable[str]:
    best = found.winner
    lines = screen.prose(data["verdict"]).splitlines()
    yield screen.prose(f"{_load_words(found, data['by_default'])}.")
    yield "\n".join(screen.paint(line, "good" if best else "bad") for line in lines)
    if best:
        head = "Nothing beats these in rent, price, mean gap, mean first token and headroom"
        yield f"{_head(head, screen)}\n{Table(table.columns, table.rows[:most]).text(screen)}"
        yield screen.prose(_sure(found, best))
    head = "Why not" if best else "The nearest misses, in numbers of each"
    yield _list_of(head, [_why(r, _several(found)) for r in found.why_not][: 2 * most], screen)
    if data["relaxations"]:
        eased = [f"{one['sentence']}." for one in data["relaxations"]]
        yield _list_of("The least that would have to give", eased[:most], screen)
    if best:
        bought = [x["sentence"] for x in data["exchange_rates"]]
        yield _list_of("What more would buy", bought, screen)
        yield _list_of("Beside", _beside_words(best, data), screen)
        yield f"{_head('Run it', screen)}\n{data['launch']}"
        yield f"{_head('Measure it', screen)}\n{data['benchmark']}"
    yield screen.prose(cards.provenance([best] if best else [r.choice for r in found.why_not][:1]))


def _sure(found: Search, best: Choice) -> str:
    """Which to run where the whole interval has to lie within the limits."""
    sure = found.surest
    if sure is None:
        return "Of none of them the whole interval lies within the limits."
    if sure.number == best.number:
        return "Its whole interval lies within the limits."
    rent = f", {quantity(sure.usd_h_all, 'USD/h')}" if sure.usd_h_all else ""
    return f"The cheapest whose whole interval lies within the limits: {sure.title}{rent}."


def _load_words(found: Search, usual: list[str]) -> str:
    asked = found.asked
    return cards.load_words(asked.workload, usual, rate_rps=asked.rate)


def _several(found: Search) -> bool:
    """Whether there is more than one model to choose from."""
    return len({block.model.name for block in found.space.blocks}) > 1


def _why(reason: design.Reason, several: bool) -> str:
    model = f"{reason.choice.deployment.model.name} on " if several else ""
    return f"{model}{reason.choice.short_title}: {reason.sentence}."


def _list_of(head: str, sentences: list[str], screen: Screen) -> str:
    lines = (screen.prose(one, "  ", "    ") for one in sentences)
    return "\n".join([_head(head, screen), *lines])


def _head(text: str, screen: Screen) -> str:
    return "\n".join(screen.paint(line, "bold") for line in screen.prose(text).splitlines())


def _beside_words(best: Choice, data: dict[str, Any]) -> list[str]:
    """Energy, the API and warnings, a sentence each."""
    sentences = []
    if best.deployment.gpu.power_w:
        sentences.append(design.energy(best).sentence(best.copies))
    if api := data["api"]:
        own, other = (
            quantity(api[f"usd_per_mtok_output_{name}"], "USD/Mtok") for name in ("own", "api")
        )
        cheaper = "renting" if api["renting_is_cheaper"] else "the API"
        sentences.append(
            f"Busy {api['duty']:.0%} of the hours, a million output tokens cost {own}, and {other} "
            f"from the API with their prompts: {cheaper} is cheaper. Both cost the same at "
            f"{api['duty_break_even']:.0%}."
        )
    shared = [row["prefix"] for row in data["engines"] if row["prefix"]]
    sentences += [f"{shared[0]}: the prefix cache holds the others."] if shared else []
    known = (
        f"{row['engine']}: {row['speed']}; memory as in {row['memory']}, {row['date']}."
        for row in data["engines"]
    )
    sentences += known if len(data["engines"]) > 1 else ()
    return sentences + [note.text for note in best.warnings]
