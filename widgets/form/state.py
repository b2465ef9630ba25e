"""What a calculator takes: named inputs, their bounds, and how an address spells them.

A state is a plain mapping from input to value. It arrives from strangers, as the
query of an address or as a message from a browser, so reading never raises: an
input that cannot be read keeps its default and leaves one message that says what
it got and what it takes.

The query form, version 5: `v=5&ctx=32000&gpu=h200-sxm&k=...&d=...&p=...`. Only inputs
that differ from their defaults are written, in the order of the form; the last
three are the stamps of `versions`. Token counts may be written `8k`, `1.5M` or `32Ki`, as
`refuse.scaled` reads them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode

from llmcap_kernel.once import cached_property
from llmcap_kernel.refuse import (
    MULTIPLES,
    WHOLE,
    BadInput,
    number,
    one_of,
    scaled,
    shown,
    typed_number,
)

from . import from_log, from_name, own_card, packed, pasted, question, units, versions

MAX_QUERY = 40_000  # four deployments, each of a pasted model, are some thousands
MAX_NAME = 80
MAX_MESSAGES = 12
QUESTION = "ask"  # a question typed in a line, which is read and not kept
YES = {"1": True, "true": True, "yes": True, "on": True}
NO = {"0": False, "false": False, "no": False, "off": False}

State = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """One input of a calculator.

    Parameters
    ----------
    name : str
        What the address calls it.
    kind : str
        "name", "tokens", "whole", "number", "yes", "config" or "code".
    default : object
        The value of an untouched calculator; None leaves the choice to the kernel.
    label : str
        What a person calls it.
    low, high : float
        Smallest and largest value a number takes.
    names : callable, optional
        Gives the names that a "name" input takes; called when needed, so that the
        catalogue is read late.
    reads : callable, optional
        Reads a name that is written another way, as `from_name` does.
    beyond : bool
        Whether what it reads is taken though `names` does not list it, as a model of a size
        that has no config, or a format of other bits.
    unit : str
        Unit of a number.
    group : str
        The deployment it belongs to, where a calculator has several.
    help : str
        One sentence for whoever asks what it means.
    optional : bool
        Whether it may be left empty, which leaves the choice to the kernel.
    follows : tuple of str
        Inputs with which it changes, as a weight format does with the model, unless
        it is given itself; those that a form lacks are passed over.
    formerly : object, optional
        Its default in addresses of former versions, where it was another.
    until : str
        The last version with that default, one of `versions.EARLIER`.
    own : callable, optional
        Gives its value in a state whose inputs of `follows` have changed, and of the state before;
        that is None for an address.
    because : str
        What a value that has followed is.
    titled : callable, optional
        Names a value as a list does.

    Examples
    --------
    >>> Field("ctx", "tokens", 8000, "Context", 1, 1_000_000).read("32k")
    32000
    """

    name: str
    kind: str
    default: Any
    label: str
    low: float = 0
    high: float = 0
    names: Callable[[], Iterable[str]] | None = None
    reads: Callable[[str], from_name.Understood] | None = None
    beyond: bool = False
    unit: str = ""
    group: str = ""
    help: str = ""
    optional: bool = False
    follows: tuple[str, ...] = ()
    own: Callable[[State, State | None], Any] | None = None
    because: str = ""
    titled: Callable[[Any], str] | None = None
    formerly: Any = None
    until: str = versions.EARLIER[-1]

    @property
    def title(self):
        """The name beside the input, which a refusal begins with."""
        return f"{self.group.upper()}: {self.label}" if self.group else self.label

    @property
    def read_empty(self):
        """Whether it may be left empty."""
        return self.optional or self.default is None

    def read(self, raw):
        """Turn what a stranger wrote into a value of this input.

        Parameters
        ----------
        raw : object
            Text from an address, or a value from a browser.

        Returns
        -------
        object
            The value.

        Raises
        ------
        BadInput
            When it is none.
        """
        if self.read_empty and raw in (None, ""):
            return None
        if self.kind == "name":
            return self._name(raw)
        if self.kind == "yes":
            return _yes_or_no(self.name, raw)
        if self.kind == "config":
            return self._config(raw)
        if self.kind == "code" and self.reads:
            return self.reads(raw)
        if raw == "" and self.low == 0:
            return 0  # who empties a limit, or what is shared, wants none
        whole = self.kind in ("tokens", "whole")
        if isinstance(raw, str):
            raw = self._number(raw)
        if whole and isinstance(raw, float) and raw.is_integer():
            raw = int(raw)  # a refusal quotes -5, not -5.0
        return number(self.name, raw, self.low, self.high, self.unit, whole=whole)

    def _number(self, typed):
        """A number as it was typed; the text, for the refusal to quote, where it is none."""
        share = typed.strip().removesuffix("percent").removesuffix("%")
        if share != typed.strip():
            part = typed_number(share)
            if part is None or not (self.unit.startswith("%") or self.high == 1):
                return typed
            return part if self.unit.startswith("%") else part / 100
        value = _as_number(typed, self.kind == "tokens", self.unit)
        return typed.strip() if not isinstance(value, str) and abs(value) >= WHOLE else value

    def _config(self, raw):
        if not isinstance(raw, str):
            raise BadInput(self.name, f"{self.name} is {shown(raw)}: it takes a config.json.")
        try:
            return pasted.read(raw)
        except BadInput as problem:
            raise BadInput(self.name, self.name + str(problem).removeprefix("config")) from None

    def spell(self, value):
        """Write a value of this input as the address does.

        Parameters
        ----------
        value : object
            A value of this input, not None.

        Returns
        -------
        str
            The shortest text that reads back as the same value.
        """
        return packed.pack(value) if self.kind == "config" else spelled(value)

    def _name(self, raw):
        names = tuple(self.names()) if self.names else ()
        try:
            return one_of(self.name, raw, names)
        except BadInput:
            read = self.understood(raw)
            if read and (self.beyond or read.name in names):
                return read.name
            raise

    def understood(self, raw):
        """Read a name that is not spelled as it is listed.

        Parameters
        ----------
        raw : object
            Text from an address, or a value from a browser.

        Returns
        -------
        Understood or None
            What it means; None where it is listed, or no name that is worth reading.

        Raises
        ------
        BadInput
            When it is unknown, or could be several.
        """
        if not self.reads or self.kind == "code" or not isinstance(raw, str):
            return None
        if len(raw) > (own_card.MAX_CODE if own_card.is_own(raw) else MAX_NAME):
            return None
        if raw in (self.names() if self.names else ()):
            return None
        try:
            return self.reads(raw)
        except BadInput as problem:
            if not self.beyond:
                return None
            said = str(problem).removeprefix(problem.field)
            raise BadInput(self.name, self.name + said) from None


def _as_number(text, multiples, unit):
    """Read a number, with its unit or without; give the text back for the refusal to quote."""
    if scaled(text)[1] > 1 and not multiples:
        return text
    value = typed_number(text)
    return _in_unit(text, unit) if value is None else value


def _in_unit(text, unit):
    try:
        return units.read(text, unit).value if units.is_known(unit) else text
    except BadInput:
        return text


def _yes_or_no(field, raw):
    if isinstance(raw, bool):
        return raw
    known = YES | NO
    if isinstance(raw, str) and raw.strip().lower() in known:
        return known[raw.strip().lower()]
    raise BadInput(field, f"{field} is {shown(raw)}: it takes 1 or 0.")


@dataclass(frozen=True)
class Form:
    """All inputs of one calculator.

    Parameters
    ----------
    name : str
        The calculator, as the address of its app names it.
    fields : tuple of Field
        Its inputs, in the order they are shown and written; none is called v, k, d
        or p, which an address keeps for its versions.
    """

    name: str
    fields: tuple

    @cached_property
    def by_name(self):
        """The inputs by their names, in the same order."""
        return {field.name: field for field in self.fields}

    def defaults(self):
        """Give the state of an untouched calculator.

        Returns
        -------
        dict
            Every input with its default.
        """
        return {field.name: field.default for field in self.fields}

    def check(self, values, base=None):
        """Read a stranger's values, whatever they are.

        Parameters
        ----------
        values : object
            A mapping from input to value; inputs it lacks keep their base.
        base : dict, optional
            What an input keeps when its value cannot be read; the defaults when
            left out.

        Returns
        -------
        tuple of dict and list
            A complete state, and the messages.
        """
        state = dict(base or self.defaults())
        if not isinstance(values, Mapping):
            text = f"A state is {shown(values)}: it takes a mapping from input to value."
            return state, [_message("error", "", text)]
        values, answered, messages = self._from_question(values, state)
        values, filled, told = self._from_texts(values, state)
        values, named, said = self._from_names(values, base)
        filled, messages = answered | filled | named, messages + told + said
        for name, raw in values.items():
            try:
                field = self.by_name[self._key(name)]
            except BadInput as problem:
                messages.append(_message("warning", "", str(problem)))
                continue
            try:
                state[field.name] = field.read(raw)
            except BadInput as problem:
                kept = _what_stays(field, state[field.name])
                said = field.title + str(problem).removeprefix(field.name)
                messages.append(_message("error", field.name, f"{said}{kept}"))
        if base is not None:  # typed in the page; who reads a link reads the number in its box
            messages += self._thousands(values, state)
            messages += self._other_unit(values, state)
        # a page sends all inputs with the one that changed
        given = values if base is None else filled
        before = base or self.defaults()
        state = self._followed(state, before, given, base)
        if base is not None:  # an address says what it says; of a change that follows, one is told
            messages += [
                _message("info", field.name, self._told(field, before, state))
                for field in self.fields
                if field.own is not None
                and field.name not in values | filled
                and state[field.name] != before[field.name]
            ]
        return state, _capped(messages)

    def _told(self, field, before, state):
        old, new = (field.titled(one[field.name]) for one in (before, state))
        return f"{field.title} went from {old} to {new}, {field.because}."

    def _thousands(self, values, state):
        """Say once what a K was taken for: engines take theirs for 1,024."""
        for field in self.fields:
            typed, read = values.get(field.name), state[field.name]
            if field.kind != "tokens" or not isinstance(typed, str) or read is None:
                continue
            digits, scale = scaled(typed)
            if scale == MULTIPLES["k"] and _as_number(typed, True, "") == read:
                said = f"{field.title}: {digits}K is read as {read:,} tokens."
                engines = f"With 1,024 in a K, as vLLM counts, it is {digits}Ki."
                return [_message("info", field.name, f"{said} {engines}")]
        return []

    def _other_unit(self, values, state):
        """Ask where a bare number is far more likely of the other unit of time."""
        messages = []
        for field in self.fields:
            typed, read = values.get(field.name), state[field.name]
            if field.unit not in units.SLIPS or not isinstance(typed, str):
                continue
            if read and typed_number(typed) is not None and (meant := units.slip(read, field.unit)):
                said = f"{field.title}: {typed.strip()} is read as {read:,g} {field.unit}."
                said += f" Did you mean {meant}? Then write it with its unit."
                messages.append(_message("warning", field.name, said))
        return messages

    def _from_question(self, values, state):
        """Put what a typed question says in its place."""
        values = dict(values)
        text = values.pop(QUESTION, None)
        if text is None:
            return values, {}, []
        try:
            filled, notes, left, elsewhere = question.inputs(self, text, state)
        except BadInput as problem:
            return values, {}, [_message("error", QUESTION, str(problem))]
        said = [_message("info", QUESTION, one) for one in notes]
        said += [_message("warning", QUESTION, one) for one in left]
        query = urlencode({QUESTION: text.strip()})
        said += [
            _message("warning", QUESTION, one) | {"link": {"name": name, "query": query}}
            for one, name in elsewhere
        ]
        return values | filled, filled, said

    def _from_texts(self, values, state):
        """Put what a pasted start-up log or launch command says in its place."""
        values, messages = dict(values), []
        filled: State = {}
        for field in self.fields:
            text = values.get(field.name)
            reader = _reader(text) if field.kind == "config" else None
            if not reader:
                continue
            del values[field.name]
            try:
                prefix = field.name.removesuffix("config")
                found, said = reader(text, state, prefix)
            except BadInput as problem:
                said = str(problem)
                if said.startswith("config"):
                    said = field.title + said.removeprefix("config")
                messages.append(_message("error", field.name, said))
                continue
            filled |= found
            messages += [_message("info", field.name, from_log.sentence(text)) for text in said]
        return values | filled, filled, messages

    def _from_names(self, values, base):
        """Put the names that are meant in the place of those written, with what else they say.

        What is stated beside a name goes before what the name says. A page sends all its inputs
        with the one that changed, so there only another value than before is stated.
        """
        values, messages = dict(values), []
        filled: State = {}
        for field in self.fields:
            try:
                read = field.understood(values.get(field.name))
            except BadInput:
                continue  # the field refuses it, and says why
            if not read or read.name == values[field.name]:
                continue
            values[field.name] = read.name
            prefix = field.name.removesuffix(read.field)
            more = {prefix + name: value for name, value in read.more.items()}
            filled |= {
                name: value
                for name, value in more.items()
                if name in self.by_name
                and (name not in values or (base is not None and values[name] == base.get(name)))
            }
            if read.said:
                messages.append(_message("info", field.name, read.said))
        return values | filled, filled, messages

    def _followed(self, state, before, given, base):
        """Let what follows an input that has changed follow it."""
        for field in (*self.fields, *self.fields):  # one may follow another that follows
            changed = any(state.get(name) != before.get(name) for name in field.follows)
            untouched = field.name not in given and state[field.name] == before[field.name]
            if field.own is not None and changed and untouched:
                state[field.name] = field.own(state, base)
        return state

    def parse(self, query):
        """Read the query of an address.

        Parameters
        ----------
        query : str
            What follows the question mark; a leading one is forgiven.

        Returns
        -------
        tuple of dict and list
            A complete state, and one message for each part not understood.
        """
        messages, given = [], {}
        text = str(query or "").strip().removeprefix("?")
        if len(text) > MAX_QUERY:
            text = text[:MAX_QUERY].rpartition("&")[0]
            lost = f"The address is too long: only its first {MAX_QUERY:,} characters were read."
            messages.append(_message("warning", "", lost))
        for part in filter(None, text.split("&")):
            key, _, value = part.partition("=")
            key, value = unquote_plus(key), unquote_plus(value)
            if key in given:
                twice = f"{shown(key)} is given more than once: the first is used."
                messages.append(_message("warning", "", twice))
            else:
                given[key] = value
        # Voila takes its theme and template from the same query.
        given = {key: value for key, value in given.items() if not key.startswith("voila-")}
        version = given.pop("v", versions.UNSTATED if given else versions.FORM)
        messages += _version(version)
        if version in versions.EARLIER:
            for field in self.fields:
                if field.formerly is not None and version <= field.until:
                    given.setdefault(field.name, field.formerly)
        if version in versions.NOTHING_FOLLOWED:
            for field in self.fields:
                if field.follows:
                    given.setdefault(field.name, field.default)
        messages += _moved({key: given.pop(key) for key in versions.TITLES if key in given})
        state, more = self.check(given)
        return state, _capped(messages + more)

    def query(self, state):
        """Write a state the way an address spells it.

        Parameters
        ----------
        state : dict
            A complete state.

        Returns
        -------
        str
            The query, without its question mark.
        """
        parts = [f"v={versions.FORM}"]
        for field in self.fields:
            value = state[field.name]
            if value != self._unwritten(field, state):
                text = "" if value is None else field.spell(value)
                parts.append(f"{field.name}={quote(text, safe='/.,:-')}")
        parts += [f"{key}={stamp}" for key, stamp in versions.stamps().items()]
        return "&".join(parts)

    def _unwritten(self, field, state):
        """What an input is in an address that does not say it."""
        moved = any(state[n] != self.by_name[n].default for n in field.follows if n in state)
        return field.own(state, None) if moved and field.own else field.default

    def _key(self, name):
        if isinstance(name, str) and name in self.by_name:
            return name
        try:
            return one_of("input", name, self.by_name)
        except BadInput as problem:
            raise BadInput("", f"{problem} It was left out.") from None


def spelled(value):
    """Write one value as the address does.

    Parameters
    ----------
    value : object
        A value of a state.

    Returns
    -------
    str
        The shortest text that reads back as the same value.

    Examples
    --------
    >>> spelled(True), spelled(8000), spelled(0.98)
    ('1', '8000', '0.98')
    """
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return "its default" if value is None else str(value)


def _reader(text):
    """Who reads a pasted text that is no config.json; None where it is one, or its code."""
    if not isinstance(text, str):
        return None
    from . import from_launch, from_settings  # a page opens without the readers of commands

    if own_card.is_card(text):
        return own_card.inputs
    if from_log.is_log(text):  # with the command above it, perhaps
        return from_log.inputs
    if pasted.is_machine(text):
        return pasted.from_machine
    if pasted.is_name(text):
        return pasted.from_model_name
    if from_settings.is_settings(text):  # before commands, which would miss a model in it
        return from_settings.inputs
    return from_launch.inputs if from_launch.is_launch(text) else None


def _what_stays(field, value):
    """Say what stays where a value was refused; a pasted model would not be read out."""
    if field.kind == "config":
        return " The model stays as it was."
    if field.kind == "code":
        return " It is not used."
    if own_card.is_own(value):
        return " The card stays as it was."
    return f" Kept {spelled(value)}."


def _message(level, field, text):
    return {"level": level, "field": field, "text": text}


def _version(given):
    if given in versions.READ:
        return []
    text = f"The address is of version {shown(given)}: it was read as version {versions.FORM}."
    return [_message("warning", "", text)]


def _moved(stamps):
    since = versions.moved(stamps)
    if not since:
        return []
    text = f"Since this link was made: {since}. The inputs are the link's, the numbers today's."
    return [_message("info", "", text)]


def _capped(messages):
    if len(messages) <= MAX_MESSAGES:
        return messages
    rest = len(messages) - MAX_MESSAGES + 1
    more = _message("warning", "", f"{rest:,} more parts of the input were not understood.")
    return [*messages[: MAX_MESSAGES - 1], more]
