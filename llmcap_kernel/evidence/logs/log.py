"""A log of one start: its numbers, its arguments, and what all engines say alike."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ...refuse import BadInput

MIB = 2**20
LONGEST_LINE = 30_000
N = r"(-?\d{1,15}(?:\.\d{1,9})?)"  # a number
M = r"(\d{1,3}(?:,\d{3}){1,5}|\d{1,15})"  # a count, with or without commas
REFUSED = re.compile(
    r"No available memory for the cache blocks|larger than the available KV cache memory|"
    r"larger than the maximum number of tokens that can be|"
    r"exceeds available Mamba cache blocks|less than desired GPU memory|"
    r"Not enough memory\. Please try|(?:CUDA|HIP|XPU|failed:) out of memory|OutOfMemoryError|"
    r"ErrorOutOfDeviceMemory|failed to load model|(?:failed|unable) to allocate \S{1,30} buffer"
)
SERVES = re.compile(
    r"Application startup complete|Starting vLLM API server|The server is fired up|"
    r"server is listening|Graph capturing finished|Capture cuda graph end|"
    r"KV cache size: [\d,]+ tokens|max_total_num_tokens=\d|max tokens in paged KV cache|"
    r"compute buffer size"
)
ARGUMENTS = re.compile(
    r"non-default args:|with config: |Namespace\(|ServerArgs\(|LLM Args:?|TorchLlmArgs\("
)
NEXT_LINE = re.compile(
    r"\n[^\n]{0,80}?\b(?:INFO|DEBUG|WARNING|ERROR|CRITICAL)\b|\n[^\n]{0,40}?\[?20\d\d[-/]\d\d|\n\["
)
# A card and its number, as a driver, llama.cpp, Ollama or nvidia-smi names it; and without one.
CARDS = (
    r"Device (\d{1,2}): ([^,\n]{3,80}), compute capability",
    r"using device \w+?(\d{1,2}) \(([^\n]{3,80}?)\) (?:\(|- )",
    r"inference compute\" id=(\S{1,60}) [^\n]{0,300}?(?:name|description)=\"([^\"\n]{3,80})\"",
    r"\| {1,9}(\d{1,2}) {1,9}((?:NVIDIA|Tesla|Quadro) [^|\n]{2,60}?) {1,40}(?:On|Off|N/A)\s",
)
CARD = (r"GPU name:\s+([^\n]{3,60})", r"device_name=([\w.+-]{3,60}?)(?:,|\.json)")


@dataclass(frozen=True)
class Log:
    """A log of one start.

    Attributes
    ----------
    text : str
        All of it.
    said : str
        The lines in which the engine repeats its arguments.
    command : dict
        Options of the command line above it, by their names without dashes.
    """

    text: str
    said: str
    command: dict[str, str]

    def numbers(self, *patterns: str) -> list[float]:
        """The numbers of the first pattern that is found."""
        for pattern in patterns:
            found = re.findall(pattern, self.text, re.A)
            if found:
                return [float(n.replace(",", "")) for n in found]
        return []

    def words(self, pattern: str) -> list[str]:
        """The texts that a pattern finds."""
        return [m.group(1).strip() for m in re.finditer(pattern, self.text)]

    def argument(self, *options: str) -> str:
        """The value of the first of some arguments; "" where none is given."""
        for name in options:
            value = setting(self.said, name) or self.command.get(name.replace("_", "-"), "")
            if value not in ("", "None", "null", "none"):
                return value
        return ""

    def number(self, *options: str) -> float | None:
        """The same as a number."""
        return _human(self.argument(*options))

    def count(self, *options: str) -> int | None:
        """The same as a whole number."""
        return whole(self.number(*options))

    def truth(self, *options: str) -> bool | None:
        """The same as a switch; None where it is neither on nor off."""
        known = {"true": True, "1": True, "false": False, "0": False}
        return known.get(self.argument(*options).lower())

    def repository(self, *options: str) -> str:
        """The same as a repository's name, also where the path of a hub's cache is given."""
        name = self.argument(*options)
        cached = re.search(r"models--([^/\s]+?)--([^/\s]+)", name)
        return f"{cached.group(1)}/{cached.group(2)}" if cached else name.rstrip("/")

    def most(self, *patterns: str, scale: float = 1.0) -> float | None:
        """The largest of those numbers, of those above 0."""
        return most(self.numbers(*patterns), scale)

    def last(self, *patterns: str, scale: float = 1.0) -> float | None:
        """The last of those numbers."""
        found = self.numbers(*patterns)
        return found[-1] * scale if found else None

    def last_count(self, *patterns: str) -> int | None:
        """The same as a whole number."""
        return whole(self.last(*patterns))

    @property
    def dtype(self) -> str:
        """The type that it computes in; "" where it is the model's own."""
        name = self.argument("dtype").removeprefix("torch.")
        return "" if name == "auto" else name

    @property
    def started(self) -> bool | None:
        """Whether the engine started; None where the log ends before."""
        if REFUSED.search(self.text):
            return False
        return True if SERVES.search(self.text) else None

    @property
    def card(self) -> str:
        """The card, where something names it; "2x A; 1x B" of several."""
        for pattern in CARDS:
            cards = dict(re.findall(pattern, self.text))
            kinds = Counter(name.strip() for name in cards.values())
            if len(kinds) > 1:
                return "; ".join(f"{count}x {name}" for name, count in kinds.items())
            if kinds:
                return next(iter(kinds))
        return next((name for pattern in CARD for name in self.words(pattern)), "")


def log_of(part: str, text: str) -> Log:
    """Read what an engine repeats of its arguments, and the command above.

    Parameters
    ----------
    part : str
        A log of one start.
    text : str
        All that was pasted.

    Returns
    -------
    Log
        The start.

    Examples
    --------
    >>> one = log_of("non-default args: {'max_num_seqs': 64}", "")
    >>> one.count("max_num_seqs")
    64
    """
    from .. import launch  # a page opens without the readers of commands

    # what was resolved goes before what was asked for
    spoken = sorted(ARGUMENTS.finditer(part), key=lambda m: "with config" not in m.group())
    said = "\n".join(_until_next_line(part, m.end()) for m in spoken)
    return Log(part, said, launch.arguments(part) or launch.arguments(text))


def _until_next_line(text: str, begin: int) -> str:
    """The rest of a line of a log, also where a terminal has wrapped it."""
    rest = text[begin : begin + LONGEST_LINE]
    after = NEXT_LINE.search(rest)
    return rest[: after.start()] if after else rest


def setting(said: str, name: str) -> str:
    """Read the first value of an argument as Python prints it.

    Parameters
    ----------
    said : str
        A line with arguments.
    name : str
        One of them.

    Returns
    -------
    str
        Its value; "" where it is not there.

    Examples
    --------
    >>> setting("Namespace(model='a/b', tp=8)", "tp"), setting("{'method': 'mtp'}", "method")
    ('8', 'mtp')
    """
    value = r"""\s{0,4}[=:]\s{0,4}(?:'([^'\n]{0,400})'|"([^"\n]{0,400})"|([^\s,)}\]]{1,400}))"""
    found = re.search(rf"""(?<![\w.-])['"]?{name}['"]?{value}""", said)
    return next(filter(None, found.groups()), "") if found else ""


def _human(text: str) -> float | None:
    """A number as engines take it; None where it is none."""
    from ..launch import options

    try:
        return float(options.whole("", text, -options.MOST))
    except BadInput:
        return float(text) if re.fullmatch(r"-?\d{1,15}\.\d{1,9}", text.strip()) else None


def most(values: Iterable[float], scale: float = 1.0) -> float | None:
    """Take the largest that is above 0.

    Parameters
    ----------
    values : iterable of float
        What cards or workers say.
    scale : float
        What one of them stands for.

    Returns
    -------
    float or None
        It, scaled; None where there is none.

    Examples
    --------
    >>> most([2.0, 3.0, -1.0], 10), most([-1.0])
    (30.0, None)
    """
    top = max((v for v in values if v > 0), default=None)
    return None if top is None else top * scale


def whole(value: float | None) -> int | None:
    """Take a whole number of tokens or sequences.

    Parameters
    ----------
    value : float or None
        What a log says.

    Returns
    -------
    int or None
        The same; None below 1, as an engine's own choice is written.

    Examples
    --------
    >>> whole(8.0), whole(-1.0)
    (8, None)
    """
    return None if value is None or value < 1 else int(value)
