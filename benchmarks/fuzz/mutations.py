"""Accidents and malice, by seeded dice: to bytes, to the values of JSON, and to arrays."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np


def corrupt(data: bytes, dice: np.random.Generator) -> bytes:
    """One to three accidents: bytes changed, a run overwritten, zeroed, lost or doubled, the end cut off."""
    damaged = bytearray(data)
    for _ in range(dice.integers(1, 4)):
        size = max(len(damaged), 1)
        start = int(dice.integers(size))
        run = int(dice.integers(1, max(2, min(size, 64) if dice.random() < 0.7 else size // 2)))
        accident = dice.integers(6)
        if accident == 0:
            for place in dice.integers(size, size=int(dice.integers(1, 20))).tolist():
                damaged[place : place + 1] = dice.bytes(1)
        elif accident == 1:
            damaged[start : start + run] = dice.bytes(run)
        elif accident == 2:
            damaged[start : start + run] = bytes(run)
        elif accident == 3:
            del damaged[start : start + run]
        elif accident == 4:
            damaged[start:start] = damaged[start : start + run]
        else:
            del damaged[start:]
    return bytes(damaged)


# What stands in the place of a value: nothing, other kinds, limits, numbers that are none, names that mean something.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 3, -1, -5, 7, 2**31, 2**63, 10**30, 0.0, -0.5, 0.5, 1e-6, 1e308, math.nan, math.inf,
    "", "x", "left", "gelu", "quick_gelu", "None", "\udcff", "\u0000", "../../x", [], {}, [1, 2], [[]], {"a": 1},
    [0.5, 0.5, 0.5], {"height": 32, "width": 32}, {"shortest_edge": 64},
)  # fmt: skip
DEEP = "[" * 50_000 + "]" * 50_000


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested dicts and lists; of long ones the first and the last few."""
    found = [path]
    items: list[Any] = []
    if isinstance(content, dict):
        items = list(content.items())
    elif isinstance(content, list):
        items = list(enumerate(content))
    for key, value in items[:40] + items[40:][-5:]:
        found += places(value, (*path, key))
    return found


def changed(content: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """A copy in which the value at a place is another; `change` may raise KeyError to leave it out."""
    if not path:
        return change(content)
    copy = dict(content) if isinstance(content, dict) else list(content)
    try:
        copy[path[0]] = changed(copy[path[0]], path[1:], change)
    except KeyError:
        del copy[path[0]]
    return copy


def _left_out(value: Any) -> Any:
    raise KeyError


def mutated_json(data: bytes, dice: np.random.Generator) -> bytes:
    """A JSON document with one value that is left out, another, wrapped, or one more; or nested beyond reason."""
    content = json.loads(data)
    found = places(content)
    path = found[int(dice.integers(len(found)))]
    other = VALUES[int(dice.integers(len(VALUES)))]
    changes: list[Callable[[Any], Any]] = [
        lambda value: other,
        lambda value: other,
        _left_out if path else lambda value: other,
        lambda value: [value],
        lambda value: str(value),
        lambda value: value * 2 if isinstance(value, (int, float, str, list)) else value,
        lambda value: {**value, "another": other} if isinstance(value, dict) else value,
    ]
    text = json.dumps(changed(content, path, changes[int(dice.integers(len(changes)))]))
    if dice.random() < 0.02:
        text = text.replace("null", DEEP, 1) if "null" in text else DEEP
    return text.encode()


def mutated_array(x: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """An array of another shape or type, or with a value that is none or far from all others."""
    flat = x.reshape(-1).copy()
    numbers = (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e12, 0.0, -1.0)
    choice = int(dice.integers(8))
    if choice < 3 and len(flat) and flat.dtype.kind == "f":
        flat[int(dice.integers(len(flat)))] = numbers[int(dice.integers(len(numbers)))]
        return flat.reshape(x.shape)
    if choice == 3:
        return flat
    if choice == 4:
        return x.T.copy()
    if choice == 5:
        return x[:0].copy() if x.ndim else x.reshape(1)
    if choice == 6:
        types = (np.float16, np.float64, np.int64, np.uint8, np.bool_)
        return np.nan_to_num(x).astype(types[int(dice.integers(len(types)))])
    return np.concatenate([x, x]) if x.ndim else x.reshape(1, 1)


def mutated_arrays(arrays: dict[str, np.ndarray], dice: np.random.Generator) -> dict[str, np.ndarray]:
    """Arrays of which one is another, has another name, is not there or is there twice."""
    names = sorted(arrays)
    name = names[int(dice.integers(len(names)))]
    arrays, choice = dict(arrays), int(dice.integers(6))
    if choice == 0:
        arrays[f"{name}.x"] = arrays.pop(name)
    elif choice == 1:
        del arrays[name]
    elif choice == 2:
        arrays[f"{name}.x"] = arrays[name]
    else:
        arrays[name] = mutated_array(arrays[name], dice)
    return arrays
