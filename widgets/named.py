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
    asked = deployment(view)
    if not asked:
        return view["title"]
    if view.get("groups"):
        return f"{view['title']}: {asked}"
    first = view["headline"][0]
    return f"{asked}: {first['value']} {first['unit']}".strip()


def deployment(view):
    """Name what a view is about.

    Parameters
    ----------
    view : dict
        What a calculator's view function gave, with its lists in it or without.

    Returns
    -------
    str
        Such as "Llama 3.1 70B in FP8 on 2 x L40S", or the models that are compared; empty where no
        deployment is asked about, or none has an answer.
    """
    shown = {one["name"]: one.get("text", "") for one in view["controls"]}
    pasted = any(one["name"] == "config" and one["value"] for one in view["controls"])
    if view.get("groups"):
        cards = [item["label"].partition(": ")[2] for item in view["headline"]]
        return " or ".join(dict.fromkeys(filter(None, cards)))
    if not {"model", "gpu", "tp", "weights"} <= shown.keys() or not view["headline"]:
        return ""
    model = "A pasted model" if pasted else shown["model"]
    count = shown["tp"].partition(",")[0]
    return f"{model} in {shown['weights']} on {count} x {shown['gpu']}"


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
