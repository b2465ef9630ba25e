"""The catalogue page: every model, card and price the kernel knows, with source and date.

`python -m widgets.pages.catalogue_page` writes `book/catalogue.md` from the tables in
`llmcap_kernel/catalog`. No figure is typed here.
"""

import re

from llmcap_kernel import catalog
from llmcap_kernel.catalog import origins
from llmcap_kernel.explain import digits, gib, quantity

from . import generated
from .generated import cells

HEAD = """# The catalogue

This page is generated from the tables of `llmcap_kernel.catalog`. Each figure that a chapter or a
calculator uses stands here with where it comes from and when. A name opens in the calculator. A
price is a list price on the day given; it will have moved.
"""
CARDS = """
</details>

## Cards

Rates are dense, never with sparsity. A link is counted one way. Memory is what the driver reports,
which is less than the label says; the sources of a row unfold. *Checked* says
what was done with them. *Read*: the source itself was opened, and has the figure. *Compared*: the
figure stands in another place that quotes the source. The rest is named, and nobody has looked it
up yet. The table below this one says for each source what was compared.

<details class="lt-rows">
<summary>{} cards</summary>

| card | memory | bandwidth | BF16 | FP8 | link | checked | sources |
|---|---|---|---|---|---|---|---|
"""
ORIGINS = """
</details>

## Sources of the cards

<details>
<summary>Each source, with its date and how it was checked</summary>

| source | title | date | checked | how |
|---|---|---|---|---|
"""
CLOUDS = """
</details>

## Machines of clouds

A machine's name is read as so many cards of the list above.

| cloud | machines | date | how it was checked |
|---|---|---|---|
"""
PRICES = """
## Prices

US dollars for one card and one hour, taxes apart. A price in bold is the reference that a
calculator starts from. *Via* names the public record from which a page's price was read that day.

<details class="lt-rows">
<summary>{} prices</summary>

| card | provider | term | price | date | source |
|---|---|---|---|---|---|
"""
MODELS = """
## Models

Parameters are counted from each model's `config.json`, not copied from its name; where that is not
public, from what the source says of its layers. *Active* are those
behind one token's output. *Window* is the context the model was configured for. *Own format* is
what its checkpoint is stored in, and what is taken where none is given.

<details class="lt-rows">
<summary>{} models</summary>

| model | parameters | active | window | own format | released | source |
|---|---|---|---|---|---|---|
"""
SAID = origins.PREDICTED | {"power_w": "power"}
HOW = {way: way for way in origins.WORDS} | {origins.UNREAD: "**not yet, or in part**"}
ENGINES = """
</details>

## Engines

What an engine takes beside weights and cache. *Fraction* is its default share of the card, and
*its own* one that it works out from the card when it starts.

<details class="lt-rows">
<summary>{} engines</summary>

| engine | fraction | of | page | sources |
|---|---|---|---|---|
"""
END = """
</details>
"""


def text():
    """Write the page.

    Returns
    -------
    str
        MyST Markdown.

    Examples
    --------
    >>> "h100-sxm" in text() and "llama-3.1-70b" in text()
    True
    """
    cards = (*_counted(CARDS, _cards()), ORIGINS, *_origins(), CLOUDS, *_clouds())
    rest = (*_counted(PRICES, _prices()), *_counted(ENGINES, _engines()))
    return "".join((HEAD, *_counted(MODELS, _models()), *cards, *rest, END))


def _counted(head, rows):
    """A list, and on its fold how long it is: on a phone it would be pages of rows."""
    rows = tuple(rows)
    return head.format(len(rows)), *rows


def _models():
    for name, record in sorted(catalog.table("models")["models"].items()):
        model = catalog.model(name)
        yield cells(
            _opened("tp=1&amp;model", name),
            quantity(model.params, "params"),
            quantity(model.active_params, "params"),
            f"{model.max_context_tokens:,}",
            model.native_format,
            record.get("date", "-"),
            _link(
                "config.json" if "config.json" in record["source"] else "source", record["source"]
            ),
        )


def _cards():
    for name, record in sorted(catalog.table("gpus")["gpus"].items()):
        card = catalog.gpu(name)
        rates = (card.flop_s.get(dtype) for dtype in ("bf16", "fp8"))
        yield cells(
            _opened("model=llama-3.1-8b&amp;tp=1&amp;gpu", name),
            gib(card.memory_visible_bytes),
            quantity(card.bandwidth_bytes_s, "bytes/s"),
            *(quantity(rate, "FLOP/s") if rate else "-" for rate in rates),
            quantity(card.link_bandwidth_bytes_s, "bytes/s")
            if card.link_bandwidth_bytes_s
            else "-",
            _checked(record),
            _sources("gpus", record),
        )


def _checked(record):
    """Say how a card's figures were checked: the ways, and which are not."""
    ways = origins.checked(record)
    unread = dict.fromkeys(
        SAID.get(field.partition(".")[0], field)
        for field, way in ways.items()
        if way == origins.UNREAD
    )
    told = [way for way in (origins.READ, origins.COMPARED) if way in ways.values()]
    return ", ".join(told) + (f"; **not yet: {', '.join(unread)}**" if unread else "")


def _origins():
    sources = catalog.table("gpus")["sources"]
    for name in sorted(sources):
        source = sources[name]
        way = origins.way(source, next(iter(source.get("unread", ["any"]))))
        yield cells(
            _link(name, source["url"]),
            source["title"],
            source["date"],
            HOW[way],
            _check_words(source),
        )


def _check_words(source):
    """What a source's check says beside the one word that the column before has."""
    text = re.sub(r"^read(, |; |: |$)", "", source["check"])
    return text or "the figures are in it"


def _clouds():
    for name, cloud in sorted(catalog.table("clouds").items()):
        yield cells(
            _link(name, cloud["source"]), len(cloud["types"]), cloud["date"], cloud["check"]
        )


def _prices():
    rows, ledgers = catalog.table("prices")["price"], catalog.table("prices").get("ledgers", {})
    for row in sorted(rows, key=lambda r: (r["gpu"], not r.get("reference"), r["provider"])):
        price = quantity(row["usd_h"], "USD/h")
        yield cells(
            row["gpu"],
            row["provider"],
            row["term"],
            f"**{price}**" if row.get("reference") else price,
            row["date"],
            _link("page", row["source"]) + _via(ledgers.get(row.get("via"))),
        )


def _opened(field, name):
    """A name that opens in the calculator, in the place of one that is there at its start."""
    return f'<a href="../apps/calculate?{field}={name}">{name}</a>'


def _via(ledger):
    """Name the record a price was read from, where it was not the provider's page."""
    return f" via {_link('ledger', ledger['url'])}" if ledger else ""


def _engines():
    records = catalog.table("engines")["engines"]
    for name, record in sorted(records.items()):
        engine = catalog.engine(name)
        share = {"total": "the card", "free": "what is left"}[engine.fraction_of]
        yield cells(
            _opened("engine", name),
            digits(engine.memory_fraction) if engine.memory_fraction else "its own",
            share,
            f"{engine.block_tokens} token{'s' if engine.block_tokens > 1 else ''}",
            _sources("engines", _with_like(record, records)),
        )


def _with_like(record, records):
    """Add to an engine's record what it takes from the one that it is like."""
    like = records.get(record.get("like"))
    return (_with_like(like, records) if like else {}) | record


def _sources(kind, record):
    """Link every source that a record's figures name, each with its date."""
    known = catalog.table(kind)["sources"]
    named = dict.fromkeys(_named(record))
    links = [f"{_link(n, known[n]['url'])} {known[n]['date']}" for n in named]
    text = "<br>".join(links)
    if len(links) == 1:
        return text
    return f"<details><summary>{len(links)} sources</summary>{text}</details>"


def _named(record):
    for value in record.values():
        if isinstance(value, dict):
            if isinstance(value.get("source"), str):
                yield value["source"]
            else:
                yield from _named(value)


def _link(label, url):
    return f"[{label}]({url})"


if __name__ == "__main__":
    generated.write("catalogue", text())
