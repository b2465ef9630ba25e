"""A file that a page sends in parts: put together here, and refused before it is too big."""

from llmcap_kernel.refuse import BadInput

MAX_BYTES = 20_000_000
MAX_PARTS = 64
MAX_NAME = 200


class Upload:
    """The parts of one file, in order."""

    def __init__(self):
        self._parts: list[bytes] = []

    def add(self, part, buffers):
        """Take one part.

        Parameters
        ----------
        part : object
            What the page says of it: a mapping with name, part and parts.
        buffers : list of bytes
            What it holds.

        Returns
        -------
        tuple of (str, bytes) or None
            Name and content once all parts are here; None before.

        Raises
        ------
        BadInput
            When the part is out of order or the file is too big.
        """
        if not isinstance(part, dict) or len(buffers) != 1:
            raise self._lost()
        at, of = part.get("part"), part.get("parts")
        if not isinstance(at, int) or not isinstance(of, int) or not 0 <= at < of <= MAX_PARTS:
            raise self._lost()
        if at == 0:
            self._parts = []
        if at != len(self._parts):
            raise self._lost()
        self._parts.append(bytes(buffers[0]))
        if sum(map(len, self._parts)) > MAX_BYTES:
            self._parts = []
            raise BadInput("file", f"file takes up to {MAX_BYTES // 10**6} MB.")
        if len(self._parts) < of:
            return None
        whole, self._parts = b"".join(self._parts), []
        return str(part.get("name") or "your file")[:MAX_NAME], whole

    def _lost(self):
        self._parts = []
        return BadInput("file", "file did not arrive whole: choose it again.")
