"""Objectives that are there for a part of a run, and cost nothing in the rest of it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, PyTree

from vlp.encodings import Encodings
from vlp.objectives.base import Objective, ObjectiveOutput


def where_there(objective: Objective, encodings: Encodings, there: Bool[Array, ""]) -> ObjectiveOutput:
    """Returns what an objective gives in the updates in which it is there, and zeros in the others.

    The device takes one of two ways: what the objective alone asks the towers for is not computed in the others, where
    it is `idle` instead. What other objectives were given already is there for it as well.

    Args:
      objective: its state moves on, in either way.
      encodings: of the batch.
      there: whether it is.
    """
    graphdef, state = nnx.split(objective)

    def on(state: PyTree) -> tuple[ObjectiveOutput, PyTree]:
        own = nnx.merge(graphdef, state)
        output = own(encodings.apart())
        return output, _remembered(own)

    def off(state: PyTree) -> tuple[ObjectiveOutput, PyTree]:
        own = nnx.merge(graphdef, state)
        own.idle(encodings.apart())
        shape: Any = jax.eval_shape(on, state)[0]
        return jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), shape), _remembered(own)

    output, moved = jax.lax.cond(there, on, off, state)
    nnx.update(objective, moved)
    return output


def _remembered(objective: Objective) -> PyTree:
    return nnx.state(objective, nnx.Not(nnx.Param))
