"""For a kernel that Voila started before its reader came."""

import json
import os


def wait_for_request() -> None:
    """Wait for the reader, then take over the environment of the request: `QUERY_STRING` and so on.

    `voila.utils.wait_for_request` does the same, and imports the whole of Voila first: three
    seconds and tens of megabytes for every kernel. In a kernel that was started for its reader
    there is nothing to wait for.
    """
    if os.environ.get("VOILA_PREHEAT", "False") == "False":
        return
    from websockets.sync.client import connect  # Voila brings it; a notebook need not have it

    port, kernel = os.environ["VOILA_APP_PORT"], os.environ["VOILA_KERNEL_ID"]
    with connect(f"ws://127.0.0.1:{port}/voila/query/{kernel}", proxy=None) as socket:
        os.environ.update(json.loads(socket.recv()))
