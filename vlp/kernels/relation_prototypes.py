"""Relations near the prototype of their predicate, and prototypes apart: PE-Net's (arXiv 2303.07096, section 3.3)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen
from vlp.kernels.unit import unit

NEAREST, MARGIN, APART = 10, 1.0, 7.0


def likeness(prototypes: Float[Array, "kinds dim"]) -> Float[Array, ""]:
    """Returns the L2,1 norm of the prototypes' cosines over the square of their number; one side has no gradient."""
    rows = unit(prototypes)
    cosines = rows @ jax.lax.stop_gradient(rows).T
    squares = (cosines**2).sum(axis=1)
    return jnp.sqrt(squares).sum() / len(prototypes) ** 2


def closeness(prototypes: Float[Array, "kinds dim"], apart: float = APART) -> Float[Array, ""]:
    """Returns by how much each prototype's squared distance from its nearest falls short, in the mean; the nearest has
    no gradient."""
    distances = squared_distances(prototypes, jax.lax.stop_gradient(prototypes))
    own = jnp.eye(len(prototypes), dtype=bool)
    nearest = jnp.where(own, jnp.inf, distances).min(axis=1)
    return jnp.maximum(apart - nearest, 0.0).mean()


def triplet(
    relations: Float[Array, "pairs dim"],
    prototypes: Float[Array, "kinds dim"],
    kinds: Int[Array, " pairs"],
    there: Bool[Array, " pairs"],
    *,
    nearest: int = NEAREST,
    margin: float = MARGIN,
) -> Loss:
    """Returns max(0, d(own) - mean of the nearest others' d + margin), d the squared distance from a prototype.

    Args:
      relations: rows, as they leave their head.
      prototypes: of the predicates.
      kinds: the predicate of each row.
      there: which rows count.
      nearest: others that are averaged, as many as there are at most.
      margin: by which they are to be farther away.
    """
    (relations, prototypes) = widen(relations, prototypes)
    distances = squared_distances(relations, prototypes)
    own = jax.nn.one_hot(kinds, len(prototypes), dtype=bool)
    positive = jnp.where(own, distances, 0.0).sum(axis=1)
    count = min(nearest, len(prototypes) - 1)
    others = -jax.lax.top_k(jnp.where(own, -jnp.inf, -distances), count)[0]
    losses = jnp.maximum(positive - others.mean(axis=1) + margin, 0.0)
    return Loss(jnp.where(there, losses, 0.0).sum(), there.sum(dtype=losses.dtype))


def squared_distances(
    rows: Float[Array, "rows dim"], others: Float[Array, "others dim"]
) -> Float[Array, "rows others"]:
    """Returns squared Euclidean distances."""
    return ((rows[:, None] - others[None]) ** 2).sum(axis=-1)
