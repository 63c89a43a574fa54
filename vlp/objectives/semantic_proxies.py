"""Metric learning against semantic proxies: what prompts of a class make of its images, remembered over time."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from input_pipeline.errors import UserError
from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.loss import Loss
from vlp.kernels.separated import separated
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.micro_batch import micro_batched
from vlp.objectives.base import Objective, ObjectiveOutput, Remembered
from vlp.objectives.rows import compared
from vlp.objectives.targets import same_id


class Gate(nnx.Module):
    """A gated recurrent unit without biases of the hidden side (GRU, arXiv 1406.1078)."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        """Builds the three gates.

        Args:
          width: of inputs and memory.
          rngs: where initial values come from.
        """
        init = nnx.initializers.xavier_uniform()
        self.inputs = nnx.Param(init(rngs.params(), (width, 3 * width)))
        self.hidden = nnx.Param(init(rngs.params(), (width, 3 * width)))
        self.bias = nnx.Param(jnp.zeros(3 * width))

    def __call__(
        self, x: Float[Array, "rows width"], memory: Float[Array, "rows width"]
    ) -> Float[Array, "rows width"]:
        """Returns the memory after one more input."""
        given = jnp.split(x @ self.inputs[...] + self.bias[...], 3, axis=-1)
        known = jnp.split(memory @ self.hidden[...], 3, axis=-1)
        reset, keep = (jax.nn.sigmoid(given[gate] + known[gate]) for gate in (0, 1))
        return (1 - keep) * jnp.tanh(given[2] + reset * known[2]) + keep * memory


class SemanticProxies(Objective):
    """Proxy-Anchor over the images, or NCA over the proxies, against proxies that images make (VPTSP-G, 2402.02340).

    Each class has prompts of its own. The image tower runs the class's images with these in the place of its own; a
    gated unit carries what comes out over the steps, and a learned bias is mixed in. The projection of the proxies is
    the model's; the public code has a second one.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds prompts, biases, the gate and the memory of all classes.

        Args:
          config: `objectives.semantic_proxies`; see configs/settings.
          model: for widths.
          rngs: initial values of its own.
          context: how many classes there are.
        """
        classes, dim = context.labels[config.labels], model.embed_dim
        shape = (classes, config.prompt_layers, config.prompts, model.image.width)
        self.prompts = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), shape))
        start = nnx.initializers.xavier_uniform()
        self.bias = nnx.Param(start(rngs.params(), (classes, dim)) / 8.0)
        self.memory = Remembered(unit(start(rngs.params(), (classes, dim))))
        self.gate = Gate(dim, rngs=rngs)
        self.each, self.share, self.axis, self.proxies = (
            config.each,
            config.bias_share,
            config.axis,
            config.proxies,
        )
        self.scale, self.margins = config.scale, (config.positive_margin, config.negative_margin)
        self.chunk = config.chunk
        self.image_view, self.field = config.image_view, f"{config.labels}_ids"
        self.fields, self.raw = (self.image_view, self.field), (self.field,)
        self.again = (self.image_view,)  # with the prompts of its class
        self.limits = {self.field: ("labels", classes)}

    def flops(self) -> float:
        """Returns forward FLOPs of the gate for one example."""
        return 12.0 * self.bias.shape[1] ** 2

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over classes, or over images, and remembers what it has seen.

        Raises:
          UserError: the image tower takes no prompts, or has fewer layers than have some.
        """
        _check_layers(encodings.model.image, self.prompts.shape[1])
        labels = encodings.batch[self.field][:, 0]
        images = encodings.image(self.image_view).astype(jnp.float32)
        tower, project = encodings.model.image, encodings.model.image_projection
        seen = encodings.through(tower, self.image_view, prompts=self.prompts[...][labels]).pooled
        blocks = unit(project(seen)).astype(jnp.float32).reshape(-1, self.each, images.shape[-1])
        classes = labels[:: self.each]
        memory = self.memory[...][classes]
        for place in range(self.each):
            memory = self.gate(blocks[:, place], memory)
        places = jnp.where(classes >= 0, classes, len(self.bias[...]))
        everything = self.memory[...].at[places].set(memory, mode="drop")
        self.memory[...] = jax.lax.stop_gradient(unit(everything))
        if self.proxies == "all":
            columns, numbers = self._mixed(self.bias[...], everything), jnp.arange(len(everything))
        else:
            columns, numbers = self._mixed(self.bias[...][classes], memory), classes
        proxies = unit(columns)
        loss = self.compare(images, labels, proxies, numbers)
        held = jax.lax.stop_gradient(proxies)
        nearest = micro_batched(
            lambda own: (own @ held.T).argmax(axis=1), self.chunk, jax.lax.stop_gradient(images)
        )
        return ObjectiveOutput(loss, {"accuracy": (numbers[nearest] == labels).mean(dtype=jnp.float32)})

    def _mixed(
        self, bias: Float[Array, "rows dim"], memory: Float[Array, "rows dim"]
    ) -> Float[Array, "rows dim"]:
        return self.share * bias + (1 - self.share) * memory

    def compare(
        self,
        images: Float[Array, "batch dim"],
        labels: Int[Array, " batch"],
        proxies: Float[Array, "classes dim"],
        numbers: Int[Array, " classes"],
    ) -> Loss:
        """Computes the loss (Proxy-Anchor, arXiv 2003.13911, equation 4, with a mean over the same classes twice).

        Args:
          images: unit rows.
          labels: their classes; -1 is none, of images that take no part.
          proxies: unit rows.
          numbers: of the proxies' classes.
        """
        rows, columns = (images, labels), (proxies, numbers)
        if self.axis == "anchor":
            rows, columns = columns, rows

        def kernel(cosines: Array, targets: Array, *, mask: Array) -> Loss:
            return separated(
                self.scale * (cosines - jnp.where(targets > 0, *self.margins)), targets, mask=mask
            )

        def cells(own: Int[Array, " some"]) -> tuple[Array, Array]:
            return same_id(own, columns[1]), (own >= 0)[:, None] & (columns[1] >= 0)

        return compared(kernel, rows[0], columns[0], cells, rows[1], chunk=self.chunk)[0]


def _check_layers(tower: Any, layers: int) -> None:
    if layers > tower.depth:
        raise UserError(
            f"prompt_layers={layers} of semantic_proxies are the first layers of the image tower, which has "
            f"{tower.depth}: use as many at most"
        )
