"""Tagging: every label is a question that its own text puts to the image, answered yes, no, or by nobody."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.kernels import configured_kernel


class TextQueries(nnx.Module):
    """Cosines of images and the texts of labels, with a scale and a bias: the log-odds of a label.

    Any text can be asked, whether training knew it or not.
    """

    def __init__(self, *, scale: float, bias: float, image_view: str):
        """Starts at a scale and a bias.

        Args:
          scale: of cosines.
          bias: added to scaled cosines.
          image_view: batch field of images.
        """
        self.log_scale = nnx.Param(jnp.float32(math.log(scale)), bounds=(-math.inf, math.log(100.0)))
        self.bias = nnx.Param(jnp.float32(bias))
        self.image_view = image_view

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels"]:
        """Scores the images of a batch against the labels of the constant texts `texts`."""
        cosines = encodings.image(self.image_view) @ encodings.label_texts(texts).T
        return jnp.exp(self.log_scale[...]) * cosines + self.bias[...]


class Tagging(Objective):
    """Images against the texts of all labels: one yes-or-no question a cell; what nobody knows is not asked.

    With `asymmetric_sigmoid` it is the tagging loss of RAM++ (arXiv 2310.15200, section 3.3) on global embeddings; its
    focusing weights are constants there. The scorer is a part: evaluators ask it for labels that training never saw.
    """

    parts = ("scorer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Takes its settings.

        Args:
          config: `labels` (an entry of data.labels: the batch field of yes, no and unknown), `texts` (an entry of
            data.texts, of the same labels), `image_view`, `scale` and `bias` to start at, and what
            `configured_kernel` reads.
          model: unused, as is `rngs`.
          rngs: unused.
          context: how many labels there are.

        Raises:
          ValueError: labels and texts are not of the same number of labels.
        """
        del model, rngs
        context.asked_and_answered(config.texts, config.labels)
        self.scorer = TextQueries(scale=config.scale, bias=config.bias, image_view=config.image_view)
        self.labels, self.texts, self.kernel = config.labels, config.texts, configured_kernel(config)
        self.fields, self.constants = (config.image_view, config.labels), (config.texts,)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the images of the batch of the sum over their known labels."""
        states = encodings.batch[self.labels]
        scores, known = self.scorer.score(encodings, self.texts), states >= 0
        loss = self.kernel(scores, (states > 0).astype(jnp.float32), mask=known)
        yes = (states > 0).sum()
        found = ((scores > 0) & (states > 0)).sum()
        metrics = {
            "known": known.mean(dtype=jnp.float32),
            "found": found / jnp.maximum(yes, 1),  # share of the yeses that are answered so
            "answered_yes": ((scores > 0) & known).mean(dtype=jnp.float32),
        }
        return ObjectiveOutput(loss, metrics)
