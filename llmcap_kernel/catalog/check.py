"""A row that somebody adds to the catalogue: what it lacks, in one sentence.

A row is a table of `gpus.toml` or `models.toml`, with the `[sources]` that are new. `cards` and
`huggingface` refuse what is no card and no config; here a row's names and origins are looked at.
"""

import datetime
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import huggingface
from ..refuse import BadInput, a_name, one_of, shown
from ..spec import Gpu, Model
from . import cards
from .tables import FOLDER, key, known, table

KINDS = ("datasheet", "measured", "derived", "convention")
FIGURES = (*cards.BYTES, *cards.RATES, "power_w", "memory_usable_share")
# What a card of one's own may leave out, and a row of the catalogue may not.
OF_A_CARD = (
    *("name", "vendor", "family", "form", "place", "aliases", "unified_memory", "max_per_node"),
    *("link", "memory_sold_bytes", "memory_visible_bytes", "memory_usable_share"),
    *("bandwidth_bytes_s", "link_bandwidth_bytes_s", "power_w", "flop_s"),
)
OF_A_MODEL = ("title", "config", "source", "aliases")
LIKE_OTHERS = ("vendor", "family", "form", "link")  # words that the law looks up
EXAMPLE = '{ value = 700, source = "nvidia-h200", kind = "datasheet" }'
FEW = 4  # other fields that are listed where one is missing
SHARE = 0.01  # between a count of parameters and what its publisher says


def rows(text: str, configs: Path = FOLDER / "configs") -> list[Gpu | Model]:
    """Check the rows of a file, and read them.

    Parameters
    ----------
    text : str
        TOML with tables `[gpus.NAME]`, `[models.NAME]`, and `[sources.NAME]` where one is new.
    configs : Path
        The folder that holds the models' `config.json` files.

    Returns
    -------
    list of Gpu or Model
        The rows, in the order of the file.

    Raises
    ------
    BadInput
        At the first row that lacks something; the message names the row and the field.

    Examples
    --------
    >>> rows('[models.mine]\\ntitle = "Mine"')
    Traceback (most recent call last):
    ...
    llmcap_kernel.refuse.BadInput: models.mine: config is missing: a model has title, config, ...
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise BadInput("file", f"file is no TOML: {problem}.") from None
    sources = table("gpus")["sources"] | _tables(given, "sources")
    found: list[Gpu | Model] = []
    for name, record in _tables(given, "gpus").items():
        found.append(_of_row(f"gpus.{name}", lambda n=name, r=record: _card(n, r, sources)))
    for name, record in _tables(given, "models").items():
        found.append(_of_row(f"models.{name}", lambda n=name, r=record: _model(n, r, configs)))
    if not found:
        other = f", but {shown(sorted(given)[0])}" if given else ""
        takes = "it takes tables [gpus.NAME] or [models.NAME]"
        raise BadInput("file", f"file has no row{other}: {takes}.")
    return found


def _tables(given: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    found = given.get(kind, {})
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise BadInput(kind, f"{kind} is {shown(found)}: it takes tables [{kind}.NAME].")
    return found


def _of_row(where: str, check: Any) -> Any:
    """Say in front of what is wrong which row it is of."""
    try:
        return check()
    except BadInput as problem:
        raise BadInput(problem.field, f"{where}: {problem}") from None


def _card(name: str, record: dict[str, Any], sources: Mapping[str, Any]) -> Gpu:
    a_name("card", **{field: record[field] for field in ("name", *LIKE_OTHERS) if field in record})
    _complete(record, OF_A_CARD, "card")
    _names("gpus", name, record)
    for field in LIKE_OTHERS:
        one_of(field, record[field], sorted({r[field] for r in table("gpus")["gpus"].values()}))
    rates = record["flop_s"] if isinstance(record["flop_s"], dict) else {}
    figures = {field: record[field] for field in FIGURES if field in record}
    for field, figure in (figures | {f"flop_s.{k}": v for k, v in rates.items()}).items():
        _figure(field, figure, sources)
    fields = {field: value for field, value in record.items() if field not in cards.HOW_WRITTEN}
    return cards.of_fields(fields | {"title": record["name"], "name": name})


def _figure(field: str, figure: Any, sources: Mapping[str, Any]) -> None:
    """Each figure of a card says where it is from."""
    if not isinstance(figure, dict) or not {"value", "source", "kind"} <= set(figure):
        raise BadInput(field, f"{field} does not say where it is from: it takes {EXAMPLE}.")
    one_of(f"{field}: kind", figure["kind"], KINDS)
    if figure["kind"] == "derived" and not figure.get("note"):
        raise BadInput(field, f"{field} is derived and has no note: it takes the arithmetic.")
    source = sources[one_of(f"{field}: source", figure["source"], sources)]
    _complete(source, ("title", "url", "date", "check"), f"source {figure['source']}")
    _address("url", source["url"])
    _day("date", source["date"])


def _model(name: str, record: dict[str, Any], configs: Path) -> Model:
    _complete(record, OF_A_MODEL, "model")
    _names("models", name, record)
    _address("source", record["source"])
    if "date" in record:
        _day("date", record["date"])
    path = configs / Path(str(record["config"])).name
    if not path.is_file():
        raise BadInput("config", f"config {shown(record['config'])} is not in {configs}.")
    model = huggingface.load(path, name)
    published = record.get("published_params")
    if published:
        _complete(published, ("value", "source"), "published_params")
        counts = (model.params, model.params + model.mtp_params)  # some count what drafts, too
        if not any(_agrees(count, published["value"]) for count in counts):
            stated = f"published_params is {published['value']:.4g}"
            raise BadInput(
                "published_params",
                f"{stated}, and the config has {model.params:.4g}: {SHARE:.0%} apart is let pass.",
            )
    return model


def _agrees(counted: float, said: float) -> bool:
    """Whether a count is within `SHARE`, or the same when rounded as the publisher did."""
    digits = len(f"{said:.6e}".partition("e")[0].rstrip("0").replace(".", ""))
    rounded = float(f"{counted:.{max(digits, 1) - 1}e}")
    return abs(counted / said - 1) <= SHARE or math.isclose(rounded, said, rel_tol=1e-9)


def _complete(record: Mapping[str, Any], wanted: tuple[str, ...], what: str) -> None:
    for field in wanted:
        if field not in record:
            others = [one for one in wanted if one != field and one not in record]
            has = f"a {what} has {', '.join(wanted)}"
            if len(others) > FEW:  # a list of all would hide the one
                has = f"so are {', '.join(others[:FEW])} and {len(others) - FEW} more of a {what}"
            raise BadInput(field, f"{field} is missing: {has}.")


def _names(kind: str, name: str, record: Mapping[str, Any]) -> None:
    """A name is written one way, and means one record."""
    if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", name):
        raise BadInput("name", "its name takes lower-case letters, digits, - and . between them.")
    for alias in record["aliases"]:
        other = known(kind).get(key(str(alias)), name)
        if other != name:
            raise BadInput("aliases", f"aliases has {shown(alias)}, which is {other}.")


def _address(field: str, value: object) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"https://\S+", value):
        raise BadInput(field, f"{field} is {shown(value)}: it takes an address, https://...")


def _day(field: str, value: object) -> None:
    if not isinstance(value, datetime.date):
        raise BadInput(field, f"{field} is {shown(value)}: it takes a day, such as 2026-11-26.")
