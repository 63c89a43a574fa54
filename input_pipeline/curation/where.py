"""Keeps records by what they say of themselves: licences, tags, scores (PASS, Asano et al., 2021, arXiv 2109.13228)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from input_pipeline.curation.step import Decision, Item, Step

# What every record has; any other name is one of its extras.
_OWN: Mapping[str, Callable[[Item], Sequence[Any]]] = {
    "id": lambda item: (item.record.id,),
    "source": lambda item: (item.source,),
    "tags": lambda item: item.record.tags,
    "label": lambda item: (item.record.label,) if item.record.label else (),
    "group": lambda item: (item.record.group,) if item.record.group else (),
}


def values_of(item: Item, of: str) -> tuple[Any, ...]:
    """Returns what a record says under a name: none, one or several values.

    Args:
      item: the record.
      of: id, source, tags, label, group, or one of `columns.extras`.
    """
    if of in _OWN:
        return tuple(_OWN[of](item))
    value = item.record.extras.get(of)
    values = value if isinstance(value, list | tuple) else (value,)
    return tuple(one for one in values if one is not None and one != "")


def fields_of(of: str) -> tuple[str, ...]:
    """Returns which fields of a record `values_of` looks at, for a step's `reads`."""
    if of in ("", "id", "source"):
        return ()
    return (of,) if of in _OWN else ("extras",)


class Where(Step):
    """Drops records whose values are not among those wanted, or are among those refused."""

    def __init__(self, config: Mapping[str, Any], *, name: str, seed: int) -> None:
        """Reads what it compares, and nothing else."""
        super().__init__(config, name=name, seed=seed)
        self.reads = fields_of(config["of"])

    def __call__(self, item: Item) -> Decision:
        """Compares the values."""
        of, wanted, refused, span = (self.config[key] for key in ("of", "any_of", "none_of", "within"))
        values = values_of(item, of)
        if not values and (wanted or span):
            return Decision(f"no {of}")
        if found := [value for value in values if str(value) in refused]:
            return Decision(f"{of} refused", ", ".join(map(str, found)))
        if wanted and not any(str(value) in wanted for value in values):
            return Decision(f"{of} not wanted", ", ".join(map(str, values)))
        if span and not all(_lies(value, *span) for value in values):
            return Decision(f"{of} out of range", ", ".join(map(str, values)))
        return Decision()


def _lies(value: Any, low: float, high: float) -> bool:
    """Whether a value is a number in [low, high]."""
    try:
        return low <= float(value) <= high
    except (TypeError, ValueError):
        return False
