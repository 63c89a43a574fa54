"""What a sweep over tiles gathers for each row or column: log-sum-exp, best column, matching scores."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

LAST = jnp.iinfo(jnp.int32).max


class Normaliser(NamedTuple):
    """A log-sum-exp under way: maximum + log total."""

    maximum: Float[Array, " n"]
    total: Float[Array, " n"]

    @staticmethod
    def empty(n: int, dtype: jnp.dtype) -> Normaliser:
        """Returns the state before the first tile."""
        return Normaliser(jnp.full(n, -jnp.inf, dtype), jnp.zeros(n, dtype))

    def include(self, scores: Float[Array, "rows columns"], axis: int) -> Normaliser:
        """Returns the state after a tile that is summed over `axis`."""
        maximum = jnp.maximum(self.maximum, scores.max(axis))
        total = jnp.exp(scores - jnp.expand_dims(maximum, axis)).sum(axis)
        return Normaliser(maximum, self.total * jnp.exp(self.maximum - maximum) + total)

    def log_above(self, level: Float[Array, " n"]) -> Float[Array, " n"]:
        """Returns log-sum-exp - level, without losing the digits of a small difference of large numbers."""
        return jnp.log(self.total) + (self.maximum - level)


class Best(NamedTuple):
    """Each row's highest score so far, its place (of equal ones the first, like argmax), and whether it matches."""

    score: Float[Array, " rows"]
    place: Int[Array, " rows"]
    hit: Bool[Array, " rows"]

    @staticmethod
    def empty(n: int, dtype: jnp.dtype) -> Best:
        """Returns the state before the first tile."""
        return Best(jnp.full(n, -jnp.inf, dtype), jnp.full(n, LAST, jnp.int32), jnp.zeros(n, bool))

    def better(self, other: Best) -> Best:
        """Returns, row by row, the better of the two."""
        replace = (other.score > self.score) | ((other.score == self.score) & (other.place < self.place))
        return Best(*(jnp.where(replace, new, old) for new, old in zip(other, self, strict=True)))


class Matches(NamedTuple):
    """The sum of matching scores, and how many they are."""

    total: Float[Array, " n"]
    number: Float[Array, " n"]

    @staticmethod
    def empty(n: int, dtype: jnp.dtype) -> Matches:
        """Returns the state before the first tile."""
        return Matches(jnp.zeros(n, dtype), jnp.zeros(n, dtype))

    def include(
        self, scores: Float[Array, "rows columns"], same: Bool[Array, "rows columns"], axis: int
    ) -> Matches:
        """Returns the state after a tile whose matching cells are `same`."""
        total = self.total + jnp.where(same, scores, 0).sum(axis)
        return Matches(total, self.number + same.sum(axis, dtype=self.number.dtype))

    def include_pairs(
        self, scores: Float[Array, "rows columns"], place: Int[Array, " rows"], first: Int[Array, ""]
    ) -> Matches:
        """Includes a tile in which row `place` matches the column of that place; the tile's first column is `first`."""
        column = place - first
        inside = (column >= 0) & (column < scores.shape[1])
        found = jnp.take_along_axis(scores, jnp.where(inside, column, 0)[:, None], axis=1)[:, 0]
        return Matches(self.total + jnp.where(inside, found, 0), self.number + inside)

    def mean(self) -> Float[Array, " n"]:
        """Returns the mean matching score; zero where there is none."""
        return self.total / jnp.maximum(self.number, 1.0)
