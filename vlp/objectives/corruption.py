"""Corruption: the pixels that were spoilt, and the image's other view as a teacher sees it, clean."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, UInt8

from vlp.encodings import Encodings
from vlp.kernels.loss import Loss
from vlp.kernels.regression import absolute_error
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP, mlp_flops
from vlp.models.heads import MlpHead
from vlp.models.masking import hidden_patches
from vlp.models.vision import patchify
from vlp.objectives.base import ObjectiveOutput
from vlp.objectives.followed import Followed
from vlp.objectives.rows import own_columns
from vlp.objectives.self_distillation import spread
from vlp.randomness import fold_in_name


class Corrupted(NamedTuple):
    """Holds spoilt images, and which of their patches are."""

    images: UInt8[Array, "batch views height width 3"]
    where: Bool[Array, "batch views patches"]


class Corruption(Followed):
    """Half of each view is noise, or a part of it another image's: which pixels were there, and which image it is.

    SiT (arXiv 2104.03602, section 3; public code): the mean absolute error over corrupted pixels, and a contrast of
    each corrupted view with the other view of all images as a teacher sees them clean, times twice its temperature. A
    view has noise in exactly `noise` of its patches, or another image's patches in exactly `replaced` of them, either
    as likely; what is spoilt lies in blocks, which are sized as BEiT's here.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds head, decoder and teacher.

        Args:
          config: `view` (two views an example), `noise`, `replaced`, `temperature`, `reconstruction_weight`,
            `hidden_width`, `output_width`, `momentum`, `momentum_steps` and `chunk`.
          model: whose image tower is the student.
          rngs: initial values.
        """
        tower = model.image
        self.patch_size, self.patch_count = tower.patch_size, tower.side**2
        options: dict[str, Any] = {"compute": tower.compute, "rngs": rngs}
        self.widths = (tower.width, config.hidden_width, config.output_width)
        self.decoder_widths = (tower.width, tower.width, 3 * tower.patch_size**2)
        self.head = MlpHead(self.widths, **options)
        self.decoder = MlpHead(self.decoder_widths, activation=nnx.gelu, **options)
        self.teach(config, tower)
        self.noise, self.replaced = config.noise, config.replaced
        self.temperature, self.reconstruction_weight = config.temperature, config.reconstruction_weight
        self.view, self.chunk = config.view, config.chunk
        self.fields = self.copied = (self.view,)

    def view_flops(self) -> dict[str, float]:
        """Counts the head of each view, the teacher's too, and the pixels of all patches."""
        head = mlp_flops(self.widths) * (1 + 1 / FORWARDS_PER_STEP)
        return {self.view: head + self.patch_count * mlp_flops(self.decoder_widths)}

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the weighted sum of both losses; moves the teacher on first."""
        followed, name = self.follow_student(encodings), f"{self.view}/corrupted"
        spoilt = self.corrupted(encodings)
        apart = encodings.altered(**{name: spoilt.images})
        seen = apart.through(encodings.model.image, name)  # without dropping patches, for all are asked
        rows, columns = unit(self.head(seen.pooled)), self.taught(encodings, self.view)
        contrast, accuracy = self._contrast(rows, columns)
        pixels = encodings.pixels(self.view)
        targets = patchify(pixels.reshape(-1, *pixels.shape[2:]), self.patch_size)
        flat = (
            self.decoder(seen.tokens).reshape(-1, targets.shape[-1]),
            targets.reshape(-1, targets.shape[-1]),
        )
        reconstruction = absolute_error(*flat, mask=spoilt.where.reshape(-1)).mean()
        total = contrast + self.reconstruction_weight * reconstruction
        metrics = {"contrast": contrast, "reconstruction": reconstruction, "accuracy": accuracy}
        return ObjectiveOutput(
            Loss(total, jnp.ones_like(total)),
            {**metrics, "corrupted": spoilt.where.mean(), **spread(seen.pooled), **followed},
        )

    def _contrast(
        self, rows: Float[Array, "batch 2 width"], columns: Float[Array, "batch 2 width"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Twice the temperature times the sum over views; and how often the right image is found."""
        sides, scale = [(rows[:, view], columns[:, 1 - view]) for view in (0, 1)], 1 / self.temperature
        (one, hits), (other, more) = (own_columns(*side, scale, chunk=self.chunk) for side in sides)
        return 2 * self.temperature * (one.mean() + other.mean()), (hits + more) / 2

    def corrupted(self, encodings: Encodings) -> Corrupted:
        """Spoils each view of each image in one of two ways."""
        images, key = encodings.batch[self.view], encodings.key(f"{self.view}/corrupted")
        batch, views, height = images.shape[:3]
        side = height // self.patch_size
        noisy = jax.random.bernoulli(fold_in_name(key, "way"), 0.5, (batch, views))
        shares = jnp.where(noisy, self.noise, self.replaced).reshape(-1)
        where = hidden_patches(fold_in_name(key, "patches"), shares, side, blocks=True)
        where = where.reshape(batch, views, side**2)
        noise = jax.random.bits(fold_in_name(key, "noise"), images.shape, jnp.uint8)
        instead = jnp.where(noisy[:, :, None, None, None], noise, jnp.roll(images, 1, axis=0))
        pixels = jnp.repeat(where.reshape(batch, views, side, side), self.patch_size, axis=2)
        pixels = jnp.repeat(pixels, self.patch_size, axis=3)[..., None]
        return Corrupted(jnp.where(pixels, instead, images), where)
