"""The calculators: pure views of the kernel, and the widget that shows them."""

from importlib import import_module

# Each needs a notebook's widgets, which whoever wants a view alone need not have.
_HOSTS = {"Calculator": ".host", "exercise": ".question_host", "guess": ".question_host"}


def __getattr__(name):
    if name not in _HOSTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOSTS[name], __name__), name)
