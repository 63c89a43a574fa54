"""Classification of images by the texts of all labels, as a zero-shot classifier does it."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels import KERNELS
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.contrastive import match_metrics
from vlp.objectives.scorers import Scores


class NamedClasses(Objective):
    """A softmax over the cosines of an image with the texts of all labels, at the model's own scale.

    The classifier is the model: with a learned context in the text tower, and all else held, this is CoOp (arXiv
    2109.01134, equation 2); with both towers trained it is fine-tuning like pretraining, which no evaluator notices.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Takes its settings.

        Args:
          config: `objectives.named_classes`: `labels` (an entry of data.labels), `texts` (an entry of data.texts, of
            the same labels), `image_view`, `kernel` and `label_smoothing`.
          model: unused, as is `rngs`: it learns nothing of its own.
          rngs: unused.
          context: how many labels there are.

        Raises:
          ValueError: labels and texts are not of the same number of labels.
        """
        del model, rngs
        labels = context.asked_and_answered(config.texts, config.labels)
        smoothing = {"label_smoothing": config.label_smoothing} if config.label_smoothing else {}
        self.kernel = functools.partial(KERNELS[config.kernel], **smoothing)
        self.image_view, self.texts, self.field = config.image_view, config.texts, f"{config.labels}_ids"
        self.fields, self.raw, self.constants = (self.image_view, self.field), (self.field,), (self.texts,)
        self.limits = {self.field: ("labels", labels)}

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the images that have a label."""
        columns, numbers = encodings.label_texts(self.texts), encodings.batch[self.field]
        images = encodings.image(self.image_view)
        scores = Scores(images, columns, encodings.logit_scale(), jnp.float32(0.0))
        targets = jax.nn.one_hot(numbers, len(columns)).max(axis=1)  # -1 is no label
        labelled = (numbers >= 0).any(axis=1)
        loss = self.kernel(scores.logits(), targets, mask=labelled[:, None])
        metrics = match_metrics(scores, targets, jnp.broadcast_to(labelled[:, None], targets.shape))
        return ObjectiveOutput(loss, {**metrics, "labelled": labelled.mean(dtype=jnp.float32)})
