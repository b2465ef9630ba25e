"""The inputs of a deployment, a load and limits: listed, and shown."""

from dataclasses import replace

from llmcap_kernel import capacity, catalog
from llmcap_kernel.address import LIMITS, MEAN, WHICH, asked
from llmcap_kernel.explain import ordinal, quantity
from llmcap_kernel.refuse import BadInput
from llmcap_kernel.spec import LEAST_FRACTION

from . import card_list, following, from_name, lists, meaning, own_card
from . import controls as c
from .presets import AS_UNTOLD
from .state import Field

MOST_CARDS = 1_024  # a rack joins 72, and several may spread the experts of one model
MOST_TOKENS = 10_000_000
MOST_USERS = 100_000
FIRST = ("model", "gpu", "tp", "weights")  # what most people change of a deployment
# with what the length of a request changes, wherever it stands
MODELS = ("columns", *(p + n for p in meaning.PREFIXES for n in ("model", "config")))
LIMITS_FOLD = "The engine's own limits"
STAGES = (1, 2, 4, 8)
FRACTION_STOPS = tuple(n / 100 for n in range(50, 100))
PASTE = (
    "Any Hugging Face config.json, which takes the place of the model above; the command that "
    "launches an engine, or its start-up log, which fill the inputs; or a card of your own, as "
    "`llmcap gpus NAME --toml` prints one. A link keeps of a config the fields that count."
)
NO_LIMIT = "At most; 0 for no limit."


def deployment_fields(start, *, prefix="", group="", before=None):
    """List the inputs that make a deployment.

    The cache's format and the memory fraction start as the engine takes them when nobody says
    otherwise, as those of the command do.

    Parameters
    ----------
    start : Deployment
        Where an untouched calculator opens: model, card, split, weights and engine.
    prefix : str
        What their names begin with, where there are several deployments.
    group : str
        The deployment they belong to.
    before : Deployment, optional
        Where it opened before version 5 of the addresses, if not there; with all it has.

    Returns
    -------
    tuple of Field
        model, config, gpu, tp, pp, ep, weights, kv, engine, fraction, dp, those of
        `LIMITS`, and usd for a group.
    """
    at = _values(start) | AS_UNTOLD
    was = _values(before or start)

    def field(name, kind, label, low=0, high=0, **more):
        former = None if was[name] == at[name] else was[name]
        more |= {"group": group, "formerly": former}
        return Field(prefix + name, kind, at[name], label, low, high, **more)

    fields = (*_chosen_fields(field, prefix), *_limit_fields(field))
    rent = field("usd", "number", "Card rent", 0, 1000, unit="USD/h")
    return (*fields, rent) if group else fields


def _values(d):
    """What the inputs hold of a deployment."""
    named = ("model", "gpu", "weights", "kv", "engine")
    return (
        {name: getattr(d, name).name for name in named}
        | {
            "config": None,
            "tp": d.tp,
            "pp": d.pp,
            "ep": d.ep > 1,
            "fraction": d.memory_fraction,
            "dp": d.dp_attention,
            "usd": d.usd_h,
        }
        | {name: getattr(d, attribute) for name, attribute in LIMITS.items()}
    )


def _chosen_fields(field, prefix):
    """What runs, on which cards, by which engine."""
    return (
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
              own=lambda state, before: _own_format(state, before, prefix),
              because="the format this model is released in",
              titled=lambda name: catalog.format(name).title),
        _kv_field(field, prefix),
        field("engine", "name", "Engine", names=catalog.engines,
              reads=from_name.engine, beyond=True,
              follows=(prefix + "gpu", prefix + "weights"),
              own=lambda state, before: _own_engine(state, before, prefix),
              because="what this card and format are run with",
              titled=lambda name: catalog.engine(name).title),
        field("fraction", "number", "Memory fraction", LEAST_FRACTION, 1),
        field("dp", "yes", "DP attention", help="Each card holds the cache of its own users."),
    )  # fmt: skip


def _limit_fields(field):
    """The engine's own limits, `LIMITS`."""
    return (
        field("seqs", "whole", "Sequences at once", 1, MOST_USERS),
        field("batched", "tokens", "Tokens a step", 1, MOST_TOKENS, unit="tokens"),
        field("maxlen", "tokens", "Tokens a request", 1, MOST_TOKENS, unit="tokens"),
        field("block", "whole", "Tokens a block", 1, 4096, unit="tokens"),
        field("eager", "yes", "No CUDA graphs"),
    )


def _kv_field(field, prefix):
    """The cache's format, which follows an engine that is changed by hand, and no address."""
    plain = field("kv", "name", "KV cache", names=_kv_formats, reads=from_name.kv, beyond=True)

    def own(state, before):
        if before is None:
            return plain.default
        engine, former = (catalog.engine(one[prefix + "engine"]) for one in (state, before))
        model, weights = meaning.chosen_model(state, prefix), state[prefix + "weights"]
        return following.cache_of(engine, former, state[plain.name], model, weights)

    return replace(
        plain,
        follows=(prefix + "engine",),
        own=own,
        because="what this engine keeps its cache in",
        titled=lambda name: catalog.format(name).title,
    )


def _kv_formats():
    return catalog.formats(kv=True)


def _own_format(state, before, prefix):
    """The format that was chosen, or the model's own; what stands where it cannot be read.

    An address, and a config.json that is pasted, mean the format that they say.
    """
    model, weights = meaning.chosen_model(state, prefix), state[prefix + "weights"]
    if not model:
        return weights
    pasted_one = state[prefix + "config"]
    former = meaning.chosen_model(before, prefix) if before and not pasted_one else None
    return following.format_of(model, former, weights)


def _own_engine(state, before, prefix):
    """The engine that card and format need, unless another was chosen."""
    needed = [
        following.engine_of(one[prefix + "gpu"], one[prefix + "weights"])
        for one in (before, state)
        if one
    ]
    chosen = state[prefix + "engine"]
    return needed[-1] if before is None or chosen == needed[0] else chosen


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
        length_field("in", prompt, "Prompt"),
        length_field("out", answer, "Answer"),
        Field("users", "whole", users, "Users at once", 1, MOST_USERS, unit="users",
              optional=optional_users,
              help="Empty for the most that meet the limits." if optional_users else ""),
        Field("prefix", "tokens", load.shared_prefix_tokens, "Shared by all", 0, MOST_TOKENS,
              unit="tokens", help="The start of every prompt, kept once by a prefix cache."),
    )  # fmt: skip


def rate_field():
    """List the rate of requests that may stand in place of users.

    Returns
    -------
    Field
        rate, empty where users are asked for [requests/s].
    """
    return Field(
        "rate", "number", None, "Requests a second", 1e-6, 1e5, unit="requests/s", optional=True,
        help="Instead of users at once, which then follow from it.",
    )  # fmt: skip


def rate_control(field, state):
    """Show the rate.

    Parameters
    ----------
    field : Field
        As `rate_field` lists it.
    state : dict
        A complete state.

    Returns
    -------
    dict
        A control.
    """
    return c.entry(field, state) | {"placeholder": "none"} | c.HALF


def length_field(name, default, label, **more):
    """List an input that is a length, which follows a model of a short window until it is set.

    Parameters
    ----------
    name : str
        One of `following.LENGTHS`.
    default : int
        Where an untouched calculator opens [tokens].
    label : str
        What a person calls it.
    **more : object
        What else there is to say of it.

    Returns
    -------
    Field
        The input; an address means the default where it does not say it.
    """

    def own(state, before):
        if before is None:
            return default
        windows = (meaning.windows(one) for one in (before, state))
        return following.length_of(name, before, *windows)

    return Field(
        name, "tokens", default, label, 1, MOST_TOKENS, unit="tokens",
        follows=MODELS, own=own, because="the usual load in the window of the model",
        titled=lambda tokens: f"{tokens:,} tokens", **more,
    )  # fmt: skip


def limit_fields(slo, *, formerly=None):
    """List the inputs that limit what a deployment may take.

    Parameters
    ----------
    slo : Slo
        Where an untouched calculator opens.
    formerly : str, optional
        Which gap an address meant that said nothing of it, up to version 3.

    Returns
    -------
    tuple of Field
        itl, ttft and budget, each 0 where nothing is asked; itlp and ttftp say which gap and which
        first token are meant.
    """
    (gap_s, which_gap), (wait_s, which_wait) = asked(slo, "itl"), asked(slo, "ttft")

    def which(name, default, label, formerly=None):
        return Field(
            name, "name", default, label, names=lambda: WHICH, formerly=formerly, until="3"
        )

    return (
        Field("itl", "number", 1e3 * gap_s, "Gap (ITL)", 0, 100_000, unit="ms",
              help=NO_LIMIT),
        which("itlp", which_gap, "Which gap", formerly),
        Field("ttft", "number", wait_s, "First token (TTFT)", 0, 86_400, unit="s", help=NO_LIMIT),
        which("ttftp", which_wait, "Which first token"),
        Field("budget", "number", slo.usd_h or 0, "Budget", 0, 1_000_000, unit="USD/h",
              help=NO_LIMIT),
    )  # fmt: skip


LIMITED = ("itl", "itlp", "ttft", "ttftp", "budget")


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
    fields = {n.removeprefix(prefix): f for n, f in form.by_name.items() if n.startswith(prefix)}
    at = {name: state[field.name] for name, field in fields.items()}
    gpu, engine = own_card.card(at["gpu"]), catalog.engine(at["engine"])
    model = meaning.chosen_model(state, prefix)
    out = [
        _model_control(fields, state, model),
        c.text(fields["config"], state, shown=model.name if at["config"] else "none")
        | {"label": "config.json, launch command, start-up log or card file"},
        c.search(fields["gpu"], state, (*_own_option(at["gpu"]), *lists.gpu_options())),
        c.select(fields["tp"], state, _card_counts(model, gpu, at["tp"])) | c.HALF,
        *_splits(fields, state, model, gpu),
        c.search(
            fields["weights"],
            state,
            lists.format_options(model.native_format if model else ""),
            catalog.format(at["weights"]).title,
        )
        | c.HALF,
        _kv_control(
            fields["kv"], state, engine, model and engine.automatic_kv(model, at["weights"])
        ),
        c.select(fields["engine"], state, lists.engine_options()),
    ]
    out.append(_fraction_control(fields["fraction"], state, prefix))
    if prefix:
        rent = gpu.usd_h if at["usd"] is None else at["usd"]
        out.append(c.entry(fields["usd"], state, shown=rent))
    if at["tp"] > 1 or at["dp"]:
        out.append(c.toggle(fields["dp"], state))
    if prefix:  # a group shows what most people change, and folds the rest as it is
        for one in out:
            one["first"] = one["name"].removeprefix(prefix) in FIRST
    else:
        c.fold(out, {"Engine and memory": ("engine", "fraction", "pp", "ep", "dp")})
    return out + _limit_controls(fields, state, gpu, engine)


def _model_control(fields, state, model):
    """The catalogue's models; choosing one takes a pasted one away."""
    config = fields["config"].name
    control = c.search(fields["model"], state, lists.model_options()) | {"clears": [config]}
    if state[config]:
        size = quantity(model.params, "params").replace(" ", "")
        dtype = catalog.format(model.native_format).title
        # the box of a name is narrow
        control |= {"text": f"{model.name} {size}, pasted"}
        control |= {"help": f"As pasted: {model.layers} layers, released in {dtype}."}
    return control


def _own_option(value):
    """A card that is in no list, while it is the one: of the reader's own file, or unequal ones."""
    if any(value == name for name, _, _ in lists.gpu_options()):
        return ()
    return ((value, card_list.title(value), ""),)


def _card_counts(model, gpu, current):
    most, heads = max(min(gpu.max_per_node, MOST_CARDS), 1), model.heads if model else 0
    usual = {n for n in range(1, most + 1) if n & (n - 1) == 0 or n in (3, 6)}
    counts = {n for n in usual if heads % n == 0} | {current}
    return [(n, f"{n}, TP-{n}" if n > 1 else "1", "") for n in sorted(counts)]


def _splits(fields, state, model, gpu):
    """Stages and experts, where there is something to split, or where it is split already."""
    stages, whole = state[fields["pp"].name], state[fields["ep"].name]
    cards = state[fields["tp"].name]
    out = []
    if gpu.link_bandwidth_bytes_s or stages > 1:
        counts = {n for n in STAGES if n <= (model.layers if model else 1)} | {stages}
        options = [(n, f"{n}, PP-{n}" if n > 1 else "1", "") for n in sorted(counts)]
        out.append(c.select(fields["pp"], state, options) | c.HALF)
    if whole or (model and model.experts and cards > 1):
        out.append(c.toggle(fields["ep"], state))
    return out


def _kv_control(field, state, engine, declared):
    control = c.select(field, state, lists.format_options(kv=True))
    wide = catalog.format(state[field.name]).bytes_per_element >= 2
    if declared == state[field.name] or (wide and not declared):
        return control
    said = "Unless told, an engine keeps 16 bits."
    if declared:
        name = catalog.format(declared).title
        said = f"Unless told, {engine.title} keeps {name} here, as the checkpoint declares."
    return control | {"help": said}


def _fraction_control(field, state, prefix):
    own = _own_fraction(state, prefix)
    shown = own if state[field.name] is None else state[field.name]
    if prefix:
        control = c.entry(field, state, shown=shown)
    else:
        control = c.slider(field, state, FRACTION_STOPS, shown=shown)
    if shown == own:
        return control
    title = catalog.engine(state[prefix + "engine"]).title
    return control | {"help": f"Unless told, {title} takes {own:.4g}; empty for that."}


def _own_fraction(state, prefix):
    """The memory fraction that the engine takes of this card unless told."""
    try:
        return round(meaning.deployment(state | {prefix + "fraction": None}, prefix).fraction, 4)
    except BadInput:  # said elsewhere
        return max(catalog.engine(state[prefix + "engine"]).memory_fraction, FRACTION_STOPS[0])


def _limit_controls(fields, state, gpu, engine):
    """The engine's own limits, folded; an empty one shows what the engine takes on this card."""
    own = engine.limits_on(gpu)
    batched = state[fields["batched"].name] or own.batched_tokens
    defaults = {
        "seqs": c.plain(min(own.seqs, batched)),
        "batched": c.plain(own.batched_tokens),
        "maxlen": "the load's",
        "block": c.plain(engine.block_tokens),
    }
    flags = capacity.FLAGS.get(engine.family, {})
    given = sum(bool(state[fields[name].name]) for name in LIMITS)
    fold = f"{LIMITS_FOLD}, {given} set" if given else LIMITS_FOLD
    out = []
    for name, attribute in LIMITS.items():
        field, flag = fields[name], flags.get(attribute, "")
        if name == "eager":
            control = c.toggle(field, state)
        else:
            # the label has the unit, and the box is narrow
            control = c.entry(field, state) | {"placeholder": defaults[name], "unit": ""} | c.HALF
            if state[field.name] is None:
                control["text"] = f"{defaults[name]}, by default"
        out.append(control | {"help": flag, "fold": fold})
    return out


WHICH_WORDS = {MEAN: "the mean"} | {
    name: f"{ordinal(float(name[1:]))} percentile" for name in WHICH[1:]
}


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
        which = c.select(fields[name + "p"], state, words)
        if not state[name] or state[name + "p"] == MEAN:
            which["text"] = "none"  # nothing to say beside the limit
        out += [c.entry(fields[name], state) | c.HALF, which]
    return [*out, c.entry(fields["budget"], state) | c.HALF]
