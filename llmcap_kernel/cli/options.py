"""Options that commands share, grouped by subject, and how their values are read."""

import argparse
import difflib
import itertools
import re
import textwrap
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from .. import catalog, huggingface
from ..catalog import names
from ..files import read_text
from ..refuse import BadInput, either, number, shown, typed_number
from ..spec import MAX_TOKENS, Deployment, Lora, Model, Slo, Speculation, Tail, Workload

NUMBER_FIELDS = {
    **{"tp": int, "pp": int, "ep": int, "memory_fraction": float, "usd_h": float},
    # the engine's own limits
    **{"max_num_seqs": int, "max_num_batched_tokens": int, "max_model_len": int},
    "block_size": int,
}
SWITCHES = ("dp_attention", "eager", "mixed_chunk")
# how engines spell the same options
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
    "mixed_chunk": ("--enable-mixed-chunk",),
    "block_size": ("--page-size",),
}
# Limits on percentiles: --itl-p95-ms and its like; the help shows one of each latency.
TAIL_WORDS = {
    "itl": "longest gap between two tokens",
    "tpot": "longest mean gap of a request, TPOT",
    "ttft": "longest wait for the first token",
    "e2e": "longest wait for the last token",
}
PERCENTS, UNITS = (95, 50, 90, 99), {"ms": 1e3, "s": 1.0}
TEXT_FIELDS = ("model", "gpu", "engine", "weights", "kv")
HOW = ("json", "csv", "markdown")


class _Help(argparse.HelpFormatter):
    """An option by its first spelling; the help behind it has the others."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if "; also --" not in (action.help or ""):
            return super()._format_action_invocation(action)
        first = action.option_strings[0]
        takes = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        return f"{first}{takes}"

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


class _Each(argparse.Action):
    """Keeps the values of several spellings, each with its own."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        earlier = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*earlier, (option, values)])


class Parser(argparse.ArgumentParser):
    """A parser that complains in one sentence and names the nearest option."""

    def __init__(self, **how: Any) -> None:
        super().__init__(formatter_class=_Help, **how)

    def error(self, message: str) -> NoReturn:
        """Refuse what was given.

        Parameters
        ----------
        message : str
            What is wrong.

        Returns
        -------
        never
            It raises.
        """
        found = re.match(r"ambiguous option: (\S+) could match (.*)", message)
        if found:
            message = f"{found[1]} could be {either(found[2].split(', '), most=3)}"
        raise BadInput("command line", f"{message} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Reject arguments that are left over, and suggest the nearest option.

        Parameters
        ----------
        args, namespace : object
            As argparse has them.

        Returns
        -------
        tuple
            What was read, and nothing left over.
        """
        found, rest = super().parse_known_args(args, namespace)
        if not rest:
            return found, rest
        word = rest[0].partition("=")[0]
        options = [text for action in self._actions for text in action.option_strings]
        near = _nearest_option(word, options)
        takes = [str(action.metavar) for action in self._actions if not action.option_strings]
        if takes and not near and word[:1] != "-":
            many = f"it takes one {takes[0]}"
            raise BadInput("command line", f"{shown(rest[0])} is one too many: {many}.")
        hint = f"Did you mean {near[0]}?" if near else f"See {self.prog} --help."
        raise BadInput("command line", f"{shown(rest[0])} is not known here. {hint}")


# Fields of what is counted, and the options that set them where these are named otherwise.
SET_BY = {
    "input_tokens": "input",
    "output_tokens": "output",
    "shared_prefix_tokens": "shared_prefix",
    "speculation tokens": "draft_tokens",
    "speculation accept": "accept",
}


def as_typed(problem: BadInput, parser: argparse.ArgumentParser, words: list[str]) -> BadInput:
    """Name in a refusal the options that the reader typed, in place of the fields they set.

    Parameters
    ----------
    problem : BadInput
        What is wrong, by the name of a field.
    parser : ArgumentParser
        Of the command.
    words : list of str
        Its arguments.

    Returns
    -------
    BadInput
        The same, with `--users` where concurrency was set by it.

    Examples
    --------
    >>> parser = Parser()
    >>> add_load(parser, Workload(1000, 1000, 1))
    >>> refused = BadInput("concurrency", "concurrency is 0: it takes 1.")
    >>> str(as_typed(refused, parser, ["--users", "0"]))
    '--users is 0: it takes 1.'
    """
    typed = {word.partition("=")[0] for word in words if word.startswith("-")}
    text = str(problem)
    for field in {problem.field: None, **dict.fromkeys(SET_BY)}:
        dest = SET_BY.get(field, field.replace(" ", "_"))
        options = next((one.option_strings for one in parser._actions if one.dest == dest), [])
        option = next((word for word in typed if word in options), "")
        if option and field == problem.field and _plain(option) != _plain(field):
            text = re.sub(rf"^{re.escape(field)}(?=[ :])", option, text)
        if options:  # a bound that another field sets
            text = text.replace(f"({field})", f"({option or options[0]})")
    return BadInput(problem.field, text)


def _plain(name: str) -> str:
    return re.sub(r"[ -]", "_", name.lstrip("-"))


def _nearest_option(word: str, options: list[str]) -> list[str]:
    """The option that a word is most like, or the one that takes a name which stands alone."""
    if word[:1] == "-":
        bare = {text.lstrip("-"): text for text in options}
        near = difflib.get_close_matches(word.lstrip("-")[:80].lower(), bare, n=1)
        return [bare[name] for name in near]
    if "--model" in options and names.model_name(word):
        return [f"--model {word}"]
    return [f"--gpu {word}"] if "--gpu" in options and names.card(word).name else []


def read_number(field: str, text: object, kind: type = float) -> Any:
    """Read a number as people type it: 8000, 8k, 128K, 0.9.

    Parameters
    ----------
    field : str
        Name of the input, for the error message.
    text : str
        Text as typed, as `refuse.scaled` reads it: 32k is 32 000, 32Ki is 32 768.
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
    value = typed_number(str(text))
    if value is None or (kind is int and value != int(value)):
        wanted = "a whole number" if kind is int else "a number"
        hint = _written(str(text)) if kind is float else ""
        raise BadInput(field, f"{field} is {shown(text)}: it takes {wanted}{hint}.")
    return kind(value)


def _written(text: str) -> str:
    """How a share in percent, or with a decimal comma, is written; "" for anything else."""
    percent = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s?%", text.strip())
    if percent:
        return f", and {percent[1]}% is {float(percent[1]) / 100:g}"
    comma = re.fullmatch(r"(\d{0,6}),(\d{1,6})", text.strip())
    return f", with a point: {comma[1] or 0}.{comma[2]}" if comma else ""


def given(text: Any, default: Any) -> Any:
    """Take what was given, or the default where nothing was.

    Parameters
    ----------
    text, default : object
        Both.

    Returns
    -------
    object
        The first that is not None.

    Examples
    --------
    >>> given(None, 1), given("0", 1)
    (1, '0')
    """
    return default if text is None else text


def add_output(
    parser: argparse.ArgumentParser, *, explain: bool = False, rows: int | None = None
) -> None:
    """Add the options that say how an answer is printed.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    explain : bool
        Whether the answer has arithmetic to print.
    rows : int, optional
        Most rows of text, where a table may be long.
    """
    group = parser.add_argument_group("output", "text for people by default")
    if explain:
        group.add_argument("--explain", action="store_true", help="print the arithmetic as well")
    if rows:
        about = f"most rows of text, of each kind (default {rows})"
        group.add_argument("--rows", metavar="N", default=str(rows), help=about)
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--json", dest="how", action="store_const", const="json", help="print JSON, units in keys"
    )
    one.add_argument(
        "--csv",
        dest="how",
        action="store_const",
        const="csv",
        help="print rows of the same values; dots part nested keys",
    )
    one.add_argument(
        "--markdown", dest="how", action="store_const", const="markdown", help="print a table"
    )


def add_load(
    parser: argparse.ArgumentParser, workload: Workload, *, users: str = "", context: bool = False
) -> None:
    """Add the options of a load.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    workload : Workload
        The load where nothing is given.
    users : str
        What the number of users is where it is not given, in words.
    context : bool
        Whether prompt and answer may be given together.
    """
    add = parser.add_argument_group("load", "k is 1 000, M is 1 000 000").add_argument
    add(
        "--input",
        metavar="TOKENS",
        help=f"prompt tokens of a request (default {workload.input_tokens:,})",
    )
    add(
        "--output",
        metavar="TOKENS",
        help=f"answer tokens of a request (default {workload.output_tokens:,})",
    )
    if context:
        add(
            "--context",
            metavar="TOKENS",
            help="prompt and answer together; alone, an eighth of it is the answer",
        )
    add(
        "--users",
        "--concurrency",
        dest="concurrency",
        metavar="N",
        help=f"requests in flight (default {users or workload.concurrency})",
    )
    add(
        "--shared-prefix",
        metavar="TOKENS",
        help="leading prompt tokens that a prefix cache holds for all (default 0)",
    )
    parser.set_defaults(base_workload=workload)


def add_limits(parser: argparse.ArgumentParser, slo: Slo) -> None:
    """Add the limits that an answer is held to.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    slo : Slo
        Those that hold where nothing is given.
    """
    add = parser.add_argument_group("limits", "what is asked of a deployment").add_argument

    def usual(value: float | None, per: float) -> str:
        return "(default none)" if value is None else f"(default {value * per:g})"

    add(
        "--itl-ms",
        metavar="MS",
        help=f"longest mean gap between tokens, TPOT or ITL {usual(slo.itl_s, 1e3)}",
    )
    add(
        "--ttft-ms",
        metavar="MS",
        help=f"longest mean wait for the first token, TTFT {usual(slo.ttft_s, 1e3)}",
    )
    for latency, what in TAIL_WORDS.items():
        tails = [t for t in slo.tails if t.quantity == latency]
        already = ", ".join(f"p{t.percent:g} {1e3 * t.bound_s:g} ms" for t in tails) or "none"
        first, *others = (f"--{latency}-p{p}-{u}" for p, u in itertools.product(PERCENTS, UNITS))
        about = f"{what}, for 95 in a hundred (default {already}); also {', '.join(others)}"
        add(first, *others, dest=f"{latency}_tails", action=_Each, metavar="MS", help=about)
    add(
        "--budget-usd-h",
        metavar="USD",
        help=f"largest rent of a deployment, USD an hour {usual(slo.usd_h, 1)}",
    )
    parser.set_defaults(base_slo=slo)


def read_load(args: argparse.Namespace) -> Workload:
    """Read the load.

    Parameters
    ----------
    args : Namespace
        With the options of `add_load`.

    Returns
    -------
    Workload
        Prompt, answer, users and shared prefix.

    Raises
    ------
    BadInput
        When one of them is out of range.

    Examples
    --------
    >>> parser = Parser()
    >>> add_load(parser, Workload(1000, 1000, 1))
    >>> read_load(parser.parse_args(["--input", "7k", "--users", "16"]))
    Workload(input_tokens=7000, output_tokens=1000, concurrency=16, ...)
    """
    tokens_in, out = _lengths(args)
    users = args.base_workload.concurrency
    if args.concurrency is not None:
        users = read_number("concurrency", args.concurrency, int)
    prefix = read_number("shared_prefix", given(args.shared_prefix, 0), int)
    return Workload(tokens_in, out, users, prefix)


def read_limits(args: argparse.Namespace) -> Slo:
    """Read the limits; one that is given on a gap or a first token stands for the usual ones on it.

    Parameters
    ----------
    args : Namespace
        With the options of `add_limits`.

    Returns
    -------
    Slo
        Those that are set.

    Raises
    ------
    BadInput
        When one of them is out of range.

    Examples
    --------
    >>> parser = Parser()
    >>> add_limits(parser, Slo())
    >>> read_limits(parser.parse_args(["--itl-ms", "50"])).itl_s
    0.05
    >>> read_limits(parser.parse_args(["--itl-p95-ms", "50", "--ttft-p99-s", "2"])).tails
    (Tail(quantity='itl', percent=95, bound_s=0.05), Tail(quantity='ttft', percent=99, bound_s=2.0))
    """
    slo = _not_replaced(args)

    def limit(name: str, text: str | None, per: float, default: float | None) -> float | None:
        if text is None:
            return default
        return number(name, read_number(name, text), 1e-3, 1e8) / per

    return Slo(
        itl_s=limit("itl_ms", args.itl_ms, 1e3, slo.itl_s),
        ttft_s=limit("ttft_ms", args.ttft_ms, 1e3, slo.ttft_s),
        usd_h=limit("budget_usd_h", args.budget_usd_h, 1, slo.usd_h),
        tails=(*_tails(args), *slo.tails),
    )


def _not_replaced(args: argparse.Namespace) -> Slo:
    """The usual limits, without those on a latency that is limited anew."""
    means = [name for name in ("itl", "ttft") if getattr(args, f"{name}_ms") is not None]
    given = {*means, *(name for name in TAIL_WORDS if getattr(args, f"{name}_tails"))}
    if given & {"itl", "tpot"}:  # both are gaps between tokens
        given |= {"itl", "tpot"}
    slo = args.base_slo
    return replace(
        slo,
        itl_s=None if "itl" in given else slo.itl_s,
        ttft_s=None if "ttft" in given else slo.ttft_s,
        tails=tuple(tail for tail in slo.tails if tail.quantity not in given),
    )


def _tails(args: argparse.Namespace) -> list[Tail]:
    """Limits on percentiles that are given."""
    found = []
    for latency in TAIL_WORDS:
        for option, text in getattr(args, f"{latency}_tails") or ():
            name = option.lstrip("-").replace("-", "_")
            _, percent, unit = name.split("_")
            bound = number(name, read_number(name, text), 1e-3, 1e8, unit)
            found.append(Tail(latency, int(percent[1:]), bound / UNITS[unit]))
    return found


def _lengths(args: argparse.Namespace) -> tuple[int, int]:
    """Tokens of prompt and answer; a context determines the one that is not given."""
    base = args.base_workload
    tokens_in = read_number("input", given(args.input, base.input_tokens), int)
    out = read_number("output", given(args.output, base.output_tokens), int)
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


def _adder(group: argparse._ArgumentGroup) -> Callable[..., Any]:
    """A function that adds an option to a group, by all its spellings."""

    def add(option: str, **how: Any) -> None:
        name = option.removeprefix("--").replace("-", "_")
        own = ENGINES_OWN.get(name, ())
        if own:
            how["help"] += f"; also {', '.join(own)}"
        group.add_argument(option, *own, dest=name, **how)

    return add


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a model, and how it is stored.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    add = _adder(parser.add_argument_group("model"))
    add("--model", metavar="NAME", help="a model of the catalogue: see llmcap models")
    add("--config", metavar="FILE", help="or the config.json of your own")
    add(
        "--weights",
        metavar="FORMAT",
        help="format of the weights (default: the checkpoint's own): see llmcap formats",
    )
    add(
        "--kv",
        metavar="FORMAT",
        help="format of the KV cache (default: what the engine takes of the checkpoint)",
    )
    add(
        "--draft-tokens",
        metavar="K",
        help="tokens guessed ahead (default none; 4 with a draft model)",
    )
    add("--draft", metavar="NAME", help="draft model (default: a head of the model's own)")
    add("--accept", metavar="SHARE", help="share of drafted tokens accepted, 0 to 1 (default 0.7)")
    add("--lora-rank", metavar="R", help="serve LoRA adapters of this rank (default: none)")
    add("--lora-adapters", metavar="N", help="LoRA adapters at once (default 1)")
    add(
        "--offload-share",
        metavar="SHARE",
        help="share of the weights kept in host memory, 0 to 1 (default 0)",
    )


def add_cards(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the cards, and how the model is split over them.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    group = parser.add_argument_group("cards")
    add = _adder(group)
    about = "a card, as tools and clouds print it; with its number too: see llmcap gpus"
    add("--gpu", metavar="NAME", help=about)
    add_gpu_file(group)
    add("--tp", metavar="CARDS", help="cards that split each layer, tensor parallel (default 1)")
    add("--pp", metavar="CARDS", help="cards that split the layers, pipeline parallel (default 1)")
    add("--ep", metavar="CARDS", help="cards that split the experts, expert parallel (default 1)")
    add(
        "--dp-attention",
        action="store_true",
        help="data-parallel attention: each card keeps the cache of its own users",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options of the engine.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    add = _adder(parser.add_argument_group("engine"))
    add(
        "--engine",
        metavar="NAME",
        help="engine, with its version or without (default vllm, the newest): see llmcap engines",
    )
    add(
        "--memory-fraction",
        metavar="SHARE",
        help="share of a card that it may use (default: its own)",
    )
    add("--max-num-seqs", metavar="N", help="most sequences at once (default: its own)")
    add(
        "--max-num-batched-tokens",
        metavar="TOKENS",
        help="most tokens of a step (default: its own)",
    )
    add("--max-model-len", metavar="TOKENS", help="longest request (default: the load's)")
    add("--eager", action="store_true", help="without CUDA graphs")
    add("--mixed-chunk", action="store_true", help="prompts beside decoding, where they come first")
    add("--block-size", metavar="TOKENS", help="tokens of a block of the cache (default: its own)")


def add_gpu_file(parser: argparse._ActionsContainer) -> None:
    """Add the option of a card that the catalogue lacks.

    Parameters
    ----------
    parser : ArgumentParser or group
        Of a command.
    """
    about = (
        "a card of your own: TOML or JSON with the fields of llmcap gpus NAME --toml (default none)"
    )
    parser.add_argument("--gpu-file", metavar="FILE", action="append", help=about)


def add_own(parser: argparse.ArgumentParser) -> None:
    """Add the option of one's own measurements.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command that estimates.
    """
    about = "what llmcap calibrate --with learnt from your own measurements (default none)"
    parser.add_argument("--own", metavar="FILE", help=about)


def read_own_cards(args: argparse.Namespace) -> None:
    """Let the cards of --gpu-file be found by name; without --gpu the last is taken.

    Parameters
    ----------
    args : Namespace
        Of a command.

    Raises
    ------
    BadInput
        When a file cannot be read, or is no card.
    """
    for path in getattr(args, "gpu_file", None) or ():
        card = catalog.read_gpu(read_text("gpu_file", path))
        catalog.add_gpu(card)
        if getattr(args, "gpu", "") is None:
            args.gpu = card.name


def add_price(parser: argparse.ArgumentParser) -> None:
    """Add the option of the rent.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    add = parser.add_argument_group("price").add_argument
    add(
        "--usd-h",
        metavar="USD",
        help="rent of one card, USD an hour (default: the catalogue's): see llmcap prices",
    )


def read_deployment(args: argparse.Namespace) -> Deployment:
    """Read one deployment.

    Parameters
    ----------
    args : Namespace
        With the options of `add_model`, `add_cards`, `add_engine` and `add_price`.

    Returns
    -------
    Deployment
        The deployment.

    Raises
    ------
    BadInput
        When a name is unknown or a number out of range.

    Examples
    --------
    >>> parser = Parser()
    >>> for add in (add_model, add_cards, add_engine, add_price):
    ...     add(parser)
    >>> words = "--model llama-3.1-70b --gpu h100-sxm --tp 2 --weights fp8"
    >>> read_deployment(parser.parse_args(words.split())).title
    'llama-3.1-70b fp8 / 2x h100-sxm TP-2 / bf16 KV'
    """
    model = read_model(args)
    if args.gpu is None:
        raise BadInput("gpu", "gpu is missing: give --gpu NAME or --gpu-file FILE (llmcap gpus).")
    chosen = {name: value for name, value in read_chosen(args).items() if value is not None}
    return _build(model, args.gpu, chosen)


def _build(model: str | Model, gpu: str, chosen: dict[str, Any]) -> Deployment:
    """Build a deployment of names as typed, on as many cards as theirs counts: "2x L4"."""
    for name in ("weights", "kv"):
        if name in chosen:
            spelled = model if isinstance(model, str) else ""
            chosen[name] = _format(name, chosen[name], spelled)
    named = names.card(gpu)
    if not named.count or "tp" in chosen or "+" in named.name:
        return catalog.deployment(model=model, gpu=gpu, **chosen)
    tp = named.count // chosen.get("pp", 1) or 1
    try:
        return catalog.deployment(model=model, gpu=gpu, tp=tp, **chosen)
    except BadInput as problem:
        if problem.field != "tp":
            raise
        counted = f"gpu {shown(gpu)} counts {named.count} cards (give tp for another split)"
        raise BadInput("tp", f"{counted}: {problem}") from None


def read_chosen(args: argparse.Namespace) -> dict[str, Any]:
    """Read what the options say of a deployment, beside its model and its cards.

    Parameters
    ----------
    args : Namespace
        As `read_deployment` takes it.

    Returns
    -------
    dict
        By the names of `catalog.deployment`; None for what is left out.

    Raises
    ------
    BadInput
        When a number cannot be read.
    """
    chosen: dict[str, Any] = {"weights": args.weights, "kv": args.kv, "engine": args.engine}
    for name, kind in NUMBER_FIELDS.items():
        text = getattr(args, name, None)
        chosen[name] = None if text is None else read_number(name, text, kind)
    chosen |= {name: True if getattr(args, name) else None for name in SWITCHES}
    return chosen | _terms(args)


def _format(field: str, text: str, model: str) -> str:
    """The catalogue's name of a format as engines spell it; the text where there is none."""
    if field == "kv":
        known = names.read_format(text, kv=True).name
        return names.kv_format(text, "").name if known else catalog.key(text)
    known = names.model_name(model)
    native = catalog.model(known).native_format if known else "bf16"
    return names.weight_format(text, model, native).name or text


def read_model(args: argparse.Namespace) -> str | Model:
    """Read which model is meant.

    Parameters
    ----------
    args : Namespace
        With --model and --config.

    Returns
    -------
    str or Model
        A name, or the model of a file.

    Raises
    ------
    BadInput
        When none is named, or two.
    """
    if (args.model is None) == (args.config is None):
        how = "missing" if args.model is None else "given twice"
        raise BadInput("model", f"model is {how}: give --model NAME or --config FILE.")
    if args.model is not None:
        return str(args.model)
    return huggingface.load(args.config, weights=getattr(args, "weights", None))


def _terms(args: argparse.Namespace) -> dict[str, Any]:
    """Speculation, adapters and offloading, where options ask for them."""
    terms: dict[str, Any] = {}
    guesses = args.draft_tokens is not None or args.draft is not None
    if guesses:
        terms["speculation"] = Speculation(
            tokens=read_number("draft_tokens", given(args.draft_tokens, 4), int),
            accept=read_number("accept", given(args.accept, 0.7)),
            draft=None if args.draft is None else _draft(args.draft),
        )
    elif args.accept is not None:
        raise BadInput("accept", "accept says nothing without --draft or --draft-tokens.")
    if args.lora_rank is not None:
        terms["lora"] = Lora(
            read_number("lora_rank", args.lora_rank, int),
            read_number("lora_adapters", given(args.lora_adapters, 1), int),
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


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a deployment beside others.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    known = ", ".join((*TEXT_FIELDS, *NUMBER_FIELDS, *SWITCHES))
    parser.add_argument_group("deployments", f"keys of a column: {known}").add_argument(
        "--column",
        action="append",
        metavar="SPEC",
        help='"B: model=llama-3.1-70b gpu=h100-sxm tp=2 weights=fp8 kv=fp8"; repeat it '
        "(default: the worked spec, three deployments for a coding agent)",
    )
    add_gpu_file(parser)


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
    model, gpu = fields.pop("model"), fields.pop("gpu")
    return label.strip(), _build(model, gpu, fields)


def read_columns(texts: list[str] | None, default: Callable[[], tuple[Deployment, ...]]) -> Any:
    """Read the columns; those without a heading get the letters that are left.

    Parameters
    ----------
    texts : list of str or None
        As given.
    default : callable
        Makes the deployments where none is given.

    Returns
    -------
    dict of str to Deployment
        By heading.

    Raises
    ------
    BadInput
        When a heading is given twice, or the letters run out.

    Examples
    --------
    >>> spec = "model=llama-3.1-8b gpu=l4"
    >>> list(read_columns([spec, f"A: {spec}", spec], tuple))
    ['B', 'A', 'C']
    """
    if not texts:
        return dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", default(), strict=False))
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
