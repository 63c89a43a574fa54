"""Probabilities of named things, written as one string: "title=0.7,sentence=0.3"."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from input_pipeline.errors import UserError

Item = TypeVar("Item")
OTHER = "*"  # whatever is not named


@functools.lru_cache
def parse_weights(text: str) -> Mapping[str, float]:
    """Returns weights by name; '*' stands for every name that is not given, '' is no weights at all.

    Raises:
      ValueError: an item that is not name=number, a negative number, or nothing above 0.
    """
    weights: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = item.partition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not name or name in weights or not 0 <= weight < math.inf:
            raise UserError(
                f"'{item}' in '{text}' is not a new name with a weight of at least 0, as in title=0.7,sentence=0.3"
            )
        weights[name] = weight
    if weights and not any(weights.values()):
        raise UserError(f"'{text}' gives every name weight 0: raise one, or leave it empty")
    return weights


def weight_of(weights: Mapping[str, float], name: str) -> float:
    return weights.get(name, weights.get(OTHER, 0.0))


def draw_group(
    items: Sequence[Item], names: Sequence[str], weights: Mapping[str, float], dice: np.random.Generator
) -> list[Item]:
    """Returns the items of one name, drawn by weight among the names that are there; '*' is one name.

    Args:
      items: each of a name with a positive weight; at least one.
      names: of the items.
      weights: by name, in any scale.
      dice: rolled once if there are several names.
    """
    groups: dict[str, list[Item]] = {}
    for item, name in zip(items, names, strict=True):
        groups.setdefault(name if name in weights else OTHER, []).append(item)
    if len(groups) == 1:
        return list(items)
    order = sorted(groups)  # not the order in the record, which says nothing
    shares = np.cumsum([weights[name] for name in order])
    return groups[order[int(np.searchsorted(shares, dice.random() * shares[-1], side="right"))]]
