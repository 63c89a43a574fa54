"""Labels of images from labels of the bags they come in: INS."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.kernels.loss import Loss
from vlp.kernels.softmax import softmax, softmax_at
from vlp.kernels.unit import unit
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP, mlp_flops
from vlp.models.heads import MlpHead
from vlp.models.linear import linear
from vlp.models.micro_batch import micro_batched
from vlp.models.teacher import follow, teacher_of
from vlp.objectives.bank import Bank
from vlp.objectives.base import Objective, ObjectiveOutput, Remembered
from vlp.objectives.rows import compared
from vlp.objectives.self_distillation import linear_to
from vlp.objectives.targets import not_self, same_id


class InstanceClassifier(nnx.Module):
    """Tells whether an image is one of those that make a bag positive."""

    def __init__(self, width: int, image_view: str, *, compute: Compute, rngs: nnx.Rngs):
        """Builds a linear layer.

        Args:
          width: of the image tower.
          image_view: batch field of images.
          compute: dtype of the products.
          rngs: where initial values come from.
        """
        self.layer, self.image_view = (
            linear(width, 2, std=width**-0.5, compute=compute, rngs=rngs),
            image_view,
        )

    def __call__(self, rows: Float[Array, "batch width"]) -> Float[Array, "batch 2"]:
        """Returns scores of no and yes."""
        return self.layer(rows).astype(jnp.float32)

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch texts"]:
        """Returns the log-odds of each image, the same for whatever is asked."""
        scores = self(encodings.image_tower(self.image_view).pooled)
        asked = len(encodings.batch[f"texts/{texts}"]["label"])
        return jnp.repeat(scores[:, 1:] - scores[:, :1], asked, axis=1)


class InstanceLabels(Objective):
    """Pseudo-labels of the images of positive bags, by prototypes, and a contrast of those that are predicted alike.

    INS (arXiv 2307.02249): an image of a negative bag is negative; of a positive one a table remembers how often its
    embedding is nearest to either prototype, and a classifier learns that. Images that are classified alike, among the
    batch, a running mean's view of it and a queue, are drawn together (SupCon); in the warm-up an image and its other
    view alone (MoCo), and the table stays as it is.

    With a `bag_weight` a linear layer tells a bag's label from the mean of its images in the batch. In the authors'
    code that is a pass of its own over whole bags, in the warm-up (CAMELYON) or from epoch 30 on (CIFAR), and its loss
    compares the label with a softmax over the mean's own dimensions: their layer for it is commented out.
    """

    parts = ("classifier",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds classifier, head, running means, queue, prototypes and table.

        Args:
          config: `objectives.instance_labels`; see configs/settings.
          model: whose image tower is trained.
          rngs: initial values.
        """
        width, dim, size = model.image.width, config.width, config.size
        self.size = size
        self.classifier = InstanceClassifier(width, config.weak_view, compute=model.compute, rngs=rngs)
        self.widths = (width, config.hidden_width, dim)
        self.head = MlpHead(self.widths, compute=model.compute, rngs=rngs)
        self.teacher_tower, self.teacher_head = teacher_of(model.image), teacher_of(self.head)
        rows = unit(jax.random.normal(rngs.params(), (size + 2, dim)))
        self.bank = Bank({"rows": rows[:size], "scores": jax.random.uniform(rngs.params(), (size, 2))})
        self.prototypes = Remembered(rows[size:])
        self.confidence = Remembered(jnp.full((config.records, 2), 0.5, jnp.float32))
        self.temperature, self.contrast_weight = config.temperature, config.contrast_weight
        self.chunk = config.chunk
        self.momentum, self.prototype_momentum = config.momentum, config.prototype_momentum
        self.memory = (config.first_memory, config.last_memory, config.memory_steps)
        self.warmup_steps = config.warmup_steps
        self.views, self.place, self.bags = (config.weak_view, config.strong_view), config.place, config.bags
        # The strong view goes through the running mean alone.
        self.raw, self.copied = (config.strong_view, self.place, self.bags), (config.strong_view,)
        self.fields = (config.weak_view, *self.raw)
        self.limits = {self.place: ("records", config.records)}
        self.bag_weight, self.number, self.bag = config.bag_weight, config.bag_count, config.bag
        own = {"std": width**-0.5, "compute": model.compute, "rngs": rngs}
        self.bag_classifier = linear(width, 2, **own) if self.bag_weight else None
        if self.bag_weight:
            self.raw, self.fields = (*self.raw, self.bag), (*self.fields, self.bag)
            self.limits[self.bag] = ("bag_count", self.number)

    def flops(self) -> float:
        """Counts the head and its running mean's, and the cosines with the queue."""
        return mlp_flops(self.widths) * (1 + 1 / FORWARDS_PER_STEP) + 2.0 * self.widths[-1] * self.size

    def idle(self, encodings: Encodings) -> None:
        """Moves the teacher towards what the last update made of the student."""
        follow(self.teacher_tower, encodings.model.image, self.momentum)
        follow(self.teacher_head, self.head, self.momentum)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the images; moves the running means on first and everything else afterwards."""
        self.idle(encodings)
        weak, strong = self.views
        seen, batch = encodings.image_tower(weak).pooled, encodings.batch
        other = encodings.through(self.teacher_tower, strong).pooled
        key = unit(self.teacher_head(other.reshape(len(seen), -1, other.shape[-1])[:, 0]))
        loss, metrics = self.learn(
            self.classifier(seen),
            unit(self.head(seen)),
            jax.lax.stop_gradient(key),
            batch[self.place],
            batch[self.bags] > 0,
            memory=linear_to(encodings.step, *self.memory),
            warming=encodings.step < self.warmup_steps,
        )
        if self.bag_classifier is not None:
            told = self.tell_bags(self.bag_classifier, seen, batch[self.bag], batch[self.bags] > 0)
            bags, metrics["bag_accuracy"] = told
            loss = Loss(loss.total + self.bag_weight * loss.weight * bags.mean(), loss.weight)
        return ObjectiveOutput(loss, metrics)

    def tell_bags(
        self,
        classifier: nnx.Module,
        rows: Float[Array, "batch width"],
        bags: Int[Array, " batch"],
        positive: Bool[Array, " batch"],
    ) -> tuple[Loss, Float[Array, ""]]:
        """Computes the cross-entropy of each bag that has an image in the batch, and the share that is told right.

        Args:
          classifier: of no and yes.
          rows: of the image tower.
          bags: their numbers.
          positive: whether an image's bag is.
        """
        ones = jnp.stack([jnp.ones(len(bags)), positive.astype(jnp.float32)], axis=1)
        given = jnp.concatenate([rows.astype(jnp.float32), ones], axis=1)
        sums = jax.ops.segment_sum(given, bags, self.number)
        counts, labels = sums[:, -2], (sums[:, -1] > 0).astype(jnp.int32)
        means = sums[:, :-2] / jnp.maximum(counts, 1.0)[:, None]
        scores = classifier(means).astype(jnp.float32)
        targets = jax.nn.one_hot(labels, 2) * (counts > 0)[:, None]
        loss = softmax(scores, targets)
        right = (scores.argmax(axis=1) == labels) & (counts > 0)
        return loss, right.sum() / jnp.maximum(loss.weight, 1.0)

    def learn(
        self,
        logits: Float[Array, "batch 2"],
        query: Float[Array, "batch dim"],
        key: Float[Array, "batch dim"],
        places: Int[Array, " batch"],
        positive: Bool[Array, " batch"],
        *,
        memory: float | Float[Array, ""],
        warming: bool | Bool[Array, ""],
    ) -> tuple[Loss, dict[str, Float[Array, ""]]]:
        """Computes the loss of a step, and remembers what it has seen.

        Args:
          logits: of no and yes.
          query: unit rows.
          key: unit rows of the running means, of another view.
          places: rows of the table.
          positive: whether an image's bag is.
          memory: what stays of the table's rows.
          warming: whether views alone are contrasted and the table stays.
        """
        candidates = jnp.stack([jnp.ones_like(positive), positive], axis=1)
        shares = jax.lax.stop_gradient(jax.nn.softmax(logits)) * candidates
        predicted, rows = shares.argmax(axis=1), jax.lax.stop_gradient(query)
        likely = jax.nn.softmax(rows @ self.prototypes[...].T) * candidates
        self.prototypes[...] = unit(
            moved_in_turn(self.prototypes[...], rows, predicted, self.prototype_momentum)
        )
        known = self.confidence[...][places]
        voted = memory * known + (1 - memory) * jax.nn.one_hot(likely.argmax(axis=1), 2, dtype=known.dtype)
        voted = jnp.where(warming, known, voted)
        trusted = jnp.where(positive[:, None], voted, jnp.array([1.0, 0.0], known.dtype))
        self.confidence[...] = self.confidence[...].at[places].set(trusted)
        classified = -(trusted * jax.nn.log_softmax(logits)).sum()
        contrast = jnp.where(
            warming, self._views_alike(query, key), self._labels_alike(query, key, predicted)
        )
        total = classified + self.contrast_weight * len(query) * contrast
        self.bank.push(rows=key, scores=shares)
        metrics = {
            "positive": (predicted == 1).mean(dtype=jnp.float32),
            "contrast": contrast,
            "trust": trusted.max(axis=1).mean(),
        }
        return Loss(total, jnp.asarray(len(query), total.dtype)), jax.lax.stop_gradient(metrics)

    def _views_alike(
        self, query: Float[Array, "batch dim"], key: Float[Array, "batch dim"]
    ) -> Float[Array, ""]:
        def some(own: Array, other: Array) -> Float[Array, " rows"]:
            match = (own * other).sum(axis=1, keepdims=True)
            scores = jnp.concatenate([match, own @ self.bank["rows"].T], axis=1) / self.temperature
            return softmax_at(scores, jnp.zeros(len(own), jnp.int32))

        return micro_batched(some, self.chunk, query, key).mean()

    def _labels_alike(
        self, query: Float[Array, "batch dim"], key: Float[Array, "batch dim"], labels: Int[Array, " batch"]
    ) -> Float[Array, ""]:
        columns = jnp.concatenate([query, key, self.bank["rows"]])
        numbers = jnp.concatenate([labels, labels, self.bank["scores"].argmax(axis=1)])

        def cells(places: Int[Array, " rows"], own: Int[Array, " rows"]) -> tuple[Array, Array]:
            return same_id(own, numbers), not_self(places, len(columns))

        facts, scale = (jnp.arange(len(query)), labels), 1 / self.temperature
        return compared(softmax, query, columns, cells, *facts, scale=scale, chunk=self.chunk)[0].mean()


def moved_in_turn(
    means: Float[Array, "classes dim"],
    rows: Float[Array, "batch dim"],
    classes: Int[Array, " batch"],
    momentum: float,
) -> Float[Array, "classes dim"]:
    """Returns running means after the rows of a batch, one by one: mean <- m mean + (1 - m) row, in closed form.

    Args:
      means: before.
      rows: in their order.
      classes: whose mean each moves.
      momentum: m.
    """
    own = jax.nn.one_hot(classes, len(means), dtype=means.dtype)
    behind = own.sum(axis=0) - jnp.cumsum(own, axis=0)  # rows of the class that come later
    weights = own * (1 - momentum) * momentum**behind
    return momentum ** own.sum(axis=0)[:, None] * means + weights.T @ rows
