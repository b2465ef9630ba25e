"""Measure a card: `python -m benchmarks.gpu`; `--dry` shows all of it without one."""

import argparse
import datetime
import json
import sys
from pathlib import Path

from llmcap_kernel import calibration, catalog, spellings
from llmcap_kernel.__main__ import read_number, until_closed
from llmcap_kernel.refuse import BadInput, number, shown

from . import plan, report, timing


def fitted_times(cells, gpu):
    """Make up times by the fitted efficiencies, to show a report where there is no card.

    Parameters
    ----------
    cells : iterable of Cell
        What is planned.
    gpu : Gpu
        The card.

    Returns
    -------
    dict
        By the key of a cell, one time [s].
    """
    deployment = catalog.deployment(model="llama-3.1-8b", gpu=gpu.name)
    fitted, _ = calibration.efficiency_for(deployment, "other", False)
    return {
        cell.key: [cell.roofline_s(gpu) / getattr(fitted, report.efficiency_of(cell, gpu))]
        for cell in cells
    }


def measured_times(torch, cells, box, repeats):
    """Time every cell; one that cannot be measured leaves its reason.

    Parameters
    ----------
    torch : module
        PyTorch.
    cells : list of Cell
        What is planned.
    box : dict
        What `timing.machine` said.
    repeats : int
        Replays of each.

    Returns
    -------
    dict
        By the key of a cell, its times or the reason [s].
    """
    times = {}
    for count, cell in enumerate(cells, 1):
        print(f"\r{count} of {len(cells)} {'/'.join(map(str, cell.key)):60}", end="",
              file=sys.stderr, flush=True)  # fmt: skip
        try:
            times[cell.key] = timing.measure(torch, cell, box, repeats)
        except RuntimeError as problem:  # PyTorch's word for all that a card refuses
            times[cell.key] = str(problem).strip().splitlines()[0][:120]
            torch.cuda.empty_cache()
        except KeyboardInterrupt:
            print("\nstopped: what was measured so far is kept", file=sys.stderr)
            break
    print(file=sys.stderr)
    return times


def card_of(name):
    """Find the card of the catalogue that a driver's name means.

    Parameters
    ----------
    name : str
        As the driver or a person spells it.

    Returns
    -------
    Gpu
        The card.

    Raises
    ------
    BadInput
        When the catalogue has no such card.
    """
    return catalog.gpu(spellings.card(name).name or name)


def _options():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    add = parser.add_argument
    add("--dry", action="store_true", help="no card: print plan and report with made-up times")
    add("--gpu", help="the card in the catalogue's words (default: the driver's name)")
    add("--models", default=",".join(plan.MODELS), help="plain dense models, default %(default)s")
    add("--weights", default=",".join(plan.FORMATS), help="default %(default)s")
    add("--batches", default=",".join(map(str, plan.BATCHES)), help="default %(default)s")
    add("--contexts", default=",".join(map(str, plan.CONTEXTS)), help="default %(default)s")
    add("--repeats", default="30", help="timed replays of each cell, default %(default)s")
    add("--source", help="source id of the rows (default own-CARD-DATE)")
    add("--out", type=Path, default=Path("gpu-rows"), help="folder, default %(default)s")
    return parser


def _planned(args):
    def counts(field, most):
        parts = getattr(args, field).split(",")
        return [number(field, read_number(field, x, int), 1, most, whole=True) for x in parts]

    formats = [catalog.one_of("weights", x, plan.FORMATS) for x in args.weights.split(",")]
    return plan.cells(
        args.models.split(","), formats, counts("batches", 4096), counts("contexts", 1_000_000)
    )


def _keep(folder, cells, times, gpu, box, run):
    """Write a run: everything as JSON, and its rows as CSV."""
    timed = [
        {"cell": cell.key, "flops": cell.flops, "bytes": cell.bytes_read, "s": times[cell.key]}
        for cell in cells
        if cell.key in times
    ]
    record = run | {"gpu": gpu.name, "machine": box, "cells": timed}
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / run["source_id"]
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    report.write_csv(stem.with_name(f"{stem.name}.csv"), report.rows(cells, times, gpu, run))
    return stem


def _run(args):
    cells = _planned(args)
    repeats = number("repeats", read_number("repeats", args.repeats, int), 1, 10_000, whole=True)
    if args.dry:
        gpu = card_of(args.gpu or "h100-sxm")
        kept = [cell for cell in cells if plan.fits(cell, gpu.memory_visible_bytes)]
        print(f"DRY: nothing is measured. {len(kept)} cells would be; the times below are made up")
        print("from the fitted efficiencies, so the shares are those by construction.\n")
        print(report.text(kept, fitted_times(kept, gpu), gpu))
        return
    if args.source is not None and Path(args.source).name != args.source:
        raise BadInput("source", f"source is {shown(args.source)}: it takes a name, no path.")
    torch = timing.pytorch()
    box = timing.machine(torch)
    gpu = card_of(args.gpu or box["device"])
    kept = [cell for cell in cells if plan.fits(cell, box["memory_bytes"])]
    today = datetime.date.today().isoformat()
    run = {"source_id": args.source or f"own-{gpu.name}-{today}", "date": today}
    run |= {"torch": box["torch"], "repeats": repeats}
    times = measured_times(torch, kept, box, repeats)
    box["driver_after"] = timing.driver()
    stem = _keep(args.out, kept, times, gpu, box, run)
    print(report.text(kept, times, gpu))
    print(f"\nkept as {stem}.json and {stem}.csv")


def main(argv=None):
    """Measure, print and keep.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; the process's own when left out.

    Returns
    -------
    int
        0, or 2 when the input was refused or there is no card.
    """
    args = _options().parse_args(argv)
    try:
        _run(args)
    except BadInput as problem:
        print(f"gpu: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(until_closed(main))
