"""Queries and the words that speak of them, inside one image: MDETR's contrastive alignment."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen

EPSILON = 1e-6  # added to the number of positives, as in the public code


def contrastive_alignment(
    scores: Float[Array, "batch queries tokens"],
    positive: Bool[Array, "batch queries tokens"],
    queries: Bool[Array, "batch queries"],
    tokens: Bool[Array, "batch tokens"],
) -> Loss:
    """Returns the mean of both directions' multi-positive cross-entropies, over the positives of a query and of a
    token.

    MDETR (arXiv 2104.12763, equations 1 and 2), summed over queries that have a token and over tokens that have a
    query, and counted by the queries that have one: the released code divides by the boxes.

    Args:
      scores: cosines over the temperature.
      positive: which token speaks of which query.
      queries: which of them stand in a token's sum.
      tokens: which of them stand in a query's sum.
    """
    (scores,) = widen(scores)
    positive = positive & queries[..., None] & tokens[:, None, :]
    to_tokens = _direction(scores, positive, tokens[:, None, :], 2)
    to_queries = _direction(scores, positive, queries[..., None], 1)
    return Loss((to_tokens + to_queries) / 2.0, positive.any(axis=2).sum(dtype=scores.dtype))


def _direction(scores: Array, positive: Array, there: Array, axis: int) -> Float[Array, ""]:
    count = positive.sum(axis=axis, dtype=scores.dtype)
    own = jnp.where(positive, scores, 0.0).sum(axis=axis) / (count + EPSILON)
    whole = jax.nn.logsumexp(jnp.where(there, scores, jnp.finfo(scores.dtype).min), axis=axis)
    return jnp.where(count > 0, whole - own, 0.0).sum()
