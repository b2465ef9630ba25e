"""What one calculator on a page remembers, whatever carries the messages: a kernel or a worker.

The page's front end holds a few traits and sets some of them; a session answers with the traits
that changed. `host.py` is the session in a notebook, `live/page.py` in the reader's browser.
"""

import json
import logging
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol
from urllib.parse import parse_qs

from llmcap_kernel import calibration, catalog
from llmcap_kernel.refuse import BadInput, one_of
from llmcap_kernel.spec.models import NO_CONFIG

from . import named
from .calculators import calculate, cliff, compare, design, scorecard, validate, vram
from .form import learnt
from .form.characters import whole_text
from .form.question import limited, unasked
from .form.state import QUESTION
from .form.upload import Upload
from .page import static_html, summary

CALCULATORS = {
    module.FORM.name: module
    for module in (calculate, design, vram, cliff, scorecard, compare, validate)
}
FIRST = "a."  # what the inputs of the first of several deployments begin with
NOT_READ = "Your file was not read, and nothing below is about it."
LISTS = (list, tuple)  # as a union it would be made anew for every value
LONG = 12  # items; longer lists travel apart from the views
LOG = logging.getLogger(__name__)
# What ends a calculation besides a fault: the memory a kernel may have, and a server's interrupt.
ENDED: dict[type[BaseException], str] = {
    MemoryError: "more memory than there is for one page",
    KeyboardInterrupt: "longer than one change may take",
}


Traits = dict[str, Any]


class Session(Protocol):
    """One calculator, exercise or guess in a page, whatever carries its messages."""

    kind: str  # "calculator", "exercise" or "guess"

    def traits(self) -> Traits:
        """Give what the page needs to draw at first."""

    def set(self, changed: Traits) -> Traits:
        """Take the traits that the page set, and give those that change in answer."""

    def message(
        self, content: Traits, buffers: list[bytes], say: Callable[[Traits], None]
    ) -> Traits:
        """Take a message of the page's own; `say` answers it. Give the traits that change."""


class Calculator:
    """A calculator without its carrier.

    Parameters
    ----------
    name : str
        One of `CALCULATORS`.
    query : str
        Inputs as an address spells them, such as "gpu=h200-sxm&ctx=32k".
    inputs : iterable of str
        The inputs that stand open, where a text is about these; the others are folded. Empty: all.

    Raises
    ------
    ValueError
        When there is no such calculator or input; what is wrong with a query is said in
        the view instead.
    """

    kind = "calculator"

    def __init__(self, name, query="", inputs=()):
        if name not in CALCULATORS:
            raise ValueError(f"no calculator {name!r}: there are {', '.join(CALCULATORS)}")
        self._calculator, self._upload, self._file = CALCULATORS[name], Upload(), ""
        query = whole_text(query)
        self._last, messages = self._calculator.FORM.parse(query)
        names = self._calculator.FORM.by_name
        self.inputs = [one_of("input", each, names) for each in inputs]
        self.lists = {}
        self.view = {}
        self._show(messages, question=_question(query))

    def traits(self):
        """What the page needs to draw at first.

        Returns
        -------
        dict
            `view`, the long `lists` that it names, and the `inputs` that stand open.
        """
        return {"lists": self.lists, "view": self.view, "inputs": self.inputs}

    def set(self, changed):
        """Answer what a person changed.

        Parameters
        ----------
        changed : dict
            `state`: a mapping of `values`, or a `query`, with the number `seq` of the question
            and the `client` that asks. Any browser sends it, so nothing in it is relied upon.

        Returns
        -------
        dict
            The traits that changed.
        """
        asked = whole_text(changed.get("state"))
        asked = asked if isinstance(asked, dict) else {}
        form = self._calculator.FORM
        values = asked.get("values", {})
        echo = {"seq": asked.get("seq", 0), "client": asked.get("client", "")}
        try:
            if "query" in asked:
                self._last, messages = form.parse(asked["query"])
            else:
                # An empty mapping is a reset; else an input that cannot be read keeps its value.
                before = self._last if values else form.defaults()
                self._last, messages = form.check(values, before)
            question = _question(asked["query"]) if "query" in asked else _typed(values)
            return self._show(messages, echo, question)
        except tuple(ENDED) as problem:
            self._last = form.defaults()
            text = f"These inputs took {ENDED[type(problem)]}. The calculator shows its start."
            return self._show([{"level": "error", "field": "", "text": text}], echo)

    def message(self, content, buffers, say):
        """Take a part of a reader's file; None in its place takes the last one away.

        Parameters
        ----------
        content : object
            A mapping with `file`; anything else is ignored.
        buffers : list of bytes
            The part.
        say : callable
            Takes each message for the page: how far it is, or what is wrong with the file.

        Returns
        -------
        dict
            The traits that changed.
        """
        if not isinstance(content, dict) or "file" not in content:
            return {}
        if not hasattr(self._calculator, "with_file"):
            return {}
        before = self._calculator
        try:
            whole = self._upload.add(content["file"], buffers) if content["file"] else ()
            if whole is None:
                return {}
            tell = _every_so_often(say)
            self._forget_another_file(whole[0] if whole else "")
            self._calculator = before.with_file(*whole, progress=tell)
            changed = self._show()
        except BadInput as problem:
            say({"file": {"problem": str(problem)}})
            # neither the verdict nor the name of a file before stands beside what is said of this
            self._forget_another_file("")
            self._calculator = CALCULATORS[before.FORM.name]
            changed = self._show()
            self.view = self.view | {"status": {"level": "warn", "text": NOT_READ}}
            return changed | {"view": self.view}
        except tuple(ENDED) as problem:
            self._calculator = before
            say({"file": {"problem": f"file takes {ENDED[type(problem)]}: split it."}})
            return {}
        except Exception:
            self._calculator = before
            LOG.exception("%s failed on a file", before.FORM.name)
            say({"file": {"problem": "file could not be shown, a fault of ours."}})
            return {}
        say({"file": {"done": True}})
        return changed

    def _forget_another_file(self, name):
        """Let go of what was set for the file before, unless this is that file again."""
        if self._file not in ("", name):
            self._last = self._calculator.without_file(self._last)
        self._file = name

    def _show(self, messages=(), echo=None, question=None):
        made = safe_view(self._calculator, self._last, messages, self.lists)
        refused = any(m["field"] == QUESTION and m["level"] == "error" for m in messages)
        asked = None if refused else question
        made = without_unasked(self._calculator, self._last, made, asked)
        made = _guessed(self._last, made)
        view, lists = parted(made, self.lists)
        # lists before the view that names them
        changed = {} if lists == self.lists else {"lists": lists}
        self.lists, self.view = lists, view | (echo or {})
        return changed | {"view": self.view}

    def whole(self):
        """The view with its long lists in it.

        Returns
        -------
        dict
            As the calculator's `view` made it.
        """

        def part(control):
            long = {k: v["list"] for k, v in control.items() if isinstance(v, dict) and "list" in v}
            return control | {key: self.lists[name] for key, name in long.items()}

        return self.view | {"controls": [part(control) for control in self.view["controls"]]}

    def _repr_mimebundle_(self, **kwargs):
        view = self.whole()
        return {"text/plain": summary(view), "text/html": static_html(view, self.inputs)}


def _every_so_often(say):
    def tell(done, total):
        if done % max(total // 20, 500) == 0:
            say({"file": {"rows": done, "of": total}})

    return tell


def safe_view(calculator, state, messages=(), sent=None):
    """Make a view whatever happens.

    Parameters
    ----------
    calculator : module
        With `FORM` and `view`.
    state : dict
        A complete state.
    messages : iterable of dict
        What was wrong with the inputs.
    sent : dict, optional
        The long lists that have travelled, as `parted` gives them.

    Returns
    -------
    dict
        The view; when it cannot be made, the one of the defaults under a
        message, and the reason in the log.
    """
    try:
        with calibration.using(learnt.read(state.get(learnt.NAME))):
            made = _sendable(calculator.view(state), sent or {})
    except MemoryError:
        raise
    except Exception:
        LOG.exception("%s failed on %s", calculator.FORM.name, calculator.FORM.query(state))
        text = "The calculator failed on these inputs, a fault of ours. It shows its start."
        messages = [*messages, {"level": "error", "field": "", "text": text}]
        made = calculator.view(calculator.FORM.defaults())
    made = with_company(calculator, state, made)
    # what was read of a question stands under it; what was not, at the verdict too
    receipt = [one for one in messages if one["field"] == QUESTION]
    rest = [one for one in messages if one["field"] != QUESTION]
    said = {"receipt": receipt, "messages": [*rest, *made["messages"]]}
    said["controls"] = [_noted(control, rest) for control in made["controls"]]
    return made | _refused(messages, made["status"]) | said


def _question(query):
    """The question that an address carries; None for none."""
    return parse_qs(query).get(QUESTION, [None])[0] if isinstance(query, str) else None


def _guessed(state, view):
    """Say first, and there alone, where a model's shape is taken from another's."""
    if not state.get("model") or state.get("config"):
        return view
    try:
        source = catalog.model(state["model"]).source
    except BadInput:  # any model, in a search
        return view
    if not source.startswith(f"{NO_CONFIG} of "):
        return view
    status, rest = view["status"], [one for one in view["messages"] if one["text"] != source]
    text = f"A guess: {source.replace(': ', ', ', 1)}. {status['text']}"
    return view | {"status": status | {"text": text}, "messages": rest}


def _typed(values):
    """The question among new values, or the command that is pasted as one; None for none."""
    if not isinstance(values, dict):
        return None
    from .form import from_launch  # a page opens without the readers of commands

    texts = ((k, v) for k, v in values.items() if isinstance(k, str) and isinstance(v, str))
    pasted = (text for name, text in texts if name.endswith("config"))
    commands = (text for text in pasted if from_launch.is_launch(text))
    return values.get(QUESTION) or next(commands, None)


def without_unasked(calculator, state, view, question):
    """Answer first what was asked where a no comes of limits alone that its question does not name.

    Parameters
    ----------
    calculator : module
        With `FORM` and `view`.
    state : dict
        A complete state.
    view : dict
        Its view.
    question : object
        What was asked; None where nothing was.

    Returns
    -------
    dict
        The view; its verdict is the answer without those limits, the numbers first where the
        calculator has `in_numbers`, and says beside it which are missed.
    """
    if view["status"]["level"] != "bad" or not question:
        return view
    limits = unasked(question, state, calculator.FORM.defaults())
    if not limits:
        return view
    numbers = getattr(calculator, "in_numbers", None)
    # the one limit that it is, else all of them
    for names in (*([name] for name in limits), list(limits)):
        status = safe_view(calculator, state | dict.fromkeys(names, 0))["status"]
        if status["level"] == "bad":
            continue
        said = f"Not asked for, and missed: this page's default {_of(limits, names)}."
        if numbers is None:  # the numbers below are of the answer within the limits
            within = f"With it: {view['status']['text']}"
            return view | {"status": _answer(view, status["text"], said, within)}
        if not limited(question):
            status = safe_view(calculator, state | dict.fromkeys(limits, 0))["status"]
        return view | {"status": _answer(view, f"{numbers(state)} {status['text']}".strip(), said)}
    return view


def _of(limits, names):
    return ", ".join(limits[name] for name in names)


def _answer(view, text, *beside):
    """A verdict without limits that nobody asked for, and what of them stands beside it."""
    said = " ".join(filter(None, (*beside, view["status"].get("beside"))))
    return view["status"] | {"level": "warn", "text": text, "beside": said}


def _noted(control, messages):
    """Say beside a list what became of its value, as another that it followed."""
    texts = [m["text"] for m in messages if m["field"] == control["name"] and m["level"] == "info"]
    if control["kind"] not in ("select", "search") or not texts:
        return control
    return control | {"help": " ".join([*texts, control["help"]]).strip()}


def _refused(messages, status):
    """Say at the verdict what was not taken: it is of other inputs than the reader's last."""
    wrong = [one["text"] for one in messages if one["level"] == "error"]
    doubts = [one["text"] for one in messages if one["level"] == "warning" and one["field"]]
    if not wrong and doubts:  # what was taken, though something else may be meant
        return {
            "status": status | {"beside": " ".join([*doubts, status.get("beside") or ""]).strip()}
        }
    if not wrong:
        return {}
    more = f" {len(wrong) - 1:,} more: below." if wrong[1:] else ""
    before = " ".join(filter(None, (status["text"], status.get("beside"))))
    return {"status": {"level": "warn", "text": f"{wrong[0]}{more}", "beside": f"Before: {before}"}}


def _sendable(view, sent):
    """A view as a message can carry it: a model's own name may hold half a character."""
    rest, lists = parted(view, sent)  # those that have travelled need no second look
    new = {name: value for name, value in lists.items() if name not in sent}
    text = json.dumps([rest, new], allow_nan=False, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return whole_text(view)
    return view


def parted(view, lists):
    """Take the long lists out of a view's controls: they travel once, a view at every move.

    Parameters
    ----------
    view : dict
        A view.
    lists : dict
        The lists that have travelled, by name.

    Returns
    -------
    tuple of dict
        The view with names for lists, and all lists so far.
    """
    lists = dict(lists)

    def named(value):
        same = (name for name, known in lists.items() if known is value or known == value)
        name = next(same, None) or f"{zlib.crc32(json.dumps(value).encode()):08x}"
        lists[name] = value
        return {"list": name}

    def short(control):
        long = [k for k, v in control.items() if isinstance(v, LISTS) and len(v) > LONG]
        return control | {key: named(control[key]) for key in long} if long else control

    return view | {"controls": [short(control) for control in view["controls"]]}, lists


def with_company(calculator, state, view):
    """Add what every view has and no calculator makes: presets, a hint, a name, links to others.

    Parameters
    ----------
    calculator : module
        With `FORM`, and `PRESETS`, `HINT` and `ASKS`, a question to type, where it has them.
    state : dict
        A complete state.
    view : dict
        Its view.

    Returns
    -------
    dict
        The view.
    """
    form = calculator.FORM
    hint = getattr(calculator, "HINT", "") if state == form.defaults() else ""
    hint = hint() if callable(hint) else hint
    company = {
        "presets": presets(form.name),
        "hint": hint,
        "ask": getattr(calculator, "ASKS", ""),
        "links": view.get("links") or links(form, state | view.get("hands_on", {})),
    }
    return view | company | {"named": named.name(view)}


@cache
def presets(name):
    """List where a reader of a calculator may start from.

    Parameters
    ----------
    name : str
        One of `CALCULATORS`.

    Returns
    -------
    list of dict
        Each a label, a note and a query.
    """
    calculator = CALCULATORS[name]
    form = calculator.FORM
    return [
        {
            "label": one["label"],
            "note": one["note"],
            "query": form.query(form.check(one["values"])[0]),
        }
        for one in getattr(calculator, "PRESETS", ())
    ]


def links(form, state):
    """Find the other calculators that take the same deployment.

    Parameters
    ----------
    form : Form
        The inputs of the calculator in view.
    state : dict
        Its state.

    Returns
    -------
    list of dict
        Each a name, a title and a query.
    """
    # Of several deployments the first goes along, and becomes the first of several.
    here = {name.removeprefix(FIRST): value for name, value in state.items()}
    found = []
    for name, other in CALCULATORS.items():
        names, optional, defaults = _asked(name)
        both = names.keys() & here.keys()
        if other.FORM is form or not (
            {"model", "gpu"} <= both or (here.get(learnt.NAME) and learnt.NAME in both)
        ):
            continue
        values = {
            names[key]: value
            for key, value in here.items()
            if key in names and (value is not None or names[key] in optional)
        }
        found.append(
            {"name": name, "title": other.TITLE, "query": other.FORM.query(defaults | values)}
        )
    return found


@cache
def _asked(name):
    """What a calculator asks of a deployment, by the names that all share; and its defaults.

    Of the names those are optional that may be empty: what is left to the kernel elsewhere may
    have to be a number there.
    """
    form = CALCULATORS[name].FORM
    names = {name.removeprefix(FIRST): name for name in form.by_name}
    return names, {field.name for field in form.fields if field.read_empty}, form.defaults()
