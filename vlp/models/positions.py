"""Position embeddings: learned, fixed two-dimensional sine-cosine, or rotations of queries and keys."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Float32, Int

from input_pipeline.errors import UserError


def sincos2d(side: int, width: int, max_wavelength: float = 10_000.0) -> Float[Array, "side*side width"]:
    """Returns fixed sine-cosine positions of a square grid, row by row (MoCo v3, arXiv 2104.02057, as in big_vision).

    Raises:
      ValueError: the width is not divisible by four (sine and cosine for each of two axes).
    """
    if width % 4:
        raise UserError(
            f"sincos2d positions need a width divisible by 4, got {width}; use position='learned'"
        )
    rows, columns = jnp.mgrid[:side, :side]
    frequencies = 1.0 / max_wavelength ** (jnp.arange(width // 4) / (width // 4 - 1))
    angles = [jnp.outer(axis.ravel(), frequencies) for axis in (rows, columns)]
    return jnp.concatenate([f(a) for a in angles for f in (jnp.sin, jnp.cos)], axis=1)


class LearnedPosition(nnx.Module):
    """A table with one learned row for each position."""

    def __init__(self, length: int, width: int, std: float, *, rngs: nnx.Rngs):
        self.embedding = nnx.Param(nnx.initializers.normal(std)(rngs.params(), (length, width)))

    def __call__(self) -> Float[Array, "length width"]:
        return self.embedding[...]


class SinCosPosition(nnx.Module):
    """The fixed grid; holds no parameters."""

    def __init__(self, side: int, width: int):
        self.side, self.width = side, width

    def __call__(self) -> Float[Array, "length width"]:
        return sincos2d(self.side, self.width)


class Rotation(NamedTuple):
    """Angles by which pairs of numbers in queries and keys are turned, so that scores know how far places are apart.

    Attributes:
      cos, sin: of the angles; number i of a head is turned with number i + half. One row for all examples, or one each.
    """

    cos: Float[Array, "rows tokens half"]
    sin: Float[Array, "rows tokens half"]

    def turn(self, x: Float[Array, "batch tokens heads size"]) -> Float[Array, "batch tokens heads size"]:
        """Turns queries or keys, in float32."""
        first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
        cos, sin = self.cos[:, :, None], self.sin[:, :, None]
        turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
        return turned.astype(x.dtype)

    def padded(self, count: int) -> Rotation:
        """Leaves so many more tokens at the end as they are."""
        width = ((0, 0), (0, count), (0, 0))
        return Rotation(jnp.pad(self.cos, width, constant_values=1.0), jnp.pad(self.sin, width))


def rotary2d(
    side: int,
    head_size: int,
    *,
    before: int = 0,
    kept: Int[Array, "batch kept"] | None = None,
    longest: float = 100.0,
    centred: bool = False,
    counted: int = 0,
    first: int = 0,
) -> Rotation:
    """Makes the rotations of a square grid of patches (RoPE-Axial, arXiv 2403.13298, equations 8 and 9).

    The first half of a head's pairs turns with the row, the second with the column: pair t of those by the angle
    place * longest ** (-t / pairs). Centred, places are those of patches' centres in an image from -1 to 1, times 2 pi
    (DINOv3, arXiv 2508.10104, section 3.2).

    Args:
      side: of the grid.
      head_size: numbers in a head, a multiple of 4.
      before: tokens in front of the patches, which are not turned.
      kept: which patches each example has, row by row; None = all.
      longest: base of the wavelengths.
      centred: whether places are relative to the image, and not counted in patches.
      counted: patches a side that places are counted by, whatever the grid (EVA-02, arXiv 2303.11331); 0 = `side`.
      first: place of the first patch, which tells patches from the tokens before them.
    """
    pairs = head_size // 4
    rows, columns = jnp.mgrid[:side, :side].astype(jnp.float32)
    if counted or first:
        rows, columns = ((place + first) / side * (counted or side) for place in (rows, columns))
    if centred:
        rows, columns = (2 * math.pi * (2 * (place + 0.5) / side - 1) for place in (rows, columns))
    frequencies = longest ** (-jnp.arange(pairs) / pairs)
    angles = jnp.concatenate([jnp.outer(axis.ravel(), frequencies) for axis in (rows, columns)], axis=1)[None]
    if kept is not None:
        angles = angles[0][kept]
    angles = jnp.pad(angles, ((0, 0), (before, 0), (0, 0)))
    return Rotation(jnp.cos(angles), jnp.sin(angles))


def resampled(table: Float[Array, "old*old width"], side: int) -> Float[Array, "side*side width"]:
    """Returns the positions of a square grid stretched over a finer or coarser one; itself if the sides agree.

    Bicubic without antialiasing, as DINO (arXiv 2104.14294) has it for its local crops.

    Args:
      table: row by row.
      side: of the new grid.
    """
    old = math.isqrt(table.shape[0])
    if side == old:
        return table
    weights = bicubic_weights(old, side)
    grid = jnp.einsum("ri,cj,ijw->rcw", weights, weights, table.reshape(old, old, -1))
    return grid.reshape(side**2, -1)


def bicubic_weights(old: int, new: int) -> Float32[np.ndarray, "new old"]:
    """Returns what each of `new` evenly spread points takes of `old` ones: Keys' cubic convolution with a = -0.75.

    Points beyond an edge are the edge (PyTorch's `interpolate` with `align_corners=False`).
    """
    places = (np.arange(new) + 0.5) * old / new - 0.5
    weights = np.zeros((new, old), np.float32)
    for shift in range(-1, 3):
        taps = np.floor(places) + shift
        x, a = np.abs(places - taps), -0.75
        near = ((a + 2) * x - (a + 3)) * x**2 + 1
        far = ((x - 5) * x + 8) * a * x - 4 * a
        columns = np.clip(taps, 0, old - 1).astype(int)
        np.add.at(weights, (np.arange(new), columns), np.where(x <= 1, near, far))
    return weights


def bilinear_weights(old: int, new: int) -> Float32[np.ndarray, "new old"]:
    """Returns what each of `new` evenly spread points takes of `old` ones: linear between them, no antialiasing.

    Points beyond an edge are the edge (PyTorch's `interpolate` with `align_corners=False`, `tf.image.resize`).
    """
    places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0.0, 1 - np.abs(places[:, None] - np.arange(old)[None])).astype(np.float32)
