"""`llmcap completion`: a script that completes commands, options and names in a shell."""

import argparse
from collections.abc import Callable, Iterable

from .. import catalog, simulation
from ..refuse import one_of
from . import COMMANDS, compare, parser_of
from .options import Parser
from .tables import Answer, Table

FILES = "files"
# what a value is, by the option or the positional argument
VALUES: dict[str, Callable[[], Iterable[str]]] = {
    "model": catalog.models,
    "draft": catalog.models,
    "gpu": catalog.gpus,
    "weights": catalog.formats,
    "kv": lambda: catalog.formats(kv=True),
    "engine": catalog.engines,
    "along": lambda: compare.ALONG,
    "show": lambda: compare.SHOW,
    "arrivals": lambda: simulation.KINDS,
    "shell": lambda: SHELLS,
}
TAKES_FILES = ("config", "out", "file", "rows", "trace")
# what words after a command are
WORDS: dict[str, Callable[[], Iterable[str]]] = {
    "models": catalog.models,
    "gpus": catalog.gpus,
    "formats": catalog.formats,
    "engines": catalog.engines,
    "prices": catalog.gpus,
    "completion": lambda: SHELLS,
}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of this command.
    """
    parser.add_argument(
        "shell",
        metavar="SHELL",
        help='bash, zsh or fish. Put `eval "$(llmcap completion bash)"` into ~/.bashrc, or the '
        "like with zsh after compinit into ~/.zshrc; `llmcap completion fish | source` into "
        "config.fish",
    )


def run(args: argparse.Namespace) -> Answer:
    """Write the script of a shell.

    Parameters
    ----------
    args : Namespace
        As read.

    Returns
    -------
    Answer
        The script, which needs nothing when it runs.
    """
    script = SHELLS[one_of("shell", args.shell, SHELLS)]()
    return Answer({}, (), Table((), ()), lambda screen: script)


def _flags(parser: Parser) -> list[argparse.Action]:
    return [a for a in parser._actions if a.option_strings]


def _by_flag() -> dict[str, str]:
    """What completes the value of each option: names parted by blanks, or FILES."""
    out: dict[str, str] = {}
    for command in COMMANDS:
        for action in _flags(parser_of(command)):
            if action.nargs == 0:
                continue
            choices = FILES if action.dest in TAKES_FILES else " ".join(_values(action.dest))
            out |= dict.fromkeys(action.option_strings, choices)
    return out | {"--rows": ""}


def _values(dest: str) -> Iterable[str]:
    return VALUES.get(dest, tuple)()


def _after(command: str) -> str:
    """What may stand after a command: its options, and words of its own."""
    flags = [flag for a in _flags(parser_of(command)) for flag in a.option_strings]
    return " ".join([*flags, *WORDS.get(command, tuple)()])


def _grouped() -> list[tuple[str, str]]:
    """Flags that take the same values, joined by a bar, and the values."""
    same: dict[str, list[str]] = {}
    for flag, values in _by_flag().items():
        same.setdefault(values, []).append(flag)
    return [("|".join(flags), values) for values, flags in same.items()]


def _bash() -> str:
    cases = [
        f"    {flags}) {'files=1' if values == FILES else f'words={_quoted(values)}'} ;;"
        for flags, values in _grouped()
    ]
    commands = [f"      {name}) words={_quoted(_after(name))} ;;" for name in COMMANDS]
    return "\n".join(
        [
            "_llmcap() {",
            "  local cur=${COMP_WORDS[COMP_CWORD]} words= files=",
            "  case ${COMP_WORDS[COMP_CWORD-1]} in",
            *cases,
            "    *) case ${COMP_WORDS[1]} in",
            *commands,
            "      esac",
            "      case ${COMP_WORDS[1]} in validate|calibrate) files=1 ;; esac ;;",
            "  esac",
            f"  [ $COMP_CWORD -eq 1 ] && words={_quoted(' '.join(_first()))} files=",
            '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
            '  [ -n "$files" ] && COMPREPLY+=($(compgen -f -- "$cur"))',
            "}",
            "complete -o filenames -F _llmcap llmcap",
        ]
    )


def _zsh() -> str:
    cases = [
        f"    ({flags}) {'_files' if values == FILES else f'compadd -- {values}'}; return ;;"
        for flags, values in _grouped()
    ]
    commands = [
        f"    ({name}) compadd -- {_after(name)}{'; _files' if name in TAKING else ''} ;;"
        for name in COMMANDS
    ]
    return "\n".join(
        [
            "#compdef llmcap",
            "_llmcap() {",
            f"  if (( CURRENT == 2 )); then compadd -- {' '.join(_first())}; return; fi",
            "  case $words[CURRENT-1] in",
            *cases,
            "  esac",
            "  case $words[2] in",
            *commands,
            "  esac",
            "}",
            "compdef _llmcap llmcap",
        ]
    )


def _fish() -> str:
    lines = ["complete -c llmcap -f", "complete -c llmcap -n __fish_use_subcommand -l version"]
    for name, (_, about) in COMMANDS.items():
        lines.append(f"complete -c llmcap -n __fish_use_subcommand -a {name} -d {_quoted(about)}")
        seen = f"complete -c llmcap -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{seen} {_fish_option(action)}" for action in _flags(parser_of(name))]
        words = " ".join(WORDS.get(name, tuple)())
        lines += [f"{seen} -a {_quoted(words)}"] if words else []
        lines += [f"{seen} -F"] if name in TAKING else []
    return "\n".join(lines)


def _fish_option(action: argparse.Action) -> str:
    names = [f"-l {flag[2:]}" if flag[:2] == "--" else f"-s {flag[1:]}" for flag in
             action.option_strings]  # fmt: skip
    about = f"-d {_quoted(str(action.help).split(' (')[0])}"
    if action.nargs == 0:
        return " ".join([*names, about])
    if action.dest in TAKES_FILES and action.option_strings != ["--rows"]:
        return " ".join([*names, "-r -F", about])
    return " ".join([*names, f"-x -a {_quoted(' '.join(_values(action.dest)))}", about])


def _first() -> list[str]:
    return [*COMMANDS, "--help", "--version"]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


TAKING = ("validate", "calibrate")  # commands whose argument is a file
SHELLS: dict[str, Callable[[], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
