"""The `llmcap` command: the same numbers as the book and the calculators."""

import argparse
import difflib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from . import capacity, catalog, design, huggingface
from .calibration import Estimate
from .catalog import names
from .design import Card
from .evidence import compare, kernels, launch, logs, startup
from .explain import Explained, Line, digits, quantity
from .refuse import BadInput, number, shown
from .spec import MAX_TOKENS, Deployment, Lora, Model, Slo, Speculation, Workload

NUMBER_FIELDS = {
    **{"tp": int, "pp": int, "ep": int, "memory_fraction": float, "usd_h": float},
    # the engine's own limits
    **{"max_num_seqs": int, "max_num_batched_tokens": int, "max_model_len": int},
    "block_size": int,
}
SWITCHES = ("dp_attention", "eager")
RATES = (
    "Estimates, with the range that held four measurements of five; ceilings are what the spec "
    "sheet allows."
)
# What `estimate` has in JSON: its key, the quantity, and the scale to the key's unit.
ESTIMATED = {
    "itl_ms": ("itl_s", 1e3),
    "ttft_ms": ("ttft_s", 1e3),
    "tok_s_per_user": ("tok_s_user", 1),
    "output_tok_s_total": ("output_tok_s", 1),
    "usd_per_mtok_output": ("usd_mtok", 1),
}
LIMIT_FIELDS = ("name", "verdict", "required", "available", "headroom", "sentence")
TEXT_FIELDS = ("model", "gpu", "engine", "weights", "kv")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput("command line", f"{message} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Reject arguments that are left over, and suggest the nearest option."""
        found, rest = super().parse_known_args(args, namespace)
        if not rest:
            return found, rest
        word = rest[0].partition("=")[0]
        options = [text for action in self._actions for text in action.option_strings]
        near = difflib.get_close_matches(word[:80].lower(), options, n=1) if word[:1] == "-" else []
        hint = f"Did you mean {near[0]}?" if near else f"See {self.prog} --help."
        raise BadInput("command line", f"{shown(rest[0])} is not known here. {hint}")


def read_number(field: str, text: object, kind: type = float) -> Any:
    """Read a number as people type it: 8000, 8k, 128K, 0.9.

    Parameters
    ----------
    field : str
        Name of the input, for the error message.
    text : str
        Text as typed; k stands for 1 000 and M for 1 000 000.
    kind : type
        `int` or `float`.

    Returns
    -------
    int or float
        The number.

    Raises
    ------
    BadInput
        When the text is not such a number.

    Examples
    --------
    >>> read_number("context", "128k", int)
    128000
    """
    plain = str(text).strip().lower().replace("_", "").replace(",", "")
    scale = {"k": 1e3, "m": 1e6}.get(plain[-1:], 1)
    try:
        value = float(plain[:-1] if scale != 1 else plain) * scale
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError
        if kind is int and value != int(value):
            raise ValueError
    except (ValueError, OverflowError):
        wanted = "a whole number" if kind is int else "a number"
        raise BadInput(field, f"{field} is {shown(text)}: it takes {wanted}.") from None
    return kind(value)


def read_column(text: str) -> tuple[str, Deployment]:
    """Read one deployment of a scorecard from `key=value` pairs.

    Parameters
    ----------
    text : str
        Such as "B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8 kv=fp8";
        pairs may be separated by spaces, commas or ampersands.

    Returns
    -------
    tuple of (str, Deployment)
        Heading ("" when there is none) and deployment.

    Raises
    ------
    BadInput
        When a key or a value is unknown.

    Examples
    --------
    >>> label, d = read_column("B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8")
    >>> label, d.num_gpus
    ('B', 2)
    """
    label, colon, rest = text.partition(":")
    if not colon or "=" in label:
        label, rest = "", text
    fields: dict[str, Any] = {}
    known = (*TEXT_FIELDS, *NUMBER_FIELDS, *SWITCHES)
    for pair in rest.replace(",", " ").replace("&", " ").split():
        key, equals, value = pair.partition("=")
        if not equals:
            raise BadInput("column", f"column part {shown(pair)} is not key=value.")
        key = catalog.one_of("column key", key.replace("-", "_"), known)
        if key in fields:
            raise BadInput(key, f"column {shown(text)} gives {key} twice.")
        if key in NUMBER_FIELDS:
            fields[key] = read_number(key, value, NUMBER_FIELDS[key])
        elif key in SWITCHES:
            fields[key] = catalog.one_of(key, value, ("true", "false")) == "true"
        else:
            fields[key] = value
    for key in ("model", "gpu"):
        if key not in fields:
            raise BadInput(key, f"column {shown(text)} has no {key}: it takes {key}=NAME.")
    return label.strip(), catalog.deployment(**fields)


def _add_load(
    parser: argparse.ArgumentParser, workload: Workload, slo: Slo, *, most_users: bool = False
) -> None:
    add = parser.add_argument
    add("--input", metavar="TOKENS", help=f"prompt tokens (default {workload.input_tokens:,})")
    add("--output", metavar="TOKENS", help=f"answer tokens (default {workload.output_tokens:,})")
    usual = "as many as meet the limits" if most_users else workload.concurrency
    users = f"requests in flight (default {usual})"
    add("--users", "--concurrency", dest="concurrency", metavar="N", help=users)
    add("--shared-prefix", metavar="TOKENS", help="leading prompt tokens a prefix cache holds")
    add("--itl-ms", metavar="MS", help="longest gap between tokens allowed")
    add("--ttft-ms", metavar="MS", help="longest wait for the first token allowed")
    add("--budget-usd-h", metavar="USD", help="largest rent of a deployment allowed")
    add("--explain", action="store_true", help="print the arithmetic")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(base_workload=workload, base_slo=slo)


def _load(args: argparse.Namespace) -> tuple[Workload, Slo]:
    tokens_in, out = _lengths(args)
    users = args.base_workload.concurrency
    if args.concurrency is not None:
        users = read_number("concurrency", args.concurrency, int)
    prefix = read_number("shared_prefix", _given(args.shared_prefix, 0), int)
    workload = Workload(tokens_in, out, users, prefix)
    slo = args.base_slo

    def limit(name: str, text: str | None, per: float, default: float | None) -> float | None:
        if text is None:
            return default
        return number(name, read_number(name, text), 1e-3, 1e8) / per

    return workload, Slo(
        itl_s=limit("itl_ms", args.itl_ms, 1e3, slo.itl_s),
        ttft_s=limit("ttft_ms", args.ttft_ms, 1e3, slo.ttft_s),
        usd_h=limit("budget_usd_h", args.budget_usd_h, 1, slo.usd_h),
    )


def _lengths(args: argparse.Namespace) -> tuple[int, int]:
    """Tokens of prompt and answer; a context determines the one that is not given."""
    base = args.base_workload
    tokens_in = read_number("input", _given(args.input, base.input_tokens), int)
    out = read_number("output", _given(args.output, base.output_tokens), int)
    text = getattr(args, "context", None)
    if text is None:
        return tokens_in, out
    context = int(number("context", read_number("context", text, int), 2, MAX_TOKENS, "tokens"))
    if args.input is None:
        out = out if args.output is not None else max(context // 8, 1)
        return context - out, out
    if args.output is None:
        return tokens_in, context - tokens_in
    if tokens_in + out != context:
        raise BadInput(
            "context",
            f"context is {context:,} and input and output make {tokens_in + out:,}: "
            "give two of the three.",
        )
    return tokens_in, out


def as_dict(card: Card) -> dict[str, Any]:
    """Turn one column of a scorecard into plain data.

    Parameters
    ----------
    card : Card
        The column.

    Returns
    -------
    dict
        Values that JSON can store, with units in the keys.

    Examples
    --------
    >>> from llmcap_kernel import design
    >>> column = design.card(design.worked_spec()[1], design.WORKED_WORKLOAD)
    >>> as_dict(column)["fits"]
    True
    """
    ledger, load, d = card.ledger, card.workload, card.deployment
    return {
        "label": card.label,
        "deployment": d.title,
        "engine": d.engine.name,
        "model": d.model.name,
        "gpu": d.gpu.name,
        "weights": d.weights.name,
        "kv": d.kv.name,
        "starts": card.starts,
        "start": ledger.start,
        "fits": card.fits,
        "verdict": ledger.verdict,
        "memory_fraction": d.fraction,
        "input_tokens": load.input_tokens,
        "output_tokens": load.output_tokens,
        "concurrency": load.concurrency,
        "users": card.users,
        "max_concurrent": ledger.max_concurrent,
        "users_within_limits": _numbers(design.users_within(d, load, card.slo)),
        "ceiling": _ceilings(card),
        "estimate": _estimates(card),
        "usd_h": card.usd_h,
        "memory_bytes_per_gpu": _memory(card),
        "kv_pool_interval_bytes": list(ledger.kv_pool_interval_bytes),
        "max_concurrent_interval": list(ledger.concurrent_interval),
        "terms": [asdict(line) for line in capacity.term_lines(ledger)],
        "remedies": [_remedy(one) for one in _remedies(card)],
        "engine_lines": [asdict(line) for line in capacity.printed(ledger)],
        "kv_pool_tokens": ledger.kv_pool_tokens,
        "binding_constraint": card.binding,
        "limits": [{name: getattr(limit, name) for name in LIMIT_FIELDS} for limit in card.limits],
        "warnings": [note.text for note in card.warnings],
    }


def _remedies(card: Card) -> tuple[capacity.Remedy, ...]:
    return capacity.remedies(card.deployment, card.workload.context_tokens)


def _remedy(one: capacity.Remedy) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in ("setting", "value", "flag", "cost")},
        **{"start": one.books.start, "kv_pool_bytes": one.books.kv_pool_bytes},
    }


def _memory(card: Card) -> dict[str, float]:
    """Memory of a card by term, in bytes."""
    ledger = card.ledger
    return {
        "visible": ledger.visible_bytes,
        "budget": ledger.budget_bytes,
        "weights": ledger.weights_bytes,
        "activations": ledger.activation_bytes,
        "runtime": ledger.runtime_bytes,
        "graphs": ledger.graph_bytes,
        "kv_pool": ledger.kv_pool_bytes,
        "kv_per_sequence": ledger.kv_bytes_per_sequence,
    }


def _ceilings(card: Card) -> dict[str, float | None]:
    """What the spec sheet allows, by quantity; None where the engine does not start."""
    best = card.estimates.ceiling if card.estimates else None
    quantities = {
        "decode_tok_s_per_user": "decode_tok_s_user",
        "itl_decode_s": "itl_decode_s",
        "itl_served_s": "itl_s",
        "ttft_idle_s": "ttft_idle_s",
        "ttft_burst_s": "ttft_burst_s",
        "output_tok_s": "output_tok_s",
        "usd_per_mtok_output": "usd_mtok",
    }
    return {key: getattr(best, name) if best else None for key, name in quantities.items()}


def _estimates(card: Card) -> dict[str, dict[str, Any]] | None:
    """Value, interval, ceiling and reason by quantity; None where the engine does not start."""
    if not card.estimates:
        return None
    found = {
        key: (getattr(card.estimates, name), scale) for key, (name, scale) in ESTIMATED.items()
    }
    return {key: _numbers(e.scaled(scale)) for key, (e, scale) in found.items() if e is not None}


def _numbers(estimate: Estimate) -> dict[str, Any]:
    return asdict(estimate) | {"doubt": estimate.doubt}


def _columns(texts: Sequence[str]) -> dict[str, Deployment]:
    """Read the columns; those without a heading get the letters that are left."""
    named = [read_column(text) for text in texts]
    taken = [label for label, _ in named if label]
    letters = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in taken]
    if len(set(taken)) < len(taken):
        twice = next(label for label in taken if taken.count(label) > 1)
        raise BadInput("column", f"column heading {shown(twice)} is given twice.")
    if len(named) - len(taken) > len(letters):
        raise BadInput("column", f"{len(named)} columns are given: it takes at most 26.")
    free = iter(letters)
    return {label or next(free): d for label, d in named}


def _derivation(args: argparse.Namespace, result: Explained) -> dict[str, str]:
    return {"explain": result.explain()} if args.explain else {}


def _scorecard(args: argparse.Namespace) -> str:
    workload, slo = _load(args)
    _own_cards(args)
    columns = _columns(args.column) if args.column else design.worked_spec()
    result = design.scorecard(columns, workload, slo)
    if args.json:
        winner = result.winner.label if result.winner else None
        cards = [as_dict(c) for c in result.cards]
        answer = {"cards": cards, "winner": winner, "verdict": result.verdict}
        return json.dumps(answer | _derivation(args, result), indent=1)
    out = f"{_load_words(workload)}. {RATES}\n\n{result.text()}"
    return f"{out}\n\n{result.explain()}" if args.explain else out


def _load_words(workload: Workload, chosen: str = "") -> str:
    users = f"{workload.concurrency:,} user{'s' if workload.concurrency > 1 else ''}"
    tokens = f"{workload.input_tokens:,} tokens in + {workload.output_tokens:,} out"
    return f"{tokens}, {users}{chosen}"


def _terms(args: argparse.Namespace) -> dict[str, Any]:
    """Speculation, adapters and offloading, where options ask for them."""
    terms: dict[str, Any] = {}
    guesses = args.draft_tokens is not None or args.draft is not None
    if guesses:
        terms["speculation"] = Speculation(
            tokens=read_number("draft_tokens", _given(args.draft_tokens, 4), int),
            accept=read_number("accept", _given(args.accept, 0.7)),
            draft=None if args.draft is None else _draft(args.draft),
        )
    elif args.accept is not None:
        raise BadInput("accept", "accept says nothing without --draft or --draft-tokens.")
    if args.lora_rank is not None:
        terms["lora"] = Lora(
            read_number("lora_rank", args.lora_rank, int),
            read_number("lora_adapters", _given(args.lora_adapters, 1), int),
        )
    elif args.lora_adapters is not None:
        raise BadInput("lora_adapters", "lora_adapters says nothing without --lora-rank.")
    if args.offload_share is not None:
        terms["offload_share"] = read_number("offload_share", args.offload_share)
    return terms


def _draft(name: str) -> Model:
    try:
        return catalog.model(name)
    except BadInput as problem:
        raise BadInput("draft", f"draft {str(problem).removeprefix('model ')}") from None


def _given(text: Any, default: Any) -> Any:
    return default if text is None else text


def _predict(args: argparse.Namespace) -> str:
    workload, slo = _load(args)
    launched, deployment, taken = _launched(args)
    most = ""
    if args.concurrency is None:
        workload = design.most_users_load(deployment, workload, slo)
        limited = (slo.itl_s, slo.ttft_s) != (None, None)
        most = " (the most that meet the limits)" if limited else " (the most that have room)"
    column = design.card(deployment, workload, slo)
    if args.json:
        said = {"launch": launched.as_dict(), "taken": taken} if launched else {}
        return json.dumps(as_dict(column) | said | _derivation(args, column), indent=1)
    rows = "\n".join(f"{name:22}{text}" for name, text in column.rows())
    texts = [*taken, *(note.text for note in column.warnings)]
    if args.weights is None and not (launched and launched.weights):
        texts.insert(0, f"Weights are in the checkpoint's own format, {deployment.weights.title}.")
    texts += _nearest_engine(args.engine, deployment)
    notes = "".join(f"\nnote: {text}" for text in texts)
    head = f"{launched.said}\n" if launched else ""
    head += f"{deployment.title}\n{_load_words(workload, most)}. {RATES}"
    out = f"{head}\n{column.ledger.verdict}\n\n{rows}\n\n{_memory_text(column)}{notes}"
    if column.estimates:
        out += f"\nintervals: {column.estimates.itl_s.reason}"
    return f"{out}\n\n{column.explain()}" if args.explain else out


def _nearest_engine(asked: str | None, deployment: Deployment) -> list[str]:
    """Say where a version that is asked for is counted as another."""
    taken = deployment.engine
    if not asked or not any(map(str.isdigit, asked)) or catalog.key(asked) == taken.name:
        return []
    title = taken.title.partition(",")[0]
    return [f"{asked} is counted as {title}, the nearest whose ledger is known."]


def _memory_text(card: Card) -> str:
    """The ledger, what would make it start, and the lines the engine will print."""
    ledger = card.ledger
    low, high = (quantity(end, "GiB") for end in ledger.kv_pool_interval_bytes)
    room = f"{quantity(ledger.kv_pool_bytes, 'GiB')} ({low} to {high}, four times in five)"
    parts = [
        f"Memory of a card: {capacity.START_WORDS[ledger.start]}",
        *map(_term_row, capacity.term_lines(ledger)),
        f"  {'room for cache':14} {room}",
    ]
    if not ledger.starts:
        found = [f"  {one.text}" for one in _remedies(card)]
        parts += ["", "What would make it start", *(found or ["  no single setting"])]
    printed = capacity.printed(ledger)
    width = max(len(line.text) for line in printed)
    lines = (
        f"  {line.text:{width}}  {line.within and f'within {line.within}'}" for line in printed
    )
    title = f"What {card.deployment.engine.title} will print, four times in five"
    return "\n".join([*parts, "", title, *map(str.rstrip, lines)])


def _term_row(line: Line) -> str:
    head = f"  {line.name:14}{line.value:>10}  {line.formula}"
    if line.numbers in ("", line.value):
        return head
    return f"{head}\n{'= ':>28}{line.numbers}"


def _launched(
    args: argparse.Namespace,
) -> tuple[launch.Launch | None, Deployment, list[str]]:
    """The deployment of the options, and of the command behind `--` where there is one."""
    if args.launch is None:
        return None, _deployment(args), []
    if args.model is not None and args.config is not None:
        raise BadInput("model", "model is given twice: give --model NAME or --config FILE.")
    one = launch.read(_command(args.launch))
    model = args.model if args.config is None else huggingface.load(args.config)
    deployment, copies, notes = launch.meant(
        one, gpu=args.gpu or _own_cards(args) or "", model=model, **_chosen(args)
    )
    taken = [f"{text[0].upper()}{text[1:]}." for text in notes]
    if copies > 1:
        taken.append(f"The command starts {copies} copies: the numbers are of one.")
    return one, deployment, taken


def _command(words: list[str]) -> str | list[str]:
    """The words of a command, or the text of the one file that is named."""
    if len(words) == 1 and Path(words[0]).is_file():
        return compare.results.text(words[0])
    return words


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    """What the options say; None of those that are left out."""
    chosen: dict[str, Any] = {"weights": args.weights, "kv": args.kv, "engine": args.engine}
    for name, kind in NUMBER_FIELDS.items():
        text = getattr(args, name)
        chosen[name] = None if text is None else read_number(name, text, kind)
    chosen |= {name: True if getattr(args, name) else None for name in SWITCHES}
    return chosen | _terms(args)


def _own_cards(args: argparse.Namespace) -> str | None:
    """Let the cards of --gpu-file be found by name; the name of the last."""
    name = None
    for path in args.gpu_file or ():
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as problem:
            raise BadInput(
                "gpu_file", f"gpu file {shown(path)} cannot be read: {problem}."
            ) from None
        card = catalog.read_gpu(text)
        catalog.add_gpu(card)
        name = card.name
    return name


def _deployment(args: argparse.Namespace) -> Deployment:
    own = _own_cards(args)
    card = args.gpu or own
    if card is None:
        raise BadInput("gpu", "gpu is missing: give --gpu NAME or --gpu-file FILE.")
    if (args.model is None) == (args.config is None):
        how = "missing" if args.model is None else "given twice"
        raise BadInput("model", f"model is {how}: give --model NAME or --config FILE.")
    model = huggingface.load(args.config) if args.model is None else args.model
    chosen = {name: value for name, value in _chosen(args).items() if value is not None}
    for name in ("weights", "kv"):
        if name in chosen:
            chosen[name] = _format(name, chosen[name], args.model or "")
    return catalog.deployment(model=model, gpu=card, **chosen)


def _format(field: str, text: str, model: str) -> str:
    """The catalogue's name of a format as engines spell it; the text where there is none."""
    if field == "kv":
        return names.kv_format(text, "").name or text
    known = names.model_name(model)
    native = catalog.model(known).native_format if known else "bf16"
    return names.weight_format(text, model, native).name or text


# options of `validate`: the column each fills, its type and its help
FILLS: dict[str, tuple[str, type | None, str | None]] = {
    "model": ("model", None, "a model of the catalogue"),
    "gpu": ("gpu", None, "a card of the catalogue"),
    "engine": ("engine", None, "what served it"),
    "engine_version": ("engine_version", None, None),
    "weights": ("weight_dtype", None, "format of the weights"),
    "kv": ("kv_dtype", None, "format of the KV cache"),
    "tp": ("tp", int, None),
    "pp": ("pp", int, None),
    "ep": ("ep", int, None),
    "dp_attention": ("dp_attention", int, "replicas of data-parallel attention"),
    "memory_fraction": ("memory_fraction", float, None),
    "context": ("max_model_len", int, "longest sequence the engine was started for"),
    "input": ("input_tokens", int, "prompt tokens"),
    "output": ("output_tokens", int, "answer tokens"),
    "concurrency": ("concurrency", int, "requests in flight"),
}


def _validate(args: argparse.Namespace) -> str:
    given: dict[str, Any] = {}
    for name, (column, kind, _) in FILLS.items():
        text = getattr(args, name)
        given[column] = read_number(name, text, kind) if kind and text is not None else text
    own = _own_cards(args)
    given["gpu"] = given["gpu"] or own
    options = compare.options_of(config=args.config, **given)
    text = compare.results.text(args.file)
    if logs.recognises(text):
        if args.config is not None:
            raise BadInput("config", "config is for results: a start-up log takes --model NAME.")
        return _start_up(args, logs.read(text, args.file, **_of_start_up(options)))
    if kernels.recognises(text):
        return _timings(args, text, options)
    report = compare.run(args.file, options, compare.bar(sys.stderr))
    if report.refusal:
        raise BadInput("file", f"file {shown(args.file)}: {report.refusal}.")
    return report.json() if args.json else report.text()


def _timings(args: argparse.Namespace, text: str, options: dict[str, Any]) -> str:
    given = {name: options.pop(name, "") for name in ("gpu", "engine")}
    if options:
        name = min(options)
        raise BadInput(name, f"{name} is for results: timings of kernels take --gpu and --engine.")
    report = kernels.report(text, **given)
    return report.json() if args.json else report.text()


def _of_start_up(options: dict[str, Any]) -> dict[str, Any]:
    """The same options by the names that a start-up has for them."""
    named = {"engine_version": "version", "weight_dtype": "weights", "kv_dtype": "kv"}
    named |= {"dp_attention": "dp"}
    return {named.get(column, column): value for column, value in options.items()}


def _start_up(args: argparse.Namespace, one: startup.StartUp) -> str:
    both = startup.beside(one)
    return json.dumps(both.as_dict(), indent=1, allow_nan=False) if args.json else both.text()


def _calibrate(args: argparse.Namespace) -> str:
    from . import calibration
    from .evidence import fit  # needs scipy, which nothing else here does

    out = Path(args.out or calibration.FILE)
    _check_rows(args.rows)
    if out.is_dir() or not os.access(out.parent, os.W_OK):  # before minutes of work are lost
        raise BadInput("out", f"out {shown(str(out))} cannot be written.")
    try:
        sets, _ = fit.calibrate(
            args.rows, out, lambda line: print(f"llmcap: {line}", file=sys.stderr)
        )
    except ImportError:
        raise BadInput("calibrate", "calibrate needs scipy: install llmcap[fit].") from None
    if args.json:
        return json.dumps({"file": str(out), "sets": sets._asdict()}, indent=1)
    return f"{len(sets.rows)} sets of efficiencies in {out}"


def _check_rows(path: str) -> None:
    """Reject a file that is no table of measurements, or lacks their sources."""
    lines = compare.results.read(path)
    wanted = ("id", "source_id")
    lacking = [name for name in wanted if not any(line.fields.get(name) for line in lines)]
    if lacking:
        raise BadInput(
            "rows",
            f"rows {shown(path)} have no column {' and no '.join(lacking)}: "
            "it takes the columns of measured.csv.",
        )


def _list(args: argparse.Namespace) -> str:
    if args.kind is None:
        by_kind = {kind: _names(kind) for kind in catalog.KINDS}
        if args.json:
            return json.dumps(by_kind, indent=1)
        return "\n".join(
            f"{kind:8}{len(names):>5}   llmcap list {kind}" for kind, names in by_kind.items()
        )
    kind = catalog.one_of("kind", args.kind, catalog.KINDS)
    rows = {name: LISTED[kind](name) for name in _names(kind)}
    if args.json:
        return json.dumps([{"name": name} | row for name, row in rows.items()], indent=1)
    width = max(map(len, rows)) + 2
    return "\n".join(f"{name:{width}}{SHOWN[kind](row)}" for name, row in rows.items())


def _names(kind: str) -> list[str]:
    if kind == "formats":
        return list(dict.fromkeys((*catalog.formats(), *catalog.formats(kv=True))))
    return list(getattr(catalog, kind)())


def _model_row(name: str) -> dict[str, Any]:
    model = catalog.model(name)
    return {
        "params": model.params,
        "active_params": model.active_params,
        "max_context_tokens": model.max_context_tokens,
        "weights": model.native_format,
    }


def _gpu_row(name: str) -> dict[str, Any]:
    gpu = catalog.gpu(name)
    return {
        "memory_visible_bytes": gpu.memory_visible_bytes,
        "bandwidth_bytes_s": gpu.bandwidth_bytes_s,
        "usd_h": gpu.usd_h,
    }


# what `list` reports of each record, as data and as text
LISTED: dict[str, Callable[[str], dict[str, Any]]] = {
    "models": _model_row,
    "gpus": _gpu_row,
    "formats": lambda name: {"bits": catalog.format(name).bytes_per_element * 8},
    "engines": lambda name: {"title": catalog.engine(name).title},
}
SHOWN: dict[str, Callable[[dict[str, Any]], str]] = {
    "models": lambda row: (
        f"{quantity(row['params'], 'params'):>7}"
        f"{quantity(row['active_params'], 'params'):>9} active"
        f"{row['max_context_tokens']:>13,} tokens  {row['weights']}"
    ),
    "gpus": lambda row: (
        f"{quantity(row['memory_visible_bytes'], 'GiB'):>9}"
        f"{quantity(row['bandwidth_bytes_s'], 'bytes/s'):>12}"
        f"{quantity(row['usd_h'], 'USD/h') if row['usd_h'] else '-':>10}"
    ),
    "formats": lambda row: f"{digits(row['bits']):>5} bits",
    "engines": lambda row: row["title"],
}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="llmcap", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    _scorecard_options(commands.add_parser("scorecard", help=SCORECARD_HELP))
    _predict_options(commands.add_parser("predict", help="one deployment"))
    _validate_options(commands.add_parser("validate", help=VALIDATE_HELP))
    _calibrate_options(commands.add_parser("calibrate", help=CALIBRATE_HELP))
    _list_options(commands.add_parser("list", help="what the catalogue holds"))
    return parser


SCORECARD_HELP = "deployments side by side (the worked spec)"
VALIDATE_HELP = (
    "a benchmark's rows, predicted beside measured; a start-up log beside the ledger; timings of "
    "kernels beside their formulas"
)
CALIBRATE_HELP = "fit the efficiencies to measured rows"


def _scorecard_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--column",
        action="append",
        metavar="SPEC",
        help='"B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8 kv=fp8"; repeat it',
    )
    _add_gpu_file(parser)
    _add_load(parser, design.WORKED_WORKLOAD, design.WORKED_SLO)
    parser.set_defaults(run=_scorecard)


LAUNCH_HELP = (
    "Behind -- stands the command that launches the engine, or the file of a manifest: llmcap "
    "predict --gpu rtx-4090 -- vllm serve Qwen/Qwen3-8B --max-model-len 32k. Options before it "
    "go first."
)
# options that make a deployment: what each takes, and its help
DEPLOYED: dict[str, tuple[str | None, str | None]] = {
    "weights": ("FORMAT", "default: the checkpoint's own format"),
    "kv": ("FORMAT", "default: bf16"),
    "engine": ("NAME", None),
    **dict.fromkeys(("tp", "pp", "ep"), ("CARDS", None)),
    "dp_attention": (None, None),
    "memory_fraction": ("SHARE", None),
    "max_num_seqs": ("N", "most sequences at once (default: the engine's own)"),
    "max_num_batched_tokens": ("TOKENS", "most tokens of a step"),
    "max_model_len": ("TOKENS", "longest request (default: the load's)"),
    "eager": (None, "without CUDA graphs"),
    "block_size": ("TOKENS", "tokens of a block of the cache"),
}
# the same as engines spell them
ENGINES_OWN = {
    "weights": ("--quantization", "-q"),
    "kv": ("--kv-cache-dtype",),
    "tp": ("--tensor-parallel-size", "--tp-size", "-tp"),
    "pp": ("--pipeline-parallel-size", "--pp-size", "-pp"),
    "ep": ("--expert-parallel-size", "--ep-size"),
    "dp_attention": ("--enable-dp-attention",),
    "memory_fraction": (
        *("--gpu-memory-utilization", "--mem-fraction-static"),
        "--kv-cache-free-gpu-memory-fraction",
    ),
    "max_num_seqs": ("--max-running-requests", "--max-batch-size"),
    "max_num_batched_tokens": ("--chunked-prefill-size", "--max-num-tokens"),
    "max_model_len": ("--context-length", "--max-seq-len"),
    "eager": ("--enforce-eager", "--disable-cuda-graph"),
    "block_size": ("--page-size",),
}


def _predict_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", metavar="NAME", help="a model of the catalogue")
    add("--config", metavar="FILE", help="or a config.json of your own")
    add("--gpu", metavar="NAME", help="a card of the catalogue, as tools or clouds print it")
    _add_gpu_file(parser)
    for name, (value, about) in DEPLOYED.items():
        spelled = [f"--{name.replace('_', '-')}", *ENGINES_OWN.get(name, ())]
        how: dict[str, Any] = {"metavar": value} if value else {"action": "store_true"}
        add(*spelled, dest=name, help=about, **how)
    add("--draft-tokens", metavar="K", help="guess K tokens ahead of each check")
    add("--draft", metavar="NAME", help="the model that guesses")
    add("--accept", metavar="SHARE", help="of guesses (default 0.7)")
    add("--lora-rank", metavar="R", help="serve low-rank adapters of this rank")
    add("--lora-adapters", metavar="N", help="how many of them (default 1)")
    add("--offload-share", metavar="SHARE", help="of the weights in host memory")
    add("--usd-h", metavar="USD", help="rent of one card for an hour")
    add("--context", metavar="TOKENS", help="prompt and answer together")
    _add_load(parser, Workload(1000, 1000, 1), Slo(), most_users=True)
    parser.epilog = LAUNCH_HELP
    parser.set_defaults(run=_predict)


def _add_gpu_file(parser: argparse.ArgumentParser) -> None:
    about = "a card of your own: TOML or JSON with the fields of the catalogue's records"
    parser.add_argument("--gpu-file", metavar="FILE", action="append", help=about)


def _validate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help=f"{compare.results.KNOWN}; {logs.KNOWN}; {kernels.KNOWN}"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_gpu_file(parser)
    parser.add_argument("--config", metavar="FILE", help="a config.json, the model of all rows")
    for name, (_, kind, about) in FILLS.items():
        text = f"{about or name.replace('_', ' ')}, whatever the file says"
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, metavar="N" if kind else "NAME", help=text)
    parser.set_defaults(run=_validate)


def _calibrate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rows", metavar="FILE", help="rows in the columns of measured.csv")
    parser.add_argument("--out", metavar="FILE", help="where to write (the package's own table)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_calibrate)


def _list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", help=f"{', '.join(catalog.KINDS)}; all when left out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_list)


def until_closed(run: Callable[[], int]) -> int:
    """Run a command whose output may be closed early, as by `head`.

    Parameters
    ----------
    run : callable
        Prints, and returns the exit status.

    Returns
    -------
    int
        The status; 0 when the output was closed, 1 when it cannot be written.

    Examples
    --------
    >>> until_closed(lambda: 2)
    2
    """
    try:
        try:
            return run()
        finally:  # also when --help leaves
            print(end="", flush=True)
    except OSError as problem:
        # the interpreter must not try again to write what is still buffered
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(problem, BrokenPipeError):
            return 0
        print(f"llmcap: the answer cannot be written: {problem.strerror}", file=sys.stderr)
        return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; those of the process if omitted.

    Returns
    -------
    int
        0 on success, 1 when the output cannot be written, 2 when the input is
        invalid, 130 when interrupted.
    """
    return until_closed(lambda: _answer(argv))


def _cut(words: list[str]) -> tuple[list[str], list[str] | None]:
    """The words before `--`, and the command behind it."""
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _answer(argv: Sequence[str] | None) -> int:
    try:
        words, command = _cut(list(sys.argv[1:] if argv is None else argv))
        args = _parser().parse_args(words)
        args.launch = command
        if command is not None and args.run is not _predict:
            raise BadInput("command line", "a command behind -- is read by predict alone.")
        print(args.run(args))
    except BadInput as problem:
        print(f"llmcap: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nllmcap: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
