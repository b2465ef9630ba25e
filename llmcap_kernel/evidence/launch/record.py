"""What a command launches, and what became of each of its options."""

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ...explain import counted
from ...refuse import printable
from ...spec import Gpu
from . import engines
from .bench import Load

TITLES = {"vllm": "vLLM", "sglang": "SGLang", "trtllm": "TensorRT-LLM", "llama.cpp": "llama.cpp"}
SHOWN = 8  # options that a line names


class Read(NamedTuple):
    """An option that counts.

    Attributes
    ----------
    flag : str
        As it was written.
    value : str
        Its value, "" for a switch.
    became : str
        What it became.
    """

    flag: str
    value: str
    became: str


class Left(NamedTuple):
    """An option that changes nothing.

    Attributes
    ----------
    flag : str
        As it was written.
    why : str
        Half a sentence.
    """

    flag: str
    why: str


class Unknown(NamedTuple):
    """An option that the engine has not.

    Attributes
    ----------
    flag : str
        As it was written.
    nearest : str
        The nearest that it has; "" where none is near.
    """

    flag: str
    nearest: str


@dataclass(frozen=True)
class Launch:
    """What a command launches; "", 0 and None where it does not say.

    Attributes
    ----------
    engine, version : str
        The engine's family, and its version.
    model, weights, dtype, kv : str
        Names as the command spells them: the model, the format of its weights where it is named,
        the type it computes in, the format of the cache.
    tp, pp, ep, dp : int
        Cards that split a layer, stages, cards that share experts, replicas.
    dp_attention : bool
        Whether the replicas are of attention alone.
    memory_fraction : float or None
        The engine's memory setting.
    max_model_len, max_num_seqs, max_num_batched_tokens, block_size : int or None
        The engine's limits [tokens], and its sequences at once.
    eager : bool or None
        Whether CUDA graphs are turned off.
    mixed_chunk : bool or None
        Of SGLang, whether steps that decode take pieces of prompts along.
    prefix_caching : bool or None
        Whether the starts of prompts are kept.
    speculation, draft : str
        How tokens are guessed, and the model that guesses.
    draft_tokens : int
        Tokens guessed ahead [tokens].
    lora_rank, lora_adapters : int
        Rank and number of adapters.
    offload_gib : float or None
        Weights of a card that are kept in the host's memory [GiB].
    kv_pool_bytes : int or None
        Cache of a card, in place of what the memory setting leaves [bytes].
    kv_pool_tokens : int or None
        The most tokens that the cache of a copy may hold [tokens].
    dcp : int
        Cards over which the tokens of a sequence's cache are spread while decoding.
    overrides : str
        Changes of the model's config, as JSON.
    host_experts : int
        Of llama.cpp, layers whose experts are in the host's memory; -1 for all.
    experts_placed : tuple of int
        The same by the index of the layer, as `--override-tensor` says it; beyond a model's too.
    layers_on_cards : int or None
        Of llama.cpp, the layers that are on the cards.
    num_gpus : int
        Cards that it may see.
    gpu : str
        Their name, where a manifest selects it.
    copies : int
        Replicas of all that, as a manifest asks for.
    offline : bool
        Whether a program starts the engine, and no server.
    load : Load or None
        What a benchmark beside it asks.
    read : tuple of Read
        Options that count.
    no_effect : tuple of Left
        Options that nothing predicted rests on.
    not_counted : tuple of Left
        Options that may matter, and for which the law has no term.
    unknown : tuple of Unknown
        Options that the engine has not.
    notes : tuple of str
        What was taken where the command leaves something open.
    """

    engine: str
    version: str = ""
    model: str = ""
    weights: str = ""
    dtype: str = ""
    kv: str = ""
    tp: int = 1
    pp: int = 1
    ep: int = 0
    dp: int = 1
    dp_attention: bool = False
    memory_fraction: float | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    block_size: int | None = None
    eager: bool | None = None
    mixed_chunk: bool | None = None
    prefix_caching: bool | None = None
    speculation: str = ""
    draft: str = ""
    draft_tokens: int = 0
    lora_rank: int = 0
    lora_adapters: int = 0
    offload_gib: float | None = None
    kv_pool_bytes: int | None = None
    kv_pool_tokens: int | None = None
    dcp: int = 1
    overrides: str = ""
    host_experts: int = 0
    experts_placed: tuple[int, ...] = ()
    layers_on_cards: int | None = None
    num_gpus: int = 0
    gpu: str | Gpu = ""
    copies: int = 1
    offline: bool = False
    load: Load | None = None
    read: tuple[Read, ...] = ()
    no_effect: tuple[Left, ...] = ()
    not_counted: tuple[Left, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def understood(self) -> str:
        """What it launches, in one line."""
        usual = {"tp": 1, "pp": 1, "dp": 1, "dcp": 1, "copies": 1}
        values = {name: getattr(self, name) for name in PHRASES}
        parts = [
            PHRASES[name].format(plain(value), s="" if value == 1 else "s")
            for name, value in values.items()
            if value not in ("", 0, None) and value != usual.get(name)
        ]
        parts += self._on_the_host()
        parts += [text for name, text in SWITCHED.items() if getattr(self, name) is True]
        parts += ["no prefix cache"] if self.prefix_caching is False else []
        changed = ", ".join(json.loads(self.overrides)) if self.overrides else ""
        parts += [f"config changed: {printable(changed, 80)}"] if changed else []
        parts += self._asked()
        named = f"{TITLES[self.engine]} {self.version}".strip()
        return ", ".join([named, *parts])

    def _asked(self) -> list[str]:
        """What a benchmark asks."""
        load = self.load or Load()
        said = (
            (load.input_tokens, f"prompts of {load.input_tokens:,} tokens"),
            (load.prefix_tokens, f"{load.prefix_tokens:,} of them shared"),
            (load.output_tokens, f"answers of {load.output_tokens:,}"),
            (load.concurrency, counted(load.concurrency, "user")),
            (load.request_rate, f"{load.request_rate:g} requests a second"),
        )
        return [text for value, text in said if value]

    def _on_the_host(self) -> list[str]:
        """What llama.cpp leaves in the host's memory."""
        parts = []
        if self.host_experts:
            which = "all" if self.host_experts < 0 else f"the first {self.host_experts:,}"
            parts.append(f"experts of {which} layers on the host")
        if self.experts_placed:
            many = len(self.experts_placed)
            which = "all" if many == engines.MOST_LAYERS else "some"
            parts.append(f"experts of {which} layers placed on the host")
        if self.layers_on_cards is not None:
            parts.append(f"at most {counted(self.layers_on_cards, 'layer')} on the cards")
        return parts

    @property
    def summary(self) -> str:
        """All of it in one line: what was read, what changes nothing, what is unknown."""
        left = (("no effect on the prediction", self.no_effect), ("not counted", self.not_counted))
        parts = [f"read: {self.understood}"]
        parts += [f"{head}: {_few([one.flag for one in which])}" for head, which in left if which]
        if self.unknown:
            named = [f"{flag} (nearest {near})" if near else flag for flag, near in self.unknown]
            parts.append(f"unknown to {TITLES[self.engine]}: {_few(named)}")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Turn it into plain data.

        Returns
        -------
        dict
            Values that JSON can store; what is not said is left out.
        """
        lists = ("read", "no_effect", "not_counted", "unknown")
        found = {k: v for k, v in asdict(self).items() if v not in ("", 0, None, (), False)}
        found |= {"load": self.load._asdict()} if self.load else {}
        return found | {name: [one._asdict() for one in getattr(self, name)] for name in lists}


PHRASES = {
    "model": "model {}",
    "weights": "weights {}",
    "dtype": "dtype {}",
    "kv": "KV {}",
    "tp": "TP {}",
    "pp": "PP {}",
    "ep": "EP {}",
    "dp": "DP {}",
    "memory_fraction": "memory fraction {}",
    "max_model_len": "{} token{s} a sequence",
    "max_num_seqs": "{} sequence{s}",
    "max_num_batched_tokens": "{} token{s} a step",
    "block_size": "blocks of {}",
    "speculation": "speculation {}",
    "draft": "draft {}",
    "draft_tokens": "{} token{s} ahead",
    "lora_rank": "LoRA rank {}",
    "lora_adapters": "{} adapter{s}",
    "offload_gib": "{} GiB a card on the host",
    "kv_pool_bytes": "{} bytes of cache a card",
    "kv_pool_tokens": "at most {} token{s} of cache",
    "dcp": "DCP {}",
    "num_gpus": "{} card{s} seen",
    "gpu": "card {}",
    "copies": "{} copies",
}
SWITCHED = {
    "eager": "no CUDA graphs",
    "mixed_chunk": "prompts beside decoding",
    "dp_attention": "data-parallel attention",
}


def plain(value: Any) -> str:
    """Write a value as a person reads it.

    Parameters
    ----------
    value : object
        A number or a name.

    Returns
    -------
    str
        Its words.

    Examples
    --------
    >>> plain(16384), plain(0.9)
    ('16,384', '0.9')
    """
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if type(value) is int else str(value)


def _few(texts: list[str]) -> str:
    more = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {more} more" if more > 0 else "")
