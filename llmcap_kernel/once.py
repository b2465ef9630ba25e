"""A property that is computed once, without the lock that Python 3.11 takes each time.

`functools.cached_property` lost it in 3.12 (github.com/python/cpython/issues/87634); a prediction
computes a dozen of them.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property
else:
    import functools

    class cached_property(functools.cached_property):
        """A property whose value the instance keeps.

        Parameters
        ----------
        func : callable
            Computes the value of an instance.

        Examples
        --------
        >>> class Two:
        ...     value = cached_property(lambda self: 2)
        >>> Two().value
        2
        """

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value


__all__ = ["cached_property"]
