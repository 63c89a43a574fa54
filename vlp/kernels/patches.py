"""Predictions of hidden patches: a teacher's scores of them, or their pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vlp.kernels.loss import Loss
from vlp.kernels.precision import widen


class PatchFit(NamedTuple):
    """Holds how well each patch is predicted.

    Attributes:
      losses: cross-entropy with the teacher.
      hits: whether student and teacher agree which column scores best.
    """

    losses: Float[Array, "views patches"]
    hits: Bool[Array, "views patches"]


def patch_fit(
    student: Callable[[Any], Float[Array, "views columns"]],
    teacher: Callable[[Any], Float[Array, "views columns"]],
    places: tuple[Any, Any],
) -> PatchFit:
    """Returns the cross-entropy of every patch with its targets; the columns of one patch a view are there at a time.

    Args:
      student: gives the scores of a place, divided by their temperature.
      teacher: gives the targets of a place.
      places: what `student` takes one of, and what `teacher` does: arrays [patches, views, ...].
    """

    @jax.checkpoint
    def one(place: tuple[Any, Any]) -> tuple[Float[Array, " views"], Bool[Array, " views"]]:
        scores, targets = widen(student(place[0]), jax.lax.stop_gradient(teacher(place[1])))
        losses = -(targets * jax.nn.log_softmax(scores, axis=-1)).sum(axis=-1)
        return losses, scores.argmax(axis=-1) == targets.argmax(axis=-1)

    losses, hits = jax.lax.map(one, places)
    return PatchFit(losses.T, hits.T)


def mean_of_views(
    losses: Float[Array, "views patches"], where: Bool[Array, "views patches"], views: int
) -> Loss:
    """Returns the sum over views of the mean over a view's patches, those `where` says so (iBOT, arXiv 2111.07832).

    Args:
      losses: of each patch.
      where: which patches count; a view without any adds nothing.
      views: what the sum is of: views without hidden patches, which may be left out of `losses`, count as well.
    """
    kept = jnp.where(where, losses, 0.0).sum(axis=1)
    means = kept / jnp.maximum(where.sum(axis=1), 1)
    return Loss(means.sum(), jnp.asarray(views, losses.dtype))


def normalised_patches(patches: Float[Array, "*rows values"]) -> Float[Array, "*rows values"]:
    """Returns patches of mean 0 and variance 1 each (masked autoencoders, arXiv 2111.06377; variance of n - 1)."""
    (patches,) = widen(patches)
    centred = patches - patches.mean(axis=-1, keepdims=True)
    return centred / jnp.sqrt(patches.var(axis=-1, ddof=1, keepdims=True) + 1e-6)
