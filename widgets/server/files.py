"""Files handed out as they were packed when the book was built, and kept by browsers for long."""

import mimetypes
import os
import re

from jupyter_server.base.handlers import FileFindHandler
from tornado.web import GZipContentEncoding, StaticFileHandler

PACKED = {"br": ".br", "gzip": ".gz"}  # the smaller one first
# A name or a query that changes with the content: such an answer never grows old.
HASHED_NAME = re.compile(r"[.-]([0-9a-f]{8,64}|[0-9A-Z]{8})\.\w+$")
HASHED_QUERY = re.compile(r"(^|&)(v|digest)=[0-9a-f]{8,64}(&|$)")
FOR_EVER = "public, max-age=31536000, immutable"
REFUSED = re.compile(r";q=0(\.0*)?$")


def accepted(header: str) -> set[str]:
    """Read which encodings a browser takes.

    Parameters
    ----------
    header : str
        Its `Accept-Encoding`.

    Returns
    -------
    set of str
        Their names.

    Examples
    --------
    >>> sorted(accepted("gzip, br;q=0.8, zstd;q=0"))
    ['br', 'gzip']
    """
    parts = (part.replace(" ", "").lower() for part in header.split(","))
    return {part.partition(";")[0] for part in parts if part and not REFUSED.search(part)}


class Gzip(GZipContentEncoding):
    """Pack what is made for one reader, such as an app's page, and files that came unpacked."""

    def __init__(self, request):
        self._gzipping = "gzip" in accepted(request.headers.get("Accept-Encoding", ""))

    def transform_first_chunk(self, status_code, headers, chunk, finishing):
        """Pack it, unless it is a part: a range counts the bytes of the file itself."""
        self._gzipping = self._gzipping and status_code != 206
        done = super().transform_first_chunk(status_code, headers, chunk, finishing)
        if self._gzipping and headers.get("Etag", "").startswith('"'):
            headers["Etag"] = f"W/{headers['Etag']}"  # equal in meaning, not byte by byte
        return done


def lasts(path: str, query: str) -> bool:
    """Tell whether an address changes with what it gives.

    Parameters
    ----------
    path : str
        The path of the address.
    query : str
        Its query.

    Returns
    -------
    bool
        Whether a browser may keep the answer and never ask again.

    Examples
    --------
    >>> lasts("_static/book-ZYVFSO5P.css", ""), lasts("searchindex.js", "v=9eb32ce0")
    (True, True)
    >>> lasts("book/intro.html", "v=9eb32ce0"), lasts("vendor/plotly.min.js", "")
    (False, False)
    """
    named = HASHED_NAME.search(path) or HASHED_QUERY.search(query)
    return bool(named) and not path.endswith((".html", "/"))


class FoundFiles(FileFindHandler):
    """Files of JupyterLab's extensions."""

    def set_headers(self) -> None:
        """Jupyter has every one of them asked for again, though most are named by a hash."""
        super().set_headers()
        if lasts(self.request.path, self.request.query):
            self.set_header("Cache-Control", FOR_EVER)


class PackedFiles(StaticFileHandler):
    """Files of a folder in which ``x.br`` and ``x.gz`` may lie beside ``x``."""

    plain = ""  # the file that was asked for; `absolute_path` is the one that is sent
    encoding = ""

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Choose the smallest file that the browser can read."""
        path = super().validate_absolute_path(root, absolute_path)
        if path is None:
            return None
        self.plain = path
        if "Range" in self.request.headers:
            self._forget_old_range(path)
        else:
            takes = accepted(self.request.headers.get("Accept-Encoding", ""))
            for encoding, suffix in PACKED.items():
                if encoding in takes and _is_fresh(path + suffix, path):
                    self.encoding = encoding
                    return super().validate_absolute_path(root, path + suffix)
        return path

    def _forget_old_range(self, path: str) -> None:
        """A part of another version, or of a packed one, is of no use: send the whole."""
        tag = self.request.headers.get("If-Range")
        if tag and tag != f'"{self._get_cached_version(path)}"':
            del self.request.headers["Range"]

    def get_content_type(self) -> str:
        """The type of the file that was asked for."""
        return mimetypes.guess_type(self.plain)[0] or "application/octet-stream"

    def set_extra_headers(self, path: str) -> None:
        """Say how it is packed, and how long it holds."""
        if self.encoding:
            self.set_header("Content-Encoding", self.encoding)
        # A rebuilt page must show at the next visit; the entity tag still spares the transfer.
        lasting = FOR_EVER if lasts(path, self.request.query) else "no-cache"
        self.set_header("Cache-Control", lasting)


def _is_fresh(packed: str, plain: str) -> bool:
    try:
        return os.path.getmtime(packed) >= os.path.getmtime(plain)
    except OSError:
        return False
