"""Classification: a linear classifier of images, whose classes are labels, tags, or the tokens of their captions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.kernels.log_sum_exp import AxisName
from vlp.kernels.loss import Loss
from vlp.models.dual_encoder import DualEncoder
from vlp.models.sharding import TABLE_AXES
from vlp.objectives.base import Objective, ObjectiveOutput, Remembered
from vlp.objectives.kernels import configured_kernel
from vlp.parallel.class_table import check_split, class_loss


class Classifier(nnx.Module):
    """A row and a bias for each class, split over the mesh's model and fsdp axes."""

    def __init__(self, classes: int, width: int, *, bias: float, rngs: nnx.Rngs):
        """Starts at small random rows.

        Args:
          classes: how many.
          width: of what is classified.
          bias: of all classes, at first; for rare labels, the log-odds of having one.
          rngs: of initial values.
        """
        init = nnx.initializers.normal(width**-0.5)
        self.rows = nnx.Param(init(rngs.params(), (classes, width)), split=(TABLE_AXES, None))
        self.bias = nnx.Param(jnp.full(classes, bias, jnp.float32), split=(TABLE_AXES,))

    def __call__(self, features: Float[Array, "batch width"]) -> Float[Array, "batch classes"]:
        """Returns the logits of all classes, for few images at a time."""
        return features @ self.rows[...].T + self.bias[...]


class TokenFrequency(nnx.Module):
    """Counts how many of the captions so far have each token: the sum over batches of the share that does."""

    def __init__(self, classes: int):
        """Starts at nothing.

        Args:
          classes: how many tokens there are.
        """
        self.shares = Remembered(jnp.zeros(classes), split=(TABLE_AXES,))
        self.batches = Remembered(jnp.zeros(()))

    def rarity(self, numbers: Int[Array, "batch tokens"]) -> Float[Array, " classes"]:
        """Counts a batch in, and returns log((batches + 1 / B) / (shares + 1 / B)) of every token, B rows a batch."""
        batch, size = len(numbers), len(self.shares)
        ordered = jnp.sort(numbers, axis=1)  # a token that comes again counts once
        again = jnp.pad(ordered[:, 1:] == ordered[:, :-1], ((0, 0), (1, 0)))
        places = jnp.where(again | (ordered < 0), size, ordered)
        self.shares[...] += jnp.zeros(size).at[places].add(1 / batch, mode="drop")
        self.batches[...] += 1.0
        return jnp.log((self.batches[...] + 1 / batch) / (self.shares[...] + 1 / batch))


class Classification(Objective):
    """Logits of classes and the labels of an image, several or one: softmax, or a yes-or-no question a class.

    SuperClass (arXiv 2411.03313): the classes are the tokens of the caption, as targets weighed by how rare they are,
    with `labels="text"`, `rare="frequency"` and `kernel="softmax"`. Every token counts, padding and the marks of begin
    and end too; those that all captions have weigh log 1 = 0. CatLIP (2404.15653): its words, `kernel="sigmoid"`.
    Multi-label classification of JFT (1707.02968) and Open Images (1811.00982): the tags of `data.labels`, as numbers
    where all is known, or as states, of which the unknown have no gradient.
    """

    parts = ("classifier",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Makes the classifier.

        Args:
          config: `labels` (the field of class numbers, several a row or one, -1 = none, or of states of all classes, -1
            = unknown), `classes`, `image_view`, `bias`, `rare`, `chunk` (rows at a time), and what `configured_kernel`
            reads.
          model: for the width of its embeddings.
          rngs: of initial values.

        Raises:
          ValueError: the classes do not split over the mesh's model axis.
        """
        check_split(config.classes)
        self.classifier = Classifier(config.classes, model.embed_dim, bias=config.bias, rngs=rngs)
        self.frequency = TokenFrequency(config.classes) if config.rare else None
        self.image_view, self.labels, self.chunk = config.image_view, config.labels, config.chunk
        self.fields, self.raw = (self.image_view, self.labels), (self.labels,)
        self.limits = {self.labels: ("classes", config.classes)}
        self.kernel = configured_kernel(config)

    def flops(self) -> float:
        """Counts the logits."""
        return 2 * self.classifier.rows.size

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the images of the batch that have a label."""
        features, labels = encodings.image_features(self.image_view), encodings.batch[self.labels]
        labels = labels.reshape(len(labels), -1)
        rows, bias = self.classifier.rows[...], self.classifier.bias[...]
        output = class_loss(
            jnp.pad(features, ((0, 0), (0, 1)), constant_values=1.0),
            jnp.concatenate([rows, bias[:, None]], axis=1),
            labels,
            self._score_loss,
            chunk=self.chunk,
            cosines=False,
            weights=self.frequency.rarity(labels) if self.frequency else None,
        )
        metrics = {name: output.metrics[name] for name in ("accuracy", "kept")}
        return ObjectiveOutput(output.loss, jax.lax.stop_gradient(metrics))

    def _score_loss(
        self,
        logits: Float[Array, "rows columns"],
        targets: Float[Array, "rows columns"],
        known: Bool[Array, "rows columns"] | None,
        axis_name: AxisName,
    ) -> Loss:
        return self.kernel(logits, targets, mask=known, axis_name=axis_name)
