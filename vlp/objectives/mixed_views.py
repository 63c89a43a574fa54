"""Two images in one: what a tower makes of the mixture has to tell of each of them its views and its text."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vlp.encodings import Encodings
from vlp.kernels.loss import Loss
from vlp.kernels.unit import unit
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP, mlp_flops
from vlp.models.heads import MlpHead
from vlp.models.masking import hidden_patches
from vlp.models.patch_decoder import PatchQueries
from vlp.models.sizes import TowerSize
from vlp.objectives.base import ObjectiveOutput
from vlp.objectives.followed import Followed
from vlp.objectives.rows import own_columns
from vlp.objectives.self_distillation import spread


class MixedViews(Followed):
    """Patches of an image are replaced by those of the batch's next one, and queries ask the tower's tokens for either.

    M3I (Su et al. 2022, arXiv 2211.09807): one forward pass, several targets. The first image's query has to find that
    image's view and the second's another view of its own image, both as a teacher sees them, and both their texts. How
    the paper estimates mutual information is not verified; it is InfoNCE here, with a temperature for views and the
    model's own scale for texts. Without blocks (`depth=0`) the tower's pooled output answers for itself, so that with
    nothing mixed and texts alone this is CLIP.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds queries, head and teacher.

        Args:
          config: `view` (two views an example), `text_view`, `mixed` (share of patches that are the other image's),
            `view_weight`, `text_weight`, `temperature`, `hidden_width`, `output_width`, `depth`, `heads`, `mlp_dim`,
            `momentum`, `momentum_steps` and `chunk`.
          model: whose image tower is the student.
          rngs: initial values.
        """
        tower = model.image
        self.patch_size, self.patch_count, self.mixed = tower.patch_size, tower.side**2, config.mixed
        options: dict[str, Any] = {"compute": tower.compute, "rngs": rngs}
        size = (tower.width, config.depth, config.heads, config.mlp_dim)
        self.queries = PatchQueries(TowerSize(*size), images=2, **options) if config.depth else None
        self.widths = (tower.width, config.hidden_width, config.output_width)
        self.head = MlpHead(self.widths, **options) if config.view_weight else None
        if self.head is not None:
            self.teach(config, tower)
        self.temperature = config.temperature
        self.view_weight, self.text_weight = config.view_weight, config.text_weight
        self.view, self.text_view, self.chunk = config.view, config.text_view, config.chunk
        texts = (self.text_view, f"{self.text_view}_mask") if self.text_weight else ()
        self.fields, self.raw, self.reads = (self.view, *texts), (self.view,), ("image",)  # two views in one
        self.tower_flops = tower.flops(self.patch_count)
        self.projection_flops = mlp_flops((tower.width, model.embed_dim))
        self.copied = (self.view,) if self.head is not None else ()

    def flops(self) -> float:
        """Counts the tower of one mixture, the queries, what is made of both answers, and the teacher's head."""
        flops = float(self.tower_flops)
        if self.queries is not None:
            flops += self.queries.flops(self.patch_count)
        if self.head is not None:
            flops += 2 * mlp_flops(self.widths) * (1 + 1 / FORWARDS_PER_STEP)
        return flops + (2 * self.projection_flops if self.text_weight else 0.0)

    def idle(self, encodings: Encodings) -> None:
        """Keeps the teacher near the student, where there is one."""
        if self.head is not None:
            self.follow_student(encodings)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the weighted sum over targets of the mean over both images; moves the teacher on first."""
        total = jnp.float32(0.0)
        metrics: dict[str, Float[Array, ""]] = {}
        rows = self.answers(encodings)
        metrics |= spread(rows)
        if self.text_weight:
            scale = encodings.logit_scale()
            images, texts = unit(encodings.model.image_projection(rows)), encodings.text(self.text_view)
            pairs = [(images[:, 0], texts), (images[:, 1], jnp.roll(texts, 1, axis=0))]
            if not self.mixed:
                pairs = pairs[:1]
            ways = [way for pair in pairs for way in (pair, pair[::-1])]
            metrics["text_loss"] = jnp.stack([self._found(way, scale)[0].mean() for way in ways]).mean()
            total += self.text_weight * metrics["text_loss"]
        if self.head is not None:
            metrics |= self.follow_student(encodings)
            found, taught = unit(self.head(rows)), self.taught(encodings, self.view)
            pairs = [(found[:, 0], taught[:, 0]), (found[:, 1], jnp.roll(taught[:, 1], 1, axis=0))]
            if not self.mixed:
                pairs = pairs[:1]
            losses, hits = zip(*(self._found(pair, 1 / self.temperature) for pair in pairs), strict=True)
            metrics["view_loss"] = jnp.stack([one.mean() for one in losses]).mean()
            metrics |= dict(zip(("own_view_accuracy", "other_view_accuracy"), hits, strict=False))
            total += self.view_weight * metrics["view_loss"]
        return ObjectiveOutput(Loss(total, jnp.ones_like(total)), metrics)

    def _found(
        self, pair: tuple[Array, Array], scale: Float[Array, ""] | float
    ) -> tuple[Loss, Float[Array, ""]]:
        return own_columns(*pair, scale, chunk=self.chunk)

    def answers(self, encodings: Encodings) -> Float[Array, "batch 2 width"]:
        """Returns what the mixture says when it is asked for its first image and for its second."""
        name = f"{self.view}/mixed"
        images, first = self.mixture(encodings)
        apart = encodings.altered(**{name: images})
        seen = apart.through(
            encodings.model.image, name
        )  # without dropping patches, which say whose they are
        pooled = jnp.broadcast_to(seen.pooled[:, None], (len(seen.pooled), 2, seen.pooled.shape[-1]))
        return pooled if self.queries is None else pooled + self.queries(seen.tokens, first)

    def mixture(self, encodings: Encodings) -> tuple[Array, Bool[Array, "batch patches"]]:
        """Returns first views with patches of the next image's, and which patches are the first image's."""
        images = encodings.batch[self.view][:, 0]
        side = images.shape[1] // self.patch_size
        key, shares = encodings.key(f"{self.view}/mixed"), jnp.full((len(images),), self.mixed)
        first = ~hidden_patches(key, shares, side, blocks=False)
        pixels = jnp.repeat(first.reshape(-1, side, side), self.patch_size, axis=1)
        pixels = jnp.repeat(pixels, self.patch_size, axis=2)[..., None]
        return jnp.where(pixels, images, jnp.roll(images, 1, axis=0)), first
