"""Connections: how many there may be, for how long one may be silent, and what may wait in one.

A visitor needs nothing but connections to use up the server's files, and nothing but one that he
never reads to use up its memory.
"""

import resource
import socket
from collections import Counter
from weakref import WeakSet

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

from llmcap_kernel.refuse import BadInput

from . import visitors

SILENT_SECONDS = 30  # until a request has come whole, and between two of them
UNREAD_SECONDS = 30  # for a client that takes nothing of what was sent to it
MAX_UNSENT_BYTES = 4 << 20  # waiting for one client; a page with its widgets is 1 MB
MAX_BODY_BYTES = 64 << 10  # no page posts more than its farewell
FILES_OF_OUR_OWN = 100  # logs, sockets, the notebooks and files being sent
FILES_OF_A_SEAT = 30  # its kernel and the two websockets it may have; half of that was measured
FEWEST = 50


class Door(HTTPServer):
    """An HTTP server that always has room for one more.

    When there are too many connections, the address that has most of them loses its oldest. A
    websocket is left alone: each belongs to a kernel, and those are counted.
    """

    def initialize(self, app, most, each, xheaders=False) -> None:  # type: ignore[override]
        """Listen as Tornado does.

        Parameters
        ----------
        app : callable
            Answers requests.
        most, each : int
            Connections of all visitors, and of one address; 0 for as many as there are of all.
        xheaders : bool
            Whether a proxy says who comes and how.
        """
        super().initialize(
            app,
            xheaders=xheaders,
            idle_connection_timeout=SILENT_SECONDS,
            body_timeout=SILENT_SECONDS,
            max_body_size=MAX_BODY_BYTES,
        )
        self.most, self.each = most, each
        self.here: dict[IOStream, str] = {}  # the oldest first
        self.lasting: WeakSet[IOStream] = WeakSet()

    def handle_stream(self, stream, address) -> None:
        """Let a connection in, and make room for it."""
        # Tornado alone hears when one closes, so they are counted when the next one comes.
        self.here = {one: whose for one, whose in self.here.items() if not one.closed()}
        stream.max_write_buffer_size = MAX_UNSENT_BYTES
        _give_up_on_who_does_not_read(stream.socket)
        self.here[stream] = visitors.network(str(address[0]))
        self._make_room(self.here[stream])
        super().handle_stream(stream, address)

    def _make_room(self, newcomer: str) -> None:
        if self.each and list(self.here.values()).count(newcomer) > self.each:
            self._close_oldest_of(newcomer)
        elif len(self.here) > self.most:
            (greediest, _), *_ = Counter(self.here.values()).most_common(1)
            self._close_oldest_of(greediest)

    def _close_oldest_of(self, whose: str) -> None:
        mine = (one for one, its in self.here.items() if its == whose)
        if oldest := next((one for one in mine if one not in self.lasting), None):
            del self.here[oldest]
            oldest.close()


def _give_up_on_who_does_not_read(sock) -> None:
    """The system closes a connection whose other end takes nothing, where it can (Linux)."""
    if hasattr(socket, "TCP_USER_TIMEOUT") and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * UNREAD_SECONDS)


def room(wanted: int, kernels: int) -> int:
    """Find how many connections the files that this process may open are enough for.

    Parameters
    ----------
    wanted : int
        Connections that the settings allow.
    kernels : int
        Kernels that may run.

    Returns
    -------
    int
        As many, or fewer.

    Raises
    ------
    BadInput
        When there would be hardly any.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_OF_OUR_OWN + kernels * FILES_OF_A_SEAT
    if soft != resource.RLIM_INFINITY and soft < needed + wanted:
        soft = needed + wanted if hard == resource.RLIM_INFINITY else min(hard, needed + wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    left = wanted if soft == resource.RLIM_INFINITY else soft - needed
    if left < FEWEST:
        least = needed + FEWEST
        raise BadInput(
            "seats", f"seats: these need {least:,} open files and `ulimit -Hn` allows {hard:,}."
        )
    return min(wanted, left)
