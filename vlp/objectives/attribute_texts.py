"""Classes made of attributes, which may leave out their names: AttrSeg."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.encodings import Encodings
from vlp.kernels.unit import unit
from vlp.models.compute import Compute
from vlp.models.cross_attention import CrossBlock
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import cross_attention_flops, mlp_flops, transformer_flops
from vlp.models.label_rows import LabelRows
from vlp.models.linear import linear
from vlp.models.sizes import TowerSize, tower_size
from vlp.objectives.pixel_texts import DenseTexts, ScoreMaps
from vlp.objectives.regions import rows_of_labels


class AttributeTexts(ScoreMaps):
    """One row of a class's attributes, in whatever order they come, as the image weighs them.

    Stages of fewer and fewer groups (arXiv 2309.00096, section 3.3): learned groups, moved by the image, attend to the
    rows of the stage before, the attributes' at first. What comes of the last is added to the attributes' mean, by
    numbers that begin near zero, so that it begins there. The form of the stages is not verified.
    """

    def __init__(self, size: TowerSize, config: Any, *, embed_dim: int, compute: Compute, rngs: nnx.Rngs):
        """Builds the stages.

        Args:
          size: of the groups.
          config: `groups` of each stage, the last of which is one more, `most` and `image_view`.
          embed_dim: of the joint space.
          compute: dtype of the products.
          rngs: where initial values come from.
        """
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        counts, normal = (*config.groups, 1), nnx.initializers.normal(0.02)
        self.groups = nnx.List([nnx.Param(normal(rngs.params(), (count, size.width))) for count in counts])
        widths = (embed_dim, *(size.width for _ in counts[1:]))
        self.stages = nnx.List([CrossBlock(size, memory_width=width, **options) for width in widths])
        self.seen = linear(embed_dim, size.width, std=embed_dim**-0.5, **options)
        self.out = linear(size.width, embed_dim, std=size.width**-0.5, **options)
        self.gamma = nnx.Param(jnp.full((embed_dim,), 1e-4, jnp.float32))
        self.image_view, self.most, self.size = config.image_view, config.most, size

    def rows(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels embed_dim"]:
        """Returns each label's row as the image weighs its attributes."""
        attributes = rows_of_labels(encodings, texts, self.most)
        return self.aggregated(attributes, encodings.image(self.image_view))

    def aggregated(
        self, attributes: LabelRows, images: Float[Array, "batch embed_dim"]
    ) -> Float[Array, "batch labels embed_dim"]:
        """Returns a row for each image and label."""
        labels, batch = len(attributes.rows), len(images)
        count = attributes.there.sum(axis=1, dtype=jnp.int32)
        shape = (batch, *attributes.rows.shape)
        x = jnp.broadcast_to(attributes.rows, shape).reshape(batch * labels, *shape[2:])
        lengths: Array | None = jnp.tile(count, batch)
        seen = self.seen(images)
        dtype, seen = seen.dtype, jnp.repeat(seen.astype(jnp.float32), labels, axis=0)[:, None]
        for groups, stage in zip(self.groups, self.stages, strict=True):
            x = stage((groups[...] + seen).astype(dtype), x.astype(dtype), memory_lengths=lengths)
            lengths = None
        whole = self.out(x[:, 0]).reshape(batch, labels, -1).astype(jnp.float32)
        return unit(attributes.rows.sum(axis=1)) + self.gamma[...] * whole

    def flops(self, labels: int, patches: int) -> int:
        """Counts the stages of each label, of its attributes at first."""
        del patches
        own: dict[str, Any] = {"width": self.size.width, "depth": 1}
        counts = [self.most, *(groups.shape[0] for groups in self.groups)]
        memories = [self.out.out_features, *([self.size.width] * (len(counts) - 2))]
        stages: int = sum(
            transformer_flops(tokens=count, mlp_dim=self.size.mlp_dim, **own)
            + cross_attention_flops(tokens=count, memory=before, memory_width=width, **own)
            for before, count, width in zip(counts, counts[1:], memories, strict=False)
        )
        layer = mlp_flops((self.seen.in_features, self.seen.out_features))
        return labels * (stages + layer) + layer


class AttributeClasses(DenseTexts):
    """The loss of `pixel_texts` on classes that are their attributes, one constant text each."""

    def made(self, config: Any, model: DualEncoder, rngs: nnx.Rngs) -> ScoreMaps:
        """Builds what scores."""
        return AttributeTexts(
            tower_size(config), config, embed_dim=model.embed_dim, compute=model.compute, rngs=rngs
        )
