"""Inputs that several modules here speak of, by their names in a form."""

CARDS, ANY = "gpus", "any"  # the input of a search that names its cards; and any model
LIMITS = ("itl", "ttft", "budget")
OF_LIMITS = {"itl": "the gap", "ttft": "first tokens", "budget": "the rent"}
LENGTHS = {"in", "out", "ctx"}
