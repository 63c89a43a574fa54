"""What another project's files say of a tower by itself, before it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from vlp.interop.mapping import Entry, Tensors
from vlp.interop.reading import Reading


@dataclasses.dataclass(frozen=True)
class Single:
    """A tower of another project.

    Attributes:
      tower: 'image' or 'text'.
      settings: our `model.image` or `model.text`, what differs from the defaults.
      width: of its output.
      entries: the table of names.
      tensors: all of the file's, under the names of the table.
      unused: names of heads and the like, which no tower has.
      reading: of texts: how many tokens and ids its config says.
    """

    tower: str
    settings: dict[str, Any]
    width: int
    entries: list[Entry]
    tensors: Tensors
    unused: tuple[str, ...] = ()
    reading: Reading = dataclasses.field(default_factory=Reading)


def beginning(tensors: Mapping[str, Any], starts: Iterable[str]) -> tuple[str, ...]:
    """Returns the names that begin with one of `starts`."""
    return tuple(name for name in tensors if name.startswith(tuple(starts)))
