"""The websocket between a page and its kernel, and the only way to it."""

import asyncio
import contextlib
import re
import time

from jupyter_server.base.handlers import APIHandler
from tornado.iostream import StreamBufferFullError
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from .kernels import Reader
from .log import LOG
from .messages import (
    FAULTS,
    HEARS,
    MAX_TEXT,
    PROTOCOL,
    Refused,
    admit,
    content_of,
    done_with,
    kind_of,
)
from .visitors import same_site

MAX_SOCKETS = 2  # of a kernel: its page's, and the one that a page opens anew before that has died
# What a kernel has not worked off: more waits in the page, where it costs us nothing.
MAX_UNDONE_BYTES = 4 << 20
MAX_UNDONE = 1000
# A connection may send a burst, then so much a second; what comes faster waits, nothing is lost.
BURST, PER_SECOND, BYTES_PER_UNIT = 200, 100, 100_000
SESSION = re.compile(rf"[\w-]{{1,{MAX_TEXT}}}", re.ASCII)


def find(handler, kernel_id: str) -> Reader:
    """Whose kernel it is; refuses a request for a kernel that no reader has."""
    reader = handler.settings["kernel_manager"].reader_of(kernel_id)
    if reader is None:
        raise HTTPError(404)
    return reader


class ChannelsHandler(VoilaKernelWebsocketHandler):
    """What a page says to its kernel, and what it hears of it."""

    free_at = 0.0  # when everything sent so far would have come at the allowed rate
    reader = Reader()

    def initialize(self) -> None:
        """Begin with nothing that waits."""
        self.undone: dict[str, int] = {}  # messages the kernel is not done with, and their bytes
        self.less = asyncio.Event()

    def check_origin(self, origin: str | None = None) -> bool:
        """Refuse the pages of other sites."""
        return same_site(self)

    async def get(self, kernel_id: str) -> None:
        self.reader = find(self, kernel_id)
        if not self.check_origin():  # before Jupyter lets a newcomer replace an open connection
            raise HTTPError(403)
        if PROTOCOL not in self.request.headers.get("Sec-WebSocket-Protocol", ""):
            raise HTTPError(400)
        if not SESSION.fullmatch(self.get_query_argument("session_id", "")):
            raise HTTPError(400)
        if len(self.reader.sockets) >= MAX_SOCKETS:
            raise HTTPError(429)
        self.reader.sockets.add(self)
        self.settings["door"].lasting.add(self.request.connection.stream)
        try:
            await super().get(kernel_id=kernel_id)  # until it closes
        finally:
            self.reader.sockets.discard(self)
            self.reader.alone_since = time.monotonic()

    def write_error(self, status_code: int, **kwargs) -> None:
        """Say no more than the number: Jupyter's page for it needs files that we do not serve."""
        self.finish()

    async def on_message(self, message) -> None:
        """Pass on what a page may say. What it may not is dropped without a word."""
        await self._pace(len(message))
        with contextlib.suppress(Refused):
            name = admit(message)
            await self._wait_for_the_kernel(len(message))
            # the page may have left meanwhile: Jupyter then reads its words by another protocol
            if self.connection and self.ws_connection and name not in self.undone:
                self.undone[name] = len(message)
                self.reader.spoke = True
                super().on_message(message)

    async def _pace(self, size: int) -> None:
        now = asyncio.get_running_loop().time()
        units = 1 + size / BYTES_PER_UNIT
        self.free_at = max(self.free_at, now - BURST / PER_SECOND) + units / PER_SECOND
        if self.free_at > now:
            await asyncio.sleep(self.free_at - now)

    async def _wait_for_the_kernel(self, size: int) -> None:
        while self.connection and (
            len(self.undone) >= MAX_UNDONE or sum(self.undone.values()) + size > MAX_UNDONE_BYTES
        ):
            self.less.clear()
            await self.less.wait()

    def on_close(self) -> None:
        """Let go of what waits. Jupyter expects a connection even where none came about."""
        if self.connection:
            super().on_close()
        self.less.set()

    def write_message(self, message, binary: bool = False):
        """Pass on what a page needs to hear; one that does not read has left."""
        kind = kind_of(message)
        if kind in FAULTS:
            return _note(kind, content_of(message))
        if kind == "status" and self.undone.pop(done_with(message), None) is not None:
            self.less.set()
        if kind not in HEARS:
            return None
        try:
            return super().write_message(message, binary)
        except WebSocketClosedError:
            return None
        except StreamBufferFullError:
            self.ws_connection.stream.close()
            return None


def _note(kind: str, content: dict) -> None:
    """Write down what went wrong in a kernel: nobody else hears of it."""
    text = content.get("text") or "\n".join(content.get("traceback") or ()) or str(content)
    if "No such comm" not in text:  # what a page still said to a widget that was closed
        LOG.error("a kernel's %s: %s", kind, text.strip())


class KernelHandler(APIHandler):
    """Whether a page's kernel is there. Nothing can be done to it here."""

    def get(self, kernel_id: str) -> None:
        find(self, kernel_id)
        self.finish({"id": kernel_id, "name": "python3"})


class GoodbyeHandler(APIHandler):
    """A page that is closed ends its kernel."""

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """Refuse the pages of other sites."""
        return same_site(self)

    def check_xsrf_cookie(self) -> None:
        """Let the browser's farewell in: it carries no token, and the id cannot be guessed."""
        if not same_site(self):
            raise HTTPError(403)

    async def post(self, kernel_id: str) -> None:
        await self.settings["kernel_manager"].leave(kernel_id)
        self.set_status(204)  # whatever was there: whoever guesses ids learns nothing
        self.finish()
