"""Sets matched one to one, at the least cost: DETR's assignment of queries to boxes (arXiv 2005.12872, equation 1)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int


def matched(
    costs: Float[Array, "batch targets queries"], there: Bool[Array, "batch targets"]
) -> Int[Array, "batch targets"]:
    """Returns the query of each target so that the sum of the costs of those that are there is least.

    Runs on the device, in shapes that are fixed: a target that is not there costs the same with every query, and so
    takes one that no other needs.

    Args:
      costs: of each target with each query; at least as many queries as targets.
      there: which targets are.

    Raises:
      ValueError: more targets than queries.
    """
    targets, queries = costs.shape[1:]
    if targets > queries:
        raise ValueError(f"{targets} targets cannot each have one of {queries} queries: give it more queries")
    same = jnp.where(there[..., None], jax.lax.stop_gradient(costs), 0.0)

    def one(cost: Float[Array, "targets queries"]) -> Int[Array, " targets"]:
        rows, columns = optax.assignment.hungarian_algorithm(cost)
        return jnp.zeros(targets, jnp.int32).at[rows].set(columns.astype(jnp.int32))

    return jax.vmap(one)(same.astype(jnp.float32))
