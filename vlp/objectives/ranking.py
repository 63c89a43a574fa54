"""Margin ranking of images and texts within the batch."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from vlp.encodings import Encodings
from vlp.kernels.directions import mix
from vlp.kernels.ranking import ranking
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.rows import compared
from vlp.objectives.targets import TARGETS, same_id


class Ranking(Objective):
    """A pair's cosine has to be ahead of the others' by a margin: of all of them, or of the hardest one alone.

    The sum is DeViSE's and VSE0's, the hardest negative VSE++'s (arXiv 1707.05612, equations 5 and 6). DeViSE (Frome et
    al. 2013, equation 1) looks from images to texts alone: direction 1.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Takes its settings.

        Args:
          config: `objectives.ranking`: `margin`, `hardest`, `positives` ('lowest' asks the lowest of several, 'sum'
            each of them), `direction` (share of image-to-text), `targets` (a name) and `chunk`.
          model: unused, as is `rngs`: it learns nothing of its own.
          rngs: unused.
        """
        del model, rngs
        every = config.positives == "sum"
        self.kernel = functools.partial(
            ranking, margin=config.margin, hardest=config.hardest, every_positive=every
        )
        self.direction, self.chunk = config.direction, config.chunk
        self.field = TARGETS[config.targets]
        self.fields = ("image", "text", "text_mask", *([self.field] if self.field else []))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over rows, mixed of image to text and text to image.

        VSE++'s released code sums over rows and both directions: 2 x batch times this at direction 0.5.
        """
        images, texts = encodings.image(), encodings.text()
        ids = encodings.batch[self.field] if self.field else jnp.arange(len(images))[:, None]

        def cells(own: Int[Array, "rows words"]) -> tuple[Array, None]:
            return same_id(own, ids), None

        forth, seen = compared(self.kernel, images, texts, cells, ids, chunk=self.chunk)
        back, _ = compared(self.kernel, texts, images, cells, ids, chunk=self.chunk)
        return ObjectiveOutput(mix(forth, back, self.direction), seen.metrics())
