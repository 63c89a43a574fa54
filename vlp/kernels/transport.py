"""Two sets of rows, moved onto each other by the softmax of their likeness: conditional transport."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen


def navigators(
    cosines: Float[Array, "batch patches labels"],
    scale: Float[Array, ""] | float,
    there: Bool[Array, "batch labels"],
) -> tuple[Float[Array, "batch patches labels"], Float[Array, "batch patches labels"]]:
    """Returns how each patch is shared out among the labels that are there, and each of these among the patches.

    Args:
      cosines: of patches and labels.
      scale: that they are multiplied by in both softmaxes.
      there: which labels an image has; the others get nothing and have nothing.
    """
    (cosines,) = widen(cosines)
    known = there[:, None, :]
    scores = scale * cosines
    # Where no label is there, a row of equal scores: nothing of it is used.
    to_labels = jax.nn.softmax(jnp.where(known, scores, jnp.finfo(scores.dtype).min), axis=2) * known
    return to_labels, jax.nn.softmax(scores, axis=1) * known


def conditional_transport(
    cosines: Float[Array, "batch patches labels"],
    scale: Float[Array, ""] | float,
    there: Bool[Array, "batch labels"],
) -> Loss:
    """Returns the cost 1 - cosine of moving the patches to the labels, and of moving the labels to the patches.

    PatchCT (arXiv 2307.09066), after Zheng and Zhou (arXiv 2012.14100, equation 7): both sets weigh their members
    alike. Arguments are those of `navigators`; images without a label weigh nothing.
    """
    (cosines,) = widen(cosines)
    to_labels, to_patches = navigators(cosines, scale, there)
    costs, count = 1.0 - cosines, there.sum(axis=1, dtype=cosines.dtype)
    forward = (to_labels * costs).sum(axis=(1, 2)) / cosines.shape[1]
    backward = (to_patches * costs).sum(axis=(1, 2)) / jnp.maximum(count, 1.0)
    return Loss(jnp.where(count > 0, forward + backward, 0.0).sum(), (count > 0).sum(dtype=cosines.dtype))
