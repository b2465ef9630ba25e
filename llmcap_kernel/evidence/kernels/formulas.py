"""How long one kernel takes: a formula a kind, of the law with a few constants.

Times come in as times at the full rate of the card (bytes over bandwidth, FLOP over peak), as
`bandwidth.Work` holds them, and shares of those rates turn them into times. Every formula takes
floats or arrays. None is faster than the full rate allows, as long as no share is above 1.
"""

from ...bandwidth.collectives import all_reduce_s
from ...numeric import Number, maximum, minimum

DEPTH = 4096  # an inner dimension beyond it is split over more blocks
SPLIT = 1024  # tokens beyond it are split over more blocks
SPAN = 4096  # the unit of `span_s`
RAMP_BYTES = 4e6  # a message beyond it fills the link's pipeline


def root_of_squares(*times_s: Number) -> Number:
    """Add times that overlap: between their maximum and their sum.

    The roofline takes the longer of reading and computing. A kernel whose two times are alike
    overlaps them in part; the root of the sum of squares is right at both ends and 41% above the
    maximum in the middle.

    Parameters
    ----------
    *times_s : float or array
        Times of what overlaps [s].

    Returns
    -------
    float or array
        The time of all [s].

    References
    ----------
    Williams, Waterman and Patterson 2009, doi 10.1145/1498765.1498785, whose measured rooflines
    are round at the ridge.

    Examples
    --------
    >>> root_of_squares(3.0, 4.0)
    5.0
    """
    return sum(t * t for t in times_s) ** 0.5


def product_s(
    *,
    read_s: Number,
    math_s: Number,
    depth: Number,
    bandwidth: Number,
    compute: Number,
    depth_s: Number,
    launch_s: Number,
    quantise_s: Number = 0.0,
    quantise: Number = 1.0,
    rows: Number = 0.0,
    row_s: Number = 0.0,
) -> Number:
    """Time a product of an m x k by a k x n matrix.

    Parameters
    ----------
    read_s : float or array
        Weights, activations and result over the bandwidth [s].
    math_s : float or array
        `2 m n k` over the peak of the format [s].
    depth : float or array
        Inner dimension k, which a block works through in sequence [elements].
    bandwidth, compute : float or array
        Shares of the two rates.
    depth_s : float or array
        Time of one block's way through `DEPTH` elements, which nothing hides [s].
    launch_s : float or array
        Fixed cost, that of quantising included [s].
    quantise_s, quantise : float or array
        Where activations are quantised on the way: reading them in 16 bits and writing them, over
        the bandwidth [s], and the rate of that over the bandwidth.
    rows, row_s : float or array
        Rows that are quantised, each by a block of threads, and the time of one [s].

    Returns
    -------
    float or array
        Time of the kernel [s].

    References
    ----------
    The roofline, Williams et al. 2009, doi 10.1145/1498765.1498785; the block's way through k is
    the main loop of CUTLASS, which splits k where it is long.

    Examples
    --------
    >>> shares = {"bandwidth": 0.8, "compute": 0.8, "depth_s": 0.0, "launch_s": 0.0}
    >>> product_s(read_s=3.2, math_s=2.4, depth=4096, **shares)
    5.0
    """
    within = depth_s * minimum(depth, DEPTH) / DEPTH
    work = root_of_squares(read_s / bandwidth, math_s / compute)
    return work + quantise_s / quantise + row_s * rows + within + launch_s


def decode_attention_s(
    *,
    read_s: Number,
    blocks: Number,
    context: Number,
    bandwidth: Number,
    block_s: Number,
    context_s: Number,
    launch_s: Number,
    math_s: Number = 0.0,
    compute: Number = 1.0,
) -> Number:
    """Time the attention of one layer in a decode step, MLA included.

    Parameters
    ----------
    read_s : float or array
        Cached tokens, queries and results over the bandwidth [s].
    blocks : float or array
        Blocks of threads: one for each sequence and head of keys (of MLA, each sequence).
    context : float or array
        Cached tokens read per sequence [tokens].
    bandwidth : float or array
        Share of the bandwidth.
    block_s : float or array
        Time per block where many run, the cards' processors together [s].
    context_s : float or array
        Time of one block's way through `SPLIT` tokens, which nothing hides [s].
    launch_s : float or array
        Fixed cost [s].
    math_s, compute : float or array
        Of MLA, whose many heads share one key: its FLOP over the peak, and the share of it [s].

    Returns
    -------
    float or array
        Time of the kernel [s].

    References
    ----------
    Dao et al. 2023, "Flash-Decoding for long-context inference": a block a sequence and head,
    which splits a long context over more of them.

    Examples
    --------
    >>> times = {"block_s": 4e-9, "context_s": 0.0, "launch_s": 1e-6}
    >>> round(decode_attention_s(read_s=3e-6, blocks=1000, context=1, bandwidth=1.0, **times), 9)
    6e-06
    """
    split = context_s * minimum(context, SPLIT) / SPLIT
    work = root_of_squares(read_s / bandwidth, math_s / compute, block_s * blocks)
    return work + split + launch_s


def prefill_attention_s(
    *,
    math_s: Number,
    move_s: Number,
    blocks: Number,
    span: Number,
    compute: Number,
    bandwidth: Number,
    block_s: Number,
    span_s: Number,
    launch_s: Number,
) -> Number:
    """Time the attention of one layer among the tokens of prompts.

    Parameters
    ----------
    math_s : float or array
        FLOP of the tiles that the causal mask leaves in, over the peak [s].
    move_s : float or array
        Queries, keys, values and results over the bandwidth [s].
    blocks : float or array
        Blocks of threads: one for each prompt, head and 128 queries.
    span : float or array
        Keys that the last query reads [tokens].
    compute, bandwidth : float or array
        Shares of the two rates.
    block_s : float or array
        Time per block where many run [s].
    span_s : float or array
        Time of one block's way through `SPAN` keys, which nothing hides [s].
    launch_s : float or array
        Fixed cost [s].

    Returns
    -------
    float or array
        Time of the kernel [s].

    References
    ----------
    Dao 2023, arXiv 2307.08691: tiles of queries against the keys before them.

    Examples
    --------
    >>> shares = {"compute": 0.5, "bandwidth": 1.0}
    >>> times = {"block_s": 0.0, "span_s": 1.0, "launch_s": 1.0}
    >>> prefill_attention_s(math_s=1.0, move_s=2.0, blocks=1, span=4096, **shares, **times)
    6.0
    """
    work = math_s / compute + move_s / bandwidth + block_s * blocks
    return work + span_s * span / SPAN + launch_s


def experts_s(
    *,
    read_s: Number,
    math_s: Number,
    kept_s: Number,
    routed_s: Number,
    bandwidth: Number,
    compute: Number,
    kept: Number,
    routed: Number,
    launch_s: Number,
) -> Number:
    """Time the routed experts of one layer on one card.

    Parameters
    ----------
    read_s : float or array
        Weights of the experts that tokens reach, over the bandwidth [s].
    math_s : float or array
        FLOP of this card's pairs of token and expert, over the peak [s].
    kept_s : float or array
        Vectors of this card's pairs, in, between and out, over the bandwidth [s].
    routed_s : float or array
        The same of all pairs: many kernels sort, pad and add up those of other cards too [s].
    bandwidth, compute : float or array
        Shares of the two rates, of the weights.
    kept, routed : float or array
        Rates at which the vectors are moved, over the bandwidth.
    launch_s : float or array
        Fixed cost: choosing, sorting and several launches [s].

    Returns
    -------
    float or array
        Time of the layer [s].

    References
    ----------
    Gale et al. 2022, arXiv 2211.15841 (MegaBlocks): experts as one grouped product, with its
    permutation before and after.

    Examples
    --------
    >>> shares = {"bandwidth": 1.0, "compute": 0.5, "kept": 0.5, "routed": 1.0}
    >>> experts_s(read_s=3.0, math_s=2.0, kept_s=1.0, routed_s=1.0, launch_s=1.0, **shares)
    9.0
    """
    grouped = root_of_squares(read_s / bandwidth, math_s / compute)
    return grouped + kept_s / kept + routed_s / routed + launch_s


def summed_s(
    *, wire_s: Number, cards: Number, link: Number, hop_s: Number, launch_s: Number
) -> Number:
    """Time an all-reduce by an engine's own kernel, in one shot or two.

    Parameters
    ----------
    wire_s : float or array
        The message over the one-way bandwidth of the link [s].
    cards : float or array
        Cards that take part.
    link : float or array
        Share of that bandwidth.
    hop_s : float or array
        Cost of each other card [s].
    launch_s : float or array
        Fixed cost of a shot [s].

    Returns
    -------
    float or array
        Time of the kernel, by `bandwidth.collectives.all_reduce_s` [s].

    References
    ----------
    As `all_reduce_s`.

    Examples
    --------
    >>> summed_s(wire_s=2e-3, cards=8, link=1.0, hop_s=0.0, launch_s=0.0)
    0.0035
    """
    return all_reduce_s(
        message_bytes=wire_s,
        cards=cards,
        link_bandwidth_bytes_s=link,
        latency_s=launch_s + hop_s * (cards - 1),
    )


def collective_s(
    *,
    wire_s: Number,
    hops: Number,
    message_bytes: Number,
    link: Number,
    hop_s: Number,
    ramp_s: Number,
    launch_s: Number,
) -> Number:
    """Time a collective of NCCL.

    Parameters
    ----------
    wire_s : float or array
        What each card sends, over the one-way bandwidth of the link [s].
    hops : float or array
        Steps of the ring that wait for each other.
    message_bytes : float or array
        The whole vector [bytes].
    link : float or array
        Share of the link's bandwidth.
    hop_s : float or array
        Latency of a step [s].
    ramp_s : float or array
        What a message that fills the pipeline takes longer [s].
    launch_s : float or array
        Fixed cost [s].

    Returns
    -------
    float or array
        Time of the collective [s].

    References
    ----------
    Hu et al. 2025, arXiv 2507.04786, on NCCL's protocols: the low-latency ones give way to Simple,
    which fills a pipeline of chunks, as messages grow.

    Examples
    --------
    >>> times = {"hop_s": 1e-6, "ramp_s": 0.0, "launch_s": 5e-6}
    >>> round(collective_s(wire_s=2e-6, hops=1, message_bytes=8, link=0.5, **times), 9)
    1e-05
    """
    ramp = ramp_s * minimum(message_bytes / RAMP_BYTES, 1.0)
    return wire_s / link + launch_s + hop_s * hops + ramp


def tiled_pairs(
    *, queries: Number, cached: Number = 0, window: Number = 0, tile: Number = 64
) -> Number:
    """Count the pairs of query and key in the tiles that a causal mask leaves in.

    Parameters
    ----------
    queries : float or array
        Tokens of the prompt that are computed [tokens].
    cached : float or array
        Tokens before them [tokens].
    window : float or array
        Keys that a query reads at most; 0 for all before it [tokens].
    tile : float
        Side of a tile [tokens].

    Returns
    -------
    float or array
        Pairs, those of half-empty tiles included.

    References
    ----------
    Dao 2023, arXiv 2307.08691, section 3.1.

    Examples
    --------
    >>> tiled_pairs(queries=128), tiled_pairs(queries=3, tile=1)
    (12288, 6)
    """
    padded = -(-queries // tile) * tile
    before = padded + cached
    width = minimum(before, window + tile + before * (window == 0))
    ramp = maximum(width - cached, 0)
    return padded * width - ramp * (ramp - tile) // 2
