"""Every patch against the text of every class: DenseCLIP's score maps."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vlp.encodings import Encodings
from vlp.given import Context
from vlp.kernels.softmax import softmax
from vlp.models.compute import Compute
from vlp.models.decoder import Decoder
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops
from vlp.models.linear import linear
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize, tower_size
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.regions import (
    BOXES,
    as_map,
    classes_of_cells,
    fit_of_cells,
    grid_side,
    patch_features,
    tokens_asked,
)


class ScoreMaps(nnx.Module):
    """Cosines of patches with a row for each image and text, which `rows` makes; the largest scores the image."""

    image_view: str

    def rows(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels embed_dim"]:
        """Returns what stands for each label in each image."""
        raise TypeError(f"{type(self).__name__} does not say what stands for a label")

    def flops(self, labels: int, patches: int) -> int:
        """Counts what is made of an image and so many labels."""
        raise TypeError(f"{type(self).__name__} does not say what it costs")

    def cells(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels patches"]:
        """Returns the cosine of each patch with each label of the constant texts `texts`."""
        return fit_of_cells(self.rows(encodings, texts), patch_features(encodings, self.image_view))

    def score_map(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels side side"]:
        """Returns the same as squares."""
        return as_map(self.cells(encodings, texts))

    def score(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels"]:
        """Returns the largest cosine of each label."""
        return self.cells(encodings, texts).max(axis=2)


class PixelTexts(ScoreMaps):
    """Labels' rows, and a little of what a decoder sees of the image in their name: text + gamma * decoder(text)
    (DenseCLIP, arXiv 2112.01518, equation 4; gamma a number for each channel, 1e-4 at first)."""

    def __init__(self, size: TowerSize, *, embed_dim: int, image_view: str, compute: Compute, rngs: nnx.Rngs):
        """Builds the decoder.

        Args:
          size: of its blocks.
          embed_dim: of the joint space.
          image_view: batch field of images.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        self.words = linear(embed_dim, size.width, std=embed_dim**-0.5, **options)
        self.decoder = Decoder(size, memory_width=embed_dim, **options)
        self.out = linear(size.width, embed_dim, std=size.width**-0.5, **options)
        self.gamma = nnx.Param(jnp.full((embed_dim,), 1e-4, jnp.float32))
        self.image_view = image_view

    def rows(self, encodings: Encodings, texts: str) -> Float[Array, "batch labels embed_dim"]:
        """Returns each label's row as the image changes it."""
        labels, memory = encodings.label_texts(texts), tokens_asked(encodings, self.image_view)
        asking = self.words(labels)
        asking = for_all(asking, (len(memory), *asking.shape), asking.dtype)
        return labels + self.gamma[...] * self.out(self.decoder(asking, memory)).astype(jnp.float32)

    def flops(self, labels: int, patches: int) -> int:
        """Counts the decoder, which sees the whole image beside its patches, and its layer."""
        out = mlp_flops((self.out.in_features, self.out.out_features))
        return self.decoder.flops(labels, patches + 1) + labels * out


class DenseTexts(Objective):
    """Softmax over the classes of every cell that a labelled region covers; what regions leave out says nothing.

    DenseCLIP's auxiliary loss (arXiv 2112.01518, section 3.4). With `model.text.context` class names have a learned
    context, as there.
    """

    parts = ("scorer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the scorer.

        Args:
          config: `objectives.pixel_texts`, or another kind's with more settings; see configs/settings.
          model: for its widths.
          rngs: initial values.
          context: how many labels and texts there are.
        """
        self.number = context.asked_and_answered(config.texts, config.labels)
        self.patches, self.widths = grid_side(model.image) ** 2, (model.image.width, model.embed_dim)
        self.scorer = self.made(config, model, rngs)
        self.temperature, self.texts = config.temperature, config.texts
        self.labels = f"region_{config.labels}"
        self.raw = (*BOXES, self.labels)
        self.fields, self.constants = (config.image_view, *self.raw), (self.texts,)

    def flops(self) -> float:
        """Counts what is made of all labels, the patches' projection, and the score of each label and patch."""
        cells = self.patches * (mlp_flops(self.widths) + self.number * mlp_flops((self.widths[1], 1)))
        return float(self.scorer.flops(self.number, self.patches) + cells)

    def made(self, config: Any, model: DualEncoder, rngs: nnx.Rngs) -> ScoreMaps:
        """Builds what scores."""
        return PixelTexts(
            tower_size(config),
            embed_dim=model.embed_dim,
            image_view=config.image_view,
            compute=model.compute,
            rngs=rngs,
        )

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over cells of a known class."""
        fit = self.scorer.cells(encodings, self.texts)
        boxes, states = encodings.batch["region_boxes"], encodings.batch[self.labels]
        classes = classes_of_cells(boxes, states, fit.shape[2]).reshape(-1)
        scores = fit.swapaxes(1, 2).reshape(len(classes), -1) / self.temperature
        known = classes >= 0
        targets = jnp.where(known[:, None], jnp.arange(fit.shape[1]) == classes[:, None], 0.0)
        right = ((scores.argmax(axis=1) == classes) & known).sum() / jnp.maximum(known.sum(), 1)
        metrics = {"accuracy": right, "known": known.mean(dtype=jnp.float32)}
        return ObjectiveOutput(softmax(scores, targets), metrics)
