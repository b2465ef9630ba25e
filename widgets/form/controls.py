"""What the calculators share: inputs of a deployment, a load and limits; the frame of a view."""

from collections import Counter
from functools import cache

from llmcap_kernel import capacity, catalog, design, serving
from llmcap_kernel.address import LIMITS, MEAN, SHORT, WHICH, asked
from llmcap_kernel.design import handover
from llmcap_kernel.explain import digits, quantity
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import Slo, Tail, Workload

from . import from_name, learnt, own_card, pasted
from .state import Field

MOST_CARDS = 64
MOST_TOKENS = 10_000_000
MOST_USERS = 100_000
LIMITS_FOLD = "The engine's own limits"
# What engines of servers load, and so what most people mean; the rest stands below it.
SERVED = (
    *("bf16", "fp16", "fp8", "fp8-block", "int8", "mxfp8", "int4-awq", "int4-gptq"),
    *("nvfp4", "mxfp4"),
)
STAGES = (1, 2, 4, 8)
TOKEN_STOPS = tuple(
    round(step * 1000 * 2**power)
    for power in range(-1, 12)
    for step in (1, 1.25, 1.5, 1.75)
    if power >= 1 or step in (1, 1.5)
)
USER_STOPS = (*range(1, 17), *(round(2**power * step) for power in range(4, 12)
                               for step in (1.25, 1.5, 1.75, 2)))  # fmt: skip
PASTE = (
    "Any Hugging Face config.json, which takes the place of the model above; the command that "
    "launches an engine, or its start-up log, which fill the inputs; or a card of your own, as "
    "`llmcap gpus NAME --toml` prints one. A link keeps of a config the fields that count."
)
NO_LIMIT = "At most; 0 for no limit."
HALF = {"half": True}  # two such inputs share a line
TWICE = {"twice": True}  # it takes the room of two where many share a line
FRACTION_STOPS = tuple(n / 100 for n in range(50, 100))


def deployment_fields(start, *, prefix="", group="", fraction=None):
    """List the inputs that make a deployment.

    Parameters
    ----------
    start : Deployment
        Where an untouched calculator opens.
    prefix : str
        What their names begin with, where there are several deployments.
    group : str
        The deployment they belong to.
    fraction : float, optional
        A memory fraction other than that deployment's.

    Returns
    -------
    tuple of Field
        model, config, gpu, tp, pp, ep, weights, kv, engine, fraction, dp, those of
        `LIMITS`, and usd for a group.
    """
    named = ("model", "gpu", "weights", "kv", "engine")
    at = (
        {name: getattr(start, name).name for name in named}
        | {
            "config": None,
            "tp": start.tp,
            "pp": start.pp,
            "ep": start.ep > 1,
            "fraction": fraction or start.memory_fraction,
            "dp": start.dp_attention,
            "usd": start.usd_h,
        }
        | {name: getattr(start, attribute) for name, attribute in LIMITS.items()}
    )

    def field(name, kind, label, low=0, high=0, **more):
        return Field(prefix + name, kind, at[name], label, low, high, group=group, **more)

    fields = (
        field("model", "name", "Model", names=catalog.models,
              reads=from_name.model, beyond=True),
        field("config", "config", "config.json", help=PASTE),
        field("gpu", "name", "GPU", names=catalog.gpus, reads=from_name.card,
              beyond=True),
        field("tp", "whole", "Cards (TP)", 1, MOST_CARDS),
        field("pp", "whole", "Stages (PP)", 1, MOST_CARDS),
        field("ep", "yes", "Expert parallel (EP)", help="Each card holds whole experts."),
        field("weights", "name", "Weights", names=catalog.formats,
              reads=from_name.weights, beyond=True,
              follows=(prefix + "model", prefix + "config"),
              own=lambda state: _own_format(state, prefix)),
        field("kv", "name", "KV cache", names=_kv_formats, reads=from_name.kv,
              beyond=True),
        field("engine", "name", "Engine", names=catalog.engines,
              reads=from_name.engine, beyond=True),
        field("fraction", "number", "Memory fraction", 0.05, 1),
        field("dp", "yes", "DP attention", help="Each card holds the cache of its own users."),
        field("seqs", "whole", "Sequences at once", 1, MOST_USERS),
        field("batched", "tokens", "Tokens a step", 1, MOST_TOKENS, unit="tokens"),
        field("maxlen", "tokens", "Tokens a request", 1, MOST_TOKENS, unit="tokens"),
        field("block", "whole", "Tokens a block", 1, 4096, unit="tokens"),
        field("eager", "yes", "No CUDA graphs"),
    )  # fmt: skip
    rent = field("usd", "number", "Card rent", 0, 1000, unit="USD/h")
    return (*fields, rent) if group else fields


def _kv_formats():
    return catalog.formats(kv=True)


def load_fields(load, *, optional_users=False):
    """List the inputs that make a load.

    Parameters
    ----------
    load : Workload
        Where an untouched calculator opens.
    optional_users : bool
        Whether the users may be left to the kernel, which takes the most that meet
        the limits.

    Returns
    -------
    tuple of Field
        in, out, users and prefix.
    """
    prompt, answer, users = load.input_tokens, load.output_tokens, load.concurrency
    return (
        Field("in", "tokens", prompt, "Prompt", 1, MOST_TOKENS, unit="tokens"),
        Field("out", "tokens", answer, "Answer", 1, MOST_TOKENS, unit="tokens"),
        Field("users", "whole", users, "Users at once", 1, MOST_USERS, unit="users",
              optional=optional_users,
              help="Empty for the most that meet the limits." if optional_users else ""),
        Field("prefix", "tokens", load.shared_prefix_tokens, "Shared by all", 0, MOST_TOKENS,
              unit="tokens", help="The start of every prompt, kept once by a prefix cache."),
    )  # fmt: skip


def limit_fields(slo, *, formerly=None):
    """List the inputs that limit what a deployment may take.

    Parameters
    ----------
    slo : Slo
        Where an untouched calculator opens.
    formerly : str, optional
        Which gap an address meant that said nothing of it, before version 4.

    Returns
    -------
    tuple of Field
        itl, ttft and budget, each 0 where nothing is asked; itlp and ttftp say which gap and which
        first token are meant.
    """
    (gap_s, which_gap), (wait_s, which_wait) = asked(slo, "itl"), asked(slo, "ttft")

    def which(name, default, label, formerly=None):
        return Field(name, "name", default, label, names=lambda: WHICH, formerly=formerly)

    return (
        Field("itl", "number", 1e3 * gap_s, "Token gap (ITL)", 0, 100_000, unit="ms",
              help=NO_LIMIT),
        which("itlp", which_gap, "Which gap", formerly),
        Field("ttft", "number", wait_s, "First token (TTFT)", 0, 86_400, unit="s", help=NO_LIMIT),
        which("ttftp", which_wait, "Which first token"),
        Field("budget", "number", slo.usd_h or 0, "Budget", 0, 1_000_000, unit="USD/h",
              help=NO_LIMIT),
    )  # fmt: skip


LIMITED = ("itl", "itlp", "ttft", "ttftp", "budget")
WHICH_WORDS = {MEAN: "the mean"} | {name: f"{name[1:]} of 100" for name in WHICH[1:]}


def limit_controls(fields, state):
    """Show the limits on latencies, each beside which of them is meant.

    Parameters
    ----------
    fields : mapping of str to Field
        The calculator's inputs by name.
    state : dict
        A complete state.

    Returns
    -------
    list of dict
        Controls of itl, itlp, ttft, ttftp and budget.
    """
    words = [(name, WHICH_WORDS[name], "") for name in WHICH]
    out = []
    for name in ("itl", "ttft"):
        which = select(fields[name + "p"], state, words) | HALF
        if not state[name] or state[name + "p"] == MEAN:
            which["text"] = "none"  # nothing to say beside the limit
        out += [entry(fields[name], state) | HALF, which]
    return [*out, entry(fields["budget"], state) | HALF]


def load(state):
    """Build the load that a state describes.

    Parameters
    ----------
    state : dict
        A complete state.

    Returns
    -------
    Workload
        The load.

    Raises
    ------
    BadInput
        When the prefix is longer than the prompt.
    """
    return Workload(state["in"], state["out"], state["users"] or 1, state["prefix"])


def limits(state):
    """Build the limits that a state asks for.

    Parameters
    ----------
    state : dict
        A complete state.

    Returns
    -------
    Slo
        The limits; None where the state has 0.
    """
    bounds = {"itl": state["itl"] / 1e3, "ttft": state["ttft"]}
    means = {f"{n}_s": x for n, x in bounds.items() if x and state[n + "p"] == MEAN}
    tails = tuple(
        Tail(n, float(state[n + "p"].removeprefix("p")), x)
        for n, x in bounds.items()
        if x and state[n + "p"] != MEAN
    )
    return Slo(**means, usd_h=state["budget"] or None, tails=tails)


def deployment(state, prefix=""):
    """Build the deployment that a state describes.

    Parameters
    ----------
    state : dict
        A complete state.
    prefix : str
        What the names of its inputs begin with.

    Returns
    -------
    Deployment
        The deployment.

    Raises
    ------
    BadInput
        When the parts do not go together.
    """
    names = ("tp", "pp", "weights", "kv", "engine")
    config = state[prefix + "config"]
    return catalog.deployment(
        model=pasted.model(config) if config else state[prefix + "model"],
        gpu=own_card.card(state[prefix + "gpu"]),
        **{name: state[prefix + name] for name in names},
        ep=state[prefix + "tp"] if state[prefix + "ep"] else 1,
        memory_fraction=state[prefix + "fraction"],
        dp_attention=state[prefix + "dp"],
        usd_h=state.get(prefix + "usd"),
        **{attribute: state[prefix + name] for name, attribute in LIMITS.items()},
    )


def deployment_controls(form, state, prefix=""):
    """Show the inputs of a deployment, each with the choices that make sense now.

    Parameters
    ----------
    form : Form
        The calculator's inputs.
    state : dict
        A complete state.
    prefix : str
        What the names of its inputs begin with.

    Returns
    -------
    list of dict
        Controls.
    """
    fields = {f.name.removeprefix(prefix): f for f in form.fields if f.name.startswith(prefix)}
    at = {name: state[field.name] for name, field in fields.items()}
    gpu, engine = own_card.card(at["gpu"]), catalog.engine(at["engine"])
    model = chosen_model(state, prefix)
    out = [
        _model_control(fields, state, model),
        text(fields["config"], state, shown=model.name if at["config"] else "none")
        | {"label": "config.json, launch command, start-up log or card file"},
        search(fields["gpu"], state, (*_own_option(at["gpu"]), *gpu_options())),
        select(fields["tp"], state, _card_counts(model, gpu, at["tp"])) | HALF,
        *_splits(fields, state, model, gpu),
        search(fields["weights"], state, format_options(model.native_format if model else ""))
        | HALF,
        _kv_control(fields["kv"], state),
        select(fields["engine"], state, engine_options()),
    ]
    out.append(_fraction_control(fields["fraction"], state, engine, boxed=bool(prefix)))
    if prefix:
        rent = gpu.usd_h if at["usd"] is None else at["usd"]
        out.append(entry(fields["usd"], state, shown=rent))
    if at["tp"] > 1 or at["dp"]:
        out.append(toggle(fields["dp"], state))
    if not prefix:  # those of a group are folded as they are
        fold(out, {"Engine and memory": ("engine", "fraction", "pp", "ep", "dp")})
    return out + _limit_controls(fields, state, gpu, engine)


def _limit_controls(fields, state, gpu, engine):
    """The engine's own limits, folded; an empty one shows what the engine takes on this card."""
    own = engine.limits_on(gpu)
    batched = state[fields["batched"].name] or own.batched_tokens
    defaults = {
        "seqs": plain(min(own.seqs, batched)),
        "batched": plain(own.batched_tokens),
        "maxlen": "the load's",
        "block": plain(engine.block_tokens),
    }
    flags = capacity.FLAGS.get(engine.family, {})
    given = sum(bool(state[fields[name].name]) for name in LIMITS)
    fold = f"{LIMITS_FOLD}, {given} set" if given else LIMITS_FOLD
    out = []
    for name, attribute in LIMITS.items():
        field, flag = fields[name], flags.get(attribute, "")
        if name == "eager":
            control = toggle(field, state)
        else:
            # the label has the unit, and the box is narrow
            control = entry(field, state) | {"placeholder": defaults[name], "unit": ""} | HALF
            if state[field.name] is None:
                control["text"] = f"{defaults[name]}, by default"
        out.append(control | {"help": flag, "fold": fold})
    return out


def _model_control(fields, state, model):
    """The catalogue's models; choosing one takes a pasted one away."""
    config = fields["config"].name
    control = search(fields["model"], state, model_options()) | {"clears": [config]}
    if state[config]:
        size = quantity(model.params, "params").replace(" ", "")
        dtype = catalog.format(model.native_format).title
        # the box of a name is narrow
        control |= {"text": f"{model.name} {size}, pasted"}
        control |= {"help": f"As pasted: {model.layers} layers, released in {dtype}."}
    return control


def _kv_control(field, state):
    control = select(field, state, format_options(kv=True))
    if catalog.format(state[field.name]).bytes_per_element >= 2:
        return control
    return control | {"help": "Unless told, an engine keeps 16 bits. llmcap predict does the same."}


def _fraction_control(field, state, engine, boxed):
    control = entry(field, state) if boxed else slider(field, state, FRACTION_STOPS)
    own = engine.memory_fraction
    if state[field.name] == own:
        return control
    said = f"Unless told, {engine.title} takes {own:g}. llmcap predict does the same."
    return control | {"help": said}


def _splits(fields, state, model, gpu):
    """Stages and experts, where there is something to split, or where it is split already."""
    stages, whole = state[fields["pp"].name], state[fields["ep"].name]
    cards = state[fields["tp"].name]
    out = []
    if gpu.link_bandwidth_bytes_s or stages > 1:
        counts = {n for n in STAGES if n <= (model.layers if model else 1)} | {stages}
        options = [(n, f"{n}, PP-{n}" if n > 1 else "1", "") for n in sorted(counts)]
        out.append(select(fields["pp"], state, options) | HALF)
    if whole or (model and model.experts and cards > 1):
        out.append(toggle(fields["ep"], state))
    return out


@cache
def model_options():
    """List the models.

    Returns
    -------
    tuple of tuple
        Each (value, label, group).
    """
    rows = catalog.table("models")["models"]
    return tuple((name, rows[name].get("title", name), "") for name in catalog.models())


@cache
def format_options(own="", kv=False):
    """List formats as they are asked for: the checkpoint's own, of servers, of llama.cpp.

    Parameters
    ----------
    own : str
        The format that the model is released in.
    kv : bool
        Whether they are of a cache.

    Returns
    -------
    tuple of tuple
        Each (value, label, group).
    """
    groups: dict[str, list] = {
        title: [] for title in ("As released", "vLLM, SGLang", "GGUF", "Others")
    }
    for name in sorted(catalog.formats(kv=kv), key=_by_use):
        one = catalog.format(name)
        served = "vLLM, SGLang" if name in SERVED else "GGUF" if one.gguf else "Others"
        groups["As released" if name == own else served].append((name, one.title))
    return tuple((*option, group) for group, options in groups.items() for option in options)


def _by_use(name):
    at = SERVED.index(name) if name in SERVED else len(SERVED)
    return at, -catalog.format(name).element_bits


@cache
def engine_options():
    return tuple((name, catalog.engine(name).title, "") for name in catalog.engines())


@cache
def gpu_options():
    """List the cards, those rented most first.

    Returns
    -------
    tuple of tuple
        Each (value, label, group).
    """
    # What is offered for rent most often is most often meant: "h200" finds the SXM card first.
    offers = Counter(row["gpu"] for row in catalog.table("prices")["price"])
    cards = [catalog.gpu(name) for name in sorted(catalog.gpus(), key=lambda n: -offers[n])]
    return tuple((card.name, card_title(card), _maker(card)) for card in cards)


def _own_option(value):
    """The card of the reader's own file, while it is the one."""
    return ((value, f"{own_card.card(value).title}, your file", ""),) * own_card.is_own(value)


def _maker(card):
    return card.title.removesuffix(card_title(card)).strip()


def card_title(gpu):
    """Name a card without its vendor.

    Parameters
    ----------
    gpu : Gpu
        The card.

    Returns
    -------
    str
        Its title.

    Examples
    --------
    >>> card_title(catalog.gpu("h100-sxm")).startswith("H100")
    True
    """
    vendor, _, rest = gpu.title.partition(" ")
    return rest if rest and vendor.lower() == gpu.vendor.lower() else gpu.title


def known_model(name):
    """Look a model up whose record the kernel may refuse; a view says so elsewhere.

    Parameters
    ----------
    name : str
        A name of the catalogue.

    Returns
    -------
    Model or None
        The model.
    """
    try:
        return catalog.model(name)
    except BadInput:
        return None


def chosen_model(state, prefix=""):
    """Look up the model of a state: the pasted one, else the catalogue's.

    Parameters
    ----------
    state : dict
        A complete state.
    prefix : str
        What the names of its inputs begin with.

    Returns
    -------
    Model or None
        The model; None where the kernel refuses its record.
    """
    config = state[prefix + "config"]
    return pasted.model(config) if config else known_model(state[prefix + "model"])


def _own_format(state, prefix):
    """The format a checkpoint is released in; what stands where the model cannot be read."""
    model = chosen_model(state, prefix)
    return model.native_format if model else state[prefix + "weights"]


def _card_counts(model, gpu, current):
    most, heads = max(min(gpu.max_per_node, MOST_CARDS), 1), model.heads if model else 0
    usual = {n for n in range(1, most + 1) if n & (n - 1) == 0 or n in (3, 6)}
    counts = {n for n in usual if heads % n == 0} | {current}
    return [(n, f"{n}, TP-{n}" if n > 1 else "1", "") for n in sorted(counts)]


def plain(value):
    """Write a number for an input box.

    Parameters
    ----------
    value : float or None
        The number.

    Returns
    -------
    str
        The number, thousands parted by commas.

    Examples
    --------
    >>> plain(8000), plain(0.9), plain(None)
    ('8,000', '0.9', '')
    """
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def _control(kind, field, value, **more):
    return {
        "name": field.name,
        "label": field.label,
        "kind": kind,
        "value": value,
        "group": field.group,
        "unit": field.unit,
        "help": field.help,
        "min": field.low,
        "max": field.high,
    } | more


def select(field, state, options):
    """Show an input as a list to choose from.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    options : list of tuple
        Each (value, label, group).

    Returns
    -------
    dict
        The control.
    """
    value = state[field.name]
    labels = {v: label for v, label, _ in options}
    if value is not None and value not in labels:
        options = [*options, (value, str(value), "")]  # one that was read beyond the list
    listed = [{"value": v, "label": label, "group": group} for v, label, group in options]
    return _control("select", field, value, options=listed, text=labels.get(value, str(value)))


def search(field, state, options):
    """Show an input as a long list that is searched by typing.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    options : list of tuple
        Each (value, label, group).

    Returns
    -------
    dict
        The control, a select to whoever does not know better.
    """
    return select(field, state, options) | {"kind": "search"}


def text(field, state, shown):
    """Show an input as a box to paste a text into.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    shown : str
        What stands for the text where only a word fits.

    Returns
    -------
    dict
        The control.
    """
    return _control("text", field, state[field.name], text=shown)


def slider(field, state, stops, shown=None):
    """Show a number as a slider over given stops, with a box for other values.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    stops : iterable of float
        Where the handle can stand.
    shown : float, optional
        What stands in the box when the state leaves the choice to the kernel.

    Returns
    -------
    dict
        The control.
    """
    value = state[field.name]
    shown = value if value is not None else shown
    stops = [stop for stop in stops if field.low <= stop <= field.high]
    at = min(range(len(stops)), key=lambda i: abs(stops[i] - shown))
    return _control(
        "slider",
        field,
        value,
        stops=stops,
        at=at,
        stop_entries=[plain(stop) for stop in stops],
        stop_texts=[_with_unit(stop, field.unit) for stop in stops],
        entry=plain(shown),
        text=_with_unit(shown, field.unit),
    )


def entry(field, state, shown=None):
    """Show a number as a box to write in.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.
    shown : float, optional
        What stands in the box when the state leaves the choice to the kernel.

    Returns
    -------
    dict
        The control.
    """
    value = state[field.name]
    shown = value if value is not None else shown
    text = _with_unit(shown, field.unit) if shown else "none"
    return _control("number", field, value, entry=plain(shown), text=text)


def toggle(field, state):
    """Show a yes or no.

    Parameters
    ----------
    field : Field
        The input.
    state : dict
        A complete state.

    Returns
    -------
    dict
        The control.
    """
    value = state[field.name]
    return _control("toggle", field, value, text="yes" if value else "no")


def _with_unit(value, unit):
    one = unit.removesuffix("s") if value == 1 and unit in ("users", "tokens") else unit
    return f"{plain(value)} {one}".strip()


def token_stops(model, current):
    """List the context lengths a slider stops at, up to the model's own window.

    Parameters
    ----------
    model : Model or None
        The model.
    current : int
        The length in the state, reachable even beyond the window [tokens].

    Returns
    -------
    list of int
        Lengths in order [tokens].
    """
    top = max(model.max_context_tokens if model else current, current)
    return [stop for stop in TOKEN_STOPS if stop < top] + [top]


def gib(value, figures=3):
    """Write bytes as GiB, the number alone.

    Parameters
    ----------
    value : float
        The size [bytes].
    figures : int
        Significant figures.

    Returns
    -------
    str
        The number.

    Examples
    --------
    >>> gib(2**31)
    '2'
    """
    return digits(value / 2**30, figures)


def arithmetic(result, *names):
    """Pick lines of a result's derivation.

    Parameters
    ----------
    result : Explained
        A result of the kernel.
    *names : str
        The lines to pick; all when none is named.

    Returns
    -------
    str
        Formula, numbers and value of each line.
    """
    lines = [line for line in result.lines() if not names or line.name in names]
    return "\n".join(str(line) for line in lines)


def notes(deployment, context_tokens):
    """Say what a reader should know before trusting the numbers.

    Parameters
    ----------
    deployment : Deployment
        The deployment.
    context_tokens : int
        Tokens every user may reach [tokens].

    Returns
    -------
    list of dict
        Messages.
    """
    load = Workload(input_tokens=max(context_tokens - 1, 1), output_tokens=1)
    # The calculators of memory show no price, so nothing about rents is news there.
    shown = [note for note in design.warnings(deployment, load) if note.about != "rent"]
    return [{"level": "info", "field": "", "text": note.text} for note in shown]


def counted_in(deployment):
    """Say beside a verdict that the weights are counted in another format than the model's own.

    Parameters
    ----------
    deployment : Deployment
        The deployment.

    Returns
    -------
    dict
        `beside`, a sentence, for a status; empty where the format is the model's own.

    Examples
    --------
    >>> counted_in(catalog.deployment(model="qwen3-8b", gpu="h100-sxm", weights="fp8"))["beside"]
    'Counted in FP8; qwen3-8b is released in BF16.'
    """
    weights, own = deployment.weights, deployment.model.native_format
    if weights.name == own:
        return {}
    released = f"{deployment.model.name} is released in {catalog.format(own).title}"
    return {"beside": f"Counted in {weights.title}; {released}."}


HOW_MANY = "How many meet the limits"
SLOW_FEW = "below the mean: a few gaps wait for another user's prompt"


def noted(text, estimate, what="It"):
    """Say beside a number what is not known of it, where that is so.

    Parameters
    ----------
    text : str
        What stands beside it anyway.
    estimate : Estimate
        The number.
    what : str
        What the number is, to begin a sentence with.

    Returns
    -------
    str
        Both.

    Examples
    --------
    >>> from llmcap_kernel.calibration import Estimate
    >>> noted("the mean", Estimate(20, 15, 30, 10, ""))
    'the mean'
    """
    doubt = f"{what} is {estimate.doubt}." if estimate.doubt else ""
    return f"{text}. {doubt}" if text and doubt else text or doubt


def below_mean(tail, mean):
    """Say why a percentile may be less than the mean, where it is.

    Parameters
    ----------
    tail, mean : Estimate
        Of the gaps between tokens, in one unit.

    Returns
    -------
    str
        The reason; empty where there is nothing to explain.
    """
    return SLOW_FEW if tail.value < mean.value else ""


def fitting(card, most):
    """Say how many users fit in memory, and how many of them meet the limits.

    Parameters
    ----------
    card : Card
        One deployment under a load.
    most : Estimate
        How many meet the limits, from `design.users_within`.

    Returns
    -------
    str
        As "52 fit in memory, 14 of them within 50 ms"; of memory alone where nothing else is
        limited.
    """
    slo, room = card.slo, card.max_concurrent
    fit = f"{room:,} {'fits' if room == 1 else 'fit'} in memory"
    at_once = serving.most_running(card.deployment, card.workload)
    if at_once < room:
        room, fit = at_once, f"{fit}, {at_once:,} {'runs' if at_once == 1 else 'run'} at once"
    bounds = [tail.bound_s for tail in slo.tails] + [x for x in (slo.itl_s, slo.ttft_s) if x]
    if not bounds:
        return fit
    within = quantity(bounds[0], "s") if len(bounds) == 1 else "your limits"
    many = min(most.value, room)
    of_them = "all" if many == room else f"{many:,}" if many else "none"
    return f"{fit}, {of_them} of them within {within}"


# How a verdict is coloured.
LEVELS = {"met": "good", "likely": "warn", "missed": "bad", "impossible": "bad"}
SEVERITY = ("good", "warn", "bad")


def worst(limits):
    """Colour several limits by the worst of their verdicts.

    Parameters
    ----------
    limits : iterable of Limit
        At least one.

    Returns
    -------
    str
        One of `SEVERITY`.
    """
    return max((LEVELS[limit.verdict] for limit in limits), key=SEVERITY.index)


def span(estimate, limit=None, scale=1.0):
    """Give what the bar under a number shows.

    Parameters
    ----------
    estimate : Estimate
        The number.
    limit : float, optional
        What it is held against, in the same unit.
    scale : float
        From its unit to the one that is shown.

    Returns
    -------
    dict
        The part of a headline; empty where there is no interval to rely on.
    """
    if estimate.low == estimate.high or estimate.doubt:
        return {}
    ends = {name: getattr(estimate, name) * scale for name in ("low", "value", "high", "ceiling")}
    return {"span": ends | ({"limit": limit * scale} if limit else {})}


# How the verdict on a start is coloured; the words tell the two in the middle apart.
START_LEVELS = {
    capacity.YES: "good",
    capacity.LIKELY: "warn",
    capacity.DOUBTFUL: "warn",
    capacity.NO: "bad",
}
# The input that a remedy moves; the longest request is said by those of `_shorter`.
MOVED = {
    "memory_fraction": "fraction",
    "max_num_seqs": "seqs",
    "max_num_batched_tokens": "batched",
    "eager": "eager",
    "kv": "kv",
    "weights": "weights",
    "tp": "tp",
}


def remedies(form, state, books):
    """Name the settings that would make an engine start, each with the state that has it.

    Parameters
    ----------
    form : Form
        The calculator's inputs.
    state : dict
        A complete state.
    books : Ledger
        Its ledger.

    Returns
    -------
    dict
        text and items; nothing where the engine starts.
    """
    if books.starts:
        return {"text": "", "items": []}
    found = capacity.remedies(books.deployment, books.context_tokens)
    moved = ((one, _moved(one, state)) for one in found)
    items = [
        {
            "label": one.flag,
            "query": form.query(state | values),
            "note": one.text.removeprefix(f"{one.flag}: ").removesuffix("."),
        }
        for one, values in moved
        if values
    ]
    return {"text": heading(items), "items": items}


def heading(items):
    """Say what a list of ways out is.

    Parameters
    ----------
    items : list
        The ways out.

    Returns
    -------
    str
        Its heading, for none, one or several.
    """
    if not items:
        return "No single setting makes it start: it takes a smaller format, or another card."
    one = len(items) == 1
    return "This makes it start:" if one else "One of these makes it start, the cheapest first:"


def _moved(remedy, state):
    """The inputs that a remedy changes; none where these inputs cannot say it."""
    if remedy.setting in MOVED:
        return {MOVED[remedy.setting]: remedy.value}
    if "ctx" in state:
        return {"maxlen": None, "ctx": remedy.value}
    shorter = remedy.value - state["out"]
    if shorter <= state["prefix"]:
        return {}
    return {"maxlen": None, "in": shorter}


def engine_lines(books):
    """Write the lines that the engine will print, each with how far off it may be.

    Parameters
    ----------
    books : Ledger
        The ledger.

    Returns
    -------
    dict
        title and text.
    """
    printed = capacity.printed(books)
    width = max(len(line.text) for line in printed)
    rows = [
        f"{line.text:{width}}  within {line.within}" if line.within else line.text
        for line in printed
    ]
    title = f"What {books.deployment.engine.title} will print when it starts, four times in five"
    return {"title": title, "text": "\n".join(rows)}


def commands(card):
    """Write how to start a deployment, what it will print, and how to measure what is predicted.

    Parameters
    ----------
    card : Card
        One deployment under a load.

    Returns
    -------
    list of dict
        Each a title and a text; the lines alone for a layout that the engine has no options for.
    """
    d, load, lines = card.deployment, card.workload, engine_lines(card.ledger)
    if not card.starts:
        return [lines]
    try:
        start = {"title": "Start it so", "text": handover.launch(d, load).text}
    except BadInput:
        return [lines]
    measure = {"title": "Measure it so", "text": handover.benchmark(d, load).text}
    return [start, lines | {"fold": True}, measure | {"fold": True}]


def timed(estimate):
    """Part a time into its number and its unit, as a headline shows them.

    Parameters
    ----------
    estimate : Estimate
        A time [s].

    Returns
    -------
    tuple of str, str and float
        The number, its unit, and the units in a second.

    Examples
    --------
    >>> from llmcap_kernel.calibration import Estimate
    >>> timed(Estimate(0.020, 0.015, 0.030, 0.010, ""))
    ('20', 'ms', 1000.0)
    """
    value, unit = quantity(estimate.value, "s").split()
    return value, unit, {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]


def ends(estimate, unit):
    """Write the ends of an interval, a cell each.

    Parameters
    ----------
    estimate : Estimate
        What is expected.
    unit : str
        Its unit, as `explain.quantity` takes it.

    Returns
    -------
    list of str
        Low and high; the reason, where one is known, and a dash where there is no interval.

    Examples
    --------
    >>> from llmcap_kernel.calibration import Estimate
    >>> ends(Estimate(0.020, 0.015, 0.030, 0.010, ""), "s")
    ['15 ms', '30 ms']
    """
    if estimate.doubt or estimate.low == estimate.high:
        return [estimate.doubt or "-", "-"]
    return [quantity(estimate.low, unit), quantity(estimate.high, unit)]


def card_notes(card, named=True):
    """Say what a reader should know before trusting a card's numbers.

    Parameters
    ----------
    card : Card
        One deployment under a load; its label leads where it has one.
    named : bool
        Whether they are messages that name it, and not sentences alone.

    Returns
    -------
    list of dict
        Messages; list of str where they are not named.
    """
    lead = f"{card.label}: " if card.label != card.deployment.title else ""
    name = card.deployment.gpu.name
    rent = f"The catalogue has no rent for {name}: enter the card rent for prices."
    if card.deployment.usd_h == 0:
        rent = "The card rent is 0 as entered, so nothing has a price."
    lacks = not card.deployment.gpu_usd_h
    texts = [rent if note.about == "rent" and lacks else note.text for note in card.warnings]
    if not named:
        return texts
    return [{"level": "info", "field": "", "text": lead + text} for text in texts]


def frame(form, state, title, lead, controls, **parts):
    """Put a view together; parts left out are empty.

    Parameters
    ----------
    form : Form
        The calculator's inputs.
    state : dict
        A complete state.
    title, lead : str
        Its name, and one sentence on what it answers.
    controls : list of dict
        Its controls.
    **parts : object
        headline, status, tables, sentences, messages, figure, groups, remedies, texts, behind.

    Returns
    -------
    dict
        The view, which `json.dumps` takes as it is.
    """
    empty: dict = {
        "headline": [],
        "status": {"level": "good", "text": ""},
        "tables": [],
        "sentences": [],
        "messages": [],
        "figure": None,
    }
    if state.get(learnt.NAME):
        controls = [*controls, _learnt(form, state)]
    head = {"name": form.name, "title": title, "lead": lead, "controls": controls}
    view = head | empty | parts | {"query": form.query(state)}
    return view | {"headline": [_placed(item) for item in view["headline"]]}


def _learnt(form, state):
    """Whose measurements the estimates stand on: the reader's, or again strangers' alone."""
    field = next(one for one in form.fields if one.name == learnt.NAME)
    choices = [(state[learnt.NAME], learnt.words(state[learnt.NAME]), ""), ("", "strangers'", "")]
    return select(field, state, choices)


def _placed(item):
    """Say a headline's interval in words, and where its marks stand on a bar from zero."""
    span = item.get("span")
    if not span:
        return item
    bound = span.pop("bound", "limit")
    known = {name: value for name, value in span.items() if value is not None}
    longest = max(known.values())
    at = {name: round(100 * value / longest, 2) if longest else 0 for name, value in known.items()}
    money = item["value"].startswith("$")
    shown = {n: f"${value:,.2f}" if money else digits(value, 3) for n, value in known.items()}
    said = f"{shown['low']} to {shown['high']}"
    said += f", ceiling {shown['ceiling']}" if "ceiling" in known else ""
    said += f", {bound} {shown['limit']}" if bound and "limit" in known else ""
    return item | {"span": span | {"at": at, "text": said}}


def refusal(problem, form, prefix=""):
    """Turn what the kernel refuses into the parts of a view.

    Parameters
    ----------
    problem : BadInput
        What it refused.
    form : Form
        The calculator's inputs.
    prefix : str
        What the names of that deployment's inputs begin with.

    Returns
    -------
    dict
        status and messages.
    """
    name, said = prefix + SHORT.get(problem.field, problem.field), str(problem)
    field = next((one for one in form.fields if one.name == name), None)
    if field and said.startswith(problem.field):  # a person knows the input by its label
        said = field.title + said.removeprefix(problem.field)
    return {
        "status": {"level": "bad", "text": "These inputs do not go together."},
        "messages": [{"level": "error", "field": name, "text": said}],
    }


def fold(controls, subjects):
    """Fold inputs that fewer people change under a line that says what they stand at.

    Parameters
    ----------
    controls : list of dict
        Controls of a calculator.
    subjects : dict
        Names of the inputs by subject, such as "Limits".

    Returns
    -------
    list of dict
        The controls, those of a subject with the line they stand under.
    """
    by_name = {one["name"]: one for one in controls}
    for subject, names in subjects.items():
        held = [by_name[name] for name in names if name in by_name]
        said = ", ".join(one["text"] for one in held if one["text"] not in SILENT)
        for one in held:
            one["fold"] = f"{subject}: {said}" if said else subject
    return controls


# what an untouched input says
SILENT = ("", "no", "none", "any", "as the file says", "chosen", "0 tokens", "1")


__all__ = [
    "BadInput",
    "arithmetic",
    "asked",
    "card_notes",
    "card_title",
    "chosen_model",
    "commands",
    "counted_in",
    "deployment",
    "deployment_controls",
    "deployment_fields",
    "ends",
    "engine_lines",
    "entry",
    "fold",
    "format_options",
    "frame",
    "gib",
    "gpu_options",
    "heading",
    "known_model",
    "limit_controls",
    "limit_fields",
    "limits",
    "load",
    "load_fields",
    "model_options",
    "notes",
    "plain",
    "refusal",
    "remedies",
    "search",
    "select",
    "slider",
    "text",
    "timed",
    "toggle",
    "token_stops",
    "worst",
]
