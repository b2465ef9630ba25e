"""`llmcap models|gpus|formats|engines|prices`: what the catalogue holds, and from where."""

import argparse
import difflib
from collections.abc import Callable, Iterable
from typing import Any

from .. import catalog
from ..catalog import origins
from ..catalog.names.made import built
from ..explain import counted, digits, gib, quantity
from ..refuse import BadInput, shown
from . import matching
from .options import add_output
from .tables import Answer, Column, Screen, Table, of_records, prose_table

Record = dict[str, Any]


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of one of these commands.
    """
    parser.add_argument(
        "words",
        nargs="*",
        metavar="WORDS",
        help="in any order, in parts or nearly right (default: all); one match shows every "
        "figure and its source",
    )
    if parser.get_default("command") == "gpus":
        about = "print the one that is found as a file for --gpu-file, to start your own from"
        parser.add_argument("--toml", action="store_true", help=about)
    add_output(parser)


def run(args: argparse.Namespace) -> Answer:
    """Find records of the catalogue.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        A row a record, or all that is known of the one that is found.

    Raises
    ------
    BadInput
        When nothing is like the words.
    """
    kind: str = args.command
    names = NAMES[kind]()
    found = matching.ranked(args.words, names) or _read(kind, " ".join(args.words), names)
    if not found:
        raise BadInput("words", _nothing(kind, args.words, names))
    if getattr(args, "toml", False):
        return _file(found)
    records = [RECORDS[kind](name) for name in found]
    if len(records) == 1 and args.words:
        return _detail(kind, found[0], records[0])
    table = of_records(records, COLUMNS[kind])
    return Answer(records, tuple(records), table, table.text)


def _read(kind: str, text: str, names: dict[str, list[str]]) -> list[str]:
    """The record that a name means as people write it: a repository, a shop's card."""
    look_up = getattr(catalog, kind.rstrip("s"), None)
    try:
        name = look_up(text).name if look_up else ""
    except BadInput:
        return []
    return [name] if name in names else []


def _file(found: list[str]) -> Answer:
    """One card as a file of one's own."""
    if len(found) > 1:
        near = ", ".join(found[:3])
        message = f"words find {len(found)} cards, {near} among them: a file takes one."
        raise BadInput("words", message)
    text = catalog.gpu_file(found[0])
    data = {"name": found[0], "toml": text}
    return Answer(data, (data,), of_records([data], {}), lambda screen: text)


def _nothing(kind: str, words: list[str], names: dict[str, list[str]]) -> str:
    near = difflib.get_close_matches(" ".join(words).lower()[:80], names, n=1, cutoff=0.4)
    hint = f"The nearest is {near[0]}." if near else f"llmcap {kind} lists all {len(names):,}."
    return f"{kind} have none like {shown(' '.join(words))}. {hint}"


# names, and what else each is known by


def _titled(kind: str) -> dict[str, list[str]]:
    rows = catalog.table(kind)[kind]
    names = {name: rows.get(name, {}) for name in (*getattr(catalog, kind)(), *rows)}
    words = ("title", "name", "vendor", "family")
    return {
        name: [str(row[w]) for w in words if w in row] + list(row.get("aliases", ()))
        for name, row in names.items()
    }


def _price_rows() -> dict[str, Record]:
    """Prices by a name that is their own: card, provider, term and region."""
    keys = ("gpu", "provider", "term", "region")
    return {
        " ".join(str(row[key]) for key in keys) + f" {number}": row
        for number, row in enumerate(catalog.table("prices")["price"])
    }


def _priced() -> dict[str, list[str]]:
    cards = _titled("gpus")
    return {name: cards.get(row["gpu"], []) for name, row in _price_rows().items()}


NAMES: dict[str, Callable[[], dict[str, list[str]]]] = {
    **{kind: lambda kind=kind: _titled(kind) for kind in catalog.KINDS},  # type: ignore[misc]
    "prices": _priced,
}

# a record as data


def _model(name: str) -> Record:
    model, row = catalog.model(name), catalog.table("models")["models"][name]
    return {
        "name": name,
        "title": row.get("title", name),
        "params": model.params,
        "active_params": model.active_params,
        "max_context_tokens": model.max_context_tokens,
        "weights": model.native_format,
        "date": str(row["date"]) if "date" in row else None,
    }


def _gpu(name: str) -> Record:
    gpu = catalog.gpu(name)
    return {
        "name": name,
        "title": gpu.title,
        "memory_visible_bytes": gpu.memory_visible_bytes,
        "bandwidth_bytes_s": gpu.bandwidth_bytes_s,
        "flop_s_16_bits": gpu.flop_s.get("bf16") or gpu.flop_s.get("fp16"),
        "flop_s_fp8": gpu.flop_s.get("fp8"),
        "usd_h": gpu.usd_h or None,
    }


def _format(name: str) -> Record:
    one = catalog.format(name)
    return {
        "name": name,
        "title": one.title,
        "bits": one.bytes_per_element * 8,
        "weights": bool(one.covers),
        "kv": one.kv,
        "computed_in": one.compute[0] if one.compute else None,
    }


def _engine(name: str) -> Record:
    one = catalog.engine(name)
    return {
        "name": name,
        "title": one.title,
        "memory_fraction": one.memory_fraction or None,
        "fraction_of": one.fraction_of,
        "block_tokens": one.block_tokens,
        "stands_for": list(catalog.table("engines")["engines"][name].get("aliases", ())),
    }


def _price(name: str) -> Record:
    row = _price_rows()[name]
    keys = ("gpu", "provider", "term", "region", "usd_h")
    return {
        **{key: row[key] for key in keys},
        "date": str(row["date"]),
        "reference": bool(row.get("reference")),
        "source": row["source"],
    }


RECORDS: dict[str, Callable[[str], Record]] = {
    "models": _model,
    "gpus": _gpu,
    "formats": _format,
    "engines": _engine,
    "prices": _price,
}


def _yes(value: bool) -> str:
    return "yes" if value else "-"


def _rate(value: float) -> str:
    return quantity(value, "FLOP/s")


COLUMNS: dict[str, dict[str, tuple[Column, Callable[[Any], str]]]] = {
    "models": {
        "name": (Column("model", left=True), str),
        "params": (Column("params"), lambda n: quantity(n, "params")),
        "active_params": (Column("active", 1), lambda n: quantity(n, "params")),
        "max_context_tokens": (Column("context", 2), lambda n: f"{n:,}"),
        "weights": (Column("own format", 3, left=True), str),
        "date": (Column("released", 4), str),
    },
    "gpus": {
        "name": (Column("card", left=True), str),
        "memory_visible_bytes": (Column("memory"), gib),
        "bandwidth_bytes_s": (Column("bandwidth", 1), lambda n: quantity(n, "bytes/s")),
        "flop_s_16_bits": (Column("16 bits", 3), _rate),
        "flop_s_fp8": (Column("FP8", 4), _rate),
        "usd_h": (Column("rent", 2), lambda n: quantity(n, "USD/h")),
    },
    "formats": {
        "name": (Column("format", left=True), str),
        "bits": (Column("bits"), digits),
        "weights": (Column("weights", 1), _yes),
        "kv": (Column("KV cache", 1), _yes),
        "computed_in": (Column("computed in", 2), str),
        "title": (Column("title", 3, left=True), str),
    },
    "engines": {
        "name": (Column("engine", left=True), str),
        "memory_fraction": (Column("memory share"), digits),
        "fraction_of": (Column("of", 2, left=True), lambda of: f"{of} memory"),
        "block_tokens": (Column("block", 3), lambda n: counted(n, "token")),
        "stands_for": (Column("also stands for", 1, left=True), ", ".join),
    },
    "prices": {
        "gpu": (Column("card", left=True), str),
        "usd_h": (Column("rent"), lambda n: quantity(n, "USD/h")),
        "reference": (Column("taken", 1, left=True), lambda is_so: "by default" if is_so else ""),
        "provider": (Column("provider", 0, left=True), str),
        "term": (Column("term", 2, left=True), str),
        "region": (Column("region", 4, left=True), str),
        "date": (Column("date", 1), str),
    },
}

# one record, with every figure and its source


def _detail(kind: str, name: str, record: Record) -> Answer:
    figures = FIGURES[kind](name)
    sources = list(dict.fromkeys((f["source"], f["date"], f["url"]) for f in figures if f["url"]))
    table = _figure_table(figures, sources)

    def text(screen: Screen) -> str:
        head = screen.paint(screen.prose(str(record.get("title", name))), "bold")
        rows = {} if kind == "prices" else catalog.table(kind)[kind]
        names = [name, *rows.get(name, {}).get("aliases", ())]
        known = prose_table([("Names:", ", ".join(names))], screen) if rows else ""
        notes = {(f["note"], f["figure"]) for f in figures if f["note"]}
        unread = [f["figure"] for f in figures if f.get("checked") == origins.UNREAD]
        marked = [("not checked:", f"{', '.join(unread)}: in no document that anybody opened")]
        lines = [(f"{figure}:", note) for note, figure in sorted(notes)]
        text = prose_table(lines + marked * bool(unread), screen)
        listed = "\n".join(_source(n, *one, screen) for n, one in enumerate(sources, 1))
        plain = table.without("note").text(screen)
        return "\n\n".join(filter(None, [head, known, plain, text, listed]))

    return Answer([record | {"figures": figures}], tuple(figures), table, text)


def _figure_table(figures: list[Record], sources: list[tuple[str, str, str]]) -> Table:
    def row(f: Record) -> tuple[str, ...]:
        where = (f["source"], f["date"], f["url"])
        mark = f"[{sources.index(where) + 1}]" if where in sources else ""
        return f["figure"], shown_value(f["figure"], f["value"]), f["kind"], mark, f["note"]

    left = (
        Column(head, rank, left=True) for head, rank in (("figure", 0), ("value", 0), ("kind", 1))
    )
    return Table((*left, Column("source"), Column("note", left=True)), tuple(map(row, figures)))


def _source(number: int, title: str, date: str, url: str, screen: Screen) -> str:
    origin = ", ".join(dict.fromkeys(part for part in (title, date) if part))
    head = [screen.prose(origin, f"[{number}] ", "    ")] if title != url else []
    return "\n".join([*head, f"    {url}" if head else f"[{number}] {url}"])


def shown_value(field: str, value: Any) -> str:
    """Write a figure of the catalogue with the unit that its name carries.

    Parameters
    ----------
    field : str
        Its name.
    value : object
        Its value.

    Returns
    -------
    str
        As people read it.

    Examples
    --------
    >>> shown_value("bandwidth_bytes_s", 3.35e12), shown_value("flop_s.fp8", 1.979e15)
    ('3.35 TB/s', '1.98 PFLOP/s')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "; ".join(
            ", ".join(f"{k.replace('_', ' ')} {v:,}" for k, v in one.items())
            if isinstance(one, dict)
            else str(one)
            for one in value
        )
    if not isinstance(value, int | float):
        return str(value)
    if field.startswith("flop_s"):
        return quantity(value, "FLOP/s")
    for end, unit in UNITS.items():
        if field.endswith(end):
            return quantity(value, unit)
    return digits(value, 6)


UNITS = {
    "_bytes_s": "bytes/s",
    "_sold_bytes": "bytes",
    "_bytes": "GiB",
    "_bytes_per_layer": "bytes",
    "_bytes_per_logit": "B",
    "_w": "W",
    "params": "params",
    "_active": "params",
    "_tokens": "tokens",
    "usd_h": "USD/h",
    "bits": "bits",
}


def _figure(
    figure: str, value: Any, kind: str, url: str, source: str = "", date: Any = "", note: str = ""
) -> Record:
    plain = {"figure": figure, "value": value, "kind": kind, "note": note}
    return plain | {"source": source or url, "date": str(date), "url": url}


def _sourced(kind: str) -> Callable[[str], list[Record]]:
    def figures(name: str) -> list[Record]:
        return [
            _figure(
                field, f["value"], f["kind"], f["url"], f["title"], f["date"], f.get("note", "")
            )
            for field, f in catalog.figures(kind, name).items()
        ]

    return figures


def _of_gpu(name: str) -> list[Record]:
    ways = origins.checked(catalog.cards.record(name))
    price = [_of_price_row(row, "usd_h") for row in _prices_of(name)]
    return [
        one | {"checked": ways.get(one["figure"], "")} for one in _sourced("gpus")(name) + price
    ]


def _prices_of(name: str) -> Iterable[Record]:
    row = catalog.reference_price(name)
    return [row] if row else []


def _of_model(name: str) -> list[Record]:
    model, row = catalog.model(name), catalog.table("models")["models"][name]
    counted = (
        *("params", "active_params", "max_context_tokens", "native_format", "layers"),
        *("hidden_size", "vocab_size", "experts", "experts_per_token"),
    )
    of_config = "counted from config.json"
    out = [
        _figure(field, getattr(model, field), "counted", row["source"], of_config)
        for field in counted
        if getattr(model, field)
    ]
    out += [
        _figure(field, row[field]["value"], "published", row[field]["source"], "publisher")
        for field in ("published_params", "published_active")
        if field in row
    ]
    out.append(_figure("released", str(row["date"]), "published", row["source"], of_config))
    return out + [_figure("note", text, "", "") for text in model.notes]


def _of_format(name: str) -> list[Record]:
    one = catalog.format(name)
    row = catalog.table("formats")["formats"].get(name) or built(name) or {}
    values = {
        "bits": one.bytes_per_element * 8,
        **{k: row[k] for k in ("element_bits", "scale_bits", "group", "covers") if k in row},
        **{k: row[k] for k in ("covers_mixture", "compute", "kv", "gguf") if k in row},
    }
    return [_figure(k, v, "", row["source"]) for k, v in values.items()] + [
        _figure("note", row.get("note", ""), "", row["source"])
    ]


def _of_price(name: str) -> list[Record]:
    row = _price_rows()[name]
    fields = ("gpu", "usd_h", "provider", "term", "region", "reference")
    return [_of_price_row(row, field) for field in fields if row.get(field)]


def _of_price_row(row: Record, field: str) -> Record:
    ledger = catalog.table("prices")["ledgers"].get(row["via"], {})
    via = f", read in {ledger['title']}" if ledger else ""
    source = f"{row['provider']}, {row['term']}{via}"
    return _figure(field, row[field], "list price", row["source"], source, row["date"], row["note"])


FIGURES: dict[str, Callable[[str], list[Record]]] = {
    "models": _of_model,
    "gpus": _of_gpu,
    "formats": _of_format,
    "engines": _sourced("engines"),
    "prices": _of_price,
}
