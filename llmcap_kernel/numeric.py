"""Functions that take a float or a numpy array and return the same kind.

Formulas in the kernel are written once, with operators and these functions. With
floats they never import numpy, so they run in microseconds and in a browser; with
arrays they broadcast.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
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
    if type(a) is float and type(b) is float:  # as a single prediction has it: no attribute missed
        return a if a <= b else b
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
    if type(a) is float and type(b) is float:  # as a single prediction has it: no attribute missed
        return a if a >= b else b
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
    if type(condition) is bool:
        return condition
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
    if type(condition) is bool and type(a) is float and type(b) is float:
        return a if condition else b
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


def exp(a: Number) -> Number:
    """Raise Euler's number to a power.

    Parameters
    ----------
    a : float or array
        The power.

    Returns
    -------
    float or array
        Its value.

    Examples
    --------
    >>> exp(0.0)
    1.0
    """
    if hasattr(a, "__array__"):
        import numpy

        return numpy.exp(a)
    return math.exp(a)


def some(column: Sequence[Number]) -> Any:
    """Keep values at some knots, so that `between` looks them up.

    Parameters
    ----------
    column : sequence of float or array
        A value at each knot.

    Returns
    -------
    tuple of float or array
        The same; of arrays one with the knots along its first axis.

    Examples
    --------
    >>> some([1.0, 2.0])
    (1.0, 2.0)
    """
    if any(hasattr(one, "__array__") for one in column):
        import numpy

        return numpy.stack(numpy.broadcast_arrays(*column))
    return tuple(column)


def interval(knots: Any, x: Number) -> tuple[Any, Number]:
    """Find the knots that a number lies between.

    Parameters
    ----------
    knots : tuple of float or array
        As `some` keeps them, in rising order.
    x : float or array
        The number.

    Returns
    -------
    tuple of (int or array, float or array)
        Place of the lower knot, and how far beyond it the number is, as a share; a number outside
        is as far as the nearest knot above, and below it lies on the line through the first two.

    Examples
    --------
    >>> interval((1.0, 2.0, 4.0), 3.0), interval((1.0, 2.0, 4.0), 9.0)
    ((1, 0.5), (1, 1.0))
    """
    place: Any = 0
    if isinstance(knots, tuple) and not hasattr(x, "__array__"):
        place = bisect_right(knots, x, 1, len(knots) - 1) - 1
    else:
        for knot in knots[1:-1]:
            place = place + (x >= knot)
    low, high = between(knots, place, 0.0), between(knots, place, 1.0)
    return place, minimum((x - low) / maximum(high - low, 1e-300), 1.0)


def between(column: Any, place: Any, share: Number) -> Number:
    """Look a value up between two knots, in a straight line.

    Parameters
    ----------
    column : tuple of float or array
        A value at each knot, as `some` keeps them.
    place, share : int or array, float or array
        As `interval` gives them.

    Returns
    -------
    float or array
        The value.

    Examples
    --------
    >>> between((10.0, 20.0, 40.0), 1, 0.5)
    30.0
    """
    if hasattr(column, "__array__"):
        import numpy

        each = numpy.arange(column.shape[1])
        low, high = column[place, each], column[place + 1, each]
    elif hasattr(place, "__array__"):
        if all(one == column[0] for one in column):
            return column[0]
        import numpy

        known = numpy.array(column, float)
        low, high = known[place], known[place + 1]
    else:
        low, high = column[place], column[place + 1]
    return where(low == high, low, low + share * (high - low))
