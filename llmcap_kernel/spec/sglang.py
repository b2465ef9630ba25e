"""What SGLang sets itself from a card and its limits: srt/arg_groups/memory_hook.py of 0.5.23."""

from collections.abc import Iterable

from .engines import LEAST_FRACTION

# Sizes of a prompt's pass that have a graph: arg_groups/cuda_graph_hook.py,
# generate_prefill_cuda_graph_batch_sizes.
PROMPT_SIZES = (
    *(range(4, 33, 4), range(48, 257, 16), range(288, 513, 32), range(576, 1025, 64)),
    *(range(1280, 4097, 256), range(4608, 10_000_001, 512)),
)
LEAST_CHUNK, LARGE_MIB, LEAST_OF_LARGE_MIB = 2048, 60 * 1024, 10 * 1024
LATENT_MIB = 1536  # graphs of prompts over a cache of latent vectors


def prompt_graphs(most_tokens: int, sizes: Iterable[range] = PROMPT_SIZES) -> int:
    """Count the graphs of passes over prompts.

    Parameters
    ----------
    most_tokens : int
        Most tokens of such a pass [tokens].
    sizes : iterable of range
        Sizes that have a graph, without end [tokens].

    Returns
    -------
    int
        Sizes up to that.

    References
    ----------
    SGLang 0.5.23, arg_groups/cuda_graph_hook.py, `generate_prefill_cuda_graph_batch_sizes`.

    Examples
    --------
    >>> prompt_graphs(4096), prompt_graphs(8192)
    (50, 58)
    """
    return sum(len(range(s.start, min(s.stop, most_tokens + 1), s.step)) for s in sizes)


def graphs_mib(*, graph_seqs: int, groups: int, of_prompts_mib: float, eager: bool) -> float:
    """Estimate what graphs take, as the engine does before it has any.

    Parameters
    ----------
    graph_seqs : int
        Largest batch that has a graph.
    groups : int
        Groups of cards that each attend for their own sequences.
    of_prompts_mib : float
        What graphs of prompts take [MiB].
    eager : bool
        Whether decode steps have none.

    Returns
    -------
    float
        On a card [MiB].

    References
    ----------
    SGLang 0.5.23, arg_groups/memory_hook.py, `reserve_for_graph_mb`.

    Examples
    --------
    >>> graphs_mib(graph_seqs=256, groups=1, of_prompts_mib=58 * 8, eager=False)
    976
    """
    apart = (4.5 if graph_seqs > 300 else 3) * graph_seqs * groups if groups > 1 else 0
    return (0 if eager else 2 * graph_seqs) + apart + of_prompts_mib


def memory_fraction(
    *, visible_mib: float, chunk_tokens: int, cards: int, graphs_mib: float
) -> float:
    """Compute the share of a card for weights and cache: the engine keeps a chunk's room free.

    Parameters
    ----------
    visible_mib : float
        The card's memory [MiB].
    chunk_tokens : int
        Tokens of a prompt's pass, of all groups of attention together [tokens].
    cards : int
        Cards of the deployment.
    graphs_mib : float
        What it expects of graphs [MiB].

    Returns
    -------
    float
        To three places, as the engine rounds it.

    References
    ----------
    SGLang 0.5.23, arg_groups/memory_hook.py, `handle_gpu_memory_settings`; of 0.5.9,
    server_args.py, `_handle_gpu_memory_settings`, where prompts had no graphs.

    Examples
    --------
    An RTX 4090 of 24,564 MiB: 512 + 6,144 + 128 + 2 x 48 + 50 x 8.

    >>> memory_fraction(visible_mib=24_564, chunk_tokens=4096, cards=1, graphs_mib=96 + 400)
    0.704
    """
    reserved = 512 + 1.5 * max(chunk_tokens, LEAST_CHUNK) + 128 * cards + graphs_mib
    if visible_mib > LARGE_MIB:
        reserved = max(reserved, LEAST_OF_LARGE_MIB)
    return round(max(1 - reserved / visible_mib, LEAST_FRACTION), 3)
