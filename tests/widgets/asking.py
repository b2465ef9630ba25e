"""What tests of a question ask, and what they read of its answer."""

from widgets.session import CALCULATORS, Calculator


def answer(name, text, query=""):
    """The inputs after a question, and what is said of it."""
    one = Calculator(name, query)
    view = one.set({"state": {"values": {"ask": text}, "seq": 1}})["view"]
    state = CALCULATORS[name].FORM.parse(view["query"])[0]
    return state, [*view["receipt"], *view["messages"]]


def all_text(messages):
    """All that is said of a question, in one text."""
    return " ".join(one["text"] for one in messages)
