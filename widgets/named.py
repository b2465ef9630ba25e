"""A view in a line or two: what a shared link, a tab and a preview say of it."""


def name(view):
    """Name a deployment and its answer, in a line.

    Parameters
    ----------
    view : dict
        What a calculator's view function gave, with its lists in it or without.

    Returns
    -------
    str
        Such as "Llama 3.1 70B in FP8 on 2 x L40S: 20 tok/s"; the calculator's name where no
        deployment is asked about.
    """
    shown = {one["name"]: one.get("text", "") for one in view["controls"]}
    pasted = any(one["name"] == "config" and one["value"] for one in view["controls"])
    if view.get("groups"):
        cards = [item["label"].partition(": ")[2] for item in view["headline"]]
        return f"{view['title']}: {' or '.join(dict.fromkeys(filter(None, cards)))}"
    if not {"model", "gpu", "tp", "weights"} <= shown.keys() or not view["headline"]:
        return view["title"]
    model = "A pasted model" if pasted else shown["model"]
    count = shown["tp"].partition(",")[0]
    first = view["headline"][0]
    answer = f"{first['value']} {first['unit']}".strip()
    return f"{model} in {shown['weights']} on {count} x {shown['gpu']}: {answer}"


def description(view):
    """Say what a view answers, in a few sentences of text.

    Parameters
    ----------
    view : dict
        What a calculator's view function gave.

    Returns
    -------
    str
        The verdict, and each headline number.
    """
    numbers = (f"{one['label']}: {one['value']} {one['unit']}".strip() for one in view["headline"])
    return f"{view['status']['text']} {'; '.join(numbers)}.".strip()
