"""Which places of an image decide a yes or no: gradient times input, and what is lost when these places are blank.

The form is that of Grad-CAM, ReLU(sum_k dy/dA_k A_k) (Selvaraju et al. 2017, arXiv 1610.02391), with the pixels'
distance from the image's mean colour as the activation, so that it is there for every kind of tower.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64

from vlp.evaluation.detection.rule import Rule
from vlp.evaluation.protocols import PixelPath

Pixels = Float[np.ndarray, "n h w 3"]
Maps = Float64[np.ndarray, "n rows columns"]
CELLS = 8  # of a map, along a side
BLANK = 0.1  # share of the cells that is blanked


def saliency(path: PixelPath, rule: Rule, pixels: Pixels) -> Maps:
    """Returns how much each cell speaks for the answer that an image gets; 0 where it speaks against."""
    sides = np.where(rule.scores(path.encode(pixels)) >= 0, 1.0, -1.0)
    slopes = path.gradients(pixels, sides[:, None] * rule.direction).astype(np.float64)
    spoken = (slopes * (pixels - pixels.mean(axis=(1, 2), keepdims=True))).sum(axis=3)
    rows, columns = (_edges(side) for side in pixels.shape[1:3])
    cells = np.add.reduceat(np.add.reduceat(spoken, rows, axis=1), columns, axis=2)
    return np.maximum(cells, 0)


def lost(path: PixelPath, rule: Rule, pixels: Pixels, maps: Maps) -> Float64[np.ndarray, " n"]:
    """Returns how far each answer moves towards the other when the highest tenth of a map's cells become blank."""
    before = rule.scores(path.encode(pixels))
    after = rule.scores(path.encode(blanked(pixels, maps)))
    return np.where(before >= 0, 1, -1) * (before - after)


def blanked(pixels: Pixels, maps: Maps) -> Pixels:
    """Returns images whose mean colour covers the highest tenth of a map's cells."""
    rows, columns = (
        np.repeat(np.arange(CELLS), np.diff(_edges(side), append=side)) for side in pixels.shape[1:3]
    )
    gone = highest(maps)[:, rows][:, :, columns]
    return np.where(gone[..., None], pixels.mean(axis=(1, 2), keepdims=True), pixels).astype(np.float32)


def highest(maps: Maps) -> Bool[np.ndarray, "n rows columns"]:
    """Tells which cells are among the highest tenth of their map; of equal ones the first."""
    flat = maps.reshape(len(maps), -1)
    places = np.argsort(-flat, axis=1, kind="stable")[:, : max(1, round(BLANK * flat.shape[1]))]
    chosen = np.zeros(flat.shape, bool)
    np.put_along_axis(chosen, places, True, axis=1)
    return chosen.reshape(maps.shape)


def random_maps(count: int) -> Maps:
    """Returns maps that know nothing, the same at every call."""
    return np.random.default_rng(0).random((count, CELLS, CELLS))


def _edges(side: int) -> np.ndarray:
    return np.linspace(0, side, CELLS, endpoint=False).astype(int)
