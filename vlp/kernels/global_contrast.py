"""Contrast with a normaliser of all data, of which a batch is a sample: SogCLR, FastCLIP."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vlp.kernels.precision import widen


class Anchors(NamedTuple):
    """Rows that look for their own column, with what is known of it.

    Attributes:
      vectors: unit rows.
      own: cosine of each with its own column.
      place: of that column.
      scale: of each row's cosines, one over its temperature.
    """

    vectors: Float[Array, "rows dim"]
    own: Float[Array, " rows"]
    place: Int[Array, " rows"]
    scale: Float[Array, " rows"]


class Normalisers(NamedTuple):
    """Holds what a batch says of each row's normaliser.

    Attributes:
      log: of the mean over the other columns of exp(scale * (cosine - own cosine)).
      exponent: mean of these exponents under the row's softmax over the other columns.
    """

    log: Float[Array, " rows"]
    exponent: Float[Array, " rows"]


def normalisers(anchors: Anchors, columns: Float[Array, "columns dim"]) -> Normalisers:
    """Returns the inner estimate of each row, by its logarithm (SogCLR, arXiv 2202.12387, equation 4).

    Args:
      anchors: in float32 or wider.
      columns: unit rows, two at least.
    """
    rows, columns = widen(anchors.vectors, columns)
    exponents = anchors.scale[:, None] * (rows @ columns.T - anchors.own[:, None])
    others = jnp.arange(len(columns))[None] != anchors.place[:, None]
    exponents = jnp.where(others, exponents, -jnp.inf)
    log = jax.nn.logsumexp(exponents, axis=1)
    likely = jax.lax.stop_gradient(jnp.exp(exponents - log[:, None]))
    mean = (likely * jnp.where(others, exponents, 0.0)).sum(axis=1)
    return Normalisers(log - jnp.log(len(columns) - 1.0), mean)


def moving_log_mean(
    before: Float[Array, " rows"], log: Float[Array, " rows"], rate: Float[Array, ""]
) -> Float[Array, " rows"]:
    """Returns log((1 - rate) exp(before) + rate exp(log)), and `log` itself where there was nothing (-inf).

    Args:
      before: logarithms of what is remembered.
      log: of what is new; constant to differentiation.
      rate: in (0, 1].
    """
    log = jax.lax.stop_gradient(log)
    mixed = jnp.logaddexp(jnp.log1p(-rate) + before, jnp.log(rate) + log)
    return jnp.where(jnp.isfinite(before), mixed, log)
