"""A deployment: its model, its cards, its engine and its price."""

import argparse
from collections.abc import Callable
from typing import Any

from ... import catalog, huggingface
from ...catalog import names
from ...files import read_text
from ...refuse import BadInput, shown
from ...spec import Deployment, Format, Lora, Model, Speculation
from .values import given, read_number

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
    >>> from llmcap_kernel.cli.options import Parser
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
    return build(model, args.gpu, chosen)


def build(model: str | Model, gpu: str, chosen: dict[str, Any]) -> Deployment:
    """Build a deployment of names as typed, on as many cards as theirs counts: "2x L4".

    Parameters
    ----------
    model : str or Model
        A name, or the model of a file.
    gpu : str
        The card's name.
    chosen : dict
        What else is given, by the names of `catalog.deployment`.

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
    >>> build("llama-3.1-8b", "2x L4", {}).num_gpus
    2
    """
    chosen = dict(chosen)
    for name in ("weights", "kv"):
        if name in chosen:
            spelled = model if isinstance(model, str) else ""
            chosen[name] = _format(name, chosen[name], spelled)
    named = names.card(gpu)
    if "engine" not in chosen and isinstance(gpu, str) and named.name and "+" not in named.name:
        from ...design.space import usual_engine  # what only names cards waits for no search

        # vLLM, but on Macs, which it does not run on, and of a GGUF file
        weights = _weights_of(model, chosen)
        chosen = {"engine": usual_engine(catalog.gpu(gpu), weights), **chosen}
    if not named.count or "tp" in chosen or "+" in named.name:
        return catalog.deployment(model=model, gpu=gpu, **chosen)
    try:
        shape = _over(named.count, model, gpu, chosen)
        return catalog.deployment(model=model, gpu=gpu, **shape, **chosen)
    except BadInput as problem:
        if problem.field != "tp":
            raise
        counted = f"gpu {shown(gpu)} counts {named.count} cards (give tp for another split)"
        raise BadInput("tp", f"{counted}: {problem}") from None


def _weights_of(model: str | Model, chosen: dict[str, Any]) -> Format | None:
    """The format of the weights that are chosen, or in the model's name; None where unknown."""
    if name := chosen.get("weights"):
        found = catalog.names.read_format(name).name
        return catalog.format(found) if found and name != "auto" else None
    if not isinstance(model, str) or not names.read_model(model).name:
        return None  # refused elsewhere
    own = catalog.model(model).native_format
    return catalog.format(catalog.checkpoint_format(model, own))


def _over(count: int, model: str | Model, gpu: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """How so many cards split a model, beside what is said of it."""
    if chosen.keys() & {"pp", "ep", "dp_attention", "dcp"}:
        return {"tp": count // chosen.get("pp", 1) or 1}
    from ...design import split

    found = catalog.model(model) if isinstance(model, str) else model
    return split.split(count, found, catalog.gpu(gpu))


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
