"""The code cells of one page, run as a notebook runs them.

Standard library only: the same file runs in a page's worker and under the tests.
"""

import ast
import base64
import io
import linecache
import re
import time
import tokenize
import traceback
from contextlib import redirect_stderr, redirect_stdout
from itertools import count
from pprint import pformat

MOST_CHARACTERS = 200_000  # of one run; a page with more is of no use to anybody
MOST_DISPLAYS = 100
PAUSE_S = 0.1  # between two pieces of output, unless the code flushes
WIDTH = 79
CONTAINERS = (list, tuple, dict, set, frozenset)
RICH = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
}
IPYTHON = re.compile(r"\s*(\w+\s*=\s*)?[%!]|\s*\?|.*\?\s*$")
CARETS = re.compile(r"\s*[~^]+\s*$")


class Cells:
    """The names of one page, and the code that runs among them."""

    def __init__(self):
        self.namespace = {"__name__": "__main__", "__doc__": None, "input": _no_input}
        self._numbers = count(1)

    def run(self, code, say):
        """Run one cell.

        Parameters
        ----------
        code : str
            Its source. What a last expression gives is displayed, unless it ends in a semicolon.
        say : callable
            Takes each part of the output as it comes: ``{"stream": "stdout", "text": ...}`` or
            ``{"display": bundle}``.

        Returns
        -------
        dict
            ``bundle``, the last expression by MIME type, or None; ``error``, None or a dict of
            ``ename``, ``evalue`` and ``traceback``, which is at most three lines.
        """
        name = f"<cell {next(self._numbers)}>"
        output = Output(say)
        # mtime None: linecache then never looks for such a file
        linecache.cache[name] = (len(code), None, f"{code}\n".splitlines(keepends=True), name)
        self.namespace["display"] = output.display
        with redirect_stdout(output.stream("stdout")), redirect_stderr(output.stream("stderr")):
            try:
                answer = {"bundle": self._value(code, name), "error": None}
            except BaseException as error:  # sys.exit() ends the cell, not the worker
                answer = {"bundle": None, "error": describe_error(error, name)}
        output.flush()
        return answer

    def _value(self, code, name):
        """Run the statements; the bundle of the last one where it is an expression."""
        body, last = _compiled(code, name)
        exec(body, self.namespace)
        value = eval(last, self.namespace) if last else None
        if value is None or _is_quiet(code):
            return None
        self.namespace["_"] = value
        return bundle(value)


class Output:
    """What a cell prints and displays, in order, in pieces, and not without end.

    Parameters
    ----------
    say : callable
        Takes each piece.
    """

    def __init__(self, say):
        self._say = say
        self._name, self._held = "stdout", []
        self._last_s = float("-inf")
        self._room, self._displays = MOST_CHARACTERS, MOST_DISPLAYS

    def stream(self, name):
        """Make a file that writes to here.

        Parameters
        ----------
        name : str
            "stdout" or "stderr".

        Returns
        -------
        io.TextIOBase
            The file.
        """
        return _Stream(self, name)

    def write(self, name, text):
        """Take what was printed, and send it on at the end of a line, if the last was a while ago.

        Parameters
        ----------
        name : str
            "stdout" or "stderr".
        text : str
            What was printed.
        """
        if name != self._name:
            self.flush()
            self._name = name
        if self._room <= 0:
            return
        self._held.append(text[: self._room])
        self._room -= len(text)
        if self._room <= 0:  # nothing comes after it that would send it on
            self._held.append(f"\n[output ends here, after {MOST_CHARACTERS:,} characters]\n")
            self.flush()
        elif "\n" in text and time.monotonic() - self._last_s >= PAUSE_S:
            self.flush()

    def flush(self):
        """Send on what is held."""
        if text := "".join(self._held):
            self._held.clear()
            self._say({"stream": self._name, "text": text})
        self._last_s = time.monotonic()

    def display(self, *values):
        """Show values in the midst of the output, as a cell's last expression is shown.

        Parameters
        ----------
        *values : object
            What to show.
        """
        for value in values:
            self.flush()
            self._displays -= 1
            if self._displays >= 0:
                self._say({"display": bundle(value)})
            elif self._displays == -1:
                self.write("stdout", f"[only {MOST_DISPLAYS} displays are shown]\n")


class _Stream(io.TextIOBase):
    encoding = "utf-8"

    def __init__(self, output, name):
        self._output, self._name = output, name

    def writable(self):
        return True

    def write(self, text):
        self._output.write(self._name, text)
        return len(text)

    def flush(self):
        self._output.flush()


def bundle(value):
    """Write a value in every way it knows.

    Parameters
    ----------
    value : object
        Any.

    Returns
    -------
    dict of str to str
        MIME type to text; an image is base64.

    Examples
    --------
    >>> bundle([1, 2])
    {'text/plain': '[1, 2]'}
    """
    made = {"text/plain": _plain(value)}
    kind = type(value)  # as Python looks up its own: a class has not what its instances have
    for mime, method in RICH.items():
        if hasattr(kind, method):
            made[mime] = getattr(value, method)()
    if hasattr(kind, "_repr_mimebundle_"):
        whole = value._repr_mimebundle_()
        made |= whole[0] if isinstance(whole, tuple) else whole or {}
    if isinstance(made.get("image/png"), bytes):
        made["image/png"] = base64.b64encode(made["image/png"]).decode()
    return {mime: text for mime, text in made.items() if isinstance(text, str)}


def _plain(value):
    if isinstance(value, CONTAINERS):
        text = pformat(value, width=WIDTH, sort_dicts=False)
    else:
        text = repr(value)
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}\n[{len(text):,} characters in all]"


def _compiled(code, name):
    """The cell as statements, and its last expression or None."""
    try:
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        body = compile(tree, name, "exec", dont_inherit=True)
        if last is None:
            return body, None
        return body, compile(ast.Expression(last.value), name, "eval", dont_inherit=True)
    except SyntaxError as error:
        raise _Refused(_explained(error, code, name)) from None


class _Refused(Exception):
    """A cell that is no Python; its one argument is the SyntaxError to tell."""


def _explained(error, code, name):
    """The same error; in our words where the code is right in a notebook and not here."""
    line = (code.splitlines() or [""])[min(error.lineno or 1, code.count("\n") + 1) - 1]
    where = (name, error.lineno, None, line)
    if error.text is None:  # what the compiler finds after parsing comes without its source
        error.text = line
    if IPYTHON.match(line):
        text = "a command of IPython: this page runs plain Python, open the notebook in Jupyter"
        return SyntaxError(text, where)
    try:
        compile(code, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):
        return error
    return SyntaxError("await works in a function only: this page runs plain Python", where)


def _is_quiet(code):
    """Whether the code ends in a semicolon, whatever comment follows."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER)
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [t.string for t in tokens if t.type not in skipped][-1:] == [";"]


def _no_input(prompt=""):
    raise RuntimeError("input() does not work in a page: write the value into the cell")


def describe_error(error, name):
    """Tell an error as Python does, in at most three lines.

    Parameters
    ----------
    error : BaseException
        What was raised.
    name : str
        The cell that ran.

    Returns
    -------
    dict
        ``ename``, ``evalue``, and ``traceback``, a list of the line of the cell, the carets under
        it where Python has them, and the error.
    """
    if refused := isinstance(error, _Refused):
        error = error.args[0]
    # from the exception itself, so that Python may suggest the name that was meant
    only = "".join(traceback.TracebackException.from_exception(error).format_exception_only())
    shown = only if refused else _place(error)
    # of a message in several lines the first; what a SyntaxError says before it is indented
    last = next(line for line in only.splitlines() if not line.startswith(" "))
    lines = [*_numbered(shown, name), last]
    return {"ename": type(error).__name__, "evalue": str(error), "traceback": lines}


def _place(error):
    """The innermost line of a cell, as Python prints it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith("<cell ")]
    return "".join(traceback.StackSummary.from_list(ours[-1:]).format())


def _numbered(text, name):
    """Three lines of a traceback as two: its number beside the code, and the carets."""
    found = re.match(r'\s*File "(<cell \d+>)", line (\d+).*\n(.*)\n?(.*)', text)
    if not found:
        return []
    whose, number, code, carets = found.groups()
    head = f"line {number}: " if whose == name else f"line {number} of an earlier cell: "
    indent = len(code) - len(code.lstrip())
    under = [" " * len(head) + carets[indent:].rstrip()] if CARETS.match(carets[indent:]) else []
    return [head + code[indent:], *under]
