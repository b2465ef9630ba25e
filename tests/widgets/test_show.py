"""What a chapter's cell shows: the same numbers as text and as well-formed HTML."""

from xml.etree import ElementTree

from llmcap_kernel import capacity, catalog
from widgets.figures import show
from widgets.live.cells import bundle


def test_a_table_is_text_and_html():
    shown = show.table(("card", "GiB"), [("<l4>", 22.03), ("h200", 140)], "Memory")
    assert repr(shown).splitlines() == ["Memory", "card  GiB", "<l4>   22", "h200  140"]
    table = ElementTree.fromstring(shown._repr_html_())
    assert [node.text for node in table.iter("td")] == ["22", "140"]
    assert bundle(shown) == {"text/plain": repr(shown), "text/html": shown._repr_html_()}


def test_phrases_begin_at_one_place_and_numbers_end_at_one():
    rows = [("tp", "rent and collectives", 2), ("kv", "quality at long context", 31)]
    html = show.table(("lever", "costs", "users"), rows, "Levers")._repr_html_()
    table = ElementTree.fromstring(html)
    words = [node.text for node in table.iter() if node.get("class") == "lc-words"]
    assert words == ["costs", "rent and collectives", "quality at long context"]


def test_arithmetic_is_of_whole_results_and_of_single_lines():
    card = catalog.deployment(model="llama-3.1-8b", gpu="rtx-3090")
    books = capacity.ledger(card, context_tokens=8000)
    runtime = next(line for line in capacity.term_lines(books) if line.name == "runtime")
    text = repr(show.arithmetic(books, runtime))
    assert text == f"{books.explain()}\n{runtime}"
    shown = ElementTree.fromstring(show.arithmetic(runtime)._repr_html_())
    assert shown.find("pre").text == str(runtime)
