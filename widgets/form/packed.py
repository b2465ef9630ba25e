"""A text in the letters that an address keeps."""

import base64
import json
import zlib

from llmcap_kernel.refuse import BadInput

MAX_TEXT = 200_000  # the largest configs that are published list every layer, in some 60 kB


def canonical(data):
    """Write an object in one fixed way.

    Parameters
    ----------
    data : dict
        The object.

    Returns
    -------
    str
        JSON.
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def pack(text):
    """Write a text in the letters that every address and mail keeps.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        Letters, digits, - and _.
    """
    packed = zlib.compress(text.encode(), 9)
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def unpack(code):
    """Read what `pack` wrote.

    Parameters
    ----------
    code : str
        The code.

    Returns
    -------
    str
        The text.

    Raises
    ------
    BadInput
        When it is no code, or a part of it is missing.
    """
    try:
        packed = base64.urlsafe_b64decode(code.encode("ascii") + b"=" * (-len(code) % 4))
        opened = zlib.decompressobj()
        text = opened.decompress(packed, MAX_TEXT)  # a bomb stops here
        if opened.eof:
            return text.decode()
    except (ValueError, zlib.error):
        pass
    cut = "it takes the text of a config.json, or the code of a link, which may have been cut."
    raise BadInput("config", f"config is {code[:12]!r}...: {cut}")
