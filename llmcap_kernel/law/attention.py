"""FLOP of attention, which grow with the context."""

from ..numeric import Number, maximum, minimum, where
from ..spec import Attention, Model
from .cache import tokens_read, tokens_stored
from .formulas import attention_flops


def attention_flops_per_token(model: Model, context_tokens: Number) -> Number:
    """Count the attention FLOP of one decoded token over all layers.

    MLA is counted in the form used for decode, with the up-projections absorbed into
    the queries: every head attends in the latent space.

    Parameters
    ----------
    model : Model
        The model.
    context_tokens : float or array
        Length of the sequence so far [tokens].

    Returns
    -------
    float or array
        FLOP over all layers [FLOP].

    References
    ----------
    DeepSeek-AI 2024, arXiv 2405.04434, appendix C, for the absorption.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> attention_flops_per_token(catalog.model("llama-3.1-70b"), 8000) / 1e9
    20.97152
    """
    total = 0.0
    for a in model.attention:
        if a.kind == "linear":
            total = total + a.layers * a.state_flops
            continue
        if a.latent_dim:
            qk_dim, v_dim = a.latent_dim + a.rope_dim, a.latent_dim
            if a.head_dim and not a.v_head_dim:
                v_dim = qk_dim  # keys serve as values, whole
        else:
            qk_dim, v_dim = a.head_dim, a.v_head_dim or a.head_dim
        entries_read = tokens_read(a, context_tokens)
        work = attention_flops(heads=a.heads, qk_dim=qk_dim, v_dim=v_dim, tokens_read=entries_read)
        total = total + a.layers * work
        if a.index_dim:
            index_work = 2 * a.index_heads * a.index_dim * tokens_stored(a, context_tokens)
            total = total + a.layers * index_work
    return total


def prefill_attention_flops(model: Model, tokens: Number, cached_tokens: Number = 0) -> Number:
    """Count the attention FLOP of prefilling a prompt.

    The n-th token attends to n tokens, so the sum is quadratic for full attention
    and linear beyond the window for windowed layers. MLA prefill expands keys and
    values for each head instead of attending in the latent space.

    Parameters
    ----------
    model : Model
        The model.
    tokens : float or array
        Prompt tokens to prefill [tokens].
    cached_tokens : float or array
        Preceding tokens served from a prefix cache [tokens].

    Returns
    -------
    float or array
        FLOP over all layers [FLOP].

    References
    ----------
    Dao et al. 2022, arXiv 2205.14135.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> prefill_attention_flops(catalog.model("llama-3.1-70b"), 7000) / 1e12
    64.234...
    """
    total = 0.0
    for a in model.attention:
        if a.kind == "linear":
            total = total + a.layers * a.state_flops * tokens
            continue
        pairs = _attended_pairs(a, tokens, cached_tokens)
        qk, v = a.head_dim or a.latent_dim + a.rope_dim, a.v_head_dim or a.head_dim or a.latent_dim
        work = attention_flops(heads=a.heads, qk_dim=qk, v_dim=v, tokens_read=pairs)
        total = total + a.layers * work
        if a.index_dim:
            index_pairs = _causal_pairs(tokens, cached_tokens, 0) / a.stride_tokens
            total = total + a.layers * 2 * a.index_heads * a.index_dim * index_pairs
    return total


def prefill_scores(model: Model, tokens: Number, cached_tokens: Number = 0) -> Number:
    """Count the attention scores of a prefill: one per head and pair of tokens.

    Parameters
    ----------
    model : Model
        The model.
    tokens : float or array
        Prompt tokens to prefill [tokens].
    cached_tokens : float or array
        Preceding tokens served from a prefix cache [tokens].

    Returns
    -------
    float or array
        Scores over all layers and heads.

    References
    ----------
    Dao et al. 2022, arXiv 2205.14135, section 2.2: standard attention writes them to memory.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> prefill_scores(catalog.model("llama-3.1-8b"), 3)  # 32 layers of 32 heads, 6 pairs
    6144.0
    """
    softmax_layers = (a for a in model.attention if a.kind != "linear")
    return sum(
        a.layers * a.heads * _attended_pairs(a, tokens, cached_tokens) for a in softmax_layers
    )


def _attended_pairs(a: Attention, tokens: Number, cached: Number) -> Number:
    """Count pairs of a new token and a cache entry that it attends to, in one layer."""
    # topk_tokens counts entries, and an entry covers stride_tokens tokens
    topk_tokens = a.topk_tokens * a.stride_tokens
    cap = {"window": a.window_tokens, "sparse": topk_tokens}.get(a.kind, 0)
    return _causal_pairs(tokens, cached, cap) / a.stride_tokens


def _causal_pairs(tokens: Number, cached: Number, cap: int) -> Number:
    """Sum the tokens each new token attends to, at most `cap` each unless that is 0."""
    full = tokens * cached + tokens * (tokens + 1) / 2
    if not cap:
        return full
    ramp = maximum(minimum(cap - cached, tokens), 0)  # tokens that attend to fewer than the cap
    early = ramp * cached + ramp * (ramp + 1) / 2
    return where(ramp > 0, early + (tokens - ramp) * cap, tokens * cap)
