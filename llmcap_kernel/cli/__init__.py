"""The `llmcap` command: the same numbers as the book and the calculators.

A module a command, each with `options(parser)` and `run(args)`; a command's module is
imported when that command is asked for.
"""

import difflib
import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .. import __version__
from ..refuse import BadInput, shown

if TYPE_CHECKING:
    from argparse import Namespace

    from .options import Parser
    from .tables import Answer

# Name, module, and what the command is for, in the order that help has them.
COMMANDS = {
    "predict": ("predict", "one deployment: does it fit, how fast, at what price"),
    "scorecard": ("scorecard", "deployments side by side, and which one to run"),
    "design": ("design", "what to run for a load and limits, and why not the next one"),
    "compare": ("compare", "two to four deployments along users or tokens: who leads where"),
    "simulate": ("simulate", "requests at a rate, or a trace: p50 to p99 of what users wait for"),
    "cliff": ("cliff", "how many users are left as the context grows"),
    "launch": ("launch", "the command that runs it, and the one that checks the prediction"),
    "validate": ("validate", "your benchmark, or a start-up log, beside the prediction"),
    "calibrate": ("calibrate", "fit the efficiencies to measured rows, or learn from your own"),
    "models": ("catalogue", "models by name: parameters, context, format, date"),
    "gpus": ("catalogue", "cards by name: memory, bandwidth, FLOP/s, price"),
    "formats": ("catalogue", "number formats of weights and caches"),
    "engines": ("catalogue", "engines and their versions"),
    "prices": ("catalogue", "what a card rents at, by provider and day"),
    "check": ("check", "whether a card or a model is as the catalogue takes it"),
    "completion": ("completion", "a script that completes words in bash, zsh or fish"),
}
HELP = """usage: llmcap COMMAND [options]

Predict an LLM deployment before renting a GPU.

commands:
{commands}

examples:
  llmcap predict --model gpt-oss-120b --gpu h100-sxm --users 8
  llmcap predict --gpu rtx-4090 -- vllm serve Qwen/Qwen3-8B --max-model-len 32k
  llmcap design --model llama-3.1-70b --users 32 --itl-ms 50 --budget-usd-h 20
  llmcap simulate --model qwen3-32b --gpu h200-sxm --rate 2.5
  llmcap launch --model qwen3-32b --gpu h200-sxm --input 4000 --users 32
  llmcap validate results.json --gpu h100-sxm --tp 2
  llmcap gpus h200

exit status:
  0    an answer, also where it is no: does not start, nothing meets the limits
  1    no answer: no row of a file can be predicted, or nothing can be written
  2    bad input; one line says what is wrong and what is nearest
  3    validate --within SHARE: a row is farther off than that
  130  interrupted

llmcap COMMAND --help has the options; --json, --csv and --markdown print for
programs and pages. NO_COLOR turns colour off, COLUMNS sets the width.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; those of the process if omitted.

    Returns
    -------
    int
        0 with an answer, 1 where no row of a file can be predicted or the output cannot
        be written, 2 when the input is invalid, 3 where a row is farther off than
        `validate --within` asks, 130 when interrupted.
    """
    return until_closed(lambda: _answer(list(sys.argv[1:] if argv is None else argv)))


def until_closed(run: Callable[[], int]) -> int:
    """Run a command whose output may be closed early, as by `head`.

    Parameters
    ----------
    run : callable
        Prints, and returns the exit status.

    Returns
    -------
    int
        The status; 0 when the output was closed, 1 when it cannot be written.

    Examples
    --------
    >>> until_closed(lambda: 2)
    2
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal has no letters for
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return run()
        finally:  # also when --help leaves
            print(end="", flush=True)
    except OSError as problem:
        # the interpreter must not try again to write what is still buffered
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(problem, BrokenPipeError):
            return 0
        print(f"llmcap: the answer cannot be written: {problem.strerror}", file=sys.stderr)
        return 1


def _answer(argv: list[str]) -> int:
    try:
        return _run(argv)
    except BadInput as problem:
        print(f"llmcap: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nllmcap: interrupted", file=sys.stderr)
        return 130


def _run(argv: list[str]) -> int:
    word = argv[0] if argv else "--help"
    if word in ("--help", "-h", "help"):
        print(_help(), end="")
        return 0
    if word == "--version":
        print(f"llmcap {__version__}")
        return 0
    from .options import as_typed
    from .tables import Screen

    words, launched = _cut(argv[1:])
    parser = parser_of(_command(word))
    try:
        args, answer = _run_command(word, parser, words, launched, argv)
    except BadInput as problem:
        raise as_typed(problem, parser, words) from None
    print(answer.printed(args.how, Screen.here()))
    return answer.status


def _run_command(
    word: str, parser: "Parser", words: list[str], launched: list[str] | None, argv: list[str]
) -> tuple["Namespace", "Answer"]:
    from .options import read_own_cards

    args = parser.parse_args(words)
    args.launch, args.typed = launched, argv
    if launched is not None and word != "predict":
        own = f", or give {word} its --model and --gpu" if hasattr(args, "gpu") else ""
        told = f"a command behind -- is read by predict alone: ask llmcap predict{own}."
        raise BadInput("command line", told)
    read_own_cards(args)
    if hasattr(args, "own"):
        from .. import calibration

        calibration.use(args.own)
    return args, args.run(args)


# Two hyphens as a page or a chat writes them.
_DASHES = re.compile(r"^[-\u2010-\u2015\u2212]+(?=[a-zA-Z]|$)")


def _hyphened(word: str) -> str:
    """A word whose dashes are those of an option again."""
    dashes = _DASHES.match(word)
    return "--" + word[dashes.end() :] if dashes and dashes[0] not in ("-", "--") else word


def _cut(words: list[str]) -> tuple[list[str], list[str] | None]:
    """The words before `--`, and the command behind it."""
    words = [_hyphened(word) for word in words]
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _command(word: str) -> str:
    if word in COMMANDS:
        return word
    near = difflib.get_close_matches(word[:80].lower(), [*COMMANDS, "--help", "--version"], n=1)
    hint = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(COMMANDS)}."
    raise BadInput("command", f"command {shown(word)} is not known. {hint}")


def parser_of(command: str) -> "Parser":
    """Make the parser of one command.

    Parameters
    ----------
    command : str
        One of `COMMANDS`.

    Returns
    -------
    Parser
        With its options; its namespace has the function that runs it as `run`.

    Examples
    --------
    >>> parser_of("scorecard").prog
    'llmcap scorecard'
    """
    from ..explain import capitalised
    from .options import Parser

    name, about = COMMANDS[command]
    module = importlib.import_module(f"{__name__}.{name}")
    parser = Parser(prog=f"llmcap {command}", description=f"{capitalised(about)}.")
    parser.set_defaults(run=module.run, command=command, how=None)
    module.options(parser)
    words = [str(action.metavar) for action in parser._actions if not action.option_strings]
    parser.usage = " ".join([parser.prog, *words, "[options]"])
    return parser


def _help() -> str:
    rows = (f"  {name:12}{about}" for name, (_, about) in COMMANDS.items())
    return HELP.format(commands="\n".join(rows))
