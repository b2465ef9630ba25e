"""Mixtures of experts: how many a batch reads, and what routing costs."""

from ..numeric import Number


def experts_touched_at_random(
    *, experts: Number, experts_per_token: Number, tokens: Number
) -> Number:
    """Count the distinct experts of a layer that a batch reads if all are equally popular.

    One token misses an expert with probability `1 - k/E`, and all `b` tokens of the batch miss
    it with probability `(1 - k/E)^b`.

    Parameters
    ----------
    experts : float or array
        Routed experts E.
    experts_per_token : float or array
        Experts k a token is routed to.
    tokens : float or array
        Tokens in the pass [tokens].

    Returns
    -------
    float or array
        Expected distinct experts, `E (1 - (1 - k/E)^tokens)`.

    Examples
    --------
    >>> round(experts_touched_at_random(experts=256, experts_per_token=8, tokens=16), 1)
    102.0
    """
    return experts * (1 - (1 - experts_per_token / experts) ** tokens)


def experts_touched(*, experts: Number, experts_per_token: Number, tokens: Number) -> Number:
    """Estimate how many distinct experts of a layer a batch reads.

    Some experts are chosen more often than others, so a batch reads fewer of them than at random.
    With popularities distributed exponentially with mean `k / (E - k)`, `b` tokens miss an expert
    with probability `1 / (1 + b k / (E - k))`; one token misses it with `1 - k/E`, as it must.
    Spreads of popularity from none to twice as wide were tried. This is the simplest that
    predicts groups left out of the fit as well as any.

    Parameters
    ----------
    experts : float or array
        Routed experts E.
    experts_per_token : float or array
        Experts k a token is routed to.
    tokens : float or array
        Tokens in the pass [tokens].

    Returns
    -------
    float or array
        Expected distinct experts, `E k tokens / (E - k + k tokens)`.

    Examples
    --------
    >>> round(experts_touched(experts=256, experts_per_token=8, tokens=16), 1)
    87.1
    >>> experts_touched(experts=256, experts_per_token=8, tokens=1)
    8.0
    """
    routed_pairs = experts_per_token * tokens
    return experts * routed_pairs / (experts - experts_per_token + routed_pairs)


def routing_load(*, experts: Number, experts_per_token: Number) -> Number:
    """Scale the routing overhead of a layer relative to 256 experts with 8 active.

    Scoring, sorting and gathering take longer with more experts and with more of
    them active. The exponents were chosen by leave-one-model-out error: a constant
    overhead and one proportional to the number of experts both predicted worse.

    Parameters
    ----------
    experts : float or array
        Routed experts E.
    experts_per_token : float or array
        Experts k a token is routed to.

    Returns
    -------
    float or array
        Factor `sqrt(E / 256) k / 8`.

    Examples
    --------
    >>> routing_load(experts=256, experts_per_token=8)
    1.0
    >>> routing_load(experts=64, experts_per_token=4)
    0.25
    """
    return (experts / 256) ** 0.5 * experts_per_token / 8
