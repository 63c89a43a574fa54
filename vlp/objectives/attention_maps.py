"""Attention of one layer that should be a frozen model's of another: UNIP."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from input_pipeline.errors import UserError
from vlp.encodings import Encodings
from vlp.kernels.attention import attention_divergence, mutual_information
from vlp.kernels.loss import Loss
from vlp.models.dual_encoder import DualEncoder
from vlp.models.vision import VisionTransformer
from vlp.objectives.base import Objective, ObjectiveOutput


class AttentionMaps(Objective):
    """Scores of all tokens for all, before the softmax, of a layer of the image tower and of a teacher's.

    UNIP (arXiv 2502.02257): attention in the middle of a large model, neither all local nor all global, into the last
    block of a small one, which has the teacher's number of heads (`model.image.last_heads`). The class token takes part
    as any other. Nothing but queries and keys of that block and what is below it learns. No patch is dropped.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Takes its settings.

        Args:
          config: `objectives.attention_maps`; see configs/settings.
          model: unused, as is `rngs`: it learns nothing of its own.
          rngs: unused.
        """
        del model, rngs
        self.teacher, self.image_view, self.temperature = (
            config.teacher,
            config.image_view,
            config.temperature,
        )
        self.layers = (config.layer, config.teacher_layer)
        self.fields = (self.image_view, f"{self.teacher}/{self.image_view}")
        self.raw, self.reads, self.again = (self.image_view,), ("image",), (self.image_view,)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over images, heads and queries, and how local both attentions are.

        Raises:
          UserError: one of the towers has no attention, or theirs are of other shapes.
        """
        teacher = encodings.frozen(self.teacher)
        own = self._scores(encodings, "model.image", "layer", self.layers[0])
        wanted = self._scores(teacher, f"frozen.{self.teacher}", "teacher_layer", self.layers[1])
        loss = self.compare(own, wanted)
        shown = {"information": mutual_information(own), "teacher_information": mutual_information(wanted)}
        return ObjectiveOutput(loss, shown)

    def compare(
        self,
        own: Float[Array, "batch heads queries keys"],
        wanted: Float[Array, "batch heads queries keys"],
    ) -> Loss:
        """Computes the loss of scores before the softmax.

        Raises:
          UserError: they are of other shapes.
        """
        if own.shape != wanted.shape:
            _refuse_shapes(own.shape, wanted.shape, self.teacher)
        losses = attention_divergence(own, wanted, temperature=self.temperature)
        return Loss(losses.sum(), jnp.asarray(len(losses), losses.dtype))

    def _scores(
        self, encodings: Encodings, where: str, setting: str, layer: int
    ) -> Float[Array, "batch heads queries keys"]:
        tower, name = encodings.model.image, f"{layer}/attention"
        if not isinstance(tower, VisionTransformer):
            raise UserError(f"{where}: its image tower has no attention to look at: take one of kind 'vit'")
        if not -tower.depth <= layer < tower.depth:
            raise UserError(
                f"{setting}={layer} of attention_maps: the image tower of {where} has layers from "
                f"{-tower.depth} to {tower.depth - 1}"
            )
        watched = encodings.through(tower, self.image_view, watch=(name,)).watched[name]
        return watched.reshape(-1, *watched.shape[-3:])


def _refuse_shapes(own: tuple[int, ...], wanted: tuple[int, ...], teacher: str) -> None:
    if own[2:] != wanted[2:]:
        raise UserError(
            f"frozen.{teacher} looks at {wanted[2]} tokens of an image, and its student at {own[2]}: give both images "
            "of as many patches, and as many class tokens and registers"
        )
    raise UserError(
        f"frozen.{teacher} has {wanted[1]} heads in that layer, and its student {own[1]}: set "
        f"model.image.last_heads={wanted[1]}, and `layer` of the objective to -1"
    )
