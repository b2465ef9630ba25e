"""The runner of a page's cells: as a notebook runs them, in the book and at its edges."""

import json

import pytest

from widgets.live import cells
from widgets.live.cells import Cells
from widgets.pages import build

CHAPTERS = sorted((build.ROOT / "book").glob("*.ipynb"))


def run(code, page=None):
    """What one cell said and answered: printed text, displays, the last value, the error."""
    parts = []
    answer = (page or Cells()).run(code, parts.append)
    printed = "".join(p["text"] for p in parts if "text" in p)
    shown = [p["display"]["text/plain"] for p in parts if "display" in p]
    value = answer["bundle"] and answer["bundle"]["text/plain"]
    error = answer["error"] and "\n".join(answer["error"]["traceback"])
    return printed, shown, value, error


def printed(code):
    return run(code)[0]


def value(code):
    return run(code)[2]


def error(code):
    return run(code)[3]


def code_cells(path):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]


def committed(cell):
    streams = [o["text"] for o in cell["outputs"] if o["output_type"] == "stream"]
    results = [o["data"]["text/plain"] for o in cell["outputs"] if "data" in o]
    return "".join(map("".join, streams)), "".join(map("".join, results)) or None


@pytest.mark.slow
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_gives_what_is_committed(path):
    page = Cells()
    for cell in code_cells(path):
        source = "".join(cell["source"])
        text, shown, last, wrong = run(source, page)
        assert wrong is None, source
        assert not shown
        assert (text, last) == committed(cell), source


def test_cells_share_their_names():
    page = Cells()
    run("a = 3", page)
    assert run("a + 1", page)[2] == "4"
    assert run("_ * 2", page)[2] == "8"
    assert "a" not in Cells().namespace


@pytest.mark.parametrize(
    "code, shown",
    [
        ("1; 2", "2"),
        ("2;", None),
        ("2;  # quiet", None),
        ("'a; b'", "'a; b'"),
        ("None", None),
        ("a = 2", None),
        ("if True:\n    2", None),
        ("", None),
        ("# nothing", None),
    ],
)
def test_a_last_expression_is_shown(code, shown):
    assert value(code) == shown


@pytest.mark.parametrize(
    "code",
    [
        "list(range(60))",
        "list(range(5))",
        "{'b': 1, 'a': 2}",
        "tuple(range(40))",
        "'x' * 200",
        "{3, 1, 2}",
        "1 / 3",
        "from collections import namedtuple; namedtuple('P', 'x y')(*'ab' )",
        "from fractions import Fraction; [Fraction(n, 97) for n in range(9)]",
    ],
)
def test_a_value_is_written_as_ipython_writes_it(code):
    pretty = pytest.importorskip("IPython.lib.pretty").pretty
    page = Cells()
    assert run(code, page)[2] == pretty(page.namespace["_"])


def test_an_object_brings_its_own_ways():
    code = """
class Bar:
    def _repr_html_(self): return "<b>bar</b>"
    def _repr_png_(self): return b"png"
    def _repr_svg_(self): return None
    def __repr__(self): return "bar"
"""
    page = Cells()
    page.run(code, print)
    assert page.run("Bar()", print)["bundle"] == {
        "text/plain": "bar",
        "text/html": "<b>bar</b>",
        "image/png": "cG5n",
    }
    assert set(page.run("Bar", print)["bundle"]) == {"text/plain"}


def test_a_calculator_is_shown_as_html():
    code = 'from widgets.host import Calculator\nCalculator("vram", "users=3")'
    made = Cells().run(code, print)["bundle"]
    assert made["text/plain"].startswith("VRAM")
    assert '<section class="lc' in made["text/html"]


def test_displays_and_prints_keep_their_order():
    parts = []
    answer = Cells().run("print('a')\ndisplay(1, [2])\nprint('b')\n3", parts.append)
    assert parts == [
        {"stream": "stdout", "text": "a\n"},
        {"display": {"text/plain": "1"}},
        {"display": {"text/plain": "[2]"}},
        {"stream": "stdout", "text": "b\n"},
    ]
    assert answer == {"bundle": {"text/plain": "3"}, "error": None}


def test_both_streams_keep_their_order():
    parts = []
    Cells().run("import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')", parts.append)
    assert [(p["stream"], p["text"]) for p in parts] == [
        ("stdout", "a\n"),
        ("stderr", "b\n"),
        ("stdout", "c\n"),
    ]


def test_output_comes_while_the_cell_runs_and_not_line_by_line():
    parts = []
    loop = "import time\nfor i in range(1000):\n    print(i)\nprint('x', end='', flush=True)\n"
    Cells().run(loop + "time.sleep(.2)\nprint('end')", parts.append)
    assert parts[0]["text"] == "0\n"
    assert 3 <= len(parts) < 20
    assert "".join(p["text"] for p in parts).endswith("999\nxend\n")


def test_output_has_an_end():
    text = printed("for i in range(10**6):\n    print('spam')")
    assert len(text) < cells.MOST_CHARACTERS + 100
    assert text.endswith("[output ends here, after 200,000 characters]\n")
    parts = []
    output = cells.Output(parts.append)
    for _ in range(cells.MOST_CHARACTERS // 1000):  # sooner than the pause between two pieces
        output.write("stdout", "spam " * 200)
    assert parts[-1]["text"].endswith("characters]\n")  # and the code may run on for ever
    text, shown, _, _ = run("for i in range(1000):\n    display(i)")
    assert len(shown) == cells.MOST_DISPLAYS
    assert text == "[only 100 displays are shown]\n"
    assert value("list(range(10**5))").endswith("characters in all]")


@pytest.mark.parametrize(
    "code, lines",
    [
        ("x = 1\nnope", "line 2: nope\nNameError: name 'nope' is not defined"),
        ("1 / 0 + 2", "line 1: 1 / 0 + 2\n        ~~^~~\nZeroDivisionError: division by zero"),
        (
            "def f(x):\n    return x.nope\nf(1)",
            "line 2: return x.nope\n               ^^^^^^\n"
            "AttributeError: 'int' object has no attribute 'nope'",
        ),
        ("print(", "line 1: print(\n             ^\nSyntaxError: '(' was never closed"),
        ("x = 1\nreturn 3", "line 2: return 3\n"),
        ("raise ValueError('two\\nlines')", "ValueError: two"),
        ("eval('1+')", "line 1: eval('1+')\nSyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("def f():\n    f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("input('name')", "RuntimeError: input() does not work in a page"),
        ("import math\n%timeit 1", "line 2: %timeit 1\nSyntaxError: a command of IPython"),
        ("a = !ls", "a command of IPython"),
        ("print?", "a command of IPython"),
        ("await f()", "await works in a function only"),
        ("'%d' % 'x'\n", "TypeError"),
        ("\0", "null bytes"),
    ],
)
def test_an_error_is_told_in_three_lines(code, lines):
    told = error(code)
    assert lines in told
    assert len(told.splitlines()) <= 3


def test_a_wrong_name_of_the_catalogue_is_told_in_one_sentence():
    code = "from llmcap_kernel import catalog\ncatalog.model('llama-3.1-70')"
    first, *_, last = error(code).splitlines()
    assert first == "line 2: catalog.model('llama-3.1-70')"
    assert "BadInput" in last


def test_an_error_in_an_earlier_cell_says_so():
    page = Cells()
    run("def f(x):\n    return 1 / x", page)
    assert run("f(0)", page)[3].startswith("line 2 of an earlier cell: return 1 / x")


def test_what_came_before_an_error_is_kept():
    text, _, _, wrong = run("print('before')\n1 / 0")
    assert text == "before\n"
    assert wrong
