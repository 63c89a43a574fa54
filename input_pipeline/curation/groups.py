"""What steps share that keep one of several records that are alike, within each group."""

from __future__ import annotations

import base64
import io
from array import array
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from input_pipeline.curation.near import Near
from input_pipeline.curation.step import Item
from input_pipeline.curation.where import values_of

_UNSEEN = -2  # the distance of a record that could not be compared


def group_of(item: Item, group: str) -> str:
    """Returns the group of a record, by what `where` can read; '' = all are one."""
    return "\0".join(map(str, values_of(item, group))) if group else ""


class Gathered(NamedTuple):
    """Holds what surveys of [number, group, value] come to.

    Attributes:
      numbers: of the records, in order.
      groups: a number for each one's group.
      values: of each.
      names: of the groups, by their numbers.
    """

    numbers: Int[np.ndarray, " n"]
    groups: Int[np.ndarray, " n"]
    values: list[Any]
    names: list[Any]

    @classmethod
    def of(cls, surveys: Iterable[Any]) -> Gathered:
        """Joins surveys, a slice after the other."""
        numbers, groups, known, values = array("q"), array("q"), dict[Any, int](), list[Any]()
        for survey in surveys:
            for number, group, value in survey:
                numbers.append(number)
                groups.append(known.setdefault(group, len(known)))
                values.append(value)
        return cls(np.array(numbers, np.int64), np.array(groups, np.int64), values, list(known))


def settled(gathered: Gathered, near: Callable[[Int[np.ndarray, " rows"]], Near]) -> Near:
    """Decides group by group: a distance and the nearest record's number by the numbers of all records.

    Args:
      gathered: all records.
      near: of the rows of a group, what is near one of them that stayed.
    """
    count = int(gathered.numbers.max(initial=-1)) + 1
    distance, nearest = np.full(count, _UNSEEN, np.float32), np.full(count, -1, np.int64)
    order = np.argsort(gathered.groups, kind="stable")
    cuts = np.flatnonzero(np.diff(gathered.groups[order])) + 1
    for rows in filter(len, np.split(order, cuts)):
        own, numbers = near(rows), gathered.numbers[rows]
        distance[numbers] = own.distance
        nearest[numbers] = np.where(own.place < 0, -1, numbers[own.place])
    return Near(distance, nearest)


def near_scores(
    item: Item, distance: Shaped[np.ndarray, " n"], nearest: Int[np.ndarray, " n"]
) -> tuple[float | None, int]:
    """Returns what `settled` found of a record: None where it could not be compared; -1 where nothing is near."""
    if item.number >= len(distance) or distance[item.number] == _UNSEEN:
        return None, -1
    return float(distance[item.number]), int(nearest[item.number])


def packed(values: Shaped[np.ndarray, ...]) -> str:
    """Writes an array as text, for a plan: a few bytes a record, where lists of a plan take fifty."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, values=values)
    return base64.b64encode(buffer.getvalue()).decode()


def unpacked(text: str) -> Shaped[np.ndarray, ...]:
    """Reads `packed`."""
    with np.load(io.BytesIO(base64.b64decode(text))) as arrays:
        values: np.ndarray = arrays["values"]
        return values
