"""Self-distillation of crops and of hidden patches: DINOv2's loss, which SigLIP 2 and TIPS put beside a contrast."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.kernels.distillation import moving_centre
from vlp.kernels.koleo import koleo
from vlp.kernels.loss import Loss
from vlp.kernels.patches import mean_of_views
from vlp.kernels.sinkhorn import sinkhorn_centre_of
from vlp.models.distillation_head import DistillationHead, cosines
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP, mlp_flops
from vlp.models.masking import hidden_patches
from vlp.models.sharding import whole
from vlp.models.teacher import follow, teacher_of
from vlp.models.vision import Masked, TowerOutput
from vlp.objectives.base import ObjectiveOutput, Remembered
from vlp.objectives.self_distillation import SelfDistillation
from vlp.randomness import fold_in_name


class Hidden(NamedTuple):
    """Holds which patches the student does not see.

    Attributes:
      chosen: the views of each image that hide any, by number.
      where: their hidden patches.
    """

    chosen: Int[Array, "batch chosen"]
    where: Bool[Array, "batch chosen patches"]

    def of_all(self, views: int) -> Bool[Array, "batch views patches"]:
        """Returns the hidden patches of all views."""
        own = self.chosen[:, :, None] == jnp.arange(views)
        return (own[..., None] & self.where[:, :, None]).any(axis=1)


class MaskedDistillation(SelfDistillation):
    """Crops as in DINO, where the student does not see all patches of a global crop and has to say what a teacher, who
    does, makes of each of them.

    DINOv2 (arXiv 2304.07193, section 4): DINO's loss on crops, iBOT's on patches (2111.07832, equation 3), and KoLeo on
    the student's pooled global crops. With `patches=all` visible patches count as well (iBOT++ of TIPSv2, 2604.12012).
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the heads, the token of hidden patches, and the teacher.

        Args:
          config: `objectives.masked_distillation`: see configs/settings/objectives/masked_distillation.py.
          model: whose image tower is the student.
          rngs: initial values.
        """
        super().__init__(config, model=model, rngs=rngs)
        self.mask_token = nnx.Param(jnp.zeros((model.image.width,)))
        compute, own = model.image.compute, not config.shared_head
        self.patch_head = (
            DistillationHead(self.widths, config.prototypes, compute=compute, rngs=rngs) if own else None
        )
        self.teacher_patch_head = teacher_of(self.patch_head) if self.patch_head is not None else None
        self.patch_centre = Remembered(jnp.zeros((config.prototypes,), jnp.float32))
        self.crop_weight, self.patch_weight = config.crop_weight, config.patch_weight
        self.koleo_weight, self.koleo_group = config.koleo_weight, config.koleo_group
        self.patches, self.blocks = config.patches, config.blocks
        self.masked_views = config.masked_views
        self.lowest, self.highest = config.lowest_share, config.highest_share
        self.patch_count = model.image.side**2

    def view_flops(self) -> Mapping[str, float]:
        """Counts beside DINO's the patches that are scored, of a crop as large as the tower's images."""
        head = mlp_flops(self.widths) + 2 * math.prod(self.head.prototypes.shape)
        share = 1.0 if self.patches == "all" else self.masked_views * self.highest
        flops = dict(super().view_flops())
        flops[self.global_view] += self.patch_count * share * head * (1 + 1 / FORWARDS_PER_STEP)
        return flops

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the weighted sum of what crops, patches and KoLeo lose; moves the teacher on first."""
        followed = self.follow_student(encodings)
        hidden = self.hidden(encodings)
        views = encodings.batch[self.global_view].shape[1]
        where = hidden.of_all(views)
        masked = Masked(where.reshape(-1, where.shape[2]), self.mask_token[...])
        key = encodings.key(f"{self.global_view}/masked")
        seen = encodings.through(encodings.model.image, self.global_view, key, masked=masked)
        taught = encodings.through(self.teaching_tower(encodings), self.global_view)
        crops = jnp.concatenate([seen.pooled, encodings.image_tower(self.local_view).pooled], axis=1)
        crop_loss, metrics = self.between_crops(crops, taught.pooled, encodings.step)
        patch_loss, patch_metrics = self.between_patches(seen, taught, hidden, encodings.step)
        losses = {"crop_loss": crop_loss.mean(), "patch_loss": patch_loss.mean()}
        total = self.crop_weight * losses["crop_loss"] + self.patch_weight * losses["patch_loss"]
        if self.koleo_weight:
            losses["koleo"] = self._koleo(seen.pooled)
            total += self.koleo_weight * losses["koleo"]
        return ObjectiveOutput(Loss(total, jnp.ones_like(total)), metrics | patch_metrics | losses | followed)

    def follow_student(self, encodings: Encodings) -> dict[str, Float[Array, ""]]:
        """Moves the patches' head on as well, where they have their own."""
        followed = super().follow_student(encodings)
        if self.patch_head is not None and self.teacher_patch_head is not None:
            follow(self.teacher_patch_head, self.patch_head, followed["momentum"])
        return followed

    def hidden(self, encodings: Encodings) -> Hidden:
        """Draws what the student does not see: of so many views of an image, chosen at random, a share between the
        lowest and the highest."""
        batch, views, height = encodings.batch[self.global_view].shape[:3]
        side, key = height // encodings.model.image.patch_size, encodings.key(f"{self.global_view}/hidden")
        count = max(1, round(self.masked_views * views))
        chosen = jnp.argsort(jax.random.uniform(fold_in_name(key, "views"), (batch, views)), axis=1)[
            :, :count
        ]
        shares = jax.random.uniform(
            fold_in_name(key, "shares"), (batch * count,), minval=self.lowest, maxval=self.highest
        )
        where = hidden_patches(fold_in_name(key, "patches"), shares, side, blocks=self.blocks)
        return Hidden(chosen, where.reshape(batch, count, -1))

    def between_patches(
        self, seen: TowerOutput, taught: TowerOutput, hidden: Hidden, step: Int[Array, ""]
    ) -> tuple[Loss, dict[str, Float[Array, ""]]]:
        """Returns the loss of the patches, by what the teacher makes of the same ones."""
        batch, views = seen.tokens.shape[:2]
        (student, teacher), where = self._scored((seen.tokens, taught.tokens), hidden)
        head, teacher_head = self.patch_head or self.head, self.teacher_patch_head or self.teacher_head
        places = head.rows(student).swapaxes(0, 1), teacher_head.rows(teacher).swapaxes(0, 1)
        counts, sharpness = where.T, self.sharpness(step)
        centre, known = self.patch_centre[...], whole(jax.lax.stop_gradient(teacher_head.columns()))
        if self.centring == "sinkhorn":
            centre = sinkhorn_centre_of(
                lambda rows: cosines(rows, known), places[1], counts, temperature=sharpness
            )
        fit = self.fit_places(places, head, teacher_head, centre, step)
        mean = _mean_scores(lambda rows: cosines(rows, known), places[1], counts)
        self.patch_centre[...] = moving_centre(self.patch_centre[...], mean[None], self.centre_momentum)
        accuracy = (fit.hits & where).sum() / jnp.maximum(where.sum(), 1)
        loss = mean_of_views(fit.losses, where, batch * views)
        return loss, {
            "patch_accuracy": accuracy,
            "hidden": hidden.where.mean() * hidden.where.shape[1] / views,
        }

    def _scored(
        self, tokens: tuple[Array, ...], hidden: Hidden
    ) -> tuple[list[Float[Array, "views patches width"]], Bool[Array, "views patches"]]:
        """The patches that are compared, and which of these count: as many of each view, so that shapes are fixed."""
        if self.patches == "all":
            rows = [x.reshape(-1, *x.shape[2:]) for x in tokens]
            return rows, jnp.ones(rows[0].shape[:2], bool)
        where = hidden.where.reshape(-1, hidden.where.shape[2])
        most = math.floor(self.highest * where.shape[1] + 1e-4)
        order = jnp.argsort(~where, axis=1)[:, :most]
        own = [jnp.take_along_axis(x, hidden.chosen[..., None, None], axis=1) for x in tokens]
        rows = [jnp.take_along_axis(x.reshape(-1, *x.shape[2:]), order[..., None], axis=1) for x in own]
        return rows, jnp.take_along_axis(where, order, axis=1)

    def _koleo(self, pooled: Float[Array, "batch views width"]) -> Float[Array, ""]:
        """The sum over views, which are never each other's neighbours (DINOv2's released code)."""
        views = [koleo(rows, group=self.koleo_group).mean() for rows in pooled.swapaxes(0, 1)]
        return jnp.stack(views).sum()


def _mean_scores(
    score: Any, places: Float[Array, "places rows width"], counts: Bool[Array, "places rows"]
) -> Float[Array, " prototypes"]:
    """The mean of the teacher's scores over the rows that count, a place at a time."""

    def one(place: tuple[Array, Array]) -> Float[Array, " prototypes"]:
        return jnp.where(place[1][:, None], jax.lax.stop_gradient(score(place[0])), 0.0).sum(axis=0)

    return jax.lax.map(one, (places, counts)).sum(axis=0) / jnp.maximum(counts.sum(), 1)
