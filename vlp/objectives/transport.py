"""An image's patches and its labels, moved onto each other: PatchCT."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.sigmoid import asymmetric_sigmoid
from vlp.kernels.transport import conditional_transport, navigators
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.regions import as_map


class Transported(nnx.Module):
    """Log-odds of any labels: the cosine of a label with the patches that it is moved to."""

    def __init__(self, *, sharpness: float, scale: float, bias: float, image_view: str):
        """Starts at these numbers.

        Args:
          sharpness: of the softmaxes that move patches and labels.
          scale: of the cosine that comes of it.
          bias: added to that.
          image_view: batch field of images.
        """
        bounds = (-math.inf, math.log(100.0))
        self.log_sharpness = nnx.Param(jnp.float32(math.log(sharpness)), bounds=bounds)
        self.log_scale = nnx.Param(jnp.float32(math.log(scale)), bounds=bounds)
        self.bias = nnx.Param(jnp.float32(bias))
        self.image_view = image_view

    def cosines(self, encodings: Encodings, texts: str) -> Float[Array, "batch patches labels"]:
        """Returns those of patches and labels."""
        return jnp.einsum("bpd,cd->bpc", encodings.patches(self.image_view), encodings.label_texts(texts))

    def answers(self, cosines: Float[Array, "batch patches labels"]) -> Float[Array, "batch labels"]:
        """Returns log-odds."""
        every = jnp.ones((len(cosines), cosines.shape[2]), bool)
        _, to_patches = navigators(cosines, jnp.exp(self.log_sharpness[...]), every)
        return jnp.exp(self.log_scale[...]) * (to_patches * cosines).sum(axis=1) + self.bias[...]

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels"]:
        """Returns the log-odds that images have the labels of the constant texts `texts`."""
        return self.answers(self.cosines(encodings, texts))

    def score_map(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels side side"]:
        """Returns the cosine of each label with each patch."""
        return as_map(self.cosines(encodings, texts).swapaxes(1, 2))


class Transport(Objective):
    """Conditional transport between patches and the labels that an image has, beside an asymmetric loss of all labels.

    PatchCT (arXiv 2307.09066). What the labels are scored by is not said there in a way that could be verified; here it
    is the transport itself. Weights are not verified.
    """

    parts = ("scorer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the scorer.

        Args:
          config: `objectives.transport`; see configs/settings.
          model: unused, as is `rngs`.
          rngs: unused.
          context: how many labels and texts there are.
        """
        del model, rngs
        context.asked_and_answered(config.texts, config.labels)
        self.scorer = Transported(
            sharpness=config.sharpness, scale=config.scale, bias=config.bias, image_view=config.image_view
        )
        self.labels, self.texts, self.transport_weight = config.labels, config.texts, config.transport_weight
        self.asymmetric = {name: config.asymmetric[name] for name in config.asymmetric}
        self.fields, self.constants = (config.image_view, self.labels), (self.texts,)
        self.raw = (self.labels,)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over images of both losses."""
        states, cosines = encodings.batch[self.labels], self.scorer.cosines(encodings, self.texts)
        scores = self.scorer.answers(cosines)
        yes = (states > 0).astype(jnp.float32)
        loss = asymmetric_sigmoid(scores, yes, mask=states >= 0, **self.asymmetric)
        moved = conditional_transport(cosines, jnp.exp(self.scorer.log_sharpness[...]), states > 0)
        added = self.transport_weight * moved.mean() * loss.weight
        found = ((scores > 0) & (states > 0)).sum() / jnp.maximum((states > 0).sum(), 1)
        metrics = {"found": found, "cost": jax.lax.stop_gradient(moved.mean())}
        return ObjectiveOutput(loss._replace(total=loss.total + added), metrics)
