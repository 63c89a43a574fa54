"""How a source is read by what looks at every record once, such as a curation."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from input_pipeline.records import FIELDS

_Source = TypeVar("_Source")


def in_order(source: _Source, fields: Collection[str] = FIELDS) -> _Source:
    """Returns the same records for a reading in their order, of which some of `FIELDS` are needed.

    Formats that can do so, by a method of this name, read nothing else and keep less in memory.
    """
    reduce = getattr(source, "in_order", None)
    reduced: _Source = reduce(frozenset(fields)) if reduce else source
    return reduced
