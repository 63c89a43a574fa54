"""An image as a text sees it: its tokens pooled by attention whose query is the text."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.models.compute import Compute
from vlp.models.flops import mlp_flops
from vlp.models.linear import linear


class TextConditionedPool(nnx.Module):
    """Attention of texts to an image's tokens, of so many heads (FLAIR, arXiv 2412.03561, section 3.2)."""

    def __init__(self, width: int, heads: int, *, compute: Compute, rngs: nnx.Rngs):
        """Builds the projections.

        Args:
          width: of texts and tokens, the joint space's.
          heads: that divide it.
          compute: dtype of the products.
          rngs: where initial values come from.
        """
        options: dict[str, Any] = {"std": width**-0.5, "compute": compute, "rngs": rngs, "use_bias": False}
        self.heads = heads
        self.query, self.key, self.value = (linear(width, width, **options) for _ in range(3))

    def __call__(
        self, texts: Float[Array, "rows texts width"], tokens: Float[Array, "batch tokens width"]
    ) -> Float[Array, "batch texts width"]:
        """Returns a row of any length for each image and text, in float32.

        Args:
          texts: each image's own, or one row of them for all.
          tokens: of images.
        """
        query, key, value = (
            layer(x).reshape(*x.shape[:2], self.heads, -1).astype(jnp.float32)
            for layer, x in ((self.query, texts), (self.key, tokens), (self.value, tokens))
        )
        query = jnp.broadcast_to(query, (len(tokens), *query.shape[1:]))
        fit = jnp.einsum("bkhd,bthd->bhkt", query, key) * query.shape[-1] ** -0.5
        pooled = jnp.einsum("bhkt,bthd->bkhd", jax.nn.softmax(fit, axis=-1), value)
        return pooled.reshape(*pooled.shape[:2], -1)

    def flops(self, tokens: int) -> int:
        """Counts keys and values of an image."""
        return 2 * tokens * self.text_flops()

    def text_flops(self) -> int:
        """Counts what a text asks with."""
        return mlp_flops((self.query.in_features, self.query.out_features))

    def pair_flops(self, tokens: int) -> int:
        """Counts a text's look at an image."""
        return 2 * tokens * mlp_flops((self.query.out_features, 1))
