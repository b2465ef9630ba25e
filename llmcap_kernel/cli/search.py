"""`llmcap search`: what to run for a load and limits, and why not the next one."""

import argparse
from typing import Any

from .. import catalog, design
from ..design import Card
from ..explain import quantity
from ..refuse import BadInput, number, shown
from ..spec import Model
from . import cards
from .options import (
    add_gpu_file,
    add_limits,
    add_load,
    add_output,
    read_limits,
    read_load,
    read_model,
    read_number,
)
from .tables import Answer, Column, Screen, Table, of_records

TPS = ("1", "2", "4", "8")
MOST_ROWS = 10_000


def _cell(unit: str, scale: float = 1.0) -> Any:
    return lambda made: quantity(made["value"] * scale, unit)


COLUMNS = {
    "cards": (Column("cards", left=True), str),
    "weights": (Column("weights", 2, left=True), str),
    "kv": (Column("KV", 3, left=True), str),
    "usd_per_mtok_output": (Column("$/M output"), _cell("USD/Mtok")),
    "usd_h": (Column("rent"), lambda rent: quantity(rent, "USD/h")),
    "itl_ms": (Column("gap", 1), _cell("s", 1e-3)),
    "ttft_ms": (Column("first token", 1), _cell("s", 1e-3)),
    "max_concurrent": (Column("room for", 4), "{:,} users".format),
}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    add = parser.add_argument_group("model", "lists are parted by commas").add_argument
    add("--model", metavar="NAME", help="a model of the catalogue: see llmcap models")
    add("--config", metavar="FILE", help="or the config.json of your own")
    add(
        "--weights",
        metavar="FORMATS",
        help="formats to try (default: the checkpoint's own, and fp8 where that is smaller)",
    )
    add("--kv", metavar="FORMATS", default="bf16,fp8", help="of the KV cache (default bf16,fp8)")
    group = parser.add_argument_group("cards")
    add = group.add_argument
    add(
        "--gpu",
        metavar="NAMES",
        help="cards to try (default: every card of data centres with a rent): see llmcap gpus",
    )
    add_gpu_file(group)
    add("--tp", metavar="CARDS", help=f"numbers of cards to try (default {','.join(TPS)})")
    add("--dp-attention", action="store_true", help="try data-parallel attention as well")
    add_load(parser, design.WORKED_WORKLOAD, context=True)
    add_limits(parser, design.WORKED_SLO)
    add_output(parser, rows=5)


def run(args: argparse.Namespace) -> Answer:
    """Search for the deployments that meet every limit.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        By kind and number of cards, the best first; then the others, nearest first.
    """
    most = number("rows", read_number("rows", args.rows, int), 1, MOST_ROWS, whole=True)
    model, workload, slo = read_model(args), read_load(args), read_limits(args)
    found = design.search(
        model,
        workload,
        slo,
        gpus=_list(args.gpu) or _rented(),
        weights=_list(args.weights) or _formats(model),
        kv=_list(args.kv),
        tps=[read_number("tp", tp, int) for tp in _list(args.tp) or TPS],
        dp_attention=(False, True) if args.dp_attention else (False,),
    )
    columns = found.by_hardware
    if not columns:
        raise BadInput("tp", f"tp is {shown(args.tp)}: none of the cards splits the model so.")
    records = tuple(map(_record, columns))
    good = [c for c in columns if c.meets_all]
    verdict = _verdict(good, len(columns))
    table = of_records(records, COLUMNS)

    def text(screen: Screen) -> str:
        level = "good" if good else "bad"
        told = (screen.paint(line, level) for line in screen.prose(verdict).splitlines())
        head = [screen.prose(f"{cards.load_words(workload)}."), "\n".join(told)]
        best = Table(table.columns, table.rows[: len(good)][:most])
        misses = [c for c in columns if not c.meets_all][:most]
        parts = [best.text(screen)] if good else []
        if misses:
            parts.append("\n".join(["Why not", *(_why_not(c, screen) for c in misses)]))
        return "\n\n".join([*head, *parts, _provenance(good or misses, screen)]).rstrip()

    return Answer({"verdict": verdict, "rows": records}, records, table, text)


def _list(text: str | None) -> list[str]:
    return [part for part in (text or "").replace(",", " ").split() if part]


def _rented() -> list[str]:
    """Cards of data centres whose rent is known."""
    known = map(catalog.gpu, catalog.gpus())
    return [gpu.name for gpu in known if gpu.place == "server" and gpu.usd_h]


def _formats(model: str | Model) -> list[str]:
    name = catalog.deployment(model=model, gpu="h100-sxm").weights.name
    wide = catalog.format(name).bytes_per_element > catalog.format("fp8").bytes_per_element
    return [name, "fp8"] if wide else [name]


def _record(column: Card) -> dict[str, Any]:
    d, told = column.deployment, cards.estimates(column) or {}
    return {
        "deployment": d.title,
        "cards": f"{d.num_gpus}x {d.gpu.name}",
        "gpu": d.gpu.name,
        "num_gpus": d.num_gpus,
        "weights": d.weights.name,
        "kv": d.kv.name,
        "dp_attention": d.dp_attention,
        "meets_limits": column.meets_all,
        "usd_h": column.usd_h or None,
        **{key: told.get(key) for key in ("usd_per_mtok_output", "itl_ms", "ttft_ms")},
        "max_concurrent": column.max_concurrent,
        "binding_constraint": column.binding,
    }


def _verdict(good: list[Card], tried: int) -> str:
    if not good:
        return f"None of {tried:,} kinds and numbers of cards meets every limit."
    best = good[0]
    price = quantity(best.usd_mtok.value, "USD/Mtok") if best.usd_mtok else "unpriced"
    return (
        f"Run {best.deployment.title}, at {price} output: {best.binding}. "
        f"{len(good):,} of {tried:,} kinds and numbers of cards meet every limit."
    )


def _why_not(column: Card, screen: Screen) -> str:
    d = column.deployment
    name = f"{d.num_gpus}x {d.gpu.name}, {d.weights.name} weights, {d.kv.name} KV"
    return screen.prose(f"{name}: {column.binding}.", "  ", "    ")


def _provenance(columns: list[Card], screen: Screen) -> str:
    return screen.prose(cards.provenance(columns[:1]))
