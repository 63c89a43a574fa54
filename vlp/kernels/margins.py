"""Margins: changes to the cosines of matching cells that make a kernel ask for more than equality.

All take cosines before they are scaled and return what to scale.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vlp.kernels.precision import widen


def additive_cosine(
    cosines: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    margin: float | Float[Array, ""],
) -> Float[Array, "rows columns"]:
    """Returns cos(theta) - margin where a row and a column match: CosFace (arXiv 1801.09414, equation 4)."""
    return cosines - margin * (targets > 0)


def additive_angle(
    cosines: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    margin: float | Float[Array, ""],
    *,
    straight_through: bool = False,
) -> Float[Array, "rows columns"]:
    """Returns cos(theta + margin) where a row and a column match: ArcFace (arXiv 1801.07698, equation 3).

    The gradient is the formula's own. Public PartialFC code (deepglint/unicom) computes the angle without recording
    it, so that its gradient is that of the plain cosine: same values, a gradient some 10 % off at the largest entry.

    Args:
      cosines: in [-1, 1]; rounding beyond is cut off.
      targets: positive where a row and a column match.
      margin: radians. Where theta + margin > pi the cosine rises again, as the formula says.
      straight_through: gives that public gradient.
    """
    (cosines,) = widen(cosines)
    cosines = jnp.clip(cosines, -1.0, 1.0)
    # Near +-1 the sine's slope has no bound: there the sine is held at a value below rounding, with slope zero.
    sines = jnp.sqrt(jnp.maximum(1.0 - cosines**2, jnp.finfo(cosines.dtype).eps))
    moved = math.cos(margin) * cosines - math.sin(margin) * sines
    if straight_through:
        moved = cosines + jax.lax.stop_gradient(moved - cosines)
    return jnp.where(targets > 0, moved, cosines)


def drop_similar_negatives(
    cosines: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    threshold: float | Float[Array, ""],
) -> Float[Array, "rows columns"]:
    """Returns zero for negatives whose cosine is above the threshold, which are probably unlabelled positives.

    As in PartialFC (arXiv 2203.15565), they stay in the sum with cosine zero.
    """
    return jnp.where((targets <= 0) & (cosines > threshold), 0.0, cosines)


def circle(
    cosines: Float[Array, "rows columns"],
    targets: Float[Array, "rows columns"],
    margin: float | Float[Array, ""],
) -> Float[Array, "rows columns"]:
    """Returns each cosine's distance from where it should be, weighed by how far it still has to go.

    (1 + margin - cos)_+ (cos - 1 + margin) for positives and (cos + margin)_+ (cos - margin) for negatives, the
    weights being constants to differentiation; scaled by gamma and put through `joint` this is the circle loss
    (arXiv 2002.10857, equations 4 to 6).
    """
    matches = targets > 0
    weights = jnp.maximum(jnp.where(matches, 1.0 + margin - cosines, cosines + margin), 0.0)
    return jax.lax.stop_gradient(weights) * (cosines - jnp.where(matches, 1.0 - margin, margin))


# Of the cosine or of the angle between a row and the column it matches; of either side's distance from its place.
MARGINS: dict[str, Callable[..., Float[Array, "rows columns"]]] = {
    "cosine": additive_cosine,
    "angle": additive_angle,
    "angle_straight_through": functools.partial(additive_angle, straight_through=True),
    "circle": circle,
}
