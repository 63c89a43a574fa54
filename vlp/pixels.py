"""From pixels to embeddings and back: what a small change of each pixel does to a row, for attacks and saliency."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Float32, PyTree

from input_pipeline.errors import UserError
from vlp.models.dual_encoder import DualEncoder

AT_A_TIME = 256  # records of patches
Pixels = Float[np.ndarray, "n height width 3"]


def refuse_patches(native: Any, who: str) -> None:
    """Refuses what knows square images alone where images are patches at their own aspect ratio.

    Raises:
      ValueError: says who does.
    """
    if native:
        raise UserError(
            f"{who} needs square images, and this model sees them at their own aspect ratio: switch off what asks "
            "for it"
        )


def laid_out(
    encode: Callable[[np.ndarray], Float32[np.ndarray, "n patches dim"]], images: np.ndarray
) -> Float32[np.ndarray, "n rows columns dim"] | list[np.ndarray]:
    """Lays rows of patches out as the images have them: [n, rows, columns, dim], or a list of [rows, columns, dim]
    where the images are records of patches at their own aspect ratio, of which a few are read at a time."""
    if images.dtype.names:
        blocks = (images[first : first + AT_A_TIME] for first in range(0, len(images), AT_A_TIME))
        return [
            own[: rows * columns].reshape(rows, columns, -1)
            for block in blocks
            for own, (rows, columns) in zip(encode(block), block["grid"].tolist(), strict=True)
        ]
    patches = encode(images)
    side = math.isqrt(patches.shape[1])
    return patches.reshape(len(patches), side, side, patches.shape[-1])


class PixelPath:
    """Encodes images with values in [0, 1], of the model's resolution, and differentiates what comes of them."""

    def __init__(self, encode: Callable[[Pixels], np.ndarray], slopes: Callable[..., np.ndarray]):
        """Takes what encodes, and what differentiates, whole arrays of images."""
        self._encode, self._slopes = encode, slopes

    def encode(self, pixels: Pixels) -> Float32[np.ndarray, "n embed_dim"]:
        """Returns unit rows."""
        return self._encode(np.asarray(pixels, np.float32))

    def gradients(
        self, pixels: Pixels, directions: Float[np.ndarray, "n embed_dim"]
    ) -> Float32[np.ndarray, "n height width 3"]:
        """Returns, for each image, the gradient of its unit row times a direction of its own by its values."""
        return self._slopes(np.asarray(pixels, np.float32), np.asarray(directions, np.float32))


def pixel_functions(
    graphdef: nnx.GraphDef[DualEncoder], preprocessing: Mapping[str, Any]
) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Builds the two functions, to be jitted, of variables and images in [0, 1]: rows, and the gradients of rows.

    Args:
      graphdef: structure of the towers.
      preprocessing: of the model.
    """
    refuse_patches(preprocessing.get("patches"), "a gradient by pixels")
    mean, std = (np.array(preprocessing[name], np.float32) for name in ("mean", "std"))

    def rows(variables: PyTree, pixels: Float[Array, "n h w 3"]) -> Float[Array, "n embed_dim"]:
        return nnx.merge(graphdef, variables).encode_pixels((pixels - mean) / std)

    def slopes(
        variables: PyTree, pixels: Float[Array, "n h w 3"], directions: Float[Array, "n embed_dim"]
    ) -> Float[Array, "n h w 3"]:
        # Images do not see each other, so the gradient of the sum is that of each.
        return jax.grad(lambda own: jnp.sum(rows(variables, own) * directions))(pixels)

    return rows, slopes
