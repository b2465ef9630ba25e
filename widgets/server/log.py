"""What the server writes down of its faults: a few lines a minute, whoever asks for more.

A visitor decides how often something goes wrong, and a disk that he fills stops the service too.
"""

import logging
import time

from nbclient.exceptions import DeadKernelError
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

LINES_A_MINUTE = 60
LONGEST = 4000  # characters of one entry
# Somebody hung up, or his kernel was ended while his page was made: `watch.py` says of the others.
LEFT = (StreamClosedError, WebSocketClosedError, DeadKernelError)
LOG = logging.getLogger("llmcap")


class Sparing(logging.Handler):
    """Write entries to another handler, and of too many in a minute only how many there were."""

    def __init__(self, target: logging.Handler, most: int = LINES_A_MINUTE):
        super().__init__(logging.ERROR)
        self.target, self.most = target, most
        self.minute, self.count = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, if it is not one too many. That somebody left is no event."""
        if record.exc_info and isinstance(record.exc_info[1], LEFT):
            return
        minute = int(time.monotonic() // 60)
        if minute != self.minute:
            self._say_how_many_more()
            self.minute, self.count = minute, 0
        self.count += 1
        if self.count <= self.most:
            self.target.emit(record)

    def _say_how_many_more(self) -> None:
        if self.count > self.most:
            more = f"{self.count - self.most:,} more entries in that minute"
            self.target.emit(logging.makeLogRecord({"msg": more, "levelname": "ERROR"}))


class Plain(logging.Formatter):
    """An entry cut to a length, with what could write over a terminal made visible."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the text of an entry."""
        return printable(super().format(record))


def printable(text: str) -> str:
    """Make a text fit to be printed, whoever wrote it.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        Its first characters; what is no ASCII, and no end of a line, is escaped.

    Examples
    --------
    >>> printable("a\\x1b[2Jb\\n")
    'a\\\\x1b[2Jb\\n'
    """
    lines = text[:LONGEST].split("\n")
    return "\n".join(line.encode("unicode_escape").decode("ascii") for line in lines)


def spare(*loggers: logging.Logger) -> None:
    """Have the loggers of this process, and the given ones, write sparingly.

    Parameters
    ----------
    *loggers : logging.Logger
        Those with handlers of their own.
    """
    target = logging.StreamHandler()
    target.setFormatter(Plain("%(levelname)s %(name)s: %(message)s"))
    handler = Sparing(target)
    logging.getLogger().handlers[:] = [handler]
    for one in loggers:
        one.handlers[:] = [handler]
        one.propagate = False
