"""The house style of the prose: short sentences, plain words, no phrase that says nothing."""

import json
import re

import pytest

from widgets.pages import build

MOST_WORDS = 36  # of a sentence
WORDS = {
    r"leverag|utili[sz]e": "use",
    r"seamless|effortless|blazing|supercharge|game.chang|cutting.edge|world.class|best.in.class": (
        "a number instead of praise"
    ),
    r"powerful|revolutionary|next.generation|state.of.the.art|unlock|empower": "what it does",
    r"delve|dive into|deep dive|in today's|it is worth noting|it should be noted": "nothing",
    r"keeps? (those|these|the) books": "what is counted",
    r"out for one table": "what is left out, and why",
    r"asks? less\b": "what it costs less of",
}
NO_PROSE = re.compile(
    r"```.*?```|\$\$.*?\$\$|^\|.*$|<[^>]+>|^:::.*$|^:\w+:.*$|^#+ .*$", re.S | re.M
)
LEFT = re.compile(r"\{[\w:-]+\}`[^`]*`|`[^`]*`|\$[^$]*\$|\]\([^)]*\)")


def texts():
    """Prose by where it stands."""
    for path in sorted((build.ROOT / "book").glob("*.ipynb")):
        for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
            if cell["cell_type"] == "markdown":
                yield f"{path.name} cell {number}", "".join(cell["source"])
    for name in ("intro", "glossary", "hosting"):
        yield name, (build.ROOT / "book" / f"{name}.md").read_text("utf-8")


def sentences(text):
    """Sentences of a text, without formulas, tables and code."""
    prose = LEFT.sub(" x ", NO_PROSE.sub("\n\n", text))
    for block in re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.)\s+|\n(?=: )", prose):
        yield from re.split(r"(?<=[.?!:;])[\s\"*)]+", " ".join(block.split()))


def faults(text):
    """What the house style says of a text."""
    for sentence in sentences(text):
        if len(sentence.split()) > MOST_WORDS:
            yield f"{len(sentence.split())} words: {sentence}"
    for pattern, instead in WORDS.items():
        for found in re.finditer(pattern, text, re.I):
            yield f"{found[0]!r}: say {instead}"


@pytest.mark.parametrize(
    ("where", "text"), list(texts()), ids=lambda one: one if len(one) < 40 else ""
)
def test_the_prose_is_plain(where, text):
    assert not list(faults(text))


def test_the_style_is_held():
    """The rules fire on what they name, and not on what looks like it."""
    assert list(faults("A seamless engine.")) == ["'seamless': say a number instead of praise"]
    assert len(list(faults("word " * 60 + "."))) == 1
    assert not list(
        faults("Short.\n\n- one\n- two\n\n| a | " + "b " * 60 + "|\n\n$" + "x " * 60 + "$")
    )


CODE = re.compile(r"```.*?```|`[^`]*`", re.S)
# A number after a dollar that begins no formula: `$2^{10}$` and `$1-k/E$` begin one.
AMOUNT = re.compile(r"(?<!\\)\$(?=\d[\d.,]*(?![\d.,]|\s*[\\^_+\-=/$]))")


def every_source():
    """Each text that MyST reads: the notebooks' words, and every page."""
    yield from texts()
    for path in sorted((build.ROOT / "book").glob("*.md")):
        yield path.name, path.read_text("utf-8")


def test_no_dollars_are_read_as_a_formula():
    """MyST sets what stands between two bare dollars as mathematics, words and all."""
    bare = []
    for where, text in every_source():
        said = CODE.sub("", text)
        bare += [f"{where}: {said[m.start() :][:60]!r}" for m in AMOUNT.finditer(said)]
        for part in re.split(r"\n\s*\n", said):
            if len(re.findall(r"(?<!\\)\$", part)) % 2:
                bare.append(f"{where}: an odd dollar in {part[:60]!r}")
    assert not bare
