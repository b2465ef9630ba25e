"""Read a file that a person names: its text, or one sentence that says why there is none."""

import csv
import io
import re
import zlib
from pathlib import Path

from .refuse import BadInput, shown

FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]{0,20}[ \t]*$", re.M)
GZIP, MAX_UNPACKED_BYTES = b"\x1f\x8b", 200_000_000


def unpacked(raw: bytes) -> bytes:
    """Unpack what gzip has packed.

    Parameters
    ----------
    raw : bytes
        The content of a file.

    Returns
    -------
    bytes
        What was packed; the same bytes where it is not packed, cut off, broken or over 200 MB.

    Examples
    --------
    >>> import gzip
    >>> unpacked(gzip.compress(b"metric")), unpacked(b"metric"), unpacked(GZIP)
    (b'metric', b'metric', b'\\x1f\\x8b')
    """
    out, rest = b"", raw
    while rest.startswith(GZIP):
        part = zlib.decompressobj(wbits=31)
        try:
            out += part.decompress(rest, MAX_UNPACKED_BYTES - len(out) + 1)
        except zlib.error:
            return raw
        if not part.eof or len(out) > MAX_UNPACKED_BYTES:
            return raw
        rest = part.unused_data
    return out if out else raw


def unfenced(text: str) -> str:
    """Take away the fences that a page or a chat puts around what was copied.

    Parameters
    ----------
    text : str
        As it was pasted.

    Returns
    -------
    str
        The same lines, those of three back-quotes or tildes empty.

    Examples
    --------
    >>> unfenced("```json\\n{}\\n```")
    '\\n{}\\n'
    """
    return FENCE.sub("", text) if "```" in text or "~~~" in text else text


def decoded(raw: bytes, errors: str = "strict") -> str:
    """Turn the bytes of a file into text.

    Editors and shells of Windows write UTF-16, some without its mark, or UTF-8 behind one. A file
    that gzip has packed is unpacked.

    Parameters
    ----------
    raw : bytes
        The content.
    errors : str
        What becomes of a byte that is no text: "strict" or "replace", as `bytes.decode` has it.

    Returns
    -------
    str
        The text, without its byte order mark.

    Raises
    ------
    UnicodeError
        When a byte is no text and `errors` is "strict".

    Examples
    --------
    >>> decoded("metric".encode("utf-16")), decoded("metric".encode("utf-8-sig"))
    ('metric', 'metric')
    """
    raw = unpacked(raw)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors=errors)
    head = raw[:200]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > 0.4 * len(head) > 4 * min(even, odd):  # UTF-16 without its mark
        return raw.decode("utf-16-le" if odd > even else "utf-16-be", errors=errors)
    return raw.decode("utf-8-sig", errors=errors)


def read_text(field: str, path: str | Path) -> str:
    """Read a text file.

    Parameters
    ----------
    field : str
        Name of the input, for the message.
    path : str or Path
        The file.

    Returns
    -------
    str
        Its text.

    Raises
    ------
    BadInput
        When it cannot be read, or is no text.

    Examples
    --------
    >>> read_text("gpu_file", "none.toml")
    Traceback (most recent call last):
    llmcap_kernel.refuse.BadInput: gpu file 'none.toml' cannot be read: No such file or directory.
    """
    try:
        return decoded(Path(path).read_bytes())
    except OSError as problem:
        reason = problem.strerror
    except UnicodeError:
        reason = "it is no text"
    except ValueError:
        reason = "no file can have this name"
    what = f"{field.replace('_', ' ')} {shown(str(path))}"
    raise BadInput(field, f"{what} cannot be read: {reason}.")


def write(field: str, path: str | Path, made: str | bytes) -> None:
    """Write a file that a person names.

    Parameters
    ----------
    field : str
        Name of the input, for the message.
    path : str or Path
        The file.
    made : str or bytes
        Its content.

    Raises
    ------
    BadInput
        When it cannot be written.

    Examples
    --------
    >>> write("out", "no/such/folder.html", "")
    Traceback (most recent call last):
    llmcap_kernel.refuse.BadInput: out 'no/such/folder.html' cannot be written: No such file or ...
    """
    try:
        Path(path).write_bytes(made.encode() if isinstance(made, str) else made)
    except OSError as problem:
        reason = problem.strerror
    except ValueError:
        reason = "no file can have this name"
    else:
        return
    raise BadInput(field, f"{field} {shown(str(path))} cannot be written: {reason}.")


def read_table(path: str | Path) -> list[dict[str, str]]:
    """Read a CSV with a header.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    list of dict
        Cells by column, a dict a row.

    Raises
    ------
    BadInput
        When it cannot be read.

    Examples
    --------
    >>> read_table("none.csv")
    Traceback (most recent call last):
    llmcap_kernel.refuse.BadInput: file 'none.csv' cannot be read: No such file or directory.
    """
    text = read_text("file", path)
    try:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as problem:
        raise BadInput("file", f"file {shown(str(path))} is no CSV: {problem}.") from None
