"""The `llmcap` command: the same numbers as the book and the calculators."""

import argparse
import json
import sys

from . import catalog, design, huggingface, validate
from .explain import digits, quantity
from .refuse import BadInput, number, shown
from .spec import MAX_TOKENS, Lora, Slo, Speculation, Workload

NUMBER_FIELDS = {"tp": int, "pp": int, "ep": int, "memory_fraction": float, "usd_h": float}
ESTIMATED = ("itl_ms", "ttft_ms", "output_tok_s_total")
TEXT_FIELDS = ("model", "gpu", "engine", "weights", "kv")


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise BadInput("command line", f"{message} (see {self.prog} --help)")


def read_number(field, text, kind=float):
    """Read a number as people type it: 8000, 8k, 128K, 0.9.

    Parameters
    ----------
    field : str
        The input's name, for the refusal [-].
    text : str
        What was typed; k stands for 1 000 and M for 1 000 000 [-].
    kind : type
        `int` or `float` [-].

    Returns
    -------
    int or float
        The number [-].

    Raises
    ------
    BadInput
        When it is none.

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


def read_column(text):
    """Read one deployment of a scorecard from `key=value` pairs.

    Parameters
    ----------
    text : str
        Such as "B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8 kv=fp8";
        pairs may be parted by spaces, commas or ampersands [-].

    Returns
    -------
    tuple of (str, Deployment)
        Its heading ("" when there is none) and the deployment [-].

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
    fields = {}
    known = (*TEXT_FIELDS, *NUMBER_FIELDS, "dp_attention")
    for pair in rest.replace(",", " ").replace("&", " ").split():
        key, equals, value = pair.partition("=")
        if not equals:
            raise BadInput("column", f"column part {shown(pair)} is not key=value.")
        key = catalog.one_of("column key", key.replace("-", "_"), known)
        if key in NUMBER_FIELDS:
            fields[key] = read_number(key, value, NUMBER_FIELDS[key])
        elif key == "dp_attention":
            fields[key] = catalog.one_of(key, value, ("true", "false")) == "true"
        else:
            fields[key] = value
    for key in ("model", "gpu"):
        if key not in fields:
            raise BadInput(key, f"column {shown(text)} has no {key}: it takes {key}=NAME.")
    return label.strip(), catalog.deployment(**fields)


def _add_load(parser, workload, slo):
    add = parser.add_argument
    add("--input", metavar="TOKENS", help=f"prompt tokens (default {workload.input_tokens:,})")
    add("--output", metavar="TOKENS", help=f"answer tokens (default {workload.output_tokens:,})")
    add("--concurrency", metavar="N", help=f"requests in flight (default {workload.concurrency})")
    add("--shared-prefix", metavar="TOKENS", help="leading prompt tokens a prefix cache holds")
    add("--itl-ms", metavar="MS", help="longest gap between tokens allowed")
    add("--ttft-ms", metavar="MS", help="longest wait for the first token allowed")
    add("--budget-usd-h", metavar="USD", help="largest rent of a deployment allowed")
    add("--explain", action="store_true", help="print the arithmetic")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(base_workload=workload, base_slo=slo)


def _load(args):
    base, slo = args.base_workload, args.base_slo
    tokens_in = base.input_tokens if args.input is None else read_number("input", args.input, int)
    out = base.output_tokens if args.output is None else read_number("output", args.output, int)
    context = getattr(args, "context", None)
    if context is not None:
        context = number("context", read_number("context", context, int), 2, MAX_TOKENS, "tokens")
        if args.input is None:
            out = out if args.output is not None else max(context // 8, 1)
            tokens_in = context - out
        elif args.output is None:
            out = context - tokens_in
    users = base.concurrency
    if args.concurrency is not None:
        users = read_number("concurrency", args.concurrency, int)
    prefix = read_number("shared_prefix", args.shared_prefix or 0, int)
    workload = Workload(tokens_in, out, users, prefix)

    def limit(name, text, scale, default):
        if text is None:
            return default
        return number(name, read_number(name, text), 1e-3, 1e7) * scale

    return workload, Slo(
        itl_s=limit("itl_ms", args.itl_ms, 1e-3, slo.itl_s),
        ttft_s=limit("ttft_ms", args.ttft_ms, 1e-3, slo.ttft_s),
        usd_h=limit("budget_usd_h", args.budget_usd_h, 1, slo.usd_h),
    )


def as_dict(card):
    """Turn one column of a scorecard into plain data.

    Parameters
    ----------
    card : Card
        The column [-].

    Returns
    -------
    dict
        JSON-able, SI units in the keys [-].

    Examples
    --------
    >>> from llmcap_kernel import design
    >>> made = design.card(design.worked_spec()[1], design.WORKED_WORKLOAD)
    >>> as_dict(made)["fits"]
    True
    """
    books, serving, starts = card.books, card.serving, card.starts
    return {
        "label": card.label,
        "deployment": card.deployment.title,
        "engine": card.deployment.engine.name,
        "starts": starts,
        "fits": books.fits,
        "verdict": books.verdict,
        "memory_fraction": card.deployment.fraction,
        "users": card.users,
        "max_concurrent": books.max_concurrent,
        "ceiling": {
            "decode_tok_s_per_user": serving.decode.tok_s_user if starts else None,
            "itl_decode_s": serving.itl_decode_s if starts else None,
            "itl_served_s": serving.itl_served_s if starts else None,
            "ttft_idle_s": serving.ttft_idle_s if starts else None,
            "ttft_burst_s": serving.ttft_burst_s if starts else None,
            "output_tok_s": serving.output_tok_s if starts else None,
            "usd_per_mtok_output": card.usd_mtok,
        },
        "estimate": _estimates(card),
        "usd_h": card.usd_h,
        "memory_bytes_per_gpu": {
            "visible": books.visible_bytes,
            "budget": books.budget_bytes,
            "weights": books.weights_bytes,
            "activations": books.activation_bytes,
            "runtime": books.runtime_bytes,
            "graphs": books.graph_bytes,
            "kv_pool": books.kv_pool_bytes,
            "kv_per_sequence": books.kv_bytes_per_sequence,
        },
        "kv_pool_tokens": books.kv_pool_tokens,
        "binding_constraint": card.binding,
        "limits": [
            {"name": x.name, "headroom": x.headroom, "sentence": x.sentence} for x in card.limits
        ],
        "warnings": list(card.warnings),
    }


def _estimates(card):
    """Value, interval and reason of what a benchmark would report, by metric."""
    if not card.starts:
        return None
    made = {metric: card.estimate(metric) for metric in ESTIMATED}
    out = {
        metric: {"value": e.value, "low": e.low, "high": e.high, "reason": e.reason}
        for metric, e in made.items()
    }
    if card.usd_h:
        rate = made["output_tok_s_total"]
        out["usd_per_mtok_output"] = {
            name: design.usd_per_mtok(usd_h=card.usd_h, tok_s=tok_s)
            for name, tok_s in (("value", rate.value), ("low", rate.high), ("high", rate.low))
        }
        out["usd_per_mtok_output"]["reason"] = rate.reason
    return out


def _estimate_text(card):
    """Two lines a person reads: what a client would see, and within what."""
    if not card.starts:
        return ""
    gap, rate = card.estimate("itl_ms"), card.estimate("output_tok_s_total")
    return (
        f"\nA client would see {gap.value:.1f} ms between tokens "
        f"({gap.low:.1f} to {gap.high:.1f}, four times in five)\n"
        f"and {digits(rate.value)} output tok/s in all "
        f"({digits(rate.low)} to {digits(rate.high)}): {gap.reason}."
    )


def _columns(texts):
    """Read the columns; those without a heading take the letters that are left."""
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


def _scorecard(args):
    workload, slo = _load(args)
    columns = _columns(args.column) if args.column else design.worked_spec()
    made = design.scorecard(columns, workload, slo)
    if args.json:
        winner = made.winner.label if made.winner else None
        cards = [as_dict(c) for c in made.cards]
        return json.dumps({"cards": cards, "winner": winner, "verdict": made.verdict}, indent=1)
    head = (
        f"{workload.input_tokens:,} tokens in + {workload.output_tokens:,} out, "
        f"{workload.concurrency} users. Speeds are ceilings, what the spec sheet "
        "allows; estimates are fitted to measurements."
    )
    out = f"{head}\n\n{made.text()}"
    return f"{out}\n\n{made.explain()}" if args.explain else out


def _terms(args):
    """The terms that are off unless they are asked for."""
    terms: dict[str, object] = {}
    if args.draft_tokens is not None or args.draft is not None:
        terms["speculation"] = Speculation(
            tokens=read_number("draft_tokens", args.draft_tokens or 4, int),
            accept=read_number("accept", args.accept),
            draft=catalog.model(args.draft) if args.draft else None,
        )
    if args.lora_rank is not None:
        rank, adapters = args.lora_rank, args.lora_adapters
        terms["lora"] = Lora(
            read_number("lora_rank", rank, int), read_number("lora_adapters", adapters, int)
        )
    if args.offload_share is not None:
        terms["offload_share"] = read_number("offload_share", args.offload_share)
    return terms


def _predict(args):
    workload, slo = _load(args)
    model = huggingface.load(args.config) if args.config else args.model
    if not model:
        raise BadInput("model", "model is missing: give --model NAME or --config FILE.")
    chosen = {"engine": args.engine} if args.engine else {}
    for name, kind in NUMBER_FIELDS.items():
        text = getattr(args, name)
        if text is not None:
            chosen[name] = read_number(name, text, kind)
    deployment = catalog.deployment(
        model=model,
        gpu=args.gpu,
        weights=args.weights,
        kv=args.kv,
        dp_attention=args.dp_attention,
        **chosen,
        **_terms(args),
    )
    made = design.card(deployment, workload, slo)
    if args.json:
        return json.dumps(as_dict(made), indent=1)
    rows = "\n".join(f"{name:28}{text}" for name, text in made.rows())
    notes = "".join(f"\nnote: {w}" for w in made.warnings)
    out = f"{deployment.title}\n{made.books.verdict}\n\n{rows}{notes}\n{_estimate_text(made)}"
    return f"{out}\n\n{made.explain()}" if args.explain else out


# options of `validate`, the column each fills, and how it is read
FILLS = {
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


def _validate(args):
    given = {}
    for name, (column, kind, _) in FILLS.items():
        text = getattr(args, name)
        given[column] = read_number(name, text, kind) if kind and text is not None else text
    fill = validate.fill_of(**given)
    made = validate.run(args.file, fill, validate.bar(sys.stderr))
    return made.json() if args.json else made.text()


def _calibrate(args):
    from . import calibration, fit  # needs scipy, which nothing else here does

    try:
        out = args.out or calibration.FILE
        sets, _ = fit.calibrate(args.rows, out, lambda line: print(f"llmcap: {line}"))
    except OSError as problem:
        raise BadInput("rows", f"rows {shown(args.rows)} cannot be read: {problem}") from None
    except ImportError:
        raise BadInput("calibrate", "calibrate needs scipy: install llmcap[fit].") from None
    return f"{len(sets)} sets of efficiencies in {out}"


def _list(args):
    kind = catalog.one_of("kind", args.kind, catalog.KINDS)
    if kind == "models":
        rows = (
            f"{n:34}{quantity(catalog.model(n).params, 'params'):>9}"
            f"{quantity(catalog.model(n).active_params, 'params'):>9} active"
            for n in catalog.models()
        )
    elif kind == "gpus":
        made = map(catalog.gpu, catalog.gpus())
        rows = (
            f"{g.name:24}{quantity(g.memory_visible_bytes, 'GiB'):>10}"
            f"{quantity(g.bandwidth_bytes_s, 'bytes/s'):>12}"
            f"{quantity(g.usd_h, 'USD/h') if g.usd_h else '-':>10}"
            for g in made
        )
    elif kind == "formats":
        names = dict.fromkeys((*catalog.formats(), *catalog.formats(kv=True)))
        rows = (f"{n:20}{digits(catalog.format(n).bytes_per_element * 8)} bits" for n in names)
    else:
        rows = (f"{n:20}{catalog.engine(n).title}" for n in catalog.engines())
    return "\n".join(rows)


def _parser():
    parser = _Parser(prog="llmcap", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    card = commands.add_parser("scorecard", help="deployments side by side (the worked spec)")
    card.add_argument(
        "--column",
        action="append",
        metavar="SPEC",
        help='"B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8 kv=fp8"; repeat it',
    )
    _add_load(card, design.WORKED_WORKLOAD, design.WORKED_SLO)
    card.set_defaults(run=_scorecard)
    one = commands.add_parser("predict", help="one deployment")
    one.add_argument("--model", metavar="NAME", help="a model of the catalogue")
    one.add_argument("--config", metavar="FILE", help="or a config.json of your own")
    one.add_argument("--gpu", metavar="NAME", required=True, help="a card of the catalogue")
    one.add_argument("--weights", metavar="FORMAT", default="bf16")
    one.add_argument("--kv", metavar="FORMAT", default="bf16")
    one.add_argument("--engine", metavar="NAME")
    for name in ("tp", "pp", "ep"):
        one.add_argument(f"--{name}", metavar="CARDS")
    one.add_argument("--dp-attention", action="store_true")
    one.add_argument("--memory-fraction", metavar="SHARE")
    one.add_argument("--draft-tokens", metavar="K", help="guess K tokens ahead of each check")
    one.add_argument("--draft", metavar="NAME", help="the model that guesses")
    one.add_argument("--accept", metavar="SHARE", default="0.7", help="of guesses (default 0.7)")
    one.add_argument("--lora-rank", metavar="R", help="serve low-rank adapters of this rank")
    one.add_argument("--lora-adapters", metavar="N", default="1")
    one.add_argument("--offload-share", metavar="SHARE", help="of the weights in host memory")
    one.add_argument("--usd-h", metavar="USD", help="rent of one card for an hour")
    one.add_argument("--context", metavar="TOKENS", help="prompt and answer together")
    _add_load(one, Workload(1000, 1000, 1), Slo())
    one.set_defaults(run=_predict)
    beside = commands.add_parser("validate", help="a benchmark's rows, predicted beside measured")
    beside.add_argument("file", metavar="FILE", help=f"{validate.results.KNOWN}")
    beside.add_argument("--json", action="store_true", help="print JSON")
    for name, (_, kind, about) in FILLS.items():
        told = f"{about or name.replace('_', ' ')}, where the file does not say"
        option = f"--{name.replace('_', '-')}"
        beside.add_argument(option, metavar="N" if kind else "NAME", help=told)
    beside.set_defaults(run=_validate)
    learn = commands.add_parser("calibrate", help="fit the efficiencies to measured rows")
    learn.add_argument("rows", metavar="FILE", help="rows in the columns of measured.csv")
    learn.add_argument("--out", metavar="FILE", help="where to write (the package's own table)")
    learn.set_defaults(run=_calibrate)
    show = commands.add_parser("list", help="what the catalogue holds")
    show.add_argument("kind", help="models, gpus, formats or engines")
    show.set_defaults(run=_list)
    return parser


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; the process's own when left out [-].

    Returns
    -------
    int
        0 when it answered, 2 when the input was refused, 130 when interrupted [-].
    """
    try:
        args = _parser().parse_args(argv)
        print(args.run(args))
    except BadInput as problem:
        print(f"llmcap: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("\nllmcap: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
