"""Maps of attention: how far one is from another, and how much a query's place says about where it looks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vlp.kernels.distillation import kl_divergence, soft_targets
from vlp.kernels.precision import widen


def attention_divergence(
    logits: Float[Array, "batch heads queries keys"],
    wanted: Float[Array, "batch heads queries keys"],
    *,
    temperature: float = 1.0,
) -> Float[Array, " batch"]:
    """Returns the KL divergence of attention from a teacher's, of each example the mean over heads and queries (UNIP,
    arXiv 2502.02257).

    Args:
      logits: scores of queries for keys, before the softmax.
      wanted: the teacher's, constant to differentiation.
      temperature: of the teacher's.
    """
    keys = logits.shape[-1]
    targets = soft_targets(wanted.reshape(-1, keys), temperature=temperature)
    return kl_divergence(logits.reshape(-1, keys), targets).reshape(len(logits), -1).mean(axis=1)


def mutual_information(logits: Float[Array, "batch heads queries keys"]) -> Float[Array, ""]:
    """Returns how much a query's place says about where it looks, the mean over examples and heads (arXiv 2305.00729,
    section 3).

    Mutual information of queries, all equally likely, and keys, over the root of the product of their entropies: 0
    where every query looks at the same, 1 where each looks at a place of its own.
    """
    (logits,) = widen(jax.lax.stop_gradient(logits))
    given = jax.nn.softmax(logits, axis=-1)
    seen = given.mean(axis=-2)
    spread = _entropy(seen)
    information = spread - _entropy(given).mean(axis=-1)
    every = jnp.log(jnp.asarray(logits.shape[-2], spread.dtype))
    return (information / jnp.sqrt(jnp.maximum(spread * every, 1e-12))).mean()


def _entropy(probabilities: Float[Array, "*rows keys"]) -> Float[Array, "*rows"]:
    return jax.scipy.special.entr(probabilities).sum(axis=-1)
