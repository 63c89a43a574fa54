"""What the pictures that a text finds have in common: ReCo (arXiv 2206.07045), which trains nothing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int64

from vlp.evaluation.dense.numbers import logistic, unit_rows

SHARPNESS = 10.0  # of cosines of patches and texts, in a sigmoid


def column_weights(
    patches: Float[np.ndarray, "images cells dim"],
    text: Float[np.ndarray, " dim"],
    contexts: Float[np.ndarray, "contexts dim"],
    language: Float[np.ndarray, "images cells dim"],
) -> Float64[np.ndarray, "images cells"]:
    """Returns how much each cell counts as a support: as it fits the text, and none of the contexts (section 3.2).

    Args:
        patches: that are compared among images.
        text: unit row of the concept.
        contexts: unit rows, in the space of `patches`, of what stands around many concepts.
        language: patches in the text's space.
    """
    fits = logistic(SHARPNESS * unit_rows(language) @ text)
    around = 1.0 - logistic(unit_rows(patches) @ contexts.T)
    return fits * around.prod(axis=2)


def support(
    patches: Float[np.ndarray, "images cells dim"], weights: Float[np.ndarray, "images cells"]
) -> Float64[np.ndarray, "patches images"]:
    """Returns, for each cell of all images, its largest cosine with a cell of each image, by that cell's weight."""
    images, cells, dim = patches.shape
    flat = unit_rows(patches).reshape(-1, dim)
    likeness = (flat @ flat.T) * weights.reshape(-1)
    return likeness.reshape(images * cells, images, cells).max(axis=2)


def seeds(found: Float[np.ndarray, "patches images"]) -> Int64[np.ndarray, " images"]:
    """Returns the cell of each image that is best supported by all images."""
    images = found.shape[1]
    return found.mean(axis=1).reshape(images, -1).argmax(axis=1)


def reference(
    patches: Float[np.ndarray, "images cells dim"], places: Int64[np.ndarray, " images"]
) -> Float64[np.ndarray, " dim"]:
    """Returns the unit mean of the seeds, as long as they are."""
    own = patches[np.arange(len(patches)), places].astype(np.float64)
    return unit_rows(own.mean(axis=0))


def likely(
    patches: Float[np.ndarray, "*cells dim"], concept: Float[np.ndarray, " dim"]
) -> Float64[np.ndarray, "*cells"]:
    """Returns the sigmoid of each patch's cosine with a concept's reference."""
    return logistic(unit_rows(patches) @ concept)
