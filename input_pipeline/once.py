"""A property that is computed when it is first asked for, whatever other threads compute meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Owner = TypeVar("Owner")
Value = TypeVar("Value")


class Once(Generic[Owner, Value]):
    """Keeps what a method returns in its object's `__dict__`, under the method's name.

    Before Python 3.12 `functools.cached_property` holds one lock for all objects while it computes: threads that decode
    pictures in it wait for each other.
    """

    def __init__(self, compute: Callable[[Owner], Value]) -> None:
        """Takes the method; as a decorator."""
        self._compute, self._name, self.__doc__ = compute, compute.__name__, compute.__doc__

    def __get__(self, owner: Owner, kind: type[Owner]) -> Value:
        """Computes the value: later on the object's own hides this."""
        value = owner.__dict__[self._name] = self._compute(owner)
        return value
