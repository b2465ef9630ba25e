"""Models as repositories, files and people name them."""

import re
from functools import cache

from ..tables import key, known, table


def model_name(text: str) -> str:
    """Find the model that a spelling means.

    Parameters
    ----------
    text : str
        A name, a repository or a file, such as "Qwen/Qwen3-32B-FP8".

    Returns
    -------
    str
        Its name in the catalogue; "" when it is unknown.

    Examples
    --------
    >>> model_name("somebody/Qwen3-32B-FP8")
    'qwen3-32b'
    >>> model_name("models/Qwen2.5-7B-Instruct-Q4_K_M.gguf")
    'qwen2.5-7b'
    """
    names, whole = table("spellings")["models"] | known("models"), key(text)
    last = key(re.split(r"[/\\]", text.strip())[-1].removesuffix(".gguf"))
    noise = set(table("spellings")["model_noise"]["words"])
    for attempt in (whole, last, last.removeprefix("meta-")):
        words = attempt.split("-")
        while words:
            name = names.get("-".join(words)) or _run_together().get("".join(words))
            if name:
                return name
            if words[-1] not in noise and not re.fullmatch(
                r"\d{4,5}|v\d(\.\d)?|iq\d|of", words[-1]
            ):
                break  # the word may tell two models apart
            words.pop()
    return ""


@cache
def _run_together() -> dict[str, str]:
    """Map model names without dashes to the names; "" where two become the same."""
    seen: dict[str, str] = {}
    for spelled, name in known("models").items():
        short = spelled.replace("-", "")
        seen[short] = name if seen.get(short, name) == name else ""
    return seen
