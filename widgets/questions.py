"""Exercises and guesses in a page: the HTML that asks, and the session that answers.

The HTML is complete without a script: the input stands there, hints and answers unfold. The
front end takes this very HTML over, so nothing moves when it starts.
"""

from abc import ABC, abstractmethod
from html import escape

from llmcap_kernel.explain import capitalised, digits
from llmcap_kernel.refuse import BadInput, one_of

from .exercises import EXERCISES, judge
from .figures.beside import bars, beside, times_off, worded
from .form import units
from .guesses import GUESSES


class _Question(ABC):
    """What an exercise and a guess share: their HTML, and no message of their own."""

    kind: str

    @property
    @abstractmethod
    def text(self):
        """The question's text form, the same at every run."""

    @abstractmethod
    def set(self, changed):
        """Take an answer of the page, `{"answer": {"text": "8.39 GB", "seq": 1}}`."""

    @abstractmethod
    def _html(self): ...

    def traits(self):
        """Give what the page needs to draw at first."""
        return {"html": self._html(), "answer": None, "verdict": {}}

    def message(self, content, buffers, say):
        """Take a message; a question has none."""
        return {}

    def _repr_mimebundle_(self, **kwargs):
        return {"text/plain": self.text, "text/html": self._html()}


class ExerciseSession(_Question):
    """One exercise in a page.

    Parameters
    ----------
    name : str
        Number of the exercise, such as "3.1".

    Raises
    ------
    BadInput
        When there is no such exercise.
    """

    kind = "exercise"

    def __init__(self, name):
        self.name = one_of("exercise", name, EXERCISES)
        self._exercise = EXERCISES[self.name]

    @property
    def text(self):
        """The question's text form, the same at every run."""
        return f"Exercise {self.name}: answer in {self._exercise.unit}"

    def set(self, changed):
        """Judge an answer of the page: `{"answer": {"text": "8.39 GB", "seq": 1}}`."""
        text, seq = _asked(changed)
        verdict = judge(self._exercise, text)
        said = _sentence(verdict.text)
        if verdict.kind == "wrong":
            said += " A hint may help."
        return {"verdict": {"kind": verdict.kind, "text": said, "seq": seq}}

    def _html(self):
        unit = self._exercise.unit
        first, of = _place(self.name, EXERCISES)
        hints = [
            f"<details><summary>{'Next hint' if i else 'Hint'}</summary>"
            f"<p>{escape(hint)}</p></details>"
            for i, hint in enumerate(self._exercise.hint_texts)
        ]
        return _section(
            self,
            f'data-of="{of}"{" data-first" if first else ""}',
            _form(
                f"Exercise {self.name}",
                _entry(unit),
                "Check",
                _sentence(
                    _wanted(unit) + ("" if unit in units.KINDS else ", or write another unit")
                ),
            ),
            f'<div class="lc-hints">{"".join(hints)}</div>',
        )


class GuessSession(_Question):
    """One prediction in a page.

    Parameters
    ----------
    name : str
        Number of the guess, such as "1.3".
    until : str
        Where the page gives the answer, as in "section 4"; the guess is kept until then.
        Empty for here.

    Raises
    ------
    BadInput
        When there is no such guess.
    """

    kind = "guess"

    def __init__(self, name, until=""):
        self.name, self._until = one_of("guess", name, GUESSES), until
        self._guess = GUESSES[self.name]

    @property
    def text(self):
        """The question's text form, the same at every run."""
        wanted = " / ".join(self._guess.options) or f"in {self._guess.unit}"
        return f"Guess {self.name}: {self._guess.asked}\n({wanted})"

    def set(self, changed):
        """Draw a guess of the page beside the answer, or keep it for the section that does."""
        text, seq = _asked(changed)
        try:
            guess = one_of("guess", text, self._guess.options) if self._guess.options else (
                units.read(text, self._guess.unit).value
            )  # fmt: skip
        except BadInput as problem:
            said = "Choose one first." if self._guess.options else str(problem)
            return {"verdict": {"kind": "unread", "text": said, "seq": seq}}
        if self._until:
            said = "Kept. " + _sentence(f"{self._until} draws it beside the answer")
            return {"verdict": {"kind": "kept", "text": said, "seq": seq}}
        verdict = {"kind": "shown", "text": self._verdict(guess), "seq": seq}
        return {"verdict": verdict | {"html": self._shown(guess)}}

    def _verdict(self, guess):
        right = self._guess.expected()
        if self._guess.options:
            return f"{'Right' if guess == right else 'Wrong'}: {right}."
        off = times_off(guess, right)
        unit = self._guess.unit
        said = (
            f"the factor is {digits(right)}" if unit == "times" else f"it is {worded(right, unit)}"
        )
        return _sentence(f"{off}: {said}")

    def _shown(self, guess=None):
        """The answer as HTML, with a guess beside it where there is one."""
        asked, right = self._guess, self._guess.expected()
        drawn = ""
        if asked.drawn:
            drawn = bars([_row(item, right, guess) for item in asked.drawn().items()], asked.unit)
        elif guess is not None and not asked.options:
            drawn = beside(guess, right, asked.unit)
        value = right if asked.options else worded(right, asked.unit)
        answer = f"<strong>{escape(value)}.</strong> " if guess is None else ""  # else the verdict
        return f"{drawn}<p>{answer}{escape(asked.says)}</p>"

    def _html(self):
        asked = self._guess
        if asked.options:
            wanted, hint = _choices(asked.options), "Commit to one."
        else:
            wanted, hint = _entry(asked.unit), f"Commit to {_wanted(asked.unit)}."
        if self._until:
            hint += " " + _sentence(f"{escape(self._until)} has the answer")
            answer = ""
        else:
            answer = (
                '<details class="lc-answer"><summary>Show me</summary>'
                f'<div class="lc-shown">{self._shown()}</div></details>'
            )
        until = f'data-until="{escape(self._until)}"' if self._until else ""
        return _section(self, until, _form(escape(asked.asked), wanted, "Guess", hint), answer)


# As a chapter's cell calls them where there are no widgets.
exercise, guess = ExerciseSession, GuessSession


def _asked(changed):
    """What a page sent, read with care: its text, and the number that the answer echoes."""
    asked = changed.get("answer")
    asked = asked if isinstance(asked, dict) else {}
    return asked.get("text", ""), asked.get("seq", 0)


def _place(name, names):
    """Whether a question is the first of its chapter, and how many that has."""
    chapter = [n for n in names if n.split(".")[0] == name.split(".")[0]]
    return name == chapter[0], len(chapter)


def _row(item, right, guess):
    label, value = item
    mine = " (your guess)" if label == guess else ""
    return label + mine, value, "right" if label == right else "guess" if mine else "other"


def _section(session, attributes, *parts):
    return (
        f'<section class="lc lc-question" data-kind="{session.kind}" '
        f'data-name="{session.name}" {attributes} '
        f'aria-label="{session.kind.capitalize()} {session.name}">\n'
        + "\n".join(part for part in parts if part)
        + "\n</section>"
    )


def _form(label, wanted, button, hint):
    """The input: one fieldset, disabled until a script can send what is typed."""
    return (
        f"<form><fieldset disabled><legend>{label}</legend>{wanted}"
        f'<button type="submit">{button}</button></fieldset>'
        f'<p class="lc-verdict" role="status">{hint}</p></form>'
    )


def _sentence(text):
    """Begin and end words as a sentence does."""
    return capitalised(text.rstrip(".")) + "."


def _wanted(unit):
    """What to type, for the line below the input."""
    if unit == "times":
        return "a factor"
    return f"a number {'of' if unit in units.KINDS else 'in'} {escape(unit)}"


def _entry(unit):
    return (
        f'<label><span class="lc-hidden">Your answer, in </span>'
        '<input type="text" name="answer" autocomplete="off" spellcheck="false" '
        f'maxlength="{units.MAX_TEXT}"><span class="lc-unit">{escape(unit)}</span></label>'
    )


def _choices(options):
    return "".join(
        f'<label class="lc-choice"><input type="radio" name="answer" value="{escape(option)}">'
        f"{escape(option)}</label>"
        for option in options
    )
