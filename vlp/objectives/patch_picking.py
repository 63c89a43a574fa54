"""Patch picking: which of an image's hidden pieces belongs at a place, from the pieces that are seen."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, UInt8

from vlp.encodings import Encodings
from vlp.kernels.softmax import softmax
from vlp.models.decoder import Decoder
from vlp.models.dual_encoder import DualEncoder
from vlp.models.masking import hidden_patches
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.self_distillation import spread


class PatchPicking(Objective):
    """The tower sees each piece of an image by itself; attention over those that are not hidden makes one vector, and
    with a place added it has to pick that place's piece among the hidden ones of the image.

    Selfie (Trinh et al. 2019, arXiv 1906.02940, section 3), whose patch network is the image tower on small images
    here. Candidates are of the same image alone. Pieces touch, so that borders may give a place away: crops and jitter
    of the view are what there is against it. The scale of scores, width ** -0.5, is ours.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs):
        """Builds what looks at pieces, and the places.

        Args:
          config: `view`, `piece` (patches of a piece's side), `share` of pieces that are hidden, and `depth`, `heads`
            and `mlp_dim` of the attention, whose width is the tower's. model: whose image tower learns. rngs: initial
            values.
        """
        tower, init = model.image, nnx.initializers.normal(0.02)
        self.side, self.pixels = tower.side // config.piece, config.piece * tower.patch_size
        self.pieces, self.width = self.side**2, tower.width
        self.hidden_count = max(2, int(config.share * self.pieces))
        self.places = nnx.Param(init(rngs.params(), (self.pieces, tower.width)))
        self.summary = nnx.Param(init(rngs.params(), (tower.width,)))
        self.decoder = Decoder(
            TowerSize(tower.width, config.depth, config.heads, config.mlp_dim),
            compute=tower.compute,
            rngs=rngs,
        )
        self.view = config.view
        self.fields = self.raw = (self.view,)  # the tower sees its pieces, each as an image
        self.reads, self.tower_flops = ("image",), self.pieces * tower.flops(config.piece**2)

    def flops(self) -> float:
        """Counts the tower of all pieces, and the attention over those that are seen."""
        return float(self.tower_flops + self.decoder.flops(self.pieces - self.hidden_count + 1))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over all hidden pieces."""
        images, name = encodings.batch[self.view], f"{self.view}/pieces"
        apart = encodings.altered(**{name: self.cut(images)})
        rows = apart.through(encodings.model.image, name, encodings.key(name)).pooled
        hidden, seen = self.drawn(encodings, len(images))
        context = self.context(_at(rows, seen), seen)
        scores = self.scores(context, hidden, _at(rows, hidden))
        own = jnp.eye(self.hidden_count)
        flat = scores.reshape(-1, self.hidden_count), jnp.tile(own, (len(images), 1))
        hits = scores.argmax(axis=2) == jnp.arange(self.hidden_count)
        chance = jnp.float32(1 / self.hidden_count)
        return ObjectiveOutput(softmax(*flat), {"accuracy": hits.mean(), "chance": chance, **spread(rows)})

    def cut(self, images: UInt8[Array, "batch height width 3"]) -> UInt8[Array, "batch pieces side side 3"]:
        """Cuts images into square pieces, row by row; what is beyond the last whole one is left out."""
        whole = self.side * self.pixels
        x = images[:, :whole, :whole].reshape(len(images), self.side, self.pixels, self.side, self.pixels, 3)
        return x.swapaxes(2, 3).reshape(len(images), self.pieces, self.pixels, self.pixels, 3)

    def drawn(
        self, encodings: Encodings, batch: int
    ) -> tuple[Int[Array, "batch hidden"], Int[Array, "batch seen"]]:
        """Draws which pieces are hidden and which are seen, by number."""
        key, share = encodings.key(f"{self.view}/hidden"), self.hidden_count / self.pieces
        where = hidden_patches(key, jnp.full((batch,), share), self.side, blocks=False)
        order = jnp.argsort(~where, axis=1)
        return order[:, : self.hidden_count], order[:, self.hidden_count :]

    def context(
        self, rows: Float[Array, "batch seen width"], places: Int[Array, "batch seen"]
    ) -> Float[Array, "batch width"]:
        """Makes one vector of the pieces that are seen."""
        x = rows + self.places[...][places].astype(rows.dtype)
        summary = for_all(self.summary, (len(x), 1, self.width), x.dtype)
        return self.decoder(jnp.concatenate([summary, x], axis=1))[:, 0]

    def scores(
        self,
        context: Float[Array, "batch width"],
        places: Int[Array, "batch hidden"],
        rows: Float[Array, "batch hidden width"],
    ) -> Float[Array, "batch hidden hidden"]:
        """Scores for each hidden place the hidden pieces of its image."""
        queries = context[:, None] + self.places[...][places]
        scores = jnp.einsum("bqw,bkw->bqk", queries, rows, preferred_element_type=jnp.float32)
        return scores * self.width**-0.5


def _at(rows: Float[Array, "batch pieces width"], places: Int[Array, "batch some"]) -> Array:
    return jnp.take_along_axis(rows, places[..., None], axis=1)
