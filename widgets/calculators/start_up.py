"""A start-up log of the reader's own beside the ledger: a part of Validate."""

from functools import lru_cache

from llmcap_kernel.evidence import logs, startup
from llmcap_kernel.explain import GIB, capitalised, digits
from llmcap_kernel.refuse import BadInput, printable

from ..figures.drawing import style
from ..figures.memory import stacked_bars, term_table
from ..form import from_log
from . import answers, running

# What each field of Validate says of a log; the inputs beside the file.
FIELD_OF = {
    "model": "model",
    "gpu": "gpu",
    "tp": "tp",
    "weights": "weights",
    "kv": "kv",
    "fraction": "memory_fraction",
    "maxlen": "max_model_len",
    "seqs": "max_num_seqs",
    "batched": "max_num_batched_tokens",
}
# Terms that are memory, in the order in which an engine takes them, with their marks.
MARKS = {
    "weights": "weights",
    "activations": "activations",
    "compute buffer": "activations",
    "outside PyTorch": "host",
    "CUDA graphs": "link",
    "KV cache": "cache",
}
ROOM = ("KV cache", "tokens", "concurrency")
HEADLINES = 4


class Log:
    """A start-up log: in this process alone, and gone with it.

    Parameters
    ----------
    name : str
        What the file is called.
    text : str
        What it holds.
    """

    def __init__(self, name, text):
        self.name = printable(name, 60)
        self._text = text
        self.read = lru_cache(maxsize=4)(self._read)

    def _read(self, given=()):
        return logs.read(self._text, self.name, **dict(given))

    @property
    def summary(self):
        """What it is, in words."""
        one = self.read()
        return f"a start-up log of {one.engine} {one.version}".strip()

    def asks(self, given):
        """Say what the log leaves out.

        Parameters
        ----------
        given : tuple of tuple
            Fields of a start-up and values, for where the log is silent or wrong.

        Returns
        -------
        dict
            Inputs beside the file, each with what is lacking.
        """
        return {name: f"{NEEDS[name]} is not in the log" for name in _lacks(self.read(given))}

    def parts(self, given):
        """Put the ledger beside it.

        Parameters
        ----------
        given : tuple of tuple
            Fields of a start-up and values, for where the log is silent or wrong.

        Returns
        -------
        dict
            The parts of a view.
        """
        one = self.read(given)
        try:
            lacking = _lacking(one)
            if lacking:
                raise BadInput("file", lacking)
            both = startup.beside(one)
        except BadInput as problem:
            return _open(one, startup.reason(problem))
        return {
            "status": _status(both),
            "headline": [_number(term) for term in both.terms[:HEADLINES]],
            "figure": _figure(both),
            "tables": [_terms(both), _settings(both), term_table(both.books)],
            "sentences": [SENTENCE],
            "messages": [_message(text) for text in both.notes],
            "texts": [running.engine_lines(both.books)],
        }


SENTENCE = (
    "Logged is what the engine said of the card that holds the most; computed is the ledger of "
    "the same start. A term that stands in the log alone, or in the ledger alone, is left out."
)


# What a log may leave out that the ledger needs, by the input beside the file.
NEEDS = {"model": "the model", "gpu": "the card", "weights": "the format of the weights"}


def _lacks(one):
    """Name the inputs that a log leaves out, and the ledger needs."""
    sized = one.family in startup.SIZED_BY_CONTEXT
    said = {"model": one.model, "gpu": one.gpu, "weights": one.weights or not sized}
    return [name for name in NEEDS if not said[name]]


def _lacking(one):
    """Ask for all that a log leaves out at once."""
    lacking = [NEEDS[name] for name in _lacks(one)]
    names = answers.listed(lacking)
    return f"The log does not name {names}: choose it below your file." if lacking else ""


def _open(one, reason):
    """What there is to show of a log that means no deployment yet: what it says."""
    rows = [[label, said] for label, said, _ in _stated(one)]
    table = {"caption": "What the log says", "columns": ["Setting", "Log"], "rows": rows}
    return {
        "status": {"level": "warn", "text": reason},
        "tables": [table | {"highlight": []}] if rows else [],
    }


def _status(both):
    near = [_near(both, term) for term in both.terms]
    text = both.verdict
    if near:
        text += f" {sum(near)} of {len(near)} terms are as near the log as four ledgers in five."
    room = [ok for ok, term in zip(near, both.terms, strict=True) if term.name in ROOM]
    level = "good" if all(room) and both.startup.starts is not None else "warn"
    disagrees = both.startup.starts not in (None, both.starts)
    return {"level": "bad" if disagrees else level, "text": text}


def _near(both, term):
    """Whether a term is within what four ledgers of five are off by."""
    doubt = both.books.doubt_bytes
    if term.unit == "bytes":
        return abs(term.computed - term.logged) <= doubt
    # counts follow the room
    return abs(term.error or 0) * max(both.books.kv_pool_bytes, 0) <= doubt


def _message(text):
    return {"level": "info", "field": "", "text": from_log.sentence(text)}


def _number(term):
    logged, computed, change, off = term.cells()
    value, _, unit = change.partition(" ")
    of = "of the card" if term.unit == "bytes" else ""
    return {
        "label": f"{capitalised(term.name)}: off by",
        "value": value,
        "unit": unit or term.unit,
        "note": f"{logged} logged, {computed} computed; {off} {of}".rstrip("; "),
        "explain": "",
    }


def _figure(both):
    """The terms that are memory in two bars to scale, as logged and as computed."""
    terms = {term.name: term for term in both.terms if term.name in MARKS}
    drawn = [(terms[name], MARKS[name]) for name in MARKS if name in terms]
    if not drawn:
        return None
    rows = [
        (label, [(t.name, max(pick(t), 0) / GIB, ink, False) for t, ink in drawn])
        for label, pick in (("Logged", lambda t: t.logged), ("Computed", lambda t: t.computed))
    ]
    card = both.books.visible_bytes / GIB
    said = "; ".join(f"{t.name} {' and '.join(t.cells()[:2])}" for t, _ in drawn)
    alt = f"Two stacked bars of one card's memory, as logged and as computed: {said}."
    return stacked_bars(rows, card, f"the card, {digits(card)} GiB", alt)


def _terms(both):
    levels = ["good" if _near(both, term) else "warn" for term in both.terms]
    return {
        "caption": "Term by term",
        "columns": ["Term", "Logged", "Computed", "Difference", "Of the card, or of the term"],
        "rows": [[t.name, *t.cells()] for t in both.terms],
        "swatches": [style(MARKS[t.name]) if t.name in MARKS else None for t in both.terms],
        "levels": [[None, None, level, None] for level in levels],
        "highlight": [],
        "stack": True,
    }


def _settings(both):
    d, taken = both.deployment, both.books
    rows = {
        "Engine": d.engine.title,
        "Model": d.model.name,
        "Card": d.gpu.title,
        "Cards": f"{d.num_gpus}",
        "Weights": d.weights.title,
        "KV cache": d.kv.title,
        "Memory fraction": f"{d.fraction:g}",
        "Longest request": f"{taken.context_tokens:,}",
        "Sequences at once": f"{d.seqs_limit:,}",
        "Tokens a step": f"{d.batch_limit_tokens:,}",
        "CUDA graphs": "off" if d.eager else "on",
    }
    said = {label: text for label, text, _ in _stated(both.startup)}
    return {
        "caption": "What the log says, and what the ledger is of",
        "columns": ["Setting", "Log", "Taken"],
        "rows": [[label, said.get(label, "not said"), text] for label, text in rows.items()],
        "highlight": [],
    }


def _stated(one):
    """The settings that a log states: label, text and field."""
    eager = {True: "off", False: "on", None: ""}[one.eager]
    found = (
        ("Engine", f"{one.engine} {one.version}", "engine"),
        ("Model", one.model, "model"),
        ("Card", one.gpu, "gpu"),
        ("Cards", one.num_gpus or one.tp or "", "tp"),
        ("Weights", one.weights, "weights"),
        ("KV cache", one.kv, "kv"),
        ("Memory fraction", one.memory_fraction or "", "memory_fraction"),
        ("Longest request", _count(one.max_model_len), "max_model_len"),
        ("Sequences at once", _count(one.max_num_seqs), "max_num_seqs"),
        ("Tokens a step", _count(one.max_num_batched_tokens), "max_num_batched_tokens"),
        ("CUDA graphs", eager, "eager"),
    )
    told = ((label, printable(str(text), 80), field) for label, text, field in found)
    return [(label, text.strip(), field) for label, text, field in told if text.strip()]


def _count(value):
    return "" if value is None else f"{value:,}"


def placeholders(log):
    """Say what stands in an empty field beside the file: what the log says.

    Parameters
    ----------
    log : Log
        The log.

    Returns
    -------
    dict
        Text by the name of the field in the form.
    """
    said = {field: text for _, text, field in _stated(log.read())}
    return {name: said.get(field, "not said") for name, field in FIELD_OF.items()}
