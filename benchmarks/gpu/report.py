"""What the times say: shares of the spec sheet beside the fitted ones, and rows for `calibrate`."""

import csv
import statistics
from collections import defaultdict

from llmcap_kernel import bandwidth, calibration, capacity, catalog
from llmcap_kernel.explain import quantity
from llmcap_kernel.refuse import BadInput

# The columns of benchmarks/measured.csv, in its order.
COLUMNS = (
    *("id", "source_id", "source", "date", "model", "engine", "engine_version", "gpu", "num_gpus"),
    *("tp", "pp", "ep", "dp_attention", "copies", "weight_dtype", "kv_dtype", "concurrency"),
    *("input_tokens", "output_tokens", "cached_tokens", "memory_fraction", "max_model_len"),
    *("metric", "value", "unit", "regime", "doubt", "assumed", "stated", "notes"),
)
ENGINE = "pytorch-kernels"
NAMES = {
    "bandwidth": "weights read, share of bandwidth",
    "kv_bandwidth": "cache read, share of bandwidth",
    "compute": "computed, share of FLOP/s",
}


def median_s(times):
    """Give the middle of a cell's times.

    Parameters
    ----------
    times : dict
        By the key of a cell, its times or the reason there are none [s].
    """
    return {key: statistics.median(s) for key, s in times.items() if not isinstance(s, str)}


def spread(seconds):
    """Say how far a cell's times lie apart.

    Parameters
    ----------
    seconds : list of float
        Times of one cell [s].

    Returns
    -------
    float
        From the tenth to the ninetieth percentile, over the median.

    Examples
    --------
    >>> spread([1.0] * 9)
    0.0
    """
    if len(seconds) < 2:
        return 0.0
    tenths = statistics.quantiles(seconds, n=10, method="inclusive")
    return (tenths[-1] - tenths[0]) / statistics.median(seconds)


def efficiency_of(cell, gpu):
    """Name the efficiency of the law that a cell measures.

    Parameters
    ----------
    cell : Cell
        The cell.
    gpu : Gpu
        The card.

    Returns
    -------
    str
        A key of `NAMES`.
    """
    if not cell.waits_for_memory(gpu):
        return "compute"
    return "kv_bandwidth" if cell.part == "attention" else "bandwidth"


def shares(cells, times, gpu):
    """Give the share of the spec sheet that each cell reached.

    Parameters
    ----------
    cells : iterable of Cell
        What was planned.
    times : dict
        What was measured [s].
    gpu : Gpu
        The card.

    Returns
    -------
    dict
        By (efficiency, format): the shares of its cells, least first.
    """
    middle, out = median_s(times), defaultdict(list)
    for cell in cells:
        if cell.key in middle:
            share = cell.roofline_s(gpu) / middle[cell.key]
            out[efficiency_of(cell, gpu), cell.weights].append(share)
    return {key: sorted(found) for key, found in out.items()}


def passes(cells, times):
    """Put cells together to whole passes through a model.

    Parameters
    ----------
    cells : iterable of Cell
        What was planned.
    times : dict
        What was measured [s].

    Returns
    -------
    list of tuple
        (model, weights, batch, tokens, context, time) of each pass whose every part was
        measured; the head runs for one token of each sequence [s].
    """
    middle = median_s(times)
    by_key = {cell.key: cell for cell in cells}
    formats = list(dict.fromkeys(cell.weights for cell in cells))
    out = []
    for a in (cell for cell in cells if cell.part == "attention"):
        for weights in formats:
            parts = [a.key]
            for part in ("qkv", "o", "gate_up", "down"):
                parts.append((a.model, part, weights, a.batch, a.tokens, 0))
            head = (a.model, "head", weights, a.batch, 1, 0)
            parts.append(head if head in by_key else (a.model, "head", "bf16", a.batch, 1, 0))
            if all(key in middle for key in parts):
                total_s = sum(by_key[key].copies * middle[key] for key in parts)
                out.append((a.model, weights, a.batch, a.tokens, a.context, total_s))
    return out


def rows(cells, times, gpu, run):
    """Write a run in the columns of `benchmarks/measured.csv`.

    Parameters
    ----------
    cells : iterable of Cell
        What was planned.
    times : dict
        What was measured [s].
    gpu : Gpu
        The card.
    run : dict
        source_id, date and torch of the run.

    Returns
    -------
    list of dict
        One row a cell, which a fit passes over, and one a whole pass, which it reads.
    """
    fixed = dict.fromkeys(COLUMNS, "") | {
        "source_id": run["source_id"],
        "source": "benchmarks/gpu",
        "date": run["date"],
        "engine": ENGINE,
        "engine_version": run["torch"],
        "gpu": gpu.name,
        "num_gpus": 1,
        "tp": 1,
        "kv_dtype": "bf16",
    }
    made = [*_cell_rows(cells, times), *_pass_rows(cells, times, gpu)]
    return [
        fixed | {"id": f"{run['source_id']}-{number:04}"} | row
        for number, row in enumerate(made, 1)
    ]


def _cell_rows(cells, times):
    middle = median_s(times)
    for cell in cells:
        if cell.key not in middle:
            continue
        what = f"{cell.rows} x {cell.columns}" if cell.rows else f"{cell.attention.heads} heads"
        note = f"{cell.part}, {what}; spread {spread(times[cell.key]):.1%}"
        load = {
            "model": cell.model,
            "weight_dtype": cell.weights,
            "concurrency": cell.batch,
            "input_tokens": cell.context or cell.tokens,
            "output_tokens": 1,
            "regime": "prefill" if cell.prompt else "kernel_decode",
            "notes": note,
        }
        achieved = (("kernel_flop_s", cell.flops, "FLOP/s"),)
        if cell.bytes_read:
            achieved += (("kernel_bytes_s", cell.bytes_read, "bytes/s"),)
        for metric, amount, unit in achieved:
            value = f"{amount / middle[cell.key]:.6g}"
            yield load | {"metric": metric, "value": value, "unit": unit}


def _pass_rows(cells, times, gpu):
    for model, weights, batch, tokens, context, total_s in passes(cells, times):
        deployment = catalog.deployment(model=model, gpu=gpu.name, weights=weights)
        length = context or tokens
        try:
            books = capacity.ledger(deployment, context_tokens=length, concurrency=batch)
        except BadInput:
            continue
        if not books.fits:
            continue  # one card holds no such deployment, so nobody can measure it whole
        row = {"model": model, "weight_dtype": weights, "concurrency": batch}
        if tokens > 1:
            row |= {"input_tokens": tokens, "output_tokens": 1, "metric": "prefill_tok_s"}
            row |= {"value": f"{tokens / total_s:.6g}", "unit": "tok/s", "regime": "prefill"}
        else:
            # half of the answer counts as context: these two make it exactly what was read
            row |= {"input_tokens": context - 1, "output_tokens": 2, "metric": "itl_ms"}
            row |= {"value": f"{total_s * 1e3:.6g}", "unit": "ms"}
            row["regime"] = "batch1_decode" if batch == 1 else "batched_decode"
        yield row | {"notes": "sum of measured kernels: no norms, no sampling, no host"}


def write_csv(path, made):
    """Write rows for `llmcap calibrate`.

    Parameters
    ----------
    path : Path
        Where to.
    made : list of dict
        What `rows` gave.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(made)


def text(cells, times, gpu):
    """Write the report that a person reads.

    Parameters
    ----------
    cells : iterable of Cell
        What was planned.
    times : dict
        What was measured [s].
    gpu : Gpu
        The card.

    Returns
    -------
    str
        Shares beside the fitted ones, then whole passes beside the law.
    """
    failed = {key: why for key, why in times.items() if isinstance(why, str)}
    parts = [_shares_text(cells, times, gpu), _passes_text(cells, times, gpu)]
    if failed:
        why = dict.fromkeys(failed.values())
        parts.append(f"{len(failed)} cells could not be measured: {'; '.join(why)}")
    return "\n\n".join(parts)


def _shares_text(cells, times, gpu):
    fitted = {
        mode: calibration.efficiency_for(_any(gpu), "vllm" if served else "other", served)[0]
        for mode, served in (("offline", False), ("vLLM", True))
    }
    lines = [
        f"{gpu.title}: {quantity(gpu.bandwidth_bytes_s, 'bytes/s')} and "
        + ", ".join(f"{quantity(rate, 'FLOP/s')} {dtype}" for dtype, rate in gpu.flop_s.items()),
        "",
        f"{'share of the spec sheet':40}{'cells':>6}{'p10':>6}{'median':>8}{'best':>6}"
        f"{'fitted: offline':>17}{'vLLM':>6}",
    ]
    for (name, weights), found in sorted(shares(cells, times, gpu).items()):
        low = found[len(found) // 10]
        lines.append(
            f"{f'{NAMES[name]}, {weights}':40}{len(found):>6}{low:>6.2f}"
            f"{statistics.median(found):>8.2f}{found[-1]:>6.2f}"
            f"{getattr(fitted['offline'], name):>17.2f}{getattr(fitted['vLLM'], name):>6.2f}"
        )
    return "\n".join(lines)


def _any(gpu):
    return catalog.deployment(model="llama-3.1-8b", gpu=gpu.name)


def _passes_text(cells, times, gpu):
    lines = [
        "whole passes, every layer and the head, kernels alone",
        f"{'model':16}{'weights':8}{'users':>6}{'tokens':>8}{'context':>8}"
        f"{'measured':>10}{'ceiling':>10}{'share':>7}",
    ]
    made = passes(cells, times)
    ends = {f(row[4] for row in made if row[3] == 1) for f in (min, max)} if made else set()
    for model, weights, batch, tokens, context, total_s in sorted(made):
        if tokens == 1 and context not in ends:
            continue  # the rows that are kept have every length
        d = catalog.deployment(model=model, gpu=gpu.name, weights=weights)
        if tokens > 1:
            least_s = bandwidth.prefill(d, input_tokens=tokens).total_s
        else:
            least_s = bandwidth.decode_step(d, context_tokens=context, concurrency=batch).total_s
        lines.append(
            f"{model:16}{weights:8}{batch:>6}{tokens:>8,}{context:>8,}"
            f"{quantity(total_s, 's'):>10}{quantity(least_s, 's'):>10}{least_s / total_s:>7.2f}"
        )
    return "\n".join(lines)
