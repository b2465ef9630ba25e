"""Six functions that take a float or a numpy array and return the same kind.

Formulas in the kernel are written once, with operators and these functions. With
floats they never import numpy, so they run in microseconds and in a browser; with
arrays they broadcast.
"""

import math
from typing import Any

# A float, or a numpy array of them: formulas are written once for both. Numpy is not
# imported to name its type, because the kernel runs without it.
Number = Any


def minimum(a: Number, b: Number) -> Number:
    """Return the smaller of two numbers, element by element for arrays.

    Parameters
    ----------
    a, b : float or array
        Numbers to compare.

    Returns
    -------
    float or array
        The smaller one.

    Examples
    --------
    >>> minimum(2.0, 3.0)
    2.0
    """
    if hasattr(a, "__array__") or hasattr(b, "__array__"):
        import numpy

        return numpy.minimum(a, b)
    return a if a <= b else b


def maximum(a: Number, b: Number) -> Number:
    """Return the larger of two numbers, element by element for arrays.

    Parameters
    ----------
    a, b : float or array
        Numbers to compare.

    Returns
    -------
    float or array
        The larger one.

    Examples
    --------
    >>> maximum(2.0, 3.0)
    3.0
    """
    if hasattr(a, "__array__") or hasattr(b, "__array__"):
        import numpy

        return numpy.maximum(a, b)
    return a if a >= b else b


def floor(a: Number) -> Number:
    """Round down to a whole number.

    Parameters
    ----------
    a : float or array
        Number to round.

    Returns
    -------
    int or array
        The largest whole number not above it.

    Examples
    --------
    >>> floor(3.85)
    3
    """
    if hasattr(a, "__array__"):
        import numpy

        return numpy.floor(a)
    return math.floor(a)


def ceil(a: Number) -> Number:
    """Round up to a whole number.

    Parameters
    ----------
    a : float or array
        Number to round.

    Returns
    -------
    int or array
        The smallest whole number not below it.

    Examples
    --------
    >>> ceil(500.1)
    501
    """
    if hasattr(a, "__array__"):
        import numpy

        return numpy.ceil(a)
    return math.ceil(a)


def somewhere(condition: Any) -> bool:
    """Say whether a condition holds, or holds for any element of an array.

    Parameters
    ----------
    condition : bool or array
        The condition.

    Returns
    -------
    bool
        Whether what depends on it is worth computing.

    Examples
    --------
    >>> somewhere(2 > 3)
    False
    """
    return bool(condition.any() if hasattr(condition, "__array__") else condition)


def where(condition: Any, a: Number, b: Number) -> Number:
    """Choose between two numbers, element by element for arrays.

    Parameters
    ----------
    condition : bool or array
        Selects `a` where true.
    a, b : float or array
        Results where the condition is true and where it is false.

    Returns
    -------
    float or array
        `a` or `b`.

    Examples
    --------
    >>> where(True, 1.0, 2.0)
    1.0
    """
    if hasattr(condition, "__array__") or hasattr(a, "__array__") or hasattr(b, "__array__"):
        import numpy

        return numpy.where(condition, a, b)
    return a if condition else b


def log(a: Number) -> Number:
    """Compute the natural logarithm.

    Parameters
    ----------
    a : float or array
        A number above 0.

    Returns
    -------
    float or array
        The logarithm.

    Examples
    --------
    >>> log(1.0)
    0.0
    """
    if hasattr(a, "__array__"):
        import numpy

        return numpy.log(a)
    return math.log(a)
