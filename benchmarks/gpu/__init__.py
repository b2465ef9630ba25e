"""What a card reaches of its spec sheet, measured where the law reads it.

`plan` says what is measured, `timing` measures it, `report` reads it against the law, and
`python -m benchmarks.gpu` does all three.
"""
