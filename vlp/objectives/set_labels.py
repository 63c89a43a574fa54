"""Labels of sets of images, from which the images' own features are learned: FACILE."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.loss import Loss
from vlp.kernels.softmax import softmax
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.linear import linear
from vlp.models.set_pooling import SetPool
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.rows import compared
from vlp.objectives.targets import not_self, same_id


class SetLabels(Objective):
    """The most frequent label of so many images in a row, told by what they make together.

    FACILE (arXiv 2311.05659): a set's label is coarse and cheap; a model of sets over the image tower is trained on it,
    and the tower's features are what is kept. Softmax over the labels, or SupCon over the sets of a batch. Forms of the
    pooling and of the head are not verified.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the pooling and the head.

        Args:
          config: `objectives.set_labels`; see configs/settings.
          model: whose image tower is trained.
          rngs: initial values.
          context: how many labels there are.
        """
        self.number = context.labels[config.labels]
        width, hidden = model.image.width, config.width
        self.pool = SetPool(config.pool, width, hidden, compute=model.compute, rngs=rngs)
        contrast = config.loss == "contrast"
        self.classifier = (
            None
            if contrast
            else linear(hidden, self.number, std=hidden**-0.5, compute=model.compute, rngs=rngs)
        )
        self.each, self.temperature, self.chunk = config.each, config.temperature, config.chunk
        self.widths = (width, hidden, hidden)
        self.image_view, self.labels = config.image_view, f"{config.labels}_ids"
        self.fields, self.raw = (self.image_view, self.labels), (self.labels,)
        self.limits = {self.labels: ("labels", self.number)}

    def flops(self) -> float:
        """Counts what is made of each image and, a set's share, of the set."""
        return mlp_flops(self.widths[:2]) + mlp_flops(self.widths[1:]) / self.each

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the sets that have a label."""
        rows = encodings.image_tower(self.image_view).pooled
        sets = self.pool(rows.reshape(-1, self.each, rows.shape[-1]))
        labels = self.set_labels(encodings.batch[self.labels][:, 0])
        known = labels >= 0
        if self.classifier is None:
            loss, hits = self.contrast(unit(sets), labels)
        else:
            scores = self.classifier(sets).astype(jnp.float32)
            loss = softmax(scores, jax.nn.one_hot(labels, self.number))  # of no label: no row's target
            hits = scores.argmax(axis=1) == labels
        return ObjectiveOutput(loss, {"accuracy": (hits & known).sum() / jnp.maximum(known.sum(), 1)})

    def contrast(
        self, rows: Float[Array, "sets width"], labels: Int[Array, " sets"]
    ) -> tuple[Loss, Bool[Array, " sets"]]:
        """Computes SupCon of unit rows, and whose nearest one has its label."""
        known = labels >= 0

        def cells(places: Int[Array, " some"], own: Int[Array, " some"]) -> tuple[Array, Array]:
            return same_id(own, labels), not_self(places, len(labels)) & known & (own >= 0)[:, None]

        facts = jnp.arange(len(labels)), labels
        loss, seen = compared(
            softmax, rows, rows, cells, *facts, scale=1 / self.temperature, chunk=self.chunk
        )
        return loss, seen.hits

    def set_labels(self, labels: Int[Array, " batch"]) -> Int[Array, " sets"]:
        """Returns the most frequent label of each set, of equally frequent ones the lowest; -1 where none has any."""
        counts = (
            jax.nn.one_hot(labels, self.number, dtype=jnp.int32).reshape(-1, self.each, self.number).sum(1)
        )
        return jnp.where(counts.any(axis=1), counts.argmax(axis=1), -1)
