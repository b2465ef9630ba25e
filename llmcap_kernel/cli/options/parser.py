"""The parser of a command line, and what it says of words that it does not know."""

import argparse
import difflib
import re
import textwrap
from itertools import pairwise
from pathlib import PurePath
from typing import Any, NoReturn

from ...catalog import names
from ...refuse import BadInput, either, printable, shown, typed_number

# Fields of what is counted, and the options that set them where these are named otherwise.
SET_BY = {
    "input_tokens": "input",
    "output_tokens": "output",
    "shared_prefix_tokens": "shared_prefix",
    "speculation tokens": "draft_tokens",
    "speculation accept": "accept",
}


class _Help(argparse.HelpFormatter):
    """An option by its first spelling; the help behind it has the others."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if "; also --" not in (action.help or ""):
            return super()._format_action_invocation(action)
        first = action.option_strings[0]
        takes = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        return f"{first}{takes}"

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


class _Once(argparse._StoreAction):
    """An option that two of its spellings may not give two values; of one the last stands."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        before = parser.given.setdefault(self.dest, (option_string, values))
        if before[0] != option_string and before[1] != values:
            first, second = (shown(str(text)) for text in (before[1], values))
            both = f"{before[0]} {first} and {option_string} {second}"
            raise BadInput("command line", f"{both} set the same: give one of them.")
        super().__call__(parser, namespace, values, option_string)


class Parser(argparse.ArgumentParser):
    """A parser that complains in one sentence and names the nearest option."""

    def __init__(self, **how: Any) -> None:
        super().__init__(formatter_class=_Help, **how)
        self.given: dict[str, tuple[str | None, Any]] = {}  # by what an option sets
        self.register("action", None, _Once)

    def error(self, message: str) -> NoReturn:
        """Refuse what was given.

        Parameters
        ----------
        message : str
            What is wrong.

        Returns
        -------
        never
            It raises.
        """
        found = re.match(r"ambiguous option: (\S+) could match (.*)", message)
        if found:
            message = f"{found[1]} could be {either(found[2].split(', '), most=3)}"
        raise BadInput("command line", f"{message} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Reject arguments that are left over, and suggest the nearest option.

        Parameters
        ----------
        args, namespace : object
            As argparse has them.

        Returns
        -------
        tuple
            What was read, and nothing left over.
        """
        self.given.clear()
        found, rest = super().parse_known_args(args, namespace)
        if not rest:
            return found, rest
        word = rest[0].partition("=")[0]
        options = [text for action in self._actions for text in action.option_strings]
        near = _nearest_option(word, options)
        takes = [str(action.metavar) for action in self._actions if not action.option_strings]
        if takes and not near and word[:1] != "-":
            many = f"it takes one {takes[0]}"
            raise BadInput("command line", f"{shown(rest[0])} is one too many: {many}.")
        hint = f"Did you mean {near[0]}?" if near else f"See {self.prog} --help."
        if not near and "Behind --" in (self.epilog or "") and PurePath(rest[0]).suffix:
            hint = f"A manifest or a command in a file stands behind --: {self.prog} -- {rest[0]}"
        raise BadInput("command line", f"{shown(rest[0])} is not known here. {hint}")


def as_typed(problem: BadInput, parser: argparse.ArgumentParser, words: list[str]) -> BadInput:
    """Name in a refusal the options that the reader typed, in place of the fields they set.

    Parameters
    ----------
    problem : BadInput
        What is wrong, by the name of a field.
    parser : ArgumentParser
        Of the command.
    words : list of str
        Its arguments.

    Returns
    -------
    BadInput
        The same, with `--users` where concurrency was set by it.

    Examples
    --------
    >>> from llmcap_kernel.cli.options import add_load
    >>> parser = Parser()
    >>> add_load(parser)
    >>> refused = BadInput("concurrency", "concurrency is 0: it takes 1.")
    >>> str(as_typed(refused, parser, ["--users", "0"]))
    '--users is 0: it takes 1.'
    """
    typed = {word.partition("=")[0] for word in words if word.startswith("-")}
    text = str(problem)
    for field in {problem.field: None, **dict.fromkeys(SET_BY)}:
        dest = SET_BY.get(field, field.replace(" ", "_"))
        options = next((one.option_strings for one in parser._actions if one.dest == dest), [])
        alike = (word for word in typed if word in options or _plain(word) == _plain(field))
        option = next(alike, "")
        if option and field == problem.field:
            text = re.sub(rf"^{re.escape(field)}(?=[ :])", option, text)
            text = _number_as_typed(text, option, words)
        if options:  # a bound that another field sets
            text = text.replace(f"({field})", f"({option or options[0]})")
    return BadInput(problem.field, text)


def _number_as_typed(text: str, option: str, words: list[str]) -> str:
    """A refusal with the number as it was typed: 1e9, and not 1000000000.0."""
    behind = dict(pairwise(words))
    stated = (word.partition("=")[2] for word in words if word.startswith(f"{option}="))
    typed = next(stated, behind.get(option, ""))
    found = re.match(rf"{re.escape(option)} is (-?[\d.]+(?:e[+-]?\d+)?)(?=:)", text)
    if not found or typed_number(typed) != float(found[1]):
        return text
    return f"{text[: found.start(1)]}{printable(typed, 40)}{text[found.end(1) :]}"


def _plain(name: str) -> str:
    return re.sub(r"[ -]", "_", name.lstrip("-"))


def _nearest_option(word: str, options: list[str]) -> list[str]:
    """The option that a word is most like, or the one that takes a name which stands alone."""
    if word[:1] == "-":
        bare = {text.lstrip("-"): text for text in options}
        near = difflib.get_close_matches(word.lstrip("-")[:80].lower(), bare, n=1)
        return [bare[name] for name in near]
    if "--model" in options and names.model_name(word):
        return [f"--model {word}"]
    return [f"--gpu {word}"] if "--gpu" in options and names.card(word).name else []
