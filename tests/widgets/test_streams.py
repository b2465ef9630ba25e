"""Printed text reaches the book whole, however it was cut."""

import nbformat.v4
import pytest

from widgets.pages.streams import joined


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


@pytest.mark.parametrize("pieces", [["one", "\ntwo\n"], ["one\n", "two\n"], ["one\ntw", "o\n"]])
def test_pieces_are_joined_as_they_were_printed(pieces):
    (one,) = joined([stream(piece) for piece in pieces])
    assert one["text"] == "one\ntwo\n"


def test_other_outputs_keep_their_place():
    shown = [nbformat.v4.new_output("display_data", data={}) for _ in range(2)]
    outputs = [stream("a"), stream("b"), *shown, stream("c"), stream("d", "stderr")]
    made = joined(outputs)
    assert [o.get("text") for o in made] == ["ab", None, None, "c", "d"]
    assert joined([]) == []
