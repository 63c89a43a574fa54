"""Iterated function systems: affine maps that contract, the points that they leave in place, and pictures of these.

Anderson and Farrell, Improving Fractal Pre-training (arXiv 2110.03091), section 3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int64

Draw = Callable[[float, float], float]
"""(low, high) -> a number between them."""

System = Float[np.ndarray, "maps 2 3"]
"""Maps x -> A x + b, each as [A | b]."""


def singular_values(maps: int, total: float, draw: Draw) -> Float[np.ndarray, "maps 2"]:
    """Returns pairs 1 >= s1 >= s2 >= 0 of which the sum of s1 + 2 s2 is `total`.

    Args:
      maps: how many pairs.
      total: from 0 to 3 `maps`.
      draw: of each number in turn, s1 and s2 of a pair; of the last pair s2 alone is drawn.
    """
    values, left = np.empty((maps, 2)), total
    for place in range(maps - 1):
        most = 3.0 * (maps - 1 - place)  # that the pairs behind can take
        first = draw(max(0.0, (left - most) / 3), min(1.0, left))
        left -= first
        second = draw(max(0.0, (left - most) / 2), min(first, left / 2))
        left -= 2 * second
        values[place] = first, second
    second = draw(max(0.0, (left - 1) / 2), left / 3)
    values[-1] = left - 2 * second, second
    return values


def affine_maps(maps: int, dice: np.random.Generator) -> System:
    """Returns a random system: A = R(theta) S R(phi) D, where the singular values S sum up to a number that spreads its
    points well (s1 + 2 s2 over all maps is uniform in [(5 + maps) / 2, (6 + maps) / 2]), D flips axes, and b is uniform
    in [-1, 1]."""
    values = singular_values(maps, dice.uniform((5 + maps) / 2, (6 + maps) / 2), dice.uniform)
    angles = dice.uniform(0, 2 * np.pi, (2, maps))
    flips = dice.choice((-1.0, 1.0), (maps, 1, 2))
    linear = (_rotations(angles[0]) * values[:, None]) @ (_rotations(angles[1]) * flips)
    return np.concatenate([linear, dice.uniform(-1, 1, (maps, 2, 1))], axis=2)


def chaos_game(system: System, draws: Float[np.ndarray, "steps walks"]) -> Float[np.ndarray, "steps walks 2"]:
    """Returns points of a system: walks from the fixed point of its first map, each step by a random map.

    A map is chosen with probability proportional to the area that it leaves of one, |det A|.

    Args:
      system: of maps that contract.
      draws: in [0, 1), which say which map is next.
    """
    linear, offset = system[:, :, :2], system[:, :, 2]
    areas = np.abs(np.linalg.det(linear))
    chosen = np.searchsorted(np.cumsum(areas / areas.sum()), draws, side="right").clip(max=len(system) - 1)
    start = np.linalg.solve(np.eye(2) - linear[0], offset[0])
    points = np.empty((*draws.shape, 2))
    x, y = np.full(draws.shape[1], start[0]), np.full(draws.shape[1], start[1])
    coefficients = np.ascontiguousarray(system.reshape(len(system), 6).T)
    for step, maps in enumerate(chosen):
        a, b, c, d, e, f = coefficients[:, maps]
        x, y = a * x + b * y + c, d * x + e * y + f
        points[step, :, 0], points[step, :, 1] = x, y
    return points


def density(points: Float[np.ndarray, "points 2"], side: int) -> Float[np.ndarray, "side side"]:
    """Returns how often points fall into each cell of their own bounding box, relative to the fullest; x is the row."""
    row, column = (
        _cells(values, side) for values in np.ascontiguousarray(points.T)
    )  # in a row, ten times as fast
    counts = np.bincount(row * side + column, minlength=side * side).reshape(side, side)
    return counts / counts.max()


def _cells(values: Float[np.ndarray, " points"], side: int) -> Int64[np.ndarray, " points"]:
    low, high = values.min(), values.max()
    return ((values - low) * ((side - 1) / max(high - low, 1e-12))).astype(np.int64)


def _rotations(angles: Float[np.ndarray, " maps"]) -> Float[np.ndarray, "maps 2 2"]:
    sine, cosine = np.sin(angles), np.cos(angles)
    return np.stack([cosine, -sine, sine, cosine], axis=-1).reshape(-1, 2, 2)
