"""A classifier of images that learns what a teacher's classifier answers: SimCLRv2's last step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from input_pipeline.errors import UserError
from vlp.encodings import Encodings
from vlp.kernels.distillation import cross_entropy, soft_targets
from vlp.kernels.loss import Loss
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.classification import Classifier
from vlp.parallel.class_table import check_split


class SoftLabels(Objective):
    """Cross-entropy of softmax(logits / temperature) with a frozen teacher's (SimCLRv2, arXiv 2006.10029, equation 2).

    Without the factor temperature squared of Hinton et al. (1503.02531). Labels, where there are some, are another
    objective beside it.
    """

    parts = ("classifier",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Makes the classifier.

        Args:
          config: `objectives.soft_labels`: `teacher` (an entry of `frozen`), `part` of it, `classes`, `temperature` and
            the field `image_view`.
          model: for the width of its embeddings.
          rngs: of initial values.

        Raises:
          ValueError: the classes do not split over the mesh's model axis.
        """
        check_split(config.classes)
        self.classifier = Classifier(config.classes, model.embed_dim, bias=0.0, rngs=rngs)
        self.classes, self.temperature = config.classes, config.temperature
        self.teacher, self.part, self.image_view = config.teacher, config.part, config.image_view
        self.fields = (self.image_view, f"{self.teacher}/{self.image_view}")

    def flops(self) -> float:
        """Counts the logits."""
        return 2.0 * self.classifier.rows.size

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the batch.

        Raises:
          UserError: the teacher has another number of classes.
        """
        teacher = encodings.frozen(self.teacher)
        answers = jax.lax.stop_gradient(teacher.part(self.part)(teacher.image_features(self.image_view)))
        if answers.shape[1] != self.classes:
            raise UserError(
                f"frozen.{self.teacher} knows {answers.shape[1]} classes, and its student {self.classes}: set "
                f"`classes` of the objective to {answers.shape[1]}"
            )
        logits = self.classifier(encodings.image_features(self.image_view))
        targets = soft_targets(answers, temperature=self.temperature)
        losses = cross_entropy(logits / self.temperature, targets)
        agreed = (logits.argmax(axis=1) == answers.argmax(axis=1)).mean(dtype=jnp.float32)
        return ObjectiveOutput(Loss(losses.sum(), jnp.float32(len(losses))), {"agreement": agreed})
