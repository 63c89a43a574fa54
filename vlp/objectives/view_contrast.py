"""Contrast of strongly augmented views of the same image: SimCLR beside CLIP, as in SLIP."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from vlp.encodings import Encodings
from vlp.kernels.softmax import softmax
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.heads import MlpHead
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.rows import among_views
from vlp.objectives.targets import not_self, other_view


class ViewContrast(Objective):
    """Each view against all other views of the batch (NT-Xent); those of the same image match.

    SimCLR (arXiv 2002.05709, equation 1) on the image tower's output before its projection, through a head of its own
    (SLIP, arXiv 2112.12750, section 3). SimCLRv2 (2006.10029, section 2) keeps the head's first layer: that is the
    tower's projection here, and the head stands on embeddings (`features="embedding"`).
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the head.

        Args:
          config: `objectives.view_contrast`: the field `view` (two views an example), `temperature`, `features`,
            `hidden_width`, `output_width` and `last_bias` of the head, and `chunk`.
          model: for the width and the dtype of its image tower.
          rngs: initial values of the head.
        """
        hidden, last = config.hidden_width, config.output_width
        self.embedded = config.features == "embedding"
        widths = (
            (model.embed_dim, hidden, last) if self.embedded else (model.image.width, hidden, hidden, last)
        )
        self.widths = widths
        self.head = MlpHead(
            widths, compute=model.image.compute, rngs=rngs, batch_norm=True, last_bias=config.last_bias
        )
        self.view, self.temperature, self.chunk = config.view, config.temperature, config.chunk
        self.fields = (self.view,)

    def flops(self) -> float:
        """Counts the head, of two views."""
        return 2 * mlp_flops(self.widths)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over all views of all images."""
        seen = (
            encodings.image_features(self.view) if self.embedded else encodings.image_tower(self.view).pooled
        )
        features = seen.swapaxes(0, 1)
        # View by view, for the batch norm sees one view at a time (SLIP's released code).
        views = jnp.stack([unit(self.head(view)) for view in features])
        number, batch, _ = views.shape
        places = jnp.arange(number * batch).reshape(number, batch)

        def cells(own: Int[Array, " rows"]) -> tuple[Array, Array]:
            return other_view(own, batch, number), not_self(own, number * batch)

        loss, watched = among_views(
            softmax, views, cells, places, scale=1.0 / self.temperature, chunk=self.chunk
        )
        return ObjectiveOutput(loss, watched.metrics())
