"""`llmcap simulate`: a load that arrives at a rate, served step by step."""

import argparse
from collections.abc import Callable
from typing import Any

from .. import design, simulation
from ..explain import counted, digits, quantity
from ..refuse import BadInput, number, one_of, shown
from ..simulation import PERCENTS, Arrivals, Band, Lengths, Load, Request, Simulated
from ..spec import Deployment, Slo, Workload
from . import cards
from .options import (
    LENGTHS,
    add_cards,
    add_engine,
    add_model,
    add_output,
    add_own,
    by_default,
    given,
    rate_of,
    read_deployment,
    read_number,
)
from .progress import Bar
from .tables import Answer, Column, Screen, Table

REQUESTS = 1000
# Mean tokens of a chat's prompt and answer. The usual load of the other commands is longer: of it
# two H100s answer a 70B half a request a second, and a rate is mostly asked of chats.
CHAT = (1000, 500)
LONGEST = 4  # times the mean: a request that is drawn is no longer
SPREAD = 0.3  # users with answers of one length fall into step, which real ones do not
NAMES = {"ttft": "First token", "itl": "Each gap", "tpot": "Mean gap", "e2e": "Answer"}
RANKS = {"mean": 2, "p90": 1}  # what a narrow screen leaves out first
# what says how requests are drawn, which a trace does not need
OF_A_DRAW = (
    *("arrivals", "burstiness", "concurrency", "seed"),
    *("input", "output", "spread", "shared_prefix", "turns", "think_s"),
)


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    add_model(parser)
    add_cards(parser)
    add_engine(parser)
    _add_arrivals(parser)
    _add_lengths(parser)
    _add_limits(parser)
    add_own(parser)
    add_output(parser)


def _add_arrivals(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("arrivals", "k is 1 000").add_argument
    rate = "requests a second; also N/min, N/h or N/day (default: a trace's own)"
    add("--rate", metavar="RPS", help=rate)
    add(
        "--arrivals",
        metavar="KIND",
        help="poisson, bursty, once (all at once) or users (each sends the next request when the "
        "last is answered) (default poisson; users or bursty, where their number or CV is given)",
    )
    add(
        "--burstiness",
        metavar="CV",
        help="standard deviation of bursty gaps over their mean (default 2); vllm bench serve "
        "states 1 / CV^2 by this name",
    )
    add(
        "--users",
        "--concurrency",
        dest="concurrency",
        metavar="N",
        help="users of a closed loop (default none)",
    )
    add("--requests", metavar="N", help=f"how many are simulated (default {REQUESTS:,})")
    add(
        "--trace",
        metavar="FILE",
        help="arrivals and lengths from a file: Azure LLM, BurstGPT, Mooncake, or the log of "
        "requests of vLLM or SGLang (default none)",
    )
    add("--seed", metavar="N", help="the same seed draws the same requests (default 0)")


def _add_lengths(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("lengths", "k is 1 000").add_argument
    add(
        "--input",
        metavar="TOKENS",
        help=f"mean prompt, or what a turn adds (default {CHAT[0]:,})",
    )
    add("--output", metavar="TOKENS", help=f"mean answer (default {CHAT[1]:,})")
    add(
        "--spread",
        metavar="SHARE",
        help="standard deviation of lognormal lengths over their mean; 0: all "
        f"equal (default {SPREAD})",
    )
    add("--shared-prefix", metavar="TOKENS", help="leading tokens that all share (default 0)")
    add("--turns", metavar="N", help="requests of a session, each with all before it (default 1)")
    add("--think-s", metavar="S", help="mean time before the next turn, or request (default 0)")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("limits", "what a good request meets").add_argument
    add("--itl-ms", metavar="MS", help="longest mean gap between its tokens (default none)")
    add("--ttft-ms", metavar="MS", help="longest wait for its first token (default none)")


def run(args: argparse.Namespace) -> Answer:
    """Simulate a load.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        Percentiles, goodput, and the rate that the cards cannot exceed.

    Raises
    ------
    BadInput
        When a length, a rate or a count is out of range, or the rate beyond what the cards can.
    """
    slo = _limits(args)
    d = read_deployment(args)
    usual = _usual_lengths(args, d)
    load, left_out = _load(args)
    lengths = _length_words(args, load, usual)
    _refuse_beyond(args, d, load, lengths if usual else "")
    with Bar("simulating") as bar:
        found = simulation.estimated(d, load, progress=bar.share)
    bursts = _burst_words(args)
    data = {**_data(d, load, found, slo), "lengths": lengths}
    more = {"bursts": bursts, "left_out": left_out}
    data |= {name: text for name, text in more.items() if text}
    said = " ".join(filter(None, (lengths, *more.values())))
    return Answer(data, _records(found), _table(found), _text(d, load, found, slo, said))


def _limits(args: argparse.Namespace) -> Slo:
    def seconds(name: str) -> float | None:
        text = getattr(args, name)
        return None if text is None else number(name, read_number(name, text), 1e-3, 1e8) / 1e3

    return Slo(itl_s=seconds("itl_ms"), ttft_s=seconds("ttft_ms"))


def _usual_lengths(args: argparse.Namespace, d: Deployment) -> list[str]:
    """Take a chat's lengths where nobody says others, and name the options that would."""
    usual = by_default(args, *LENGTHS, "spread")
    turns = _whole(args, "turns", 1)
    most = d.request_limit_tokens // max(LONGEST + turns - 1, 1)
    prompt, answer = (max(int(min(1, most / sum(CHAT)) * tokens), 1) for tokens in CHAT)
    if args.trace is None:
        args.input, args.output = given(args.input, prompt), given(args.output, answer)
    return usual


def _load(args: argparse.Namespace) -> tuple[tuple[Request, ...], str]:
    """The requests, drawn or read, and what of a trace is left out."""
    rate = None if args.rate is None else rate_of(args.rate)
    if args.trace is not None:
        from ..evidence import traces

        _check_trace(args)
        most = None if args.requests is None else _whole(args, "requests", REQUESTS)
        trace = traces.read(args.trace, most)
        return simulation.of_trace(trace.requests, rate_rps=rate), trace.left_out
    load = Load(
        count=_whole(args, "requests", REQUESTS),
        arrivals=_arrivals(args, rate),
        prompt=_lengths(args, "input"),
        answer=_lengths(args, "output"),
        turns=_whole(args, "turns", 1),
        think_s=read_number("think_s", given(args.think_s, 0)),
        shared_prefix_tokens=_whole(args, "shared_prefix", 0),
        seed=_whole(args, "seed", 0),
    )
    return simulation.requests(load), ""


def _check_trace(args: argparse.Namespace) -> None:
    for name in OF_A_DRAW:
        if getattr(args, name) is not None:
            option = "users" if name == "concurrency" else name.replace("_", "-")
            message = f"trace has arrivals and lengths of its own: leave out --{option}."
            raise BadInput("trace", message)


def _whole(args: argparse.Namespace, name: str, default: int) -> int:
    return int(read_number(name, given(getattr(args, name), default), int))


def _lengths(args: argparse.Namespace, name: str) -> Lengths:
    mean = number(name, _whole(args, name, 0), 1, 1e8, "tokens")
    return Lengths(mean, read_number("spread", given(args.spread, SPREAD)), "lognormal")


def _length_words(args: argparse.Namespace, load: tuple[Request, ...], usual: list[str]) -> str:
    """How long prompts and answers are, and which of that nobody asked for."""
    if args.trace is not None:
        prompt, answer = _means(load)
        lengths = f"Prompts of {prompt:,} tokens and answers of {answer:,}"
        return f"{lengths} on average, as the trace has them."
    of = "Prompts of" if _whole(args, "turns", 1) == 1 else "Turns that add"
    words = (
        f"{of} {_whole(args, 'input', 0):,} tokens and answers of "
        f"{_whole(args, 'output', 0):,} on average, with a spread of "
        f"{read_number('spread', given(args.spread, SPREAD)):g}"
    )
    return f"{words} ({cards.defaults(usual)})." if usual else f"{words}."


def _means(load: tuple[Request, ...]) -> tuple[int, int]:
    """Tokens of a prompt and of an answer, on average."""
    prompt, answer = (
        max(round(sum(getattr(one, of) for one in load) / len(load)), 1)
        for of in ("input_tokens", "output_tokens")
    )
    return prompt, answer


def _arrivals(args: argparse.Namespace, rate: float | None) -> Arrivals:
    implied = "bursty" if args.burstiness is not None else "poisson"
    kind = given(args.arrivals, "users" if args.concurrency is not None else implied)
    kind = one_of("arrivals", kind, simulation.KINDS)
    if args.burstiness is not None and kind != "bursty":
        raise BadInput(
            "burstiness", f"burstiness is given: arrivals {kind} have none of their own."
        )
    users = _whole(args, "concurrency", 1)
    if kind in ("once", "users"):
        if rate is not None:
            raise BadInput("rate", f"rate is {shown(args.rate)}: arrivals {kind} take none.")
        if kind == "users" and args.concurrency is None:
            raise BadInput("users", "users is missing: arrivals users take --users N.")
        return Arrivals(kind, users=users)
    if rate is None:
        raise BadInput("rate", "rate is missing: it takes requests a second, or give --trace FILE.")
    return Arrivals(kind, rate, read_number("burstiness", given(args.burstiness, 2)))


def _burst_words(args: argparse.Namespace) -> str:
    """What a CV is to vLLM's client, whose --burstiness is the shape of a gamma law, 1 / CV^2."""
    if args.trace is not None or (args.burstiness is None and args.arrivals != "bursty"):
        return ""
    cv = float(read_number("burstiness", given(args.burstiness, 2)))
    how = "steadier than" if cv < 1 else "burstier than" if cv > 1 else "the same as"
    theirs = f", --burstiness {digits(1 / cv**2, 3)} of vllm bench serve" if cv else ""
    return f"Gaps between requests have a CV of {digits(cv, 3)}, {how} at random{theirs}."


def _refuse_beyond(
    args: argparse.Namespace, d: Deployment, load: tuple[Request, ...], lengths: str
) -> None:
    """A rate that cannot last has no percentiles: they grow with the length of the run."""
    if args.rate is None or args.trace is not None:
        return
    most = simulation.saturation(d, load)
    if rate_of(args.rate) > most:
        message = (
            f"rate is {shown(args.rate)}: the queue would grow without end, since {d.title} "
            f"saturates at {digits(most, 3)} requests/s (saturates_rps)."
        )
        raise BadInput("rate", f"{message} {lengths}".rstrip())


def _bands(found: Simulated) -> dict[str, dict[str, Band]]:
    """The mean and the percentiles of each latency."""
    return {
        name: {"mean": found.mean(name)}
        | {f"p{percent:g}": found.percentile(name, percent) for percent in PERCENTS}
        for name in NAMES
    }


def _interval(band: Band, scale: float = 1.0) -> dict[str, float]:
    return {name: end * scale for name, end in band._asdict().items()}


def _data(d: Deployment, load: tuple[Request, ...], found: Simulated, slo: Slo) -> dict[str, Any]:
    answered, good = found.run.completed, found.goodput(slo)
    return {
        **{"deployment": d.title, "engine": d.engine.name, "requests": len(load)},
        **{
            f"{name}_ms": {at: _interval(band, 1e3) for at, band in bands.items()}
            for name, bands in _bands(found).items()
        },
        "goodput_rps": good.value,
        "goodput_interval_rps": [good.low, good.high],
        "saturates_rps": found.saturates.value,
        "saturates_interval_rps": [found.saturates.low, found.saturates.high],
        "offered_rps": simulation.offered_rps(load),
        "duration_s": simulation.duration_s(found.run),
        "output_tok_s": _rate(found, "output_tokens"),
        "prompt_tokens": sum(one.input_tokens for one in answered),
        "cached_tokens": sum(one.cached_tokens for one in answered),
        "preemptions": sum(one.preempted for one in answered),
        "warnings": _warnings(d, load, found),
        "interval": found.reason,
    }


def _warnings(d: Deployment, load: tuple[Request, ...], found: Simulated) -> list[str]:
    """What to set where the engine's own limit on sequences was reached."""
    peak = max((group.decoding for group in found.run.groups), default=0)
    notes = design.warnings(d, Workload(*_means(load), max(peak, 1)))
    return [note.text for note in notes if note.about == "sequences"]


def _rate(found: Simulated, of: str) -> float:
    length_s = simulation.duration_s(found.run)
    return sum(getattr(one, of) for one in found.run.completed) / length_s if length_s else 0.0


def _records(found: Simulated) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "quantity": name,
            "statistic": at,
            **{f"{k}_ms": v for k, v in _interval(one, 1e3).items()},
        }
        for name, bands in _bands(found).items()
        for at, one in bands.items()
    )


def _table(found: Simulated) -> Table:
    made = _bands(found)
    heads = tuple(Column(at, RANKS.get(at, 0), left=True) for at in made["ttft"])
    rows = tuple(
        (NAMES[name], *(_cell(band) for band in bands.values())) for name, bands in made.items()
    )
    return Table((Column("", left=True), *heads), rows)


def _cell(band: Band) -> str:
    """A time and its interval, in one unit."""
    value = quantity(band.value, "s", 2)
    unit = value.rpartition(" ")[2]
    scale = {"ms": 1e3, "µs": 1e6}.get(unit, 1.0)
    return f"{value} ({digits(band.low * scale, 2)} to {digits(band.high * scale, 2)})"


def _text(
    d: Deployment, load: tuple[Request, ...], found: Simulated, slo: Slo, lengths: str
) -> Callable[[Screen], str]:
    answered, most, good = found.run.completed, found.saturates, found.goodput(slo)
    limits = "within the limits" if slo != Slo() else "of all answers"
    cached = sum(one.cached_tokens for one in answered)
    share = cached / max(sum(one.input_tokens for one in answered), 1)
    lost = sum(one.preempted for one in answered)
    sentences = [
        f"Goodput {digits(good.value, 3)} requests/s {limits} "
        f"({digits(good.low, 3)} to {digits(good.high, 3)}).",
        f"It saturates at {digits(most.value, 3)} requests/s "
        f"({digits(most.low, 3)} to {digits(most.high, 3)}).",
    ]
    if cached:
        sentences.append(f"The prefix cache held {share:.0%} of the prompts' tokens.")
    if simulation.offered_rps(load) > most.value:
        sentences.append("More comes than it can serve: what users wait for grows with the run.")
    sentences += _warnings(d, load, found)
    if lost:
        sentences.append(f"{lost:,} times a sequence lost its cache and was computed anew.")
    table = _table(found)

    def text(screen: Screen) -> str:
        head = screen.paint(screen.prose(d.title), "bold")
        took = quantity(simulation.duration_s(found.run), "s")
        count = f"{counted(len(answered), 'request')} in {took}."
        lines = "\n".join(screen.prose(line) for line in sentences)
        why = screen.prose(
            f"In brackets: as far as the interval of the means moves it ({found.reason})."
        )
        return "\n\n".join(
            [f"{head}\n{screen.prose(f'{count} {lengths}')}", table.text(screen), lines, why]
        )

    return text
