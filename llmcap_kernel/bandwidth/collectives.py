"""Collectives between the cards in a pass, and how long they take."""

from typing import NamedTuple

from .. import law
from ..numeric import Number, minimum, where
from ..spec import Deployment, Efficiency, Gpu

ACTIVATION_BYTES = 2  # collectives carry 16-bit activations
SUM_BYTES = 4  # the log-sum-exp of a softmax, one per head


def all_reduce_s(
    *, message_bytes: Number, cards: Number, link_bandwidth_bytes_s: Number, latency_s: Number = 0.0
) -> Number:
    """Time one all-reduce by the faster of two algorithms for its size.

    In one shot each card reads the copies of all others: one latency and `n-1`
    messages. In two shots the sum is scattered and gathered: two latencies, but
    only `2 (n-1)/n` messages. The first is faster for small messages.

    Parameters
    ----------
    message_bytes : float or array
        Vector each card holds, to be summed over the cards [bytes].
    cards : float or array
        Cards that take part.
    link_bandwidth_bytes_s : float or array
        One-way link bandwidth per card [bytes/s].
    latency_s : float or array
        Fixed cost of one exchange [s].

    Returns
    -------
    float or array
        Shorter of the two times; 0 for a single card [s].

    References
    ----------
    Patarasuk and Yuan 2009, doi 10.1016/j.jpdc.2008.09.002, for the large
    message; the one-shot and two-shot kernels of TensorRT-LLM and vLLM.

    Examples
    --------
    >>> all_reduce_s(message_bytes=9e8, cards=8, link_bandwidth_bytes_s=450e9)
    0.0035
    """
    one_way = message_bytes / link_bandwidth_bytes_s
    one_shot = (cards - 1) * one_way + latency_s
    two_shot = 2 * (cards - 1) / cards * one_way + 2 * latency_s
    return where(cards > 1, minimum(one_shot, two_shot), 0.0)


def all_to_all_s(
    *, message_bytes: Number, cards: Number, link_bandwidth_bytes_s: Number, latency_s: Number = 0.0
) -> Number:
    """Time one all-to-all, as expert parallelism sends tokens to experts.

    Parameters
    ----------
    message_bytes : float or array
        Data of each card for all cards, its own share included [bytes].
    cards : float or array
        Cards that take part.
    link_bandwidth_bytes_s : float or array
        One-way link bandwidth per card [bytes/s].
    latency_s : float or array
        Fixed cost of the collective [s].

    Returns
    -------
    float or array
        `(n-1)/n message / bandwidth + latency`; 0 for a single card [s].

    References
    ----------
    Rajbhandari et al. 2022, arXiv 2201.05596, section 5.

    Examples
    --------
    >>> all_to_all_s(message_bytes=9e8, cards=2, link_bandwidth_bytes_s=450e9)
    0.001
    """
    sent_bytes = (cards - 1) / cards * message_bytes
    return where(cards > 1, sent_bytes / link_bandwidth_bytes_s + latency_s, 0.0)


def link_bandwidth_bytes_s(deployment: Deployment) -> float:
    """Find the one-way bandwidth at which a tensor-parallel group sums, per card.

    Across nodes each card sums a part of the message over its own network card, so that one
    all-reduce uses all network cards of a node.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    float
        Bandwidth of the link inside a node; where `tp` spans nodes that of a node's network, if
        it is less [bytes/s].

    References
    ----------
    Cho et al. 2019, "BlueConnect", Proceedings of Machine Learning and Systems 1, pages 241 to
    251: an all-reduce over nodes as sums within them and between peers. NCCL's rings each leave a
    node by another network card (src/graph/connect.cc).

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> two_nodes = catalog.deployment(model="llama-3.1-405b", gpu="h100-sxm", tp=16)
    >>> link_bandwidth_bytes_s(two_nodes)  # eight times 50 GB/s, where NVLink has 450
    400000000000.0
    """
    return _link_bytes_s(deployment.gpu, deployment.tp, deployment.gpu.max_per_node)


def _link_bytes_s(gpu: Gpu, cards: int, network_cards: int = 1) -> float:
    """Find the one-way bandwidth between two cards of a group; across nodes, by network cards."""
    if cards > gpu.max_per_node:
        network_bytes_s = network_cards * gpu.node_link_bandwidth_bytes_s
        return minimum(gpu.link_bandwidth_bytes_s, network_bytes_s)
    return gpu.link_bandwidth_bytes_s


class Exchange(NamedTuple):
    """One kind of collective in a pass.

    Attributes
    ----------
    kind : str
        "all-reduce", "all-to-all", "stage hand-on", or of a cache whose tokens are spread
        "query gather", "sum gather" and "output scatter".
    count : float or array
        Number in the pass.
    message_bytes : float or array
        Data each card sends in one [bytes].
    wire_s : float or array
        Time of one message at the full rate of the link [s].
    cards : float or array
        Cards that take part.
    contending : float or array
        Other senders that share a path at the same time: pairs of cards through the host's memory,
        and a node's other network cards where an engine uses one of them. 0 where each card has a
        path of its own.
    """

    kind: str
    count: Number
    message_bytes: Number
    wire_s: Number
    cards: Number
    contending: Number = 0.0

    def with_more(self, other: "Exchange", times: Number) -> "Exchange":
        """Add the messages of another pass to these.

        Parameters
        ----------
        other : Exchange
            The same kind, of the other pass.
        times : float or array
            How many of its messages go with each.

        Returns
        -------
        Exchange
            As many, of the data of both.
        """
        message_bytes = self.message_bytes + times * other.message_bytes
        wire_s = self.wire_s + times * other.wire_s
        return Exchange(self.kind, self.count, message_bytes, wire_s, self.cards, self.contending)

    def each_s(self, efficiency: Efficiency, latency_s: Number) -> Number:
        """Time one exchange.

        Parameters
        ----------
        efficiency : Efficiency
            Shares and latencies.
        latency_s : float or array
            Fixed cost of one exchange, its cards all ready [s].

        Returns
        -------
        float or array
            Message, latency, and the wait for the slowest card [s].
        """
        path = efficiency.link_bandwidth / (1 + efficiency.one_path_share * self.contending)
        if self.kind == "stage hand-on":
            return self.wire_s / path + latency_s
        time_s = all_reduce_s if self.kind == "all-reduce" else all_to_all_s
        # the message is passed as its time at the full rate, and the bandwidth as a share of it
        return time_s(
            message_bytes=self.wire_s,
            cards=self.cards,
            link_bandwidth_bytes_s=path,
            latency_s=latency_s + efficiency.rank_s * (self.cards - 1),
        )


def exchanges(
    deployment: Deployment, tokens: Number, times: Number = 1.0, *, cached: bool = True
) -> tuple[Exchange, ...]:
    """List the collectives of one pass over all layers.

    Tensor parallelism sums activations twice per layer: after attention and
    after the MLP, whether experts are split over the cards or distributed whole.
    Data-parallel attention needs only the second, as a gather and a scatter;
    with expert parallelism, tokens are sent to the experts and back instead.
    Each pipeline stage sends its activations to the next.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    tokens : float or array
        Tokens in the pass [tokens].
    times : float or array
        Number of such passes.
    cached : bool
        Whether tokens attend to a cache: a prompt's first chunk has none, which cards could spread.

    Returns
    -------
    tuple of Exchange
        All-reduce, all-to-all, those of a spread cache and stage hand-on, of those that there are.

    References
    ----------
    Shoeybi et al. 2019, arXiv 1909.08053, section 3.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> two = catalog.deployment(model="llama-3.1-70b", gpu="h100-sxm", tp=2, weights="fp8")
    >>> [(e.kind, e.count) for e in exchanges(two, 16) if e.count]
    [('all-reduce', 160.0)]
    """
    d, model = deployment, deployment.model
    if d.num_gpus == 1:
        return ()
    message = tokens * model.hidden_size * ACTIVATION_BYTES
    # with tensor-parallel attention every card has all tokens, and its experts' outputs are summed
    all_to_all_layers = model.moe_layers if d.ep > 1 and d.dp_attention else 0
    all_reduces = (1 if d.dp_attention else 2) * model.layers - all_to_all_layers
    collectives = []
    if d.tp > 1 and all_reduces:
        collectives.append(_all_reduce(d, all_reduces * times, message))
    if all_to_all_layers:
        collectives.append(_all_to_all(d, 2 * all_to_all_layers * times, message))
    if d.dcp > 1:
        collectives += _dcp_exchanges(d, tokens if cached else 0.0, times if cached else 0.0)
    if d.pp > 1:
        stage_bytes, stage_link = message / d.tp, _link_bytes_s(d.gpu, d.num_gpus)
        collectives.append(
            Exchange("stage hand-on", (d.pp - 1) * times, stage_bytes, stage_bytes / stage_link, 2)
        )
    return tuple(collectives)


def _all_reduce(d: Deployment, count: Number, message_bytes: Number) -> Exchange:
    """Give the sums of activations over a tensor-parallel group."""
    link = _link_bytes_s(d.gpu, d.tp, d.gpu.max_per_node)
    contending = _contending_pairs(d.gpu, d.tp)
    if d.tp > d.gpu.max_per_node:
        contending += link / _link_bytes_s(d.gpu, d.tp) - 1
    return Exchange("all-reduce", count, message_bytes, message_bytes / link, d.tp, contending)


def _all_to_all(d: Deployment, count: Number, message_bytes: Number) -> Exchange:
    """Give the sending of tokens to their experts and back: a card sends its own tokens' copies."""
    sent_bytes = message_bytes / d.ep * d.model.experts_per_token
    wire_s = sent_bytes / _link_bytes_s(d.gpu, d.tp)
    return Exchange("all-to-all", count, sent_bytes, wire_s, d.ep, _contending_pairs(d.gpu, d.ep))


def _dcp_exchanges(d: Deployment, tokens: Number, times: Number) -> list[Exchange]:
    """List the exchanges of decode context parallelism, where each card attends to some tokens.

    A card gathers the queries of all cards that share a cache. It returns each head's output over
    its own tokens, with the log-sum-exp of the softmax in 32 bits. With MLA, queries and outputs
    are as wide as the latent. vLLM 0.33, v1/attention/ops/dcp.py, `cp_lse_ag_out_rs`, and the
    query's all_gather in v1/attention/backends/flash_attn.py.
    """
    spread_layers = [a for a in d.model.attention if a.kind in law.SPREAD]
    layers = sum(a.layers for a in spread_layers)
    if not layers:
        return []
    link = _link_bytes_s(d.gpu, d.dcp)
    queries, outputs = 0, 0
    for a in spread_layers:
        key, value = a.head_dim, a.v_head_dim or a.head_dim
        if a.latent_dim:
            key, value = a.latent_dim + a.rope_dim, a.latent_dim
        queries += a.layers * a.heads * key
        outputs += a.layers * a.heads * value
    heads = sum(a.layers * a.heads for a in spread_layers)
    layer_tokens = tokens * d.dcp / d.tp / layers  # for the heads of all cards that share a cache
    messages = {
        "query gather": layer_tokens * queries * ACTIVATION_BYTES,
        "sum gather": layer_tokens * heads * d.dcp * SUM_BYTES,
        "output scatter": layer_tokens * outputs * ACTIVATION_BYTES,
    }
    contending = _contending_pairs(d.gpu, d.dcp)
    return [
        Exchange(kind, layers * times, message, message / link, d.dcp, contending)
        for kind, message in messages.items()
    ]


def _contending_pairs(gpu: Gpu, cards: int) -> Number:
    """Count the other pairs of cards that send through the host's memory at the same time."""
    return (1.0 - gpu.peer_access) * max(cards / 2 - 1, 0.0)
