"""Joint example selection (JEST, Evans et al., 2024, arXiv 2406.17711) by the losses of two models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from vlp.encodings import Encodings
from vlp.selection.base import Selected, Selector


class Pairs(NamedTuple):
    """A batch as one model sees it.

    Attributes:
      images, texts: unit rows.
      scale, bias: of its sigmoid.
    """

    images: Float[Array, "batch dim"]
    texts: Float[Array, "batch dim"]
    scale: Float[Array, ""]
    bias: Float[Array, ""]

    def own(self) -> Float[Array, " batch"]:
        """Returns the loss of each pair as a match: -log sigmoid(t x.y + b) (SigLIP, arXiv 2303.15343)."""
        return jax.nn.softplus(-self._logits((self.images * self.texts).sum(1)))

    def across(self, places: Int[Array, " some"]) -> Float[Array, " batch"]:
        """Sums, for each example, the losses of its image and of its text as no match of those at `places`."""
        images = self._logits(self.images[places] @ self.texts.T)
        texts = self._logits(self.texts[places] @ self.images.T)
        return jax.nn.softplus(images).sum(0) + jax.nn.softplus(texts).sum(0)

    def softmax(self, chunks: int) -> Float[Array, " batch"]:
        """Returns each example's loss in the whole batch, the mean of both directions (CLIP), chunk by chunk."""

        def rows(sides: tuple[Array, Array]) -> Array:
            def some(block: Array) -> Array:
                return jax.nn.logsumexp(self.scale * (block @ sides[1].T), axis=1)

            blocks = sides[0].reshape(chunks, -1, sides[0].shape[1])
            return jax.lax.map(some, blocks).reshape(-1)

        both = rows((self.images, self.texts)) + rows((self.texts, self.images))
        return both / 2 - self.scale * (self.images * self.texts).sum(1)

    def _logits(self, cosines: Float[Array, ...]) -> Float[Array, ...]:
        return self.scale * cosines + self.bias


Across = Callable[[Int[Array, " some"]], Float[Array, " batch"]]


def draw(
    scores: Float[Array, " batch"], across: Across | None, rows: int, chunks: int, key: PRNGKeyArray
) -> Int[Array, " rows"]:
    """Draws rows without replacement, chunk by chunk, with probabilities as exp(score) (JEST, algorithm 1).

    The memory is of a chunk against the batch, and never of the batch against itself.

    Args:
      scores: of each example by itself.
      across: what examples at some places add to the scores of all others; None = nothing.
      rows: to draw, a multiple of `chunks`.
      chunks: to draw them in.
      key: of this step.
    """

    def one(state: tuple[Array, Array], key: PRNGKeyArray) -> tuple[tuple[Array, Array], Array]:
        scores, drawn = state
        # The largest of log-probabilities with Gumbel noise are a sample without replacement.
        noisy = jnp.where(drawn, -jnp.inf, scores + jax.random.gumbel(key, scores.shape, scores.dtype))
        places = jax.lax.top_k(noisy, rows // chunks)[1]
        added = across(places) if across else 0.0
        return (scores + added, drawn.at[places].set(True)), places

    start = scores, jnp.zeros(scores.shape, bool)
    places = jax.lax.scan(one, start, jax.random.split(key, chunks))[1].reshape(-1)
    return jnp.sort(places)


class Learnable(Selector):
    """Draws what the model has not learned and a reference has: by the loss of one minus the loss of the other.

    JEST (2406.17711) scores sub-batches: the loss of each pair as a match, and of all pairs across as none, for its
    models learn by the sigmoid loss. ACID (2411.18674) has a larger reference, which teaches by what it chooses.
    """

    def __init__(self, config: Any, *, name: str, rows: int):
        """Takes its settings, those of configs/settings/selection/learnable.py."""
        del name
        self.rows, self.chunks, self.joint = rows, config.chunks, config.joint
        self.reference, self.learner = config.reference, config.learner
        self.image_view, self.text_view = config.image_view, config.text_view
        views = (self.image_view, self.text_view, f"{self.text_view}_mask")
        seen = [f"{self.reference}/{view}" for view in views] if self.reference else []
        self.fields = (*(views if self.learner else ()), *seen)

    def __call__(self, encodings: Encodings, key: PRNGKeyArray) -> Selected:
        """Scores all rows, and draws."""
        signed: list[tuple[float, Pairs]] = [(1.0, self._pairs(encodings))] if self.learner else []
        if self.reference:
            signed.append((-1.0, self._pairs(encodings.frozen(self.reference))))

        def total(loss: Callable[[Pairs], Float[Array, " batch"]]) -> Float[Array, " batch"]:
            return jnp.stack([sign * loss(pairs) for sign, pairs in signed]).sum(0)

        scores = total(Pairs.own if self.joint else lambda pairs: pairs.softmax(self.chunks))
        across: Across | None = (
            (lambda places: total(lambda pairs: pairs.across(places))) if self.joint else None
        )
        rows = draw(scores, across, self.rows, self.chunks, key)
        return Selected(rows, {"score": scores.mean(), "score_of_kept": scores[rows].mean()})

    def _pairs(self, encodings: Encodings) -> Pairs:
        images, texts = encodings.image(self.image_view), encodings.text(self.text_view)
        wide = (images.astype(jnp.float32), texts.astype(jnp.float32))
        return Pairs(*wide, encodings.logit_scale(), encodings.logit_bias())
