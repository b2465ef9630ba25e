"""Where the model is known to be weak: rules that fire before anything is measured.

A failure mode is a rule on the deployment and its load, nothing else, so it can be shown beside
a prediction. How much a mode matters is counted, not guessed: `evidence` compares the error of
the measured rows on which a rule fires with that of the rows of the same regimes on which it does
not. A mode that turns out small stays in the table, with that verdict. `DOUBTS` are separate from
the modes: there the measured row may be wrong, and not the law. The column `doubt` of a row names
the doubts about it.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import calibration, capacity
from ..spec import Deployment

if TYPE_CHECKING:
    from .compare import Row

MOE_SMALL_BATCH = 8  # requests in flight up to which few experts are shared
LONG_CONTEXT_TOKENS = 32_000
PREFILL = ("prefill", "prefill_serving")
TIMES = (
    *("itl_ms", "itl_percentile_ms", "tpot_percentile_ms"),
    *("ttft_ms", "ttft_percentile_ms", "e2e_latency_s", "e2e_percentile_ms"),
)
WINDOW_METRICS = ("kv_cache_tokens", "max_concurrency_at_max_model_len")
NO_WORSE = 1.25  # times the median error of its like, up to which a mode is called small
FEWEST = 3  # rows a source needs to be named


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


# measured rows that may be wrong themselves


class Doubt(NamedTuple):
    """Measured rows whose source leaves a doubt about what was measured.

    Attributes
    ----------
    name, title, why : str
        Its identifier in data, its heading for readers, and the reason.
    """

    name: str
    title: str
    why: str


# The column `doubt` of a measured row names the doubts about it.
DOUBTS = (
    Doubt(
        "odd-lengths",
        "aiconfigurator at 2,000 and 4,000 tokens",
        "These rows are several times off their neighbours with other lengths, some one way and "
        "some the other: a label of card, format or model is likely to be wrong.",
    ),
    Doubt(
        "split-counted-twice",
        "Cards that are experts' parallelism squared",
        "The label multiplies tensor and expert parallelism: 64 cards of TP 64 and EP 8, on nodes "
        "of 8. Of many such rows the source's own name says tp8_ep8. One number is counted twice, "
        "so it is taken once: 8 cards for both.",
    ),
    Doubt(
        "mlperf-setup",
        "MLPerf Inference v4.1 and v5.0",
        "The results state neither the split nor the formats nor the lengths. Taken was what a "
        "record is made with: the smallest format the card computes in, as few cards a copy as "
        "hold it in half of their memory, and short requests.",
    ),
    Doubt(
        "prompt-at-decode-rate",
        "LLM-Inference-Bench with llama.cpp",
        "Prompt and answer together over the latency give one rate at every length, and on the "
        "A100 it is the decode rate that another source measured. So the prompt seems to be "
        "reckoned at the decode rate, and the latency about twice what it was.",
    ),
    Doubt(
        "token-position",
        "InferenceX token positions",
        "The source itself warns of errors, mixes prompts into the time between tokens, and "
        "does not state every format.",
    ),
    Doubt(
        "fraction-label",
        "Start-up log with a fraction that cannot be",
        "It is labelled with a memory fraction of 0.9; its own numbers add up only at 0.95. At 0.9 "
        "the ledger leaves a cache no room, and a prediction of nothing has no distance here.",
    ),
    Doubt(
        "activation-peak",
        "Start-up log with a small activation peak",
        "Its activation peak is smaller than that of other start-ups of the same kind.",
    ),
    Doubt(
        "speculation",
        "A draft wrote tokens",
        "Tokens were drafted and checked, several for each pass. The law is asked without a draft, "
        "as few sources say how many drafted tokens were accepted.",
    ),
    Doubt(
        "several-nodes",
        "A network between the cards",
        "Cards of one split stand in several nodes, or some only read prompts and others only "
        "generate. The law is asked for one node that does both.",
    ),
    Doubt(
        "prefix-cache",
        "Repeated prompts, read from the cache",
        "Prompts repeat, so part of them was in the cache. How much is not stated; the law is "
        "asked as if all were computed.",
    ),
    Doubt(
        "power-cap",
        "Cards held below their own power",
        "The source caps the power of its cards. Generation hardly feels it; prompts and large "
        "batches are slower in proportion, as pairs of runs at other caps say.",
    ),
    Doubt(
        "others-beside",
        "More memory in use than a run's own cards have",
        "Of four cards a run took one or two, and the memory of all was in use: something else ran "
        "beside it, on the same host and links.",
    ),
    Doubt(
        "first-requests",
        "The mean of ten first tokens or fewer",
        "Kernels are built and tuned as the first requests come, and of so few the mean holds "
        "that wait.",
    ),
    Doubt(
        "in-step",
        "Answers of one length",
        "Users who begin together end together and ask again at once, where an engine computes "
        "prompts before it decodes on. The row is predicted so.",
    ),
    Doubt(
        "unclear-label",
        "Cards, split, format, options or load unclear",
        "Whoever wrote the row down marked one of these as unclear, the launch command stands "
        "elsewhere, or the source says how often requests were sent and not how many were in "
        "flight.",
    ),
)


def doubts(line: Mapping[str, Any]) -> tuple[str, ...]:
    """List the doubts about a measured row.

    Parameters
    ----------
    line : mapping
        A row, values by column; `doubt` holds names separated by ";".

    Returns
    -------
    tuple of str
        The names that `DOUBTS` has, in the order of the row.

    Examples
    --------
    >>> doubts({"id": "m1", "doubt": "odd-lengths; split-counted-twice; something else"})
    ('odd-lengths', 'split-counted-twice')
    """
    text, known = line.get("doubt"), {doubt.name for doubt in DOUBTS}
    names = text.split(";") if isinstance(text, str) else []
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip() in known))


# evidence


class Evidence(NamedTuple):
    """The errors of the measured rows that a failure mode or a doubt is about.

    Attributes
    ----------
    name : str
        The failure mode or doubt.
    rows : int
        Rows that it applies to.
    off : float or None
        Median relative error with its sign: above 0 the prediction is too optimistic; None
        without rows.
    error : float or None
        Median relative error, whichever way.
    alike : float or None
        The same for the rows of the same regimes that it does not apply to.
    inside : float or None
        Share of measurements inside the interval.
    unseen, unseen_alike : float or None
        `error` and `alike` of fits that left out the row's source; None where the file of
        predictions has none.
    sources : tuple of tuple
        Source, rows and `off` of them, the largest first.
    worst : tuple of str
        Ids of the rows with the largest errors.
    """

    name: str
    rows: int
    off: float | None = None
    error: float | None = None
    alike: float | None = None
    inside: float | None = None
    unseen: float | None = None
    unseen_alike: float | None = None
    sources: tuple[tuple[str, int, float], ...] = ()
    worst: tuple[str, ...] = ()

    @property
    def is_small(self) -> bool:
        """Whether its rows are predicted about as well as similar ones, in the fit or left out."""
        if self.error is None:
            return False
        unseen = self.unseen is None or _no_worse(self.unseen, self.unseen_alike)
        return unseen and _no_worse(self.error, self.alike)


def _no_worse(error: float, alike: float | None) -> bool:
    return error <= 0.05 or (alike is not None and error <= NO_WORSE * alike)


def speed_ratio(metric: str | None, predicted: float, measured: float) -> float:
    """Divide predicted by measured as speeds, so that above 1 is always too optimistic.

    Parameters
    ----------
    metric : str or None
        The quantity.
    predicted, measured : float
        In the metric's own unit, above zero.

    Returns
    -------
    float
        Predicted over measured; the inverse for times.

    Examples
    --------
    >>> speed_ratio("itl_ms", 10.0, 20.0), speed_ratio("prefill_tok_s", 10.0, 20.0)
    (2.0, 0.5)
    """
    return measured / predicted if metric in TIMES else predicted / measured


def _modes_of(row: "Row") -> tuple[str, ...]:
    return row.failure_modes


def evidence(
    rows: Iterable["Row"],
    names: tuple[str, ...] = FAILURE_MODES,
    fired: Callable[["Row"], tuple[str, ...]] = _modes_of,
) -> tuple[Evidence, ...]:
    """Compute the errors of the rows on which each failure mode fires.

    Parameters
    ----------
    rows : iterable of Row
        Predicted beside measured.
    names : tuple of str
        The names to look for.
    fired : callable
        Takes a row and returns the names that apply to it.

    Returns
    -------
    tuple of Evidence
        One for each name, in the same order.
    """
    usable = [_Compared(r, r.predicted, r.measured) for r in rows if r.predicted and r.measured]
    marked = [(one, fired(one.row)) for one in usable]
    out = []
    for name in names:
        hits = [one for one, found in marked if name in found]
        regimes = {one.row.regime for one in hits}
        alike = [one for one, found in marked if one.row.regime in regimes and name not in found]
        out.append(_evidence(name, hits, alike))
    return tuple(out)


class _Compared(NamedTuple):
    """A row with both values."""

    row: "Row"
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        return abs(self.predicted / self.measured - 1)

    @property
    def unseen(self) -> float | None:
        """The error of the fit that left out the row's source; None without its prediction."""
        value = self.row.left_out[-1]
        return abs(value / self.measured - 1) if value else None

    @property
    def ratio(self) -> float:
        return speed_ratio(self.row.metric, self.predicted, self.measured)

    @property
    def off(self) -> float:
        return math.copysign(self.error, self.ratio - 1)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _evidence(name: str, hits: list[_Compared], alike: list[_Compared]) -> Evidence:
    if not hits:
        return Evidence(name, 0)
    by_distance = sorted(hits, key=lambda one: -abs(math.log(one.ratio)))
    return Evidence(
        name=name,
        rows=len(hits),
        off=statistics.median(one.off for one in hits),
        error=statistics.median(one.error for one in hits),
        alike=_median(one.error for one in alike),
        inside=sum(one.row.inside for one in hits) / len(hits),
        unseen=_median(one.unseen for one in hits),
        unseen_alike=_median(one.unseen for one in alike),
        sources=_by_source(hits),
        worst=tuple(one.row.id for one in by_distance[:3]),
    )


def _by_source(hits: list[_Compared]) -> tuple[tuple[str, int, float], ...]:
    groups: dict[str, list[float]] = {}
    for one in hits:
        groups.setdefault(one.row.source, []).append(one.off)
    found = [(s, len(v), statistics.median(v)) for s, v in groups.items() if len(v) >= FEWEST]
    return tuple(sorted(found, key=lambda entry: -abs(entry[2])))
