"""Images and texts of the same identities, each projected onto the other's direction: CMPM and CMPC, as in PLIP."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from vlp.encodings import Encodings
from vlp.kernels.loss import Loss
from vlp.kernels.softmax import reverse_softmax, softmax
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.micro_batch import micro_batched
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.rows import each_row, watched
from vlp.objectives.targets import TARGETS, same_id


class Identities(Objective):
    """The divergence of who an image is like from who it is, in both directions, added up.

    CMPM (Zhang and Lu 2018, equations 4 to 6) for the identity contrast of PLIP (arXiv 2305.08386): only the side that
    is projected onto is of length one, and there is no temperature. CMPC (equation 9) classifies the identity of what
    is projected. The public code divides the targets by their length where the paper divides by their sum.
    With a `chunk` as many rows of the scores exist at a time.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the table of identities, where it is asked for.

        Args:
          config: `objectives.identities`; see configs/settings.
          model: for the width of its embeddings.
          rngs: initial values of the table.
        """
        self.length, self.epsilon, self.field = (
            config.divide == "length",
            config.epsilon,
            TARGETS[config.targets],
        )
        self.image_view, self.numbers, self.classify = (
            config.image_view,
            config.numbers,
            config.classify_weight,
        )
        self.chunk, shape = config.chunk, (config.classes, model.embed_dim)
        start = nnx.initializers.xavier_uniform()
        self.table = nnx.Param(start(rngs.params(), shape)) if self.classify else None
        self.fields = (self.image_view, "text", "text_mask", self.field)
        if self.classify:
            self.fields, self.raw = (*self.fields, self.numbers), (self.numbers,)
            self.limits = {self.numbers: ("classes", config.classes)}

    def flops(self) -> float:
        """Counts the scores of the table, twice."""
        return 0.0 if self.table is None else 4.0 * math.prod(self.table.shape)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the pairs of the batch."""
        images, texts = encodings.image_features(self.image_view), encodings.text_features()
        ids = encodings.batch[self.field]
        loss = self.contrast(images, texts, ids)
        metrics = watched(unit(images), unit(texts), (ids, ids), chunk=self.chunk).metrics()
        if self.table is not None:
            numbers = encodings.batch[self.numbers].reshape(len(images), -1)[:, 0]
            named = self.classified(images, texts, numbers, self.table[...])
            loss = Loss(loss.total + self.classify * named.total, loss.weight)
            metrics["classification"] = jax.lax.stop_gradient(named.mean())
        return ObjectiveOutput(loss, metrics)

    def contrast(
        self,
        images: Float[Array, "batch dim"],
        texts: Float[Array, "batch dim"],
        ids: Int[Array, " batch *words"],
    ) -> Loss:
        """Computes CMPM of embeddings of any length, with whoever carries the same id."""

        def one(rows: Array, columns: Array) -> Array:
            def losses(rows: Array, own_ids: Array) -> Array:
                return self._divergence(rows @ columns.T, same_id(own_ids, ids))

            return micro_batched(losses, self.chunk, rows, ids).sum()

        total = one(images, unit(texts)) + one(texts, unit(images))
        return Loss(total, jnp.asarray(len(images), total.dtype))

    def _divergence(
        self, scores: Float[Array, "rows batch"], targets: Float[Array, "rows batch"]
    ) -> Float[Array, " rows"]:
        losses = each_row(reverse_softmax, scores, targets, epsilon=self.epsilon).total
        if not self.length:
            return losses
        # Where they match the targets' logarithms are so much higher.
        even = 1 / targets.sum(axis=1)
        more = jnp.log(jnp.sqrt(even) + self.epsilon) - jnp.log(even + self.epsilon)
        return losses - (jax.nn.softmax(scores, axis=1) * targets).sum(axis=1) * more

    def classified(
        self,
        images: Float[Array, "batch dim"],
        texts: Float[Array, "batch dim"],
        numbers: Int[Array, " batch"],
        table: Float[Array, "classes dim"],
    ) -> Loss:
        """Computes CMPC: which identity each side is, once projected onto the other; without a number, none."""
        targets, rows = jax.nn.one_hot(numbers, len(table)), unit(table)
        losses = []
        for own, other in ((images, texts), (texts, images)):
            onto = unit(other)
            projected = (own * onto).sum(axis=1, keepdims=True) * onto
            losses.append(softmax(projected @ rows.T, targets))
        return Loss(losses[0].total + losses[1].total, losses[0].weight)
