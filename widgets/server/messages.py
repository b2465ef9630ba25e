"""The messages between a page and its kernel: what a page may say, and what it hears."""

import itertools
import json
import struct

PROTOCOL = "v1.kernel.websocket.jupyter.org"
# What a page with widgets says: it asks for the kernel and its widgets, and moves a widget.
# Running code, completing it, looking into it, its history and a restart are not among these.
SAYS = {"kernel_info_request", "comm_info_request", "comm_open", "comm_msg", "comm_close"}
# A page opens one comm, through which it asks for the widgets that the notebook made.
CONTROL = "jupyter.widget.control"
# And what it hears. Left out: what a kernel prints, and errors with their tracebacks.
HEARS = {
    "status",
    "kernel_info_reply",
    "comm_info_reply",
    "comm_open",
    "comm_msg",
    "comm_close",
}
FAULTS = {"stream", "error"}  # for our log
MAX_MESSAGE_BYTES = 2 << 20  # a file is sent in pieces of 1 MiB
MAX_BUFFERS = 16
MAX_TEXT = 100  # characters of an identifier


class Refused(ValueError):
    """A message that no page of ours sends."""


def admit(message) -> str:
    """Let a message through to the kernel, or refuse it.

    Parameters
    ----------
    message : bytes or str
        What came over the websocket, from anyone.

    Returns
    -------
    str
        Its id, which the kernel repeats in what it answers.

    Raises
    ------
    Refused
        When it is not of the protocol, or none of those that a page sends.
    """
    try:
        channel, header, parent, metadata, content, *_ = _parts(message)
        parts = [json.loads(part) for part in (header, parent, metadata, content)]
    except (ValueError, RecursionError, struct.error) as problem:
        raise Refused(str(problem)) from None
    if channel != b"shell" or not all(isinstance(part, dict) for part in parts):
        raise Refused("not a message to the shell")
    said, _, _, content = parts
    for name in ("msg_id", "msg_type", "session", "username", "version"):
        if not isinstance(said.get(name), str) or len(said[name]) > MAX_TEXT:
            raise Refused(f"{name} is not a short text")
    if said["msg_type"] not in SAYS:
        raise Refused(f"{said['msg_type']} is not for pages")
    if said["msg_type"] == "comm_open" and content.get("target_name") != CONTROL:
        raise Refused("a page makes no widgets")
    return said["msg_id"]


def _parts(message) -> list[bytes]:
    """Cut a message at its offsets, which jupyter_server would believe whatever they are."""
    if not isinstance(message, bytes):
        raise Refused("text")
    count = int.from_bytes(message[:8], "little")
    if not 6 <= count <= 6 + MAX_BUFFERS:
        raise Refused("an odd number of parts")
    offsets = struct.unpack_from(f"<{count}Q", message, 8)
    if (
        offsets[0] != 8 * (count + 1)
        or offsets[-1] != len(message)
        or list(offsets) != sorted(offsets)
    ):
        raise Refused("parts out of order")
    return [message[a:b] for a, b in itertools.pairwise(offsets)]


def kind_of(message: bytes) -> str:
    """The type of a message from a kernel."""
    return json.loads(_parts(message)[1])["msg_type"]


def content_of(message: bytes) -> dict:
    """The content of a message from a kernel."""
    return json.loads(_parts(message)[4])


def done_with(status: bytes) -> str:
    """The message that a kernel says it is done with; empty while it is not."""
    if content_of(status).get("execution_state") != "idle":
        return ""
    return str(json.loads(_parts(status)[2]).get("msg_id", ""))
