"""Values of other projects' files, each checked as it is read: an error names the file, the key and the value."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline.errors import UserError

MOST = 1 << 20  # of whole numbers that are sizes: a vocabulary is the largest of them
TINY, HUGE = 1e-12, 1e6  # of other numbers: beyond, float32 has no room for what is made of them


def refused(where: str, value: Any, allowed: str) -> UserError:
    """Returns the error for a value of a file.

    Args:
      where: the file and the key, as "config.json: text_config.hidden_size".
      value: what stands there.
      allowed: what may stand there.
    """
    return UserError(f"{where}={reprlib.repr(value)} is not supported, only {allowed}")


def whole(value: Any, where: str, *, least: int = 1, most: int = MOST) -> int:
    """Returns a whole number from `least` to `most`.

    Raises:
      ValueError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise refused(where, value, f"a whole number from {least} to {most}")
    return value


def number(value: Any, where: str, *, positive: bool = True) -> float:
    """Returns a number of a size that one computes with, positive unless `positive` is False.

    Raises:
      ValueError: it is something else.
    """
    least = TINY if positive else -HUGE
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= HUGE:
        raise refused(where, value, f"a number from {least:g} to {HUGE:g}")
    return float(value)


def three(value: Any, where: str, *, positive: bool = True) -> list[float]:
    """Returns three finite numbers, of red, green and blue; one number stands for all three.

    Raises:
      ValueError: it is something else.
    """
    values = value if isinstance(value, (list, tuple)) else [value] * 3
    if len(values) != 3:
        raise refused(where, value, "three numbers")
    return [number(one, where, positive=positive) for one in values]


def words(value: Any, where: str, choices: Sequence[str] = ()) -> str:
    """Returns a string, one of the choices if there are any.

    Raises:
      ValueError: it is something else.
    """
    if not isinstance(value, str) or (choices and value not in choices):
        raise refused(where, value, f"one of {', '.join(choices)}" if choices else "a string")
    return value


def part(content: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    """Returns an object within an object; an empty one where there is none or null.

    Raises:
      ValueError: something else stands there.
    """
    value = content.get(key)
    if value is not None and not isinstance(value, dict):
        raise refused(f"{where}{key}", value, "an object")
    return value or {}


def square(value: Any, where: str) -> int:
    """Returns the side of a square, given as one number or twice.

    Raises:
      ValueError: the sides are not equal, or no whole numbers.
    """
    sides = [whole(side, where) for side in (value if isinstance(value, (list, tuple)) else [value])]
    if len(set(sides)) != 1:
        raise refused(where, value, "squares")
    return sides[0]


def like(value: Any, default: Any, where: str) -> Any:
    """Returns a value that is of the kind of its default: a size, a positive number, a flag or a string.

    Raises:
      ValueError: it is of another kind.
    """
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise refused(where, value, "true or false")
        return value
    if isinstance(default, int):
        return whole(value, where)
    if isinstance(default, float):
        return number(value, where)
    return words(value, where) if isinstance(default, str) else value
