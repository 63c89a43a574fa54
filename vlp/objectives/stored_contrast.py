"""Images against text rows that were stored once, beside a classifier: GPT4Image."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from input_pipeline.errors import UserError
from vlp.encodings import Encodings
from vlp.kernels.directions import mix
from vlp.kernels.loss import Loss
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.heads import MlpHead
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.parallel.contrastive import chunked_softmax


class StoredContrast(Objective):
    """Each image finds its stored row among those of the batch, and each row its image, at a fixed temperature.

    GPT4Image (arXiv 2306.00693): rows are those of what a language model said of each image, through a frozen text
    tower, and come to training alone. A head brings the image tower's output into their space. Beside it stands a
    classifier (`classification`). The scores exist a chunk at a time.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the head.

        Args:
          config: `objectives.stored_contrast`; see configs/settings.
          model: for the width and the dtype of its image tower.
          rngs: initial values of the head.
        """
        self.widths = (model.image.width, config.hidden_width or model.image.width, config.width)
        self.head = MlpHead(self.widths, compute=model.image.compute, rngs=rngs)
        self.stored, self.image_view, self.chunk = config.stored, config.image_view, config.chunk
        self.temperature = config.temperature
        self.fields, self.raw = (self.image_view, self.stored), (self.stored,)

    def flops(self) -> float:
        """Counts the head."""
        return mlp_flops(self.widths)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean of both directions over the batch.

        Raises:
          UserError: stored rows are of another width than the settings say.
        """
        rows = encodings.batch[self.stored]
        if rows.shape[1:] != self.widths[-1:]:
            raise UserError(
                f"data.tables.{self.stored} has rows of {rows.shape[1:]}, and an objective that reads them has "
                f"width={self.widths[-1]}: set it to theirs"
            )
        loss, metrics = self.compare(self.head(encodings.image_tower(self.image_view).pooled), rows)
        return ObjectiveOutput(loss, metrics)

    def compare(
        self, images: Float[Array, "batch dim"], stored: Float[Array, "batch dim"]
    ) -> tuple[Loss, dict[str, Float[Array, ""]]]:
        """Computes the loss of rows of any length, and what shows a healthy contrast."""
        rows, columns = unit(images), unit(jax.lax.stop_gradient(stored))
        contrast = chunked_softmax(rows, columns, jnp.float32(1.0 / self.temperature), chunk=self.chunk)
        return mix(contrast.rows, contrast.columns, 0.5), contrast.metrics
