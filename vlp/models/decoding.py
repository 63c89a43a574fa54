"""Texts written token by token: the likeliest next one, or the likeliest of several texts at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# (texts so far, the place that comes next) -> scores of all tokens there
ScoreNext = Callable[
    [Int[Array, "rows length"], Int[Array, ""]],
    Float[Array, "rows vocabulary"],
]


class Frame(NamedTuple):
    """Says what texts begin and end with.

    Attributes:
      length: tokens of a text at most.
      begin: the token that stands first; None = none does.
      end: the token behind which nothing stands.
      pad: what fills the rest.
    """

    length: int
    begin: int | None
    end: int
    pad: int

    def empty(self, *rows: int) -> Int[Array, "*rows length"]:
        """Returns texts of which nothing is written but their beginning."""
        ids = jnp.full((*rows, self.length), self.pad, jnp.int32)
        return ids if self.begin is None else ids.at[..., 0].set(self.begin)

    @property
    def first(self) -> int:
        """Returns the first place that is written."""
        return 0 if self.begin is None else 1


def greedy(score_next: ScoreNext, frame: Frame, rows: int) -> Int[Array, "rows length"]:
    """Writes the likeliest token at a time."""

    def write(place: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        ids, done = state
        best = score_next(ids, place).argmax(axis=-1).astype(jnp.int32)
        token = jnp.where(done, frame.pad, best)
        return ids.at[:, place].set(token), done | (token == frame.end)

    state = (frame.empty(rows), jnp.zeros(rows, bool))
    return jax.lax.fori_loop(frame.first, frame.length, write, state)[0]


class _Beams(NamedTuple):
    ids: Int[Array, "rows beams length"]
    totals: Float[Array, "rows beams"]
    lengths: Int[Array, "rows beams"]
    done: Array


def beam_search(score_next: ScoreNext, frame: Frame, rows: int, beams: int) -> Int[Array, "rows length"]:
    """Keeps the texts that are likeliest so far, and returns of those the one whose tokens are likeliest in the mean.

    Texts that have ended stay among them, as likely as they are. The mean is of log-likelihoods, the end's included, so
    that short texts have no advantage (a length penalty of 1 in Wu et al. 2016, arXiv 1609.08144, in its usual form).

    Args:
      score_next: gives the scores of what comes next, of rows * beams texts.
      frame: what texts begin and end with.
      rows: how many texts to write.
      beams: how many are kept for each; with 1 the text is that of `greedy`.
    """

    def write(place: Array, state: _Beams) -> _Beams:
        scores = score_next(state.ids.reshape(rows * beams, -1), place).reshape(rows, beams, -1)
        steps = jax.nn.log_softmax(scores.astype(jnp.float32), axis=-1)
        nothing = jnp.where(jnp.arange(steps.shape[-1]) == frame.pad, 0.0, -jnp.inf)
        steps = jnp.where(state.done[..., None], nothing, steps)
        totals, best = jax.lax.top_k((state.totals[..., None] + steps).reshape(rows, -1), beams)
        parent, token = best // steps.shape[-1], best % steps.shape[-1]
        ids = jnp.take_along_axis(state.ids, parent[..., None], axis=1).at[:, :, place].set(token)
        done, lengths = (jnp.take_along_axis(x, parent, axis=1) for x in (state.done, state.lengths))
        return _Beams(ids, totals, lengths + ~done, done | (token == frame.end))

    totals = jnp.where(jnp.arange(beams) == 0, 0.0, -jnp.inf)  # all beams are the same text at first
    state = _Beams(
        frame.empty(rows, beams),
        jnp.broadcast_to(totals, (rows, beams)),
        jnp.zeros((rows, beams), jnp.int32),
        jnp.zeros((rows, beams), bool),
    )
    state = jax.lax.fori_loop(frame.first, frame.length, write, state)
    best = (state.totals / jnp.maximum(state.lengths, 1)).argmax(axis=1)
    return jnp.take_along_axis(state.ids, best[:, None, None], axis=1)[:, 0]
