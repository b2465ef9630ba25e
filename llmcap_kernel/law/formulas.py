"""The formulas of the law, on plain numbers or arrays."""

from ..numeric import Number, maximum


def matmul_flops(*, params: Number, tokens: Number) -> Number:
    """Count the FLOP of multiplying tokens with weights.

    One multiply and one add per parameter and token.

    Parameters
    ----------
    params : float or array
        Parameters each token is multiplied with.
    tokens : float or array
        Tokens in the pass [tokens].

    Returns
    -------
    float or array
        FLOP count [FLOP].

    References
    ----------
    Kaplan et al. 2020, arXiv 2001.08361, section 2.1.

    Examples
    --------
    >>> matmul_flops(params=70.6e9, tokens=6000) / 1e14
    8.472
    """
    return 2 * params * tokens


def attention_flops(*, heads: Number, qk_dim: Number, v_dim: Number, tokens_read: Number) -> Number:
    """Count the FLOP of one query token attending to cached tokens in one layer.

    Per cached token, the scores take `2 heads qk_dim` and the weighted sum of values
    `2 heads v_dim`.

    Parameters
    ----------
    heads : float or array
        Query heads.
    qk_dim, v_dim : float or array
        Width of a key and of a value [elements].
    tokens_read : float or array
        Cached tokens attended to [tokens].

    Returns
    -------
    float or array
        FLOP of one layer for one query token [FLOP].

    References
    ----------
    Dao et al. 2022, arXiv 2205.14135, section 2.2.

    Examples
    --------
    >>> attention_flops(heads=64, qk_dim=128, v_dim=128, tokens_read=8000)
    262144000
    """
    return 2 * heads * (qk_dim + v_dim) * tokens_read


def gqa_elements_per_token(
    *, kv_heads: Number, head_dim: Number, v_head_dim: Number | None = None
) -> Number:
    """Count the elements grouped-query attention caches per token in one layer.

    Parameters
    ----------
    kv_heads : float or array
        Key-value heads.
    head_dim : float or array
        Width of a key [elements].
    v_head_dim : float or array, optional
        Width of a value; that of a key by default [elements].

    Returns
    -------
    float or array
        Keys and values [elements].

    References
    ----------
    Ainslie et al. 2023, arXiv 2305.13245.

    Examples
    --------
    >>> gqa_elements_per_token(kv_heads=8, head_dim=128)
    2048
    """
    return kv_heads * (head_dim + (head_dim if v_head_dim is None else v_head_dim))


def mla_elements_per_token(*, latent_dim: Number, rope_dim: Number) -> Number:
    """Count the elements multi-head latent attention caches per token in one layer.

    Parameters
    ----------
    latent_dim : float or array
        Width of the compressed key-value vector [elements].
    rope_dim : float or array
        Width of the rotary key stored with it [elements].

    Returns
    -------
    float or array
        Latent and rotary key, stored once for all heads [elements].

    References
    ----------
    DeepSeek-AI 2024, arXiv 2405.04434, section 2.1.

    Examples
    --------
    >>> mla_elements_per_token(latent_dim=512, rope_dim=64)
    576
    """
    return latent_dim + rope_dim


def arithmetic_intensity(*, flops: Number, bytes_moved: Number) -> Number:
    """Divide FLOP by bytes moved.

    Parameters
    ----------
    flops : float or array
        FLOP count [FLOP].
    bytes_moved : float or array
        Traffic between memory and compute [bytes].

    Returns
    -------
    float or array
        Arithmetic intensity [FLOP/byte].

    References
    ----------
    Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785.

    Examples
    --------
    >>> arithmetic_intensity(flops=141e9, bytes_moved=70.5e9)
    2.0
    """
    return flops / bytes_moved


def ridge_point(*, flop_s: Number, bandwidth_bytes_s: Number) -> Number:
    """Find the intensity above which a card is compute bound, not memory bound.

    Parameters
    ----------
    flop_s : float or array
        Peak dense rate [FLOP/s].
    bandwidth_bytes_s : float or array
        Peak memory bandwidth [bytes/s].

    Returns
    -------
    float or array
        Ridge point [FLOP/byte].

    References
    ----------
    Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785.

    Examples
    --------
    >>> round(ridge_point(flop_s=989.4e12, bandwidth_bytes_s=3.35e12))
    295
    """
    return flop_s / bandwidth_bytes_s


def roofline_s(
    *, flops: Number, bytes_moved: Number, flop_s: Number, bandwidth_bytes_s: Number
) -> Number:
    """Take the longer of compute time and memory time.

    Parameters
    ----------
    flops : float or array
        FLOP count [FLOP].
    bytes_moved : float or array
        Traffic [bytes].
    flop_s : float or array
        Compute rate [FLOP/s].
    bandwidth_bytes_s : float or array
        Memory bandwidth [bytes/s].

    Returns
    -------
    float or array
        Time, if both overlap perfectly [s].

    References
    ----------
    Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785.

    Examples
    --------
    >>> roofline_s(flops=1e12, bytes_moved=1e9, flop_s=1e15, bandwidth_bytes_s=2e12)
    0.001
    """
    return maximum(flops / flop_s, bytes_moved / bandwidth_bytes_s)
