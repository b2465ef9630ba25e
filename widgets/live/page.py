"""One page's Python: calculators by their key, and the calls that the page makes."""

import json
from collections.abc import Callable

from llmcap_kernel.refuse import BadInput

from ..picture_session import PictureSession
from ..questions import ExerciseSession, GuessSession
from ..session import Calculator, Session
from .cells import Cells

KINDS: dict[str, Callable[..., Session]] = {
    one.kind: one for one in (Calculator, ExerciseSession, GuessSession, PictureSession)
}


def warm():
    """Import and compute what every page needs, before the memory is kept for the next visit."""
    for name in ("calculate", "scorecard"):
        Calculator(name)


class Page:
    """What a page has opened so far."""

    def __init__(self):
        self._sessions = {}
        self._cells = Cells()

    def call(self, name, arguments, buffers, say):
        """Do what the page asks.

        Parameters
        ----------
        name : str
            "open", "set", "message" or "run".
        arguments : str
            Its arguments by name, as JSON.
        buffers : list of bytes
            What JSON cannot hold.
        say : callable
            Takes each part of the answer that comes before its end, as JSON.

        Returns
        -------
        str
            JSON: ``ok`` and the answer, or ``problem`` and a sentence.
        """
        try:
            answer = getattr(self, f"_{name}")(
                **json.loads(arguments), buffers=buffers, say=lambda part: say(json.dumps(part))
            )
            return json.dumps({"ok": answer}, allow_nan=False)
        except (BadInput, ValueError) as problem:
            return json.dumps({"problem": str(problem)})

    def _open(self, key, kind, given, buffers, say):
        """Open a session under a key of the page's choice, by what it is given: its traits."""
        self._sessions[key] = KINDS[kind](**given)
        return self._sessions[key].traits()

    def _set(self, key, changed, buffers, say):
        """Set traits: those that changed in answer."""
        return self._sessions[key].set(changed)

    def _message(self, key, content, buffers, say):
        """Take a message that is no trait: the traits that changed."""
        return self._sessions[key].message(content, buffers, say)

    def _run(self, code, buffers, say):
        """Run a code cell after those before it."""
        return self._cells.run(code, say)
