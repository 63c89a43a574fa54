"""Boxes as left, top, right and bottom in [0, 1]: how well two fit, and which cells of a grid they cover."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def corners(boxes: Float[Array, "*boxes 4"]) -> Float[Array, "*boxes 4"]:
    """Returns left, top, right and bottom of boxes given by middle, width and height."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return jnp.concatenate([middle - half, middle + half], axis=-1)


def generalised_iou(one: Float[Array, "*#boxes 4"], other: Float[Array, "*#boxes 4"]) -> Float[Array, ...]:
    """Returns intersection over union, less the share of the smallest box around both that neither covers (GIoU, arXiv
    1902.09630, algorithm 1); the boxes' leading axes broadcast."""
    union, shared = _areas(one, other)
    start = jnp.minimum(one[..., :2], other[..., :2])
    around = (jnp.maximum(one[..., 2:], other[..., 2:]) - start).prod(axis=-1)
    return shared / jnp.maximum(union, 1e-9) - (around - union) / jnp.maximum(around, 1e-9)


def iou(one: Float[Array, "*#boxes 4"], other: Float[Array, "*#boxes 4"]) -> Float[Array, ...]:
    """Returns intersection over union; the boxes' leading axes broadcast."""
    union, shared = _areas(one, other)
    return shared / jnp.maximum(union, 1e-9)


def _areas(
    one: Float[Array, "*#boxes 4"], other: Float[Array, "*#boxes 4"]
) -> tuple[Float[Array, ...], Float[Array, ...]]:
    """Areas of the union and of the intersection."""
    start, end = jnp.maximum(one[..., :2], other[..., :2]), jnp.minimum(one[..., 2:], other[..., 2:])
    shared = jnp.maximum(end - start, 0.0).prod(axis=-1)
    own, others = ((box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (one, other))
    return own + others - shared, shared


def covered(boxes: Float[Array, "*boxes 4"], side: int) -> Bool[Array, "*boxes cells"]:
    """Tells which cells of a side x side grid, row by row, have their middle in each box."""
    middles = (jnp.arange(side) + 0.5) / side
    across = (middles >= boxes[..., 0, None]) & (middles < boxes[..., 2, None])
    down = (middles >= boxes[..., 1, None]) & (middles < boxes[..., 3, None])
    return (down[..., :, None] & across[..., None, :]).reshape(*boxes.shape[:-1], side * side)
