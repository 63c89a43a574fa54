"""How well tokens are predicted, where scores of all tokens for all places would not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vlp.kernels.precision import widen


class TokenFit(NamedTuple):
    """Holds how well each token is predicted.

    Attributes:
      likelihoods: natural logarithms, in float32 or wider.
      hits: whether no other token scores better.
    """

    likelihoods: Float[Array, "batch tokens"]
    hits: Bool[Array, "batch tokens"]


def token_fit(
    score: Callable[[Float[Array, "batch some width"]], Float[Array, "batch some vocabulary"]],
    outputs: Float[Array, "batch tokens width"],
    ids: Int[Array, "batch tokens"],
    *,
    chunk: int = 0,
) -> TokenFit:
    """Returns the log-likelihood of each token; scores are there, in either direction, for a few places at a time.

    Args:
      score: gives the scores of all tokens at some places.
      outputs: what is scored at each place.
      ids: the token that should be there.
      chunk: places at a time; 0 = all.
    """
    length = ids.shape[1]
    chunk = min(chunk, length) or length
    rest = -length % chunk
    cut = (jnp.pad(outputs, ((0, 0), (0, rest), (0, 0))), jnp.pad(ids, ((0, 0), (0, rest))))
    chunks = tuple(x.reshape(len(x), -1, chunk, *x.shape[2:]).swapaxes(0, 1) for x in cut)

    @jax.checkpoint
    def one(part: tuple[Array, Array]) -> TokenFit:
        (scores,) = widen(score(part[0]))
        own = jnp.take_along_axis(scores, part[1][..., None], axis=-1)[..., 0]
        return TokenFit(own - jax.nn.logsumexp(scores, axis=-1), scores.argmax(axis=-1) == part[1])

    found = jax.lax.map(one, chunks)
    return TokenFit(*(x.swapaxes(0, 1).reshape(len(ids), -1)[:, :length] for x in found))
