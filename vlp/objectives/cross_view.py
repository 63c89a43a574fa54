"""Cross-view completion: the hidden patches of one view of an image, from the rest and from another view."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool

from vlp.encodings import Encodings
from vlp.kernels.loss import Loss
from vlp.kernels.patches import normalised_patches
from vlp.kernels.regression import squared_error
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import FORWARDS_PER_STEP
from vlp.models.masking import hidden_patches
from vlp.models.patch_decoder import PatchDecoder
from vlp.models.sizes import tower_size
from vlp.models.vision import patchify
from vlp.objectives.base import Objective, ObjectiveOutput


class CrossView(Objective):
    """The tower sees the few patches of the first view that are not hidden, and all of the second; a decoder that
    attends to the second says the pixels of those hidden.

    CroCo (arXiv 2210.10716, section 3): the mean over hidden patches of the squared error of their normalised pixels.
    `other_image` is the same error where the second view is that of the batch's next image: what the view is worth.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the decoder.

        Args:
          config: `view` (two views an example), `share` of the first that is hidden, `normalise`, and the decoder's
            `size`, or `width`, `depth`, `heads` and `mlp_dim`.
          model: whose image tower learns.
          rngs: initial values.
        """
        tower = model.image
        self.patch_size, self.patch_count = tower.patch_size, tower.side**2
        self.decoder = PatchDecoder(
            tower_size(config),
            inputs=tower.width,
            outputs=3 * tower.patch_size**2,
            memory_width=tower.width,
            compute=tower.compute,
            rngs=rngs,
        )
        self.share, self.normalise = config.share, config.normalise
        self.view = config.view
        self.fields = self.raw = (self.view,)  # read as two images, of which the tower sees the first in part
        self.reads = ("image",)
        shown, seen = (
            self._shown(self.patch_count),
            round(self.patch_count * (1 - tower.patch_dropout)),
        )
        self.tower_flops = tower.flops(shown) + tower.flops(seen)
        self.decoder_flops = self.decoder.flops(shown, self.patch_count, seen)

    def flops(self) -> float:
        """Counts the tower of what is shown of one view and of the other, and the decoder, which is asked once more,
        forwards, for `other_image`."""
        return self.tower_flops + self.decoder_flops * (1 + 1 / FORWARDS_PER_STEP)

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean error over all hidden patches of the batch."""
        names, views = (f"{self.view}/first", f"{self.view}/second"), encodings.batch[self.view]
        apart = encodings.altered(**{name: views[:, place] for place, name in enumerate(names)})
        targets = patchify(apart.pixels(names[0]), self.patch_size)
        targets = normalised_patches(targets) if self.normalise else targets
        where = self.hidden(encodings, targets.shape[:2])
        side, shown = round(where.shape[1] ** 0.5), self._shown(where.shape[1])
        kept = jnp.argsort(where, axis=1)[:, :shown]
        tower = encodings.model.image
        seen = apart.through(tower, names[0], encodings.key(names[0]), kept=kept).tokens
        memory = apart.through(tower, names[1], encodings.key(names[1])).tokens

        def error(memory: Array) -> Loss:
            predictions = self.decoder(seen, kept, side, memory)
            rows = (x.reshape(-1, x.shape[-1]) for x in (predictions, targets))
            return squared_error(*rows, mask=where.reshape(-1))

        other = jax.lax.stop_gradient(error(jnp.roll(memory, 1, axis=0)).mean())
        return ObjectiveOutput(error(memory), {"hidden": where.mean(), "other_image": other})

    def hidden(self, encodings: Encodings, shape: tuple[int, ...]) -> Bool[Array, "images patches"]:
        """Draws which patches are hidden, the same number of each image."""
        key, side = encodings.key(f"{self.view}/hidden"), round(shape[1] ** 0.5)
        return hidden_patches(key, jnp.full((shape[0],), self.share), side, blocks=False)

    def _shown(self, patches: int) -> int:
        return patches - int(self.share * patches + 1e-4)
