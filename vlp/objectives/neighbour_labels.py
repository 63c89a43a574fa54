"""Classification by the labels of the nearest of many images seen before: LOOK."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels import KERNELS
from vlp.kernels.loss import Loss
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP, mlp_flops
from vlp.models.heads import MlpHead
from vlp.models.micro_batch import micro_batched
from vlp.models.teacher import follow, teacher_of
from vlp.objectives.bank import Bank
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.rows import each_row, summed
from vlp.objectives.targets import same_id


class NeighbourLabels(Objective):
    """The label of each image by a vote of its nearest neighbours in a bank, weighed by a softmax of their cosines.

    LOOK (arXiv 2110.06014): the error of a leave-one-out nearest-neighbour classifier asks images of a label to be
    near some of their own and not near all, so that a class may keep its kinds. The bank is a running mean's of tower
    and head; what it holds of the same record does not vote. Neighbours, temperature and size are not verified.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the head, the running means and an empty bank.

        Args:
          config: `objectives.neighbour_labels`; see configs/settings.
          model: whose image tower is trained.
          rngs: initial values of the head.
          context: how many labels there are.
        """
        width = model.image.width
        self.widths = (width, config.hidden_width, config.width)
        self.head = MlpHead(self.widths, compute=model.compute, rngs=rngs)
        self.teacher_tower, self.teacher_head = teacher_of(model.image), teacher_of(self.head)
        self.size = size = config.size
        self.bank = Bank(
            {
                "rows": jnp.zeros((size, config.width)),
                "labels": jnp.full(size, -1, jnp.int32),  # none: an empty place
                "records": jnp.zeros((size, 2), jnp.int32),
            }
        )
        self.neighbours, self.temperature = config.neighbours, config.temperature
        self.momentum, self.kernel, self.chunk = config.momentum, KERNELS[config.kernel], config.chunk
        self.image_view, self.labels = config.image_view, f"{config.labels}_ids"
        self.copied, self.raw = (self.image_view,), (self.labels, "record_id")
        self.fields = (self.image_view, *self.raw)
        self.limits = {self.labels: ("labels", context.labels[config.labels])}

    def flops(self) -> float:
        """Counts the head and its running mean's, and the cosines with the bank."""
        cosines = 2.0 * self.widths[-1] * self.size
        return mlp_flops(self.widths) * (1 + 1 / FORWARDS_PER_STEP) + cosines

    def idle(self, encodings: Encodings) -> None:
        """Moves the teacher towards what the last update made of the student."""
        follow(self.teacher_tower, encodings.model.image, self.momentum)
        follow(self.teacher_head, self.head, self.momentum)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the images that have a neighbour of their label, in this batch or those before."""
        self.idle(encodings)
        rows = unit(self.head(encodings.image_tower(self.image_view).pooled))
        labels, records = encodings.batch[self.labels][:, 0], encodings.batch["record_id"]
        keys = unit(self.teacher_head(encodings.through(self.teacher_tower, self.image_view).pooled))
        # First, so that there are neighbours at the first step, too: a record has no vote on itself.
        self.bank.push(rows=keys, labels=labels, records=records)
        loss, metrics = self.compare(rows, labels, records)
        return ObjectiveOutput(loss, metrics)

    def compare(
        self,
        rows: Float[Array, "batch width"],
        labels: Int[Array, " batch"],
        records: Int[Array, "batch 2"],
    ) -> tuple[Loss, dict[str, Float[Array, ""]]]:
        """Computes the loss and what shows whether the vote is right.

        Args:
          rows: unit.
          labels: of the rows; -1 is none.
          records: what tells records apart.
        """
        others, columns = self.bank["labels"], self.bank["rows"].astype(rows.dtype)

        def vote(own: Array, label: Array, record: Array) -> tuple[Loss, Array, Array]:
            cosines = own @ columns.T
            counts = (others >= 0)[None] & (same_id(record, self.bank["records"]) == 0)
            near = counts & (cosines >= self._farthest(jnp.where(counts, cosines, -2.0)))
            targets = same_id(label, others) * (label >= 0)[:, None]
            shares = jax.nn.softmax(jnp.where(near, cosines / self.temperature, -jnp.inf), axis=1)
            known = near.any(axis=1) & (label >= 0)
            voted = jnp.where(known, (jnp.nan_to_num(shares) * targets).sum(axis=1), 0.0)
            return each_row(self.kernel, cosines / self.temperature, targets, near), known, voted

        losses, known, voted = micro_batched(vote, self.chunk, rows, labels, records)
        loss = summed(losses)
        metrics = {
            "voted_right": voted.sum() / jnp.maximum(known.sum(), 1),
            "asked": loss.weight / len(labels),
            "filled": (others >= 0).mean(dtype=jnp.float32),
        }
        return loss, jax.lax.stop_gradient(metrics)

    def _farthest(self, cosines: Float[Array, "batch size"]) -> Float[Array, "batch 1"]:
        """The cosine of the last neighbour that votes; 0 neighbours are all."""
        if not self.neighbours:
            return cosines.min(axis=1, keepdims=True)
        return jax.lax.top_k(jax.lax.stop_gradient(cosines), self.neighbours)[0][:, -1:]
