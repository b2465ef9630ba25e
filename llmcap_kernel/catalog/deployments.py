"""A deployment of names in the catalogue."""

from ..spec import Deployment, Engine, Format, Gpu, Lora, Model, Speculation
from .names.formats import checkpoint_format
from .records import engines, gpus, models
from .records.formats import named_format


def deployment(
    *,
    model: str | Model,
    gpu: str | Gpu,
    engine: str | Engine = engines.DEFAULT_ENGINE,
    weights: str | Format | None = None,
    kv: str | Format = "auto",
    tp: int = 1,
    pp: int = 1,
    ep: int = 1,
    dp_attention: bool = False,
    memory_fraction: float | None = None,
    usd_h: float | None = None,
    speculation: Speculation | None = None,
    lora: Lora | None = None,
    offload_share: float = 0.0,
    max_num_seqs: int | None = None,
    max_num_batched_tokens: int | None = None,
    max_model_len: int | None = None,
    eager: bool = False,
    mixed_chunk: bool = False,
    block_size: int | None = None,
) -> Deployment:
    """Build a deployment from names in the catalogue.

    Parameters
    ----------
    model, gpu, engine : str or record
        Names in the catalogue, or custom records.
    weights : str or Format, optional
        Format of the weights; the checkpoint's own if omitted.
    kv : str or Format
        Format of the KV cache; "auto" is what the engine takes of the checkpoint: what its
        config declares, where the engine reads that, else 16 bits.
    tp, pp, ep : int
        Tensor-, pipeline- and expert-parallel degree.
    dp_attention : bool
        Whether attention is data-parallel.
    memory_fraction : float, optional
        Memory fraction the engine is started with; its default if omitted.
    usd_h : float, optional
        Rent of one card; its reference price if omitted [USD/h].
    speculation : Speculation, optional
        Speculative decoding; none if omitted.
    lora : Lora, optional
        Adapters served with the model; none if omitted.
    offload_share : float
        Share of the weights kept in host memory.
    max_num_seqs : int, optional
        Most sequences at once; the engine's default if omitted.
    max_num_batched_tokens, max_model_len, block_size : int, optional
        The engine's other limits; its defaults if omitted [tokens].
    eager : bool
        Whether CUDA graphs are turned off.
    mixed_chunk : bool
        Whether an engine that gives prompts steps of their own is told to mix them with decoding.

    Returns
    -------
    Deployment
        The deployment.

    Raises
    ------
    BadInput
        When a name is unknown or the parts are incompatible.

    Examples
    --------
    >>> deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8").num_gpus
    2
    """
    served = models.model(model) if isinstance(model, str) else model
    card = gpus.gpu(gpu) if isinstance(gpu, str) else gpu
    if isinstance(card, Gpu) and card.parts and pp == 1:
        pp = len(card.parts)  # unequal cards: a stage of layers on each
    if weights in (None, "auto"):
        weights = served.native_format if isinstance(served, Model) else "bf16"
        if isinstance(model, str):
            weights = checkpoint_format(model, weights)
    runs = engines.engine(engine) if isinstance(engine, str) else engine
    weights = named_format("weights", weights, kv=False)
    if kv == "auto" and all(isinstance(part, Model | Engine) for part in (served, runs)):
        kv = runs.automatic_kv(served, weights.name) or "bf16"
    return Deployment(
        served, card, runs, weights, named_format("kv", kv, kv=True), tp, pp, ep, dp_attention,
        memory_fraction, usd_h, speculation, lora, offload_share, max_num_seqs,
        max_num_batched_tokens, max_model_len, eager, mixed_chunk, block_size,
    )  # fmt: skip
