"""A number in a chapter's prose is one that its cells print: else it is old, or nobody's.

Whole numbers are left out: they are mostly what a question is asked with.
"""

import json
import re

import pytest

from widgets.pages import build

CHAPTERS = sorted((build.ROOT / "book").glob("[1-5]-*.ipynb"))
NUMBER = re.compile(r"(?<![\w.,-])\d[\d,]*\.\d+(?![\w.])")
ADDRESS = re.compile(r'<a href="[^"]*"')
# What no cell prints: what a reader is given, what others measured or released, and what follows in
# the head from two numbers that are printed.
GIVEN = {
    "1-law": {"8.03"},  # exercise 1.1: a size
    "3-capacity": {"1.074", "0.26", "4.2"},  # a GiB in GB; a release; 4.2098 as printed
    # section 2: a card's bandwidth; exercise 5.8: weights of a model, and what a step reads of them
    "5-design": {"3.35", "34.3", "32.8"},
}


def prose_and_cells(path):
    """Text of a chapter, and what its cells hold and print."""
    prose, cells = [], []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            prose.append(ADDRESS.sub("", source))
            continue
        cells.append(source)
        for out in cell["outputs"]:
            cells.append("".join(out.get("text") or out["data"]["text/plain"]))
    return "\n".join(prose), "\n".join(cells)


def unprinted(path):
    """Numbers of the prose that no cell prints."""
    prose, cells = prose_and_cells(path)
    printed = set(re.findall(r"\d[\d,]*(?:\.\d+)?", cells))
    return {found for found in NUMBER.findall(prose) if found not in printed}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_number_of_the_prose_is_printed_by_a_cell(path):
    assert unprinted(path) == GIVEN.get(path.stem, set())
