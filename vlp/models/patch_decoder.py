"""A light decoder of patches: what stands at each place, from those that a tower saw and perhaps from a memory."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.models.compute import Compute
from vlp.models.decoder import Decoder
from vlp.models.flops import mlp_flops
from vlp.models.linear import linear
from vlp.models.positions import sincos2d
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize


class PatchDecoder(nnx.Module):
    """Puts a learned vector where no patch was seen, and blocks and a layer on all (MAE, arXiv 2111.06377)."""

    def __init__(
        self,
        size: TowerSize,
        *,
        inputs: int,
        outputs: int,
        memory_width: int = 0,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """Builds the layers.

        Args:
          size: of the decoder's tokens.
          inputs: width of the tower's tokens.
          outputs: numbers that are said of each patch.
          memory_width: of the tokens that each block attends to, such as another view's; 0 = none.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        self.width, self.compute = size.width, compute
        self.embedding = linear(inputs, size.width, std=inputs**-0.5, **options)
        self.unseen = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), (size.width,)))
        self.decoder = Decoder(size, memory_width=memory_width, **options)
        self.head = linear(size.width, outputs, std=size.width**-0.5, **options)

    def __call__(
        self,
        tokens: Float[Array, "batch kept inputs"],
        kept: Int[Array, "batch kept"],
        side: int,
        memory: Float[Array, "batch others memory_width"] | None = None,
    ) -> Float[Array, "batch patches outputs"]:
        """Says something of all patches.

        Args:
          tokens: the tower's outputs at the patches that it saw.
          kept: which these are, row by row of the image.
          side: patches of a row or column of the image.
          memory: what the decoder was built to look at.
        """
        batch = len(tokens)
        seen = self.embedding(tokens)
        blank = for_all(self.unseen, (batch, side**2, self.width), seen.dtype)
        x = blank.at[jnp.arange(batch)[:, None], kept].set(seen)
        x = x + sincos2d(side, self.width).astype(seen.dtype)
        return self.head(self.decoder(x, memory))

    def flops(self, kept: int, patches: int, memory: int = 0) -> int:
        """Counts one image, of which so many patches were seen."""
        embedding = kept * mlp_flops((self.embedding.in_features, self.width))
        head = patches * mlp_flops((self.width, self.head.out_features))
        return embedding + self.decoder.flops(patches, memory) + head


class PatchQueries(nnx.Module):
    """Learned queries, one for each image of a mixture, that attend to its patches; each patch says whose it is."""

    def __init__(self, size: TowerSize, *, images: int, compute: Compute, rngs: nnx.Rngs):
        """Builds queries and blocks.

        Args:
          size: of the queries; its width is the patches'.
          images: how many there are in a mixture.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        init = nnx.initializers.normal(0.02)
        self.queries = nnx.Param(init(rngs.params(), (images, size.width)))
        self.owners = nnx.Param(init(rngs.params(), (images, size.width)))
        self.decoder = Decoder(size, memory_width=size.width, compute=compute, rngs=rngs)

    def __call__(
        self, tokens: Float[Array, "batch patches width"], first: Bool[Array, "batch patches"]
    ) -> Float[Array, "batch images width"]:
        """Asks for each image.

        Args:
          tokens: of a mixture of two.
          first: which patches are the first image's.
        """
        owners = self.owners[...]
        owner = jnp.where(first[..., None], owners[0], owners[1])
        memory = tokens + owner.astype(tokens.dtype)
        queries = for_all(self.queries, (len(tokens), *self.queries.shape), tokens.dtype)
        return self.decoder(queries, memory)

    def flops(self, patches: int) -> int:
        """Counts one mixture."""
        return self.decoder.flops(self.queries.shape[0], patches)
