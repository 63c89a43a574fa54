"""Colours of a picture from its greys and its caption: PLIP's colourisation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, UInt8

from vlp.encodings import Encodings
from vlp.kernels import REGRESSIONS
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.heads import MlpHead
from vlp.models.linear import linear
from vlp.models.shared import for_all
from vlp.models.vision import patchify
from vlp.objectives.base import Objective, ObjectiveOutput

GREY = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601


class Colours(Objective):
    """Each patch's pixels, from its token of the grey picture, whose channels the picture and its caption weigh.

    PLIP (arXiv 2305.08386, section 3.2): fusion by channel attention, a squared error of pixels. Its deconvolutions are
    one layer a patch here, of all patches.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds the gate and the layer of pixels.

        Args:
          config: `objectives.colours`; see configs/settings.
          model: for its widths and its patches.
          rngs: initial values.
        """
        tower = model.image
        width, self.patch_size = tower.width, tower.patch_size
        self.widths = (width + model.embed_dim, config.width, width)
        self.gate = MlpHead(self.widths, compute=model.compute, rngs=rngs)
        self.paint = linear(width, 3 * self.patch_size**2, std=width**-0.5, compute=model.compute, rngs=rngs)
        self.image_view = config.image_view
        self.fields, self.patches = (self.image_view, "text", "text_mask"), tower.side**2

    def flops(self) -> float:
        """Counts the gate, and the colours of all patches."""
        return float(
            mlp_flops(self.widths)
            + self.patches * mlp_flops((self.paint.in_features, self.paint.out_features))
        )

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over all patches of all pictures."""
        grey = encodings.altered(**{self.image_view: grey_of(encodings.batch[self.image_view])})
        seen = grey.through(encodings.model.image, self.image_view)
        both = jnp.concatenate([seen.pooled.astype(jnp.float32), encodings.text()], axis=-1)
        gate = jax.nn.sigmoid(self.gate(both))[:, None]
        painted = self.paint(seen.tokens * for_all(gate, seen.tokens.shape, seen.tokens.dtype))
        wanted = patchify(encodings.pixels(self.image_view), self.patch_size)
        rows = (one.reshape(-1, one.shape[-1]) for one in (painted, wanted))
        loss = REGRESSIONS["squared_error"](*rows)
        without = patchify(grey.pixels(self.image_view), self.patch_size)
        plain = jnp.mean((without - wanted) ** 2)  # what greys alone are off by
        return ObjectiveOutput(
            loss, {"of_grey": jax.lax.stop_gradient(loss.mean() / jnp.maximum(plain, 1e-6))}
        )


def grey_of(images: UInt8[Array, "*batch height width 3"]) -> UInt8[Array, "*batch height width 3"]:
    """Returns pictures without colour."""
    grey: Float[Array, "*batch height width"] = images.astype(jnp.float32) @ jnp.array(GREY)
    return jnp.broadcast_to(jnp.round(grey)[..., None], images.shape).astype(jnp.uint8)
