"""A setting: its default, what it may be, and what it means, in one place.

A part's settings are a plain dict of names to settings, or to such dicts. `configs/base.py` takes the defaults,
`--help` prints the meanings, and every value is checked against what is allowed before any device is touched.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Settings = Mapping[str, Any]
"""Names to `Setting`s, or to groups of them."""

Check = Callable[[Any, Any, str], None]
"""(an entry, the whole config, the entry's path) -> raises ValueError where settings contradict each other."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """One leaf of the config.

    Attributes:
      default: its value where nobody says anything; its type is the type of all values.
      meaning: a few words for `--help`.
      choices: the values that a text may have; () = any.
      at_least: the smallest number that is allowed.
      above: a number that all allowed ones exceed.
      at_most: the largest number that is allowed.
      below: a number that exceeds all allowed ones.
    """

    default: Any
    meaning: str = ""
    _: dataclasses.KW_ONLY
    choices: tuple[str, ...] = ()
    at_least: float = -math.inf
    above: float = -math.inf
    at_most: float = math.inf
    below: float = math.inf

    def limits(self) -> str:
        """Returns what numbers are allowed, as 'at least 1' or 'in [0, 1)'; '' where all are."""
        low = max(self.at_least, self.above)
        high = min(self.at_most, self.below)
        if low == -math.inf and high == math.inf:
            return ""
        if high == math.inf:
            return f"above {low}" if self.above == low else f"at least {low}"
        return f"in {'(' if self.above == low else '['}{low}, {high}{')' if self.below == high else ']'}"

    def allows(self, value: Any) -> bool:
        """Tells whether a value of the right type is one that it may have."""
        if self.choices:
            return value in self.choices
        if not self.limits():
            return True
        if not math.isfinite(value):
            return False
        return self.at_least <= value <= self.at_most and self.above < value < self.below


def count(default: int, meaning: str = "") -> Setting:
    """Returns a whole number from 1 on."""
    return Setting(default, meaning, at_least=1)


def natural(default: int, meaning: str = "") -> Setting:
    """Returns a whole number from 0 on."""
    return Setting(default, meaning, at_least=0)


def positive(default: float, meaning: str = "") -> Setting:
    """Returns a number above 0."""
    return Setting(default, meaning, above=0)


def not_negative(default: float, meaning: str = "") -> Setting:
    """Returns a number from 0 on."""
    return Setting(default, meaning, at_least=0)


def share(default: float, meaning: str = "") -> Setting:
    """Returns a number from 0 to 1."""
    return Setting(default, meaning, at_least=0, at_most=1)


def share_below_one(default: float, meaning: str = "") -> Setting:
    """Returns a number from 0 to below 1."""
    return Setting(default, meaning, at_least=0, below=1)


def positive_share(default: float, meaning: str = "") -> Setting:
    """Returns a number above 0, to 1."""
    return Setting(default, meaning, above=0, at_most=1)


def defaults(settings: Settings) -> dict[str, Any]:
    """Returns the default of every leaf, nested as the settings are; a value that is no setting is its own default."""
    return {
        name: defaults(item) if isinstance(item, Mapping) else getattr(item, "default", item)
        for name, item in settings.items()
    }


def leaves(settings: Settings, where: str = "") -> Iterator[tuple[str, Setting]]:
    """Yields every leaf by its dotted path behind `where`."""
    for name, item in settings.items():
        path = f"{where}.{name}" if where else name
        if isinstance(item, Mapping):
            yield from leaves(item, path)
        else:
            yield path, item if isinstance(item, Setting) else Setting(item)
