"""The ways into the towers of a model, as functions to be jitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx
from jaxtyping import Array, PyTree

from vlp.models.dual_encoder import DualEncoder, normalise


def encoding(
    graphdef: nnx.GraphDef[DualEncoder], preprocessing: Mapping[str, Any]
) -> dict[str, Callable[..., Array]]:
    """Builds the five ways by name; weights are an argument, so that new ones need no new compilation.

    Args:
      graphdef: structure of the towers.
      preprocessing: of the model.
    """
    mean, std = tuple(preprocessing["mean"]), tuple(preprocessing["std"])

    def image(variables: PyTree, images: Array, *grid: Array) -> Array:
        return pixels(variables, normalise(images, mean, std), *grid)

    def pixels(variables: PyTree, normalised: Array, *grid: Array) -> Array:
        return nnx.merge(graphdef, variables).encode_pixels(normalised, **beside(*grid))

    def patches(variables: PyTree, images: Array, *grid: Array) -> Array:
        model = nnx.merge(graphdef, variables)
        return model.encode_patches(normalise(images, mean, std), **beside(*grid))

    def beside(*grid: Array) -> dict[str, Array]:
        return dict(zip(("grid",), grid, strict=False))

    def text(variables: PyTree, ids: Array, mask: Array) -> Array:
        return nnx.merge(graphdef, variables).encode_text(ids, mask)

    def tokens(variables: PyTree, ids: Array, mask: Array) -> Array:
        return nnx.merge(graphdef, variables).encode_tokens(ids, mask)

    return {function.__name__: function for function in (image, pixels, patches, text, tokens)}
