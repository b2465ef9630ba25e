"""Work in time, as a question has it: tokens a day as requests a second, and what those cost.

Also batches that end by a time, bursts, people of whom a part asks at once, and shares of a prompt.
"""

import re
from math import ceil

from llmcap_kernel import design
from llmcap_kernel.design.limits import latency_limits
from llmcap_kernel.explain import counted, digits
from llmcap_kernel.refuse import typed_number
from llmcap_kernel.spec import Workload

from . import patterns

LEAST_RPS = 1e-6
SIDES = {
    "in": ("input", "prompt", "prompts"),
    "out": ("output", "answer", "answers", "generated", "generation", "completion"),
}


def rate(volume, prompt, answer):
    """Read tokens a day as the mean of requests a second.

    Parameters
    ----------
    volume : str
        As `reading` found it, such as "2m tokens a day".
    prompt, answer : int
        Their lengths [tokens].

    Returns
    -------
    tuple of float and str
        The rate [requests/s], and how it was read.

    Examples
    --------
    >>> rate("86.4m output tokens per day", 7000, 1000)[0]
    1.0
    >>> rate("10k tok/s output", 7000, 1000)[0]
    10.0
    >>> rate("8m tokens a day", 7000, 1000)[0] == 8e6 / 86_400 / 8000
    True
    """
    tokens_s, which, on_average = _tokens_a_second(volume)
    side = next((name for name, words in SIDES.items() if which in words), "")
    each = {"in": prompt, "out": answer}.get(side, prompt + answer)
    counted = {"in": "of prompts", "out": "of answers"}.get(side, "of prompts and answers together")
    rate_rps = max(tokens_s / each, LEAST_RPS)
    mean = f"{tokens_s:,.4g} a second on average, which is " if on_average else ""
    note = (
        f"{volume} are taken as {counted}: {mean}{rate_rps:.3g} requests a second with "
        f"{_lengths(prompt, answer)}."
    )
    return rate_rps, note + " A busy hour has more than the average." * on_average


def _tokens_a_second(volume):
    """Tokens a second, the word for their side, and whether they are a mean of a longer time."""
    if match := re.fullmatch(patterns.VOLUME, volume, re.I):
        number, which, unit, other = match.groups()
        seconds = patterns.PER[(unit or other).lower()]
        return (typed_number(number) or 0) / seconds, which.strip().lower(), True
    for words in patterns.THROUGHPUTS:
        if match := re.fullmatch(words, volume, re.I):
            return typed_number(match[1]) or 0, match[2].strip().lower(), False
    return 0, "", False


def most(deployment, load, slo):
    """Say how many requests a second a deployment answers, within the limits and at most.

    Parameters
    ----------
    deployment : Deployment
        What answers them.
    load : Workload
        Prompt, answer and shared prefix.
    slo : Slo
        Limits to meet.

    Returns
    -------
    str
        Sentences; that it does not start, where it does not.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> from llmcap_kernel.spec import Slo
    >>> one, load = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm"), Workload(1000, 100)
    >>> most(one, load, Slo())[:8], most(one, load, Slo())[-44:]
    ('At most ', 'of 1,000 tokens in and 100 out are answered.')
    >>> "are answered within the limits; late or not, " in most(one, load, Slo(itl_s=0.02))
    True
    """
    most_rps = design.requests_within(deployment, load).value
    if not most_rps:
        return "It does not start, so no request is answered."
    within_rps = design.requests_within(deployment, load, slo).value
    lengths = _lengths(load.input_tokens, load.output_tokens)
    if not latency_limits(slo):
        return f"At most {digits(most_rps)} requests/s of {lengths} are answered."
    within = f"{digits(within_rps)} requests/s" if within_rps else "no requests"
    return (
        f"At most {within} of {lengths} are answered within the limits; late or not, "
        f"{digits(most_rps)}."
    )


def _lengths(prompt, answer):
    return f"{prompt:,.0f} tokens in and {answer:,} out"


def settle(numbers, prompt, answer):
    """Turn what a question says of its work in its own words into a load, and say how.

    Parameters
    ----------
    numbers : dict
        What `reading` found, changed in place: a rate, users, lengths and a budget take the place
        of a batch, a burst, a part of people, a share of the prompt and money of a month.
    prompt, answer : int
        Lengths where the question states none [tokens].

    Returns
    -------
    list of str
        How each was read.

    Examples
    --------
    >>> numbers = {"rate": "20", "burst": "60 rps"}
    >>> settle(numbers, 7000, 1000)
    ['Sized for bursts of 60 requests/s, not for the steady 20: ask without the burst for those.']
    >>> numbers
    {'rate': '60'}
    """
    notes = []
    for name, read in WORK.items():
        if name in numbers:
            lengths = [
                int(typed_number(str(numbers.get(n, ""))) or usual)
                for n, usual in (("in", prompt), ("out", answer))
            ]
            notes.append(read(numbers, numbers.pop(name), *lengths))
    return [note for note in notes if note]


def _batch(numbers, batch, prompt, answer):
    """So many documents until then, as a rate; how long they take is another question."""
    many, what, *length = batch.split()
    count, until = typed_number(many) or 0, numbers.pop("hours", "")
    alone = numbers.pop("ctx", prompt) if not numbers.keys() & {"in", "out"} else prompt
    each = length[0] if length else str(numbers.get("in", alone))
    numbers.setdefault("in", each)
    numbers["unhurried"] = True
    length = _lengths(typed_number(each), answer)
    taken = "" if "out" in numbers else " (the answer's length was not said)"
    if not until:
        numbers["pieces"] = (count, what)
        return f"{many} {what} are taken with {length} each{taken}."
    hours = OVERNIGHT_H if until == "overnight" else float(until)
    numbers["rate"] = f"{max(count / hours / 3600, LEAST_RPS):.4g}"
    night = f"a night of {hours} hours" if until == "overnight" else f"{hours:g} hours"
    return (
        f"{many} {what} in {night} are {numbers['rate']} requests/s with {length} each{taken}. "
        "Nobody waits for one of them, so no latency is limited unless it was asked."
    )


def _amount(numbers, amount, prompt, answer):
    """So many tokens that nobody gives a time, as requests."""
    number, side = re.split(r"(?<=[mb])\s*", amount, maxsplit=1, flags=re.I)
    which = next((name for name, words in SIDES.items() if side.lower().strip() in words), "")
    each = {"in": prompt, "out": answer}.get(which, prompt + answer)
    count = max(round((typed_number(number) or 0) / each), 1)
    numbers["pieces"] = (count, "requests")
    return f"{amount} tokens are {count:,} requests with {_lengths(prompt, answer)} each."


def _both(numbers, volumes, prompt, answer):
    """Tokens of prompts and of answers in one time: a rate, and the length that nobody says."""
    into, out, unit = volumes.split()
    into_s, out_s = ((typed_number(one) or 0) / patterns.PER[unit.lower()] for one in (into, out))
    if "in" in numbers and "out" not in numbers:
        rate_rps = max(into_s / prompt, LEAST_RPS)
        numbers["out"] = answer = max(round(out_s / rate_rps), 1)
    else:
        rate_rps = max(out_s / answer, LEAST_RPS)
        numbers["in"] = prompt = max(round(into_s / rate_rps), 1)
    numbers["rate"] = f"{rate_rps:.4g}"
    return (
        f"{into} tokens in and {out} out a {unit} are taken as {numbers['rate']} requests/s with "
        f"{_lengths(prompt, answer)} each. A busy hour has more than the average."
    )


def _each(numbers, each_rps, *_):
    """Requests of every user in a time, as those of all."""
    people = typed_number(numbers.pop("users", "")) or 0
    if not people:
        return f"Requests of each user ({float(each_rps):.3g}/s) need a number of users."
    numbers["rate"] = f"{max(people * float(each_rps), LEAST_RPS):.4g}"
    numbers.pop("everyone", None)
    return (
        f"{people:,.0f} users together send {numbers['rate']} requests/s on average. A busy hour "
        "has more."
    )


def _active(numbers, share, *_):
    """The part of people that asks at once, or how many of them do."""
    people = typed_number(str(numbers.get("users", "")))
    if "%" not in share:
        numbers["users"] = str(ceil(typed_number(share) or 1))
        numbers.pop("everyone", None)
        return f"Of {people:,.0f}, {int(numbers['users']):,} are users at once." if people else ""
    part = float(share.rstrip(" %")) / 100
    if not people or not 0 < part <= 1:
        return f"{share} at once is of no known number of users."
    numbers["users"] = str(max(ceil(people * part), 1))
    numbers.pop("everyone", None)
    return f"{share} of {people:,.0f} are {int(numbers['users']):,} users at once."


def _together(numbers, together, *_):
    """Requests of one moment, as users at once: those are what has to be held."""
    many, every_s = together
    count = typed_number(many) or 1
    numbers["users"] = f"{count:.0f}"
    mean_rps, interval = count / every_s, f"{every_s:g} s"
    return (
        f"{count:,.0f} requests in one moment are taken as {count:,.0f} users at once, as it is "
        f"just after they came; over the {interval} between, they are {mean_rps:.3g} requests/s on "
        "average. llmcap simulate --arrivals once gives the wait of each."
    )


def _own(numbers, own, *_):
    """What each prompt has beside the prefix that all share."""
    prefix = typed_number(str(numbers.get("prefix", ""))) or 0
    numbers["in"] = str(round(prefix + (typed_number(own) or 0)))
    return ""


def _burst(numbers, burst, *_):
    """The rate, or the users, of a burst: that is what has to be held."""
    number, unit = re.split(r"(?<=\d)\s*(?=[a-z]|$)", burst, maxsplit=1, flags=re.I)
    name = "users" if "user" in unit or ("rate" not in numbers and "users" in numbers) else "rate"
    most, steady = typed_number(number) or 0, typed_number(str(numbers.get(name, "")))
    if unit in ("x", "times"):
        most *= steady or 1
    elif name == "rate":
        letter = re.search(r"/\s*(min|h|s)", unit)
        most /= {"min": 60, "h": 3600}.get(letter[1] if letter else "", 1)
    numbers[name] = f"{most:.4g}" if name == "rate" else str(ceil(most))
    what = "requests/s" if name == "rate" else "users"
    if not steady:
        return f"Sized for bursts of {numbers[name]} {what}."
    return (
        f"Sized for bursts of {numbers[name]} {what}, not for the steady {steady:g}: ask without "
        "the burst for those."
    )


def _larger(numbers, rates, *_):
    """The larger of two rates, which is what has to be held."""
    most, others = float(numbers["rate"]), [f"{float(one):g}" for one in rates[:-1]]
    return (
        f"Of {', '.join(others)} and {most:g} requests/s the larger is taken: ask with another "
        "alone for that."
    )


def _share(numbers, share, prompt, _):
    """A share of every prompt that is found in the cache, as a prefix of so many tokens."""
    part = float(share.rstrip(" %")) / (100 if "%" in share else 1)
    if not 0 < part <= 1:
        return f"A share of {share} is none of a prompt."
    numbers["prefix"] = str(round(part * prompt))
    return (
        f"{share} of a prompt found in the cache is read as a prefix of {int(numbers['prefix']):,} "
        f"of {prompt:,} tokens that all requests share."
    )


def _spend(numbers, spend, *_):
    """Money of a month, as a budget of an hour."""
    money, unit = spend.rsplit(" ", 1)
    hours = patterns.PER[unit.lower()] / 3600
    numbers["budget"] = f"{(typed_number(money) or 0) / hours:.4g}"
    unit = "day" if unit.lower() == "dai" else unit
    return f"${money} a {unit} are ${numbers['budget']} an hour, of {hours:,.0f} hours."


OVERNIGHT_H = 8  # of a night in which nobody says how long it is
# By what `reading` found, in this order: who is there before what they send.
WORK = {
    "rates": _larger,
    "together": _together,
    "active": _active,
    "own": _own,
    "each": _each,
    "batch": _batch,
    "both": _both,
    "amount": _amount,
    "burst": _burst,
    "share": _share,
    "spend": _spend,
}


def takes(deployment, prompt, answer, pieces, usd_h=None):
    """Say how long a batch takes that nobody gave a time.

    Parameters
    ----------
    deployment : Deployment
        What answers it.
    prompt, answer : int
        Lengths of a request [tokens].
    pieces : tuple of float and str
        How many requests, and what they are called.
    usd_h : float, optional
        Rent of all cards, where it is known [USD/h].

    Returns
    -------
    str
        A sentence; "" where the deployment does not start.

    Examples
    --------
    >>> from llmcap_kernel import catalog
    >>> one = catalog.deployment(model="llama-3.1-8b", gpu="h100-sxm")
    >>> takes(one, 1000, 100, (1e6, "documents"))[:33]
    'All 1,000,000 documents take abou'
    """
    from llmcap_kernel.evidence import open_loop

    most_rps = open_loop.most_rps(deployment, Workload(max(prompt, 1), max(answer, 1)))
    if not most_rps:
        return ""
    many, what = pieces
    hours = many / most_rps / 3600
    usd = hours * (usd_h or 0)
    price = f", for ${f'{usd:,.2f}' if usd < 100 else _rounded(usd)}" * bool(usd)
    return (
        f"All {many:,.0f} {what} take about {_rounded(hours)} hours, at {most_rps:.2g} requests/s"
        f"{price}."
    )


def worth(bought, workload, usd_h, most_rps, title="", asked_rps=None):
    """Say what so many dollars buy.

    Parameters
    ----------
    bought : tuple of float and str
        How many dollars, and what is bought.
    workload : Workload
        Prompt, answer and users at once.
    usd_h : float
        Rent of all cards [USD/h].
    most_rps : float
        Requests a second of these users, who ask again at once [requests/s].
    title : str
        The deployment, where there are several.
    asked_rps : float, optional
        Requests a second that come, in place of users [requests/s].

    Returns
    -------
    str
        The number with its arithmetic.

    Examples
    --------
    >>> worth((1, "chats"), Workload(7000, 1000, 16), 3.6, 0.5)[:41]
    'A dollar buys 500 chats of 7,000 tokens i'
    >>> worth((10, "tokens"), Workload(7000, 1000, 16), 3.6, 0.5)[:35]
    '$10 buy 5,000,000 tokens of answers'
    """
    (dollars, what), load = bought, workload
    rate_rps, how = _pace(load, most_rps, asked_rps)
    requests = 3600 * rate_rps / usd_h * dollars
    buys = "A dollar buys" if dollars == 1 else f"${dollars:,.6g} buy"
    each, of = 1, f"{what} of {_lengths(load.input_tokens, load.output_tokens)}"
    if "tok" in what:
        is_prompt = any(word in what for word in SIDES["in"])
        each = load.input_tokens if is_prompt else load.output_tokens
        of = f"tokens of {'prompts' if is_prompt else 'answers'}"
        if what.startswith("tok"):
            of += f", and {_rounded(requests * load.input_tokens)} of their prompts"
    whose, times = f"{title}: " * bool(title), f" x {dollars:,.6g}" * (dollars != 1)
    buys = buys.lower() if title else buys
    return (
        f"{whose}{buys} {_rounded(requests * each)} {of}: 3,600 s x {digits(rate_rps)} requests/s "
        f"/ ${usd_h:,.2f} an hour{times}, {how}."
    )


def _pace(load, most_rps, asked_rps):
    """The requests a second that are paid for, and how they come."""
    if asked_rps is None:
        return most_rps, f"with {counted(load.concurrency, 'user')} asking without a pause"
    if asked_rps < most_rps:
        return asked_rps, "as they come"
    return most_rps, "the most that are answered"


def _rounded(many):
    """A number of many things with three figures, and in full."""
    return f"{float(f'{many:.3g}'):,.10g}"


def bought(pieces, workload, usd_h, most_rps, asked_rps=None):
    """Say what so many requests cost.

    Parameters
    ----------
    pieces : tuple of float and str
        How many requests, and what they are called.
    workload : Workload
        Prompt, answer and users at once.
    usd_h : float
        Rent of all cards [USD/h].
    most_rps : float
        Requests a second of these users, who ask again at once [requests/s].
    asked_rps : float, optional
        Requests a second that come, where a question says so [requests/s].

    Returns
    -------
    str
        The price with its arithmetic.

    Examples
    --------
    >>> bought((1000, "requests"), Workload(7000, 1000, 16), 3.6, 0.5)[:52]
    '1,000 requests of 7,000 tokens in and 1,000 out cost'
    """
    (many, what), lengths = pieces, _lengths(workload.input_tokens, workload.output_tokens)
    rate_rps, how = _pace(workload, most_rps, asked_rps)
    usd = digits(usd_h / 3600 / rate_rps * many)
    verb, times = ("costs", "") if many == 1 else ("cost", f" x {many:,.0f}")
    as_one = "" if "req" in what else " Each is taken as one request."
    return (
        f"{many:,.0f} {what} of {lengths} {verb} ${usd}: ${usd_h:,.2f} an hour / 3,600 s / "
        f"{digits(rate_rps)} requests/s{times}, {how}.{as_one}"
    )


def cards_of(count, nodes, each, usual):
    """Count the cards of a question that names nodes.

    Parameters
    ----------
    count : int
        Cards that it names, 0 where it names none.
    nodes : int
        Nodes.
    each : bool
        Whether the cards are said to be those of a node.
    usual : int
        Cards that a node of them has.

    Returns
    -------
    int
        All of them.

    Examples
    --------
    >>> cards_of(16, 2, False, 8), cards_of(8, 2, True, 8), cards_of(0, 2, False, 8)
    (16, 16, 16)
    """
    count = count or usual
    together = not each and count > usual and count <= nodes * usual
    return count if together else count * nodes
