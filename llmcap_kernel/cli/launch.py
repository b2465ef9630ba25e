"""`llmcap launch`: the command that runs a deployment, and the one that checks the prediction."""

import argparse
import shlex
from dataclasses import replace
from typing import Any

from .. import calibration, capacity, catalog, design
from ..catalog import names
from ..design import handover, manifests
from ..explain import quantity
from ..refuse import BadInput, number, one_of
from ..serving import load_work
from ..spec import Deployment, Slo, Workload
from . import cards
from .options import (
    add_cards,
    add_engine,
    add_load,
    add_model,
    add_output,
    add_own,
    add_rate,
    by_default,
    read_deployment,
    read_load,
    read_number,
    read_rate,
)
from .tables import Answer, Column, Screen, Table

FORMS = ("command", *manifests.KINDS)


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    add_model(parser)
    add_cards(parser)
    add_engine(parser)
    add_load(parser, users="as many as have room")
    add_rate(parser)
    add = parser.add_argument_group("hand-over").add_argument
    add("--as", dest="form", metavar="FORM", help=f"one of {', '.join(FORMS)} (default command)")
    add("--copies", metavar="N", help="replicas in a manifest (default 1)")
    add("--checkpoint", metavar="NAME", default="", help="what to run; the catalogue's by default")
    add("--no-prefix-cache", action="store_true", help="turn the prefix cache off")
    add_own(parser)
    add_output(parser)


def run(args: argparse.Namespace) -> Answer:
    """Write the commands.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        The launch, what its log will say, the benchmark, and how to score it.
    """
    form = one_of("as", args.form or "command", FORMS)
    copies = number("copies", read_number("copies", args.copies or "1", int), 1, 10_000, whole=True)
    if args.copies and form == "command":
        kinds = ", ".join(manifests.KINDS)
        raise BadInput("copies", f"copies says how many a manifest has: give --as, one of {kinds}.")
    d = read_deployment(args)
    load, rate_rps, stops = read_load(args, d.request_limit_tokens), read_rate(args), list[str]()
    if rate_rps is not None:  # of all copies, which share it alike
        rate_rps /= copies
        card = design.card_at_rate(d, load, Slo(), rate_rps)
        load, stops = card.workload, _saturated(card, copies)
    elif args.concurrency is None:
        load = design.most_users_load(d, load, Slo())
    how = {"model": args.checkpoint, "prefix_cache": not args.no_prefix_cache}
    if form == "command":
        made = handover.launch(d, load, **how).text
    else:
        made = manifests.manifest(d, load, form, copies=copies, **how).rstrip("\n")
    bench = handover.benchmark(d, load, model=args.checkpoint, rate_rps=rate_rps)
    stops += _stops(d, load)
    made = "\n".join([*(f"# {text}" for text in stops), made])
    printed = capacity.printed(capacity.ledger(d, context_tokens=load.context_tokens))
    score = _score(args, d, load, bench)
    warned = [*_warnings(args, d, load), *_not_scored(d, load, bench)]
    data = {
        "launch": made,
        "log": [{"line": one.text, "within": one.within} for one in printed],
        "benchmark": bench.text,
        "validate": score,
        "warnings": [*stops, *warned],
    }

    def text(screen: Screen) -> str:
        return made if form != "command" else _text(data, warned)

    rows = tuple((name, str(data[name])) for name in ("launch", "benchmark", "validate"))
    columns = (Column("step", left=True), Column("command", left=True))
    return Answer(data, (data,), Table(columns, rows), text)


def _warnings(args: argparse.Namespace, d: Deployment, load: Workload) -> list[str]:
    """What was taken, and what of the load does not run at once."""
    warned = [note.text for note in design.warnings(d, load) if note.about == "sequences"]
    if usual := by_default(args):
        said = cards.load_words(load, usual, rate_rps=read_rate(args))
        warned.append(f"The load is {said}.")
    return [*cards.engine_notes(args.engine, d), *warned]


def _text(data: dict[str, Any], warned: list[str]) -> str:
    """The commands as a shell takes them, with the rest as its comments."""
    within = (f"  within {one['within']}" if one["within"] else "" for one in data["log"])
    lines = (f"#   {one['line']}{off}" for one, off in zip(data["log"], within, strict=True))
    expected = "\n".join(["# its log will say, four times in five:", *lines])
    measure = ["# measure what was predicted", data["benchmark"]]
    check = "\n".join([*measure, "# and score it", data["validate"]])
    return "\n\n".join([data["launch"], *(f"# {text}" for text in warned), expected, check])


def _saturated(card: design.Card, copies: int) -> list[str]:
    """Where a copy gets more requests than it answers, what says so."""
    if not card.saturated:
        return []
    said = card.saturated.partition(":")[0]  # the rest is of numbers that a launch does not show
    return [f"{said.replace('it', 'It' if copies == 1 else 'Each copy', 1)}."]


def _stops(d: Deployment, load: Workload) -> list[str]:
    """Why the command does not start, or not with this load; it stands before all else."""
    # the command asks for as much as a request has, where no longest is set
    longest = max(d.max_model_len or 0, load.context_tokens)
    books = capacity.workload_ledger(replace(d, max_model_len=longest), load)
    told = [text for text in (books.overlong or books.beyond,) if text]
    if not books.starts:
        told.append(books.memory_verdict.replace("Does not start", "This does not start", 1))
    elif not books.fits:
        told.append(
            f"The cache holds {books.max_concurrent:,} of {books.concurrency:,} users at "
            f"{books.context_tokens:,} tokens: the others wait."
        )
    return told


def _score(args: argparse.Namespace, d: Deployment, load: Workload, bench: handover.Command) -> str:
    """The command that puts the benchmark's file beside the prediction of this very deployment."""
    own_client = d.engine.family in ("vllm", "sglang")  # whose file names the engine
    version = names.version_in(args.engine or "")
    if not version and d.engine.name != catalog.engine(d.engine.family).name:
        version = ".".join(map(str, d.engine.release))
    named = bench.words[bench.words.index("--model") + 1]
    told = args.config is not None or names.model_name(named) == d.model.name
    stated: list[tuple[str, object]] = [
        ("config", args.config),
        ("model", None if told else d.model.name),
        ("engine", None if own_client else d.engine.family),
        ("engine-version", version or None),
        *(("gpu-file", path) for path in args.gpu_file or ()),
        ("gpu", d.gpu.name),
        ("tp", d.tp),
        ("pp", d.pp if d.pp > 1 else None),
        ("ep", d.ep if d.ep > 1 else None),
        ("dp-attention", d.tp if d.dp_attention else None),
        ("memory-fraction", d.memory_fraction),
        ("max-num-seqs", d.max_num_seqs),
        ("max-num-batched-tokens", d.max_num_batched_tokens),
        ("weights", d.weights.name),
        ("kv", d.kv.name),
        ("shared-prefix", load.shared_prefix_tokens or None),  # no client's file says it
        ("own", args.own),
    ]
    words = [f"--{name} {shlex.quote(str(x))}" for name, x in stated if x is not None]
    return " ".join(["llmcap validate", bench.words[-1], *words])


def _not_scored(d: Deployment, load: Workload, bench: handover.Command) -> list[str]:
    """Where the score stands on another prediction than this deployment's, and why."""
    settings = {
        "drafted tokens": d.speculation,
        "LoRA adapters": d.lora,
        "weights kept on the host": d.offload_share,
        "no CUDA graphs": d.eager,
        "mixed chunks": d.mixed_chunk,
        "the block size": d.block_size,
    }
    told = []
    if left := [name for name, value in settings.items() if value]:
        told.append(
            f"A benchmark's file does not say {' and '.join(left)}: validate predicts without, and "
            "predict with."
        )
    if "--random-range-ratio" in bench.words and not d.mixes_prompts:
        apart, together = (
            calibration.estimates(d, load, work=load_work(d, load, in_step=x)).ttft_s.value
            for x in (False, True)
        )
        if _seconds(apart) != _seconds(together):
            told.append(
                "The benchmark's answers have one length, which keeps users in step: validate "
                f"expects a mean first token of {_seconds(together)}, and predict says "
                f"{_seconds(apart)} for answers of many lengths."
            )
    return told


def _seconds(time_s: float) -> str:
    return quantity(time_s, "s")
