"""Patches grouped by a text: the weights a caption gives an image's patches and the vectors they pool to.

DreamLIP (arXiv 2403.17007, section 3.3), after SPARC (arXiv 2401.09865).
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from vlp.kernels.unit import unit


def min_max(similarities: Float[Array, "... patches"]) -> Float[Array, "... patches"]:
    """Similarities stretched to [0, 1] over the patches; all zero where they are all equal."""
    lowest = similarities.min(axis=-1, keepdims=True)
    extent = similarities.max(axis=-1, keepdims=True) - lowest
    return (similarities - lowest) / jnp.where(extent > 0, extent, 1.0)


def sparse_weights(
    strengths: Float[Array, "... patches"], threshold: float | Float[Array, ""]
) -> Float[Array, "... patches"]:
    """Strengths below the threshold set to zero and the rest divided by their sum.

    Args:
      strengths: non-negative, such as `min_max` gives.
      threshold: one over the number of patches in the paper. Where nothing reaches it all weights are zero.
    """
    kept = jnp.where(strengths < threshold, 0.0, strengths)
    mass = kept.sum(axis=-1, keepdims=True)
    return kept / jnp.where(mass > 0, mass, 1.0)


def grouped_patches(
    texts: Float[Array, "batch texts dim"],
    patches: Float[Array, "batch patches dim"],
    threshold: float | Float[Array, ""],
) -> Float[Array, "batch texts dim"]:
    """Returns, for each text, the unit mean of its own image's patches, weighed by `sparse_weights` of their cosines.

    The weights are differentiated too.

    Args:
      texts: unit vectors.
      patches: unit vectors in the texts' space.
      threshold: see `sparse_weights`.
    """
    similarities = jnp.einsum("btd,bpd->btp", texts, patches)
    return pooled_patches(sparse_weights(min_max(similarities), threshold), patches)


def pooled_patches(
    weights: Float[Array, "batch texts patches"], patches: Float[Array, "batch patches dim"]
) -> Float[Array, "batch texts dim"]:
    """Returns the weighted sums of the patches, to length one; zero where all weights are."""
    return unit(jnp.einsum("btp,bpd->btd", weights, patches))
