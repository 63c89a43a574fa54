"""Positions and patch kernels for another resolution, each family's as it resamples them itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Float

from input_pipeline.errors import UserError
from vlp.models.positions import bicubic_weights, bilinear_weights

Weights = Float[np.ndarray, "new old"]


def antialiased_weights(old: int, new: int) -> Weights:
    """Returns Keys' cubic with a = -0.5, as wide as the coarser of both grids asks for (PyTorch's and Pillow's
    `antialias`)."""
    scale = old / new
    wide = max(scale, 1.0)
    places = (np.arange(new) + 0.5) * scale
    x = np.abs((np.arange(old)[None] + 0.5 - places[:, None]) / wide)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return weights / weights.sum(axis=1, keepdims=True)


def linear_weights(old: int, new: int) -> Weights:
    """Interpolates linearly between the outer points, which stay where they are (`scipy.ndimage.zoom` with order 1)."""
    places = np.arange(new) * ((old - 1) / (new - 1) if new > 1 else 0.0)
    return np.maximum(0.0, 1 - np.abs(places[:, None] - np.arange(old)[None]))


# open_clip's resize_pos_embed, transformers' interpolate_pos_encoding, big_vision's resample_posemb.
POSITIONS = {
    "open_clip": antialiased_weights,
    "openai": antialiased_weights,
    "huggingface_clip": bicubic_weights,
    "huggingface_siglip": bicubic_weights,
    "huggingface_siglip2": bicubic_weights,
    "big_vision": linear_weights,
    "dino": bicubic_weights,
    "dino_registers": antialiased_weights,
    "timm": antialiased_weights,
}


def positions(
    table: Float[np.ndarray, "old*old width"], side: int, family: str
) -> Float[np.ndarray, "side*side width"]:
    """Returns the positions of a square grid, row by row, for one of another side."""
    old = math.isqrt(len(table))
    if old == side:
        return table
    weights = POSITIONS[family](old, side)
    grid = table.reshape(old, old, -1).astype(np.float64)
    return np.einsum("ri,cj,ijw->rcw", weights, weights, grid).reshape(side**2, -1).astype(np.float32)


def patch_kernel(
    kernel: Float[np.ndarray, "old*old*3 width"], side: int, family: str
) -> Float[np.ndarray, "side*side*3 width"]:
    """Returns a patch kernel whose products with resized patches are nearest to the old ones (FlexiViT, arXiv
    2212.08013, 3.4).

    The resizing that it undoes is bilinear in big_vision and antialiased bicubic in timm, which OpenCLIP's towers come
    with.
    """
    old = math.isqrt(len(kernel) // 3)
    if old == side:
        return kernel
    weights = (bilinear_weights if family == "big_vision" else antialiased_weights)(old, side)
    resize = np.kron(weights, weights)  # [side * side, old * old]
    flat = kernel.reshape(old * old, -1).astype(np.float64)
    return (np.linalg.pinv(resize.T) @ flat).reshape(side * side * 3, -1).astype(np.float32)


def resampled(
    leaves: dict[str, Any], image: dict[str, Any], resolution: int, patch_size: int, family: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns weights and `model.image` settings for another resolution or patch size; 0 leaves either as it is.

    Raises:
      ValueError: the tower is convolutional, or its new resolution is no multiple of the patch size.
    """
    if not resolution and not patch_size:
        return leaves, image
    return RESAMPLED.get(image["kind"], _convolutional)(leaves, image, resolution, patch_size, family)


def _native(
    leaves: dict[str, Any], image: dict[str, Any], resolution: int, patch_size: int, family: str
) -> NoReturn:
    raise UserError(
        f"interop.resolution={resolution} and patch_size={patch_size} are of images of one size, and this model "
        "resamples its positions for each image: leave both at 0"
    )


def _convolutional(
    leaves: dict[str, Any], image: dict[str, Any], resolution: int, patch_size: int, family: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    if patch_size:
        raise UserError(f"interop.patch_size={patch_size}: a {image['kind']} has no patches to resample")
    return leaves, {**image, "resolution": resolution}


def _patches(
    leaves: dict[str, Any], image: dict[str, Any], resolution: int, patch_size: int, family: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    if patch_size and image.get("stem"):
        raise UserError(
            f"interop.patch_size={patch_size}: a stem of kind '{image['stem']}' has no patch kernel to resample"
        )
    resolution, patch_size = resolution or image["resolution"], patch_size or image["patch_size"]
    if resolution % patch_size:
        raise UserError(
            f"interop.resolution={resolution} is no multiple of the patch size {patch_size}: use "
            f"{resolution // patch_size * patch_size or patch_size}"
        )
    path, kernel = "image/position/embedding", "image/patch_embedding/kernel"
    leaves = dict(leaves)
    if kernel in leaves:
        leaves[kernel] = patch_kernel(leaves[kernel], patch_size, family)
    if path in leaves:
        leaves[path] = positions(leaves[path], resolution // patch_size, family)
    return leaves, {**image, "resolution": resolution, "patch_size": patch_size, "drop_rest": False}


def _resnet(
    leaves: dict[str, Any], image: dict[str, Any], resolution: int, patch_size: int, family: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The positions of the attention over the last grid; the first of them is the mean's."""
    if patch_size or resolution % 32:
        raise UserError("a resnet has no patches, and a resolution that is a multiple of 32")
    path = "image/attention_pool/position/embedding"
    first, grid = leaves[path][:1], leaves[path][1:]
    table = np.concatenate([first, positions(grid, resolution // 32, family)])
    return {**leaves, path: table}, {**image, "resolution": resolution}


# By kind of tower; others have neither positions nor patches.
RESAMPLED: dict[str, Callable[..., tuple[dict[str, Any], dict[str, Any]]]] = {
    "vit": _patches,
    "naflex": _native,
    "resnet": _resnet,
}
