"""What specialists know, each of its own classes, in one student: Knowledge Concentration."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from input_pipeline.errors import UserError
from vlp.encodings import Encodings
from vlp.kernels.loss import Loss
from vlp.kernels.unit import unit
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.linear import linear
from vlp.objectives.base import Objective, ObjectiveOutput


class VerticalHead(nnx.Module):
    """A layer that all share, and behind it a block for each vertical, which reads dimensions of its own alone.

    The dimensions of a vertical are brought to one length, which is learned: each at its own pace.
    """

    def __init__(self, inputs: int, width: int, sizes: tuple[int, ...], *, compute: Compute, rngs: nnx.Rngs):
        """Builds the layer and the blocks.

        Args:
          inputs: of the layer.
          width: dimensions of each vertical.
          sizes: classes of each.
          compute: dtype of the layer's products.
          rngs: initial values.
        """
        self.sizes, self.shared = (
            sizes,
            linear(inputs, width * len(sizes), std=inputs**-0.5, compute=compute, rngs=rngs),
        )
        start = nnx.initializers.normal(width**-0.5)
        self.rows = nnx.Param(start(rngs.params(), (sum(sizes), width)))
        self.bias = nnx.Param(jnp.zeros(sum(sizes)))
        self.scales = nnx.Param(jnp.sqrt(jnp.asarray(sizes, jnp.float32)))

    def __call__(self, features: Float[Array, "batch inputs"]) -> Float[Array, "batch classes"]:
        """Returns the logits of all classes, vertical by vertical."""
        x = self.shared(features).reshape(len(features), len(self.sizes), -1)
        x = unit(x) * self.scales[...][:, None]
        blocks = (x[:, number] @ self.rows[...][own].T for number, own in enumerate(spans(self.sizes)))
        return jnp.concatenate(list(blocks), axis=1) + self.bias[...]


def spans(sizes: tuple[int, ...]) -> list[slice]:
    """Returns the places of each vertical's classes among all."""
    ends = itertools.accumulate(sizes, initial=0)
    return [slice(first, end) for first, end in itertools.pairwise(ends)]


class Concentration(Objective):
    """A yes-or-no question for every class, answered by the specialist of the image's vertical, and no by all others.

    Knowledge Concentration (arXiv 1711.07607): of a specialist's answers the highest few are taken, the rest is zero.
    Specialists run, all of them on every image, or their probabilities are stored.
    """

    parts = ("head",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the head.

        Args:
          config: `objectives.concentration`; see configs/settings.
          model: for the width of its embeddings.
          rngs: initial values of the head.
        """
        self.sizes, self.width, self.top = tuple(config.sizes), config.width, config.top
        self.head = VerticalHead(model.embed_dim, config.width, self.sizes, compute=model.compute, rngs=rngs)
        self.teachers = () if config.stored else tuple(config.teachers)
        self.part, self.stored, self.image_view = config.part, config.stored, config.image_view
        self.numbers = f"{config.verticals}_ids"
        asked = (
            (self.stored,) if self.stored else tuple(f"{name}/{self.image_view}" for name in self.teachers)
        )
        self.fields = (self.image_view, self.numbers, *asked)
        self.raw = (self.numbers, *((self.stored,) if self.stored else ()))
        self.limits = {self.numbers: ("sizes", len(self.sizes))}

    def flops(self) -> float:
        """Counts the shared layer and the blocks."""
        return 2.0 * (self.head.shared.kernel.size + math.prod(self.head.rows.shape))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the images of a vertical of the sum over all classes."""
        verticals = encodings.batch[self.numbers][:, 0]
        targets = self.targets(self._answers(encodings), verticals)
        logits = self.head(encodings.image_features(self.image_view)).astype(jnp.float32)
        there = verticals >= 0
        losses = optax.sigmoid_binary_cross_entropy(logits, targets).sum(axis=1)
        agreed = (logits.argmax(axis=1) == targets.argmax(axis=1)) & there
        count = there.sum(dtype=jnp.float32)
        loss = Loss((losses * there).sum(), count)
        return ObjectiveOutput(loss, {"agreement": agreed.sum() / jnp.maximum(count, 1.0)})

    def targets(
        self, answers: list[Float[Array, "batch classes"]], verticals: Int[Array, " batch"]
    ) -> Float[Array, "batch all"]:
        """Returns the probabilities that are learned, exactly zero outside the vertical and below its highest few.

        Args:
          answers: of each specialist, of its own classes.
          verticals: of the images; -1 is none.
        """
        kept = []
        for number, own in enumerate(answers):
            least = jax.lax.top_k(own, min(self.top, own.shape[1]))[0][:, -1:]
            kept.append(jnp.where((own >= least) & (verticals == number)[:, None], own, 0.0))
        return jax.lax.stop_gradient(jnp.concatenate(kept, axis=1))

    def _answers(self, encodings: Encodings) -> list[Float[Array, "batch classes"]]:
        """Probabilities of each vertical's classes."""
        if self.stored:
            said = [encodings.batch[self.stored]] * len(self.sizes)
        else:
            seen = [encodings.frozen(name) for name in self.teachers]
            said = [jax.nn.sigmoid(one.part(self.part)(one.image_features(self.image_view))) for one in seen]
        return [
            self._own(one.astype(jnp.float32), number, own)
            for number, (one, own) in enumerate(zip(said, spans(self.sizes), strict=True))
        ]

    def _own(
        self, said: Float[Array, "batch known"], number: int, own: slice
    ) -> Float[Array, "batch classes"]:
        """Of a specialist that knows all classes those of its vertical, of another all."""
        if said.shape[1:] == (sum(self.sizes),):
            return said[:, own]
        if said.shape[1:] == (self.sizes[number],):
            return said
        raise UserError(
            f"the specialist of vertical {number} answers for {said.shape[1:]} classes, and its student has "
            f"sizes={self.sizes}: set how many classes each vertical has, in their order"
        )
