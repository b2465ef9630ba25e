"""Rules on a deployment and its load that fire before anything is measured."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ... import calibration, capacity
from ...spec import Deployment

MOE_SMALL_BATCH = 8  # requests in flight up to which few experts are shared
LONG_CONTEXT_TOKENS = 32_000
PREFILL = ("prefill", "prefill_serving")
WINDOW_METRICS = ("kv_cache_tokens", "max_concurrency_at_max_model_len")


class Case(NamedTuple):
    """The input of a rule: a deployment and its load, known before anything is measured.

    Attributes
    ----------
    deployment : Deployment
        The deployment.
    family : str
        The engine's family.
    metric, regime : str
        The predicted quantity, and its regime.
    input_tokens, output_tokens : int or None
        Tokens of a request; None where a source is silent [tokens].
    concurrency : int or None
        Requests in flight; None for as many as memory allows.
    assumed : tuple of str
        The assumptions made where a source leaves something open.
    """

    deployment: Deployment
    family: str
    metric: str
    regime: str
    input_tokens: int | None
    output_tokens: int | None
    concurrency: int | None
    assumed: tuple[str, ...] = ()

    @property
    def decodes(self) -> bool:
        """Whether tokens are generated, and not only read or stored."""
        return self.regime not in (*PREFILL, "capacity")

    @property
    def is_llama_cpp(self) -> bool:
        """Whether the weights are GGUF or the engine is llama.cpp."""
        return bool(self.deployment.weights.gguf) or self.family == "llama.cpp"

    def attends(self, *kinds: str) -> bool:
        """Check whether the model has attention of some kind.

        Parameters
        ----------
        *kinds : str
            Names of `spec.ATTENTION_KINDS`.

        Returns
        -------
        bool
            True when at least one layer has one of these kinds.
        """
        return any(a.kind in kinds for a in self.deployment.model.attention)


class Mode(NamedTuple):
    """A way in which predictions are known to go wrong.

    Attributes
    ----------
    name, title : str
        Its identifier in data, and its heading for readers.
    wrong, advice : str
        What goes wrong, and what to do about it.
    rule : callable
        Takes a `Case` and returns whether the mode applies.
    """

    name: str
    title: str
    wrong: str
    advice: str
    rule: Callable[[Case], bool]


def _moe_small_batch(case: Case) -> bool:
    few = case.concurrency is not None and case.concurrency <= MOE_SMALL_BATCH
    return bool(case.deployment.model.experts) and case.decodes and few


def _underspecified(case: Case) -> bool:
    no_answer = case.output_tokens is None or case.concurrency is None
    open_load = case.input_tokens is None or (case.decodes and no_answer)
    return bool(case.assumed) or (case.regime != "capacity" and open_load)


def _long_context(case: Case) -> bool:
    tokens = (case.input_tokens or 0) + (case.output_tokens or 0)
    return tokens > LONG_CONTEXT_TOKENS or case.regime == "long_context"


def _apple_silicon(case: Case) -> bool:
    return case.deployment.gpu.family == "apple"


def _gguf_data_centre(case: Case) -> bool:
    return case.is_llama_cpp and case.deployment.gpu.place == "server"


def _first_token_under_load(case: Case) -> bool:
    return case.regime == "prefill_serving" and case.concurrency != 1


def _cache_full(case: Case) -> bool:
    tokens = (case.input_tokens or 0) + (case.output_tokens or 0)
    loop = calibration.in_a_loop(case.family, case.metric, case.regime)
    if not case.concurrency or loop or case.regime == "capacity":
        return False
    return 0 < capacity.max_concurrent(case.deployment, max(tokens, 1)) < case.concurrency


def _new_attention(case: Case) -> bool:
    return case.regime != "capacity" and case.attends("linear", "sparse")


def _moe_vllm(case: Case) -> bool:
    d = case.deployment
    return case.family == "vllm" and bool(d.model.experts) and d.num_gpus > 1 and case.decodes


def _python_engine(case: Case) -> bool:
    return case.family == "transformers"


def _gguf_16_bit_prompt(case: Case) -> bool:
    wide = case.deployment.weights.element_bits == 16
    return case.regime == "prefill" and case.family == "llama.cpp" and wide


def _gb10(case: Case) -> bool:
    return case.deployment.gpu.rates_doubted


def _trtllm_blackwell(case: Case) -> bool:
    fresh = case.deployment.gpu.family == "blackwell"
    return case.family == "trtllm" and fresh and case.decodes


def _window_cache(case: Case) -> bool:
    return case.metric in WINDOW_METRICS and case.attends("window")


MODES = (
    Mode(
        "moe-small-batch",
        "Mixture of experts, few requests",
        "With at most 8 requests in flight few tokens share an expert, and the kernels are small. "
        "Models differ in how much they favour some experts; the law has one unevenness for all.",
        "Measure at your own batch, or plan with the slow end of the interval.",
        _moe_small_batch,
    ),
    Mode(
        "underspecified",
        "Configuration left open",
        "A length, the batch, or the variant of the card or format is not stated, so something "
        "was taken for it. What was taken may not be what ran.",
        "Ask the source for cards, split, formats, lengths and batch before comparing.",
        _underspecified,
    ),
    Mode(
        "long-context",
        "Requests of more than 32,000 tokens",
        "Reading the cache outweighs reading the weights, and each engine's attention kernel "
        "reaches its own share of the bandwidth.",
        "Look at the share of attention in the step; where it leads, measure one long request.",
        _long_context,
    ),
    Mode(
        "apple-silicon",
        "Apple Silicon",
        "Memory is shared with the host, and the GPU's arithmetic is not that of the cards "
        "most rows come from.",
        "Use it for generation; time a prompt of your length yourself.",
        _apple_silicon,
    ),
    Mode(
        "gguf-data-centre",
        "GGUF on a data-centre card",
        "GGUF saves bytes and spends arithmetic on unpacking them. On a card with much "
        "bandwidth the unpacking becomes the limit.",
        "On a server card take FP8, INT8 or INT4 with an engine made for it.",
        _gguf_data_centre,
    ),
    Mode(
        "first-token-under-load",
        "First token under load",
        "The wait depends on who arrives when. Answers of equal length end together, so prompts "
        "come in bursts; at few users servers add a floor of their own.",
        "Hold a limit against the slow end of the interval, and replay your own arrivals.",
        _first_token_under_load,
    ),
    Mode(
        "cache-full",
        "More users than the cache holds",
        "Who finds no room waits for another's answer to end, so a small error in the room is a "
        "large one in the first token. Few sources state the cache's format; 8 bits hold twice "
        "the users of 16.",
        "State the format of the cache, and stay below its room.",
        _cache_full,
    ),
    Mode(
        "new-attention",
        "Linear or sparse attention",
        "These layers are young and engines run them through kernels of very different "
        "quality. The law counts their bytes, not that quality.",
        "Take the engine the model's authors name, and measure a few batches.",
        _new_attention,
    ),
    Mode(
        "moe-vllm",
        "Mixture of experts on vLLM over several cards",
        "Speed hangs on a kernel tuned for each shape of expert and on how experts are split. "
        "An untuned shape falls back to a slow one.",
        "Look for a tuned configuration of your model and card in the engine's start-up log.",
        _moe_vllm,
    ),
    Mode(
        "python-engine",
        "Hugging Face Transformers",
        "Each layer is launched from Python, so the host sets the pace and not the card: what "
        "is measured is Python.",
        "Do not plan a service on these numbers; take a serving engine.",
        _python_engine,
    ),
    Mode(
        "gguf-16-bit-prompt",
        "16-bit prompts in llama.cpp",
        "With unquantised weights the build picks its matrix kernels, and on some cards it "
        "picks a slow path: two forms of one chip can differ many times over.",
        "Time `llama-bench -p 512` once on your build and card.",
        _gguf_16_bit_prompt,
    ),
    Mode(
        "gb10",
        "GB10 (DGX Spark)",
        "Its 16-bit rate comes from a table that is no data sheet, and one source stands behind "
        "most of its rows.",
        "Treat speeds as a guess until you have measured one.",
        _gb10,
    ),
    Mode(
        "trtllm-blackwell",
        "TensorRT-LLM on Blackwell",
        "The engine fuses more of a layer there than on older cards. The fit has no number of its "
        "own for the pair, and nearly all of their rows come from one source.",
        "Measure a few batches of a model that this source has not.",
        _trtllm_blackwell,
    ),
    Mode(
        "window-cache",
        "Cache of models with sliding windows",
        "Of vLLM the ledger counts what a sequence reserves: the window, a batch in flight and "
        "a block. Of other engines it counts the window alone.",
        "Trust the GiB; take the tokens from the engine's start-up log.",
        _window_cache,
    ),
)


FAILURE_MODES = tuple(mode.name for mode in MODES)


def mode(name: str) -> Mode:
    """Find a failure mode by its name.

    Parameters
    ----------
    name : str
        One of `FAILURE_MODES`.

    Returns
    -------
    Mode
        The mode.

    Examples
    --------
    >>> mode("apple-silicon").title
    'Apple Silicon'
    """
    return next(known for known in MODES if known.name == name)


def failure_modes(
    deployment: Deployment,
    family: str,
    input_tokens: int | None,
    output_tokens: int | None,
    concurrency: int | None,
    regime: str,
    *,
    metric: str = "",
    assumed: Iterable[str] = (),
) -> tuple[str, ...]:
    """List the failure modes that apply, before anything is measured.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    family : str
        The engine's family.
    input_tokens, output_tokens : int or None
        Tokens of a request [tokens].
    concurrency : int or None
        Requests in flight; None for as many as memory allows.
    regime : str
        One of `validate.REGIMES`.
    metric : str
        The predicted quantity; "" for any.
    assumed : iterable of str
        The assumptions made where the source leaves something open.

    Returns
    -------
    tuple of str
        The names of `FAILURE_MODES` that apply.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> mac = catalog.deployment(model="gpt-oss-20b", gpu="apple-m2-max", weights="gguf-mxfp4")
    >>> failure_modes(mac, "llama.cpp", 512, 128, 1, "batch1_decode")
    ('moe-small-batch', 'apple-silicon')
    """
    load = (input_tokens, output_tokens, concurrency)
    case = Case(deployment, family, metric, regime, *load, tuple(assumed))
    return tuple(known.name for known in MODES if known.rule(case))
