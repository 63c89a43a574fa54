"""Images as words of a sentence, by a small tower beside a large, held model: ISA."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.given import Context, text_arrays
from vlp.kernels import REGRESSIONS
from vlp.kernels.distillation import soft_targets
from vlp.kernels.loss import Loss
from vlp.kernels.softmax import softmax
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.families import family
from vlp.models.linear import linear
from vlp.models.micro_batch import micro_batched
from vlp.models.spliced import spliced
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.rows import each_row, summed


class PseudoWords(nnx.Module):
    """A small image tower whose tokens are pooled, by a map of attention for each word, to words of a text tower."""

    def __init__(
        self,
        config: Any,
        *,
        words: int,
        text_width: int,
        embed_dim: int,
        image_view: str,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """Builds the tower and what learns where each word looks.

        Args:
          config: of the tower, as `model.image`.
          words: how many an image becomes.
          text_width: of the token embedding.
          embed_dim: of the joint space.
          image_view: batch field of images.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        self.tower = family("image", config).build(config, compute=compute, rngs=rngs)
        width = self.tower.width
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        self.maps = linear(width, words, std=width**-0.5, **options)
        self.words = linear(width, text_width, std=width**-0.5, **options)
        self.projection = linear(width, embed_dim, std=width**-0.5, **options)
        self.image_view = image_view

    def pooled(self, encodings: Encodings) -> Float[Array, "batch words width"]:
        """Returns a row for each word of each image: the mean of the tokens that it looks at."""
        tokens = encodings.through(self.tower, self.image_view).tokens
        shares = jax.nn.softmax(self.maps(tokens).astype(jnp.float32), axis=1)
        return jnp.einsum("btr,btw->brw", shares, tokens.astype(jnp.float32))

    def compose(
        self, encodings: Encodings, ids: Int[Array, "batch length"], mask: Bool[Array, "batch length"]
    ) -> Float[Array, "batch embed_dim"]:
        """Returns a unit row for each image of the batch as words before its text."""
        return self.say(encodings, self.pooled(encodings), ids, mask)

    def say(
        self,
        encodings: Encodings,
        pooled: Float[Array, "batch words width"],
        ids: Int[Array, "batch length"],
        mask: Bool[Array, "batch length"],
    ) -> Float[Array, "batch embed_dim"]:
        """Returns the same of images that are looked at already."""
        return encodings.sentences(spliced(ids, mask, self.words(pooled)))

    def gallery(self, encodings: Encodings) -> Float[Array, "batch 1 embed_dim"]:
        """Returns the large tower's row of each image of the batch."""
        return encodings.image(self.image_view)[:, None]


class PseudoWordDistillation(Objective):
    """Sentences made of images by a small tower, against the images as the large one sees them.

    ISA (arXiv 2403.01431): the sentence's similarities to the images of the batch are to be the large tower's own, and
    the pooled tokens are drawn to its embedding. Both forms are reconstructed from the paper's description and not
    verified. The model itself is teacher and gallery: hold it by `optimizer.learning_rate_rules`.
    """

    parts = ("composer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the small tower.

        Args:
          config: `objectives.pseudo_words`; see configs/settings.
          model: for its widths.
          rngs: initial values.
          context: whether the text is there that the words stand in.
        """
        context.texts[config.texts]  # refused where it is not there
        self.composer = PseudoWords(
            config.tower,
            words=config.words,
            text_width=model.text.width,
            embed_dim=model.embed_dim,
            image_view=config.image_view,
            compute=model.compute,
            rngs=rngs,
        )
        tower = config.tower
        self.tower_flops = float(
            family("image", tower).forward_flops(tower, tower.resolution, model.embed_dim)
        )
        self.temperature, self.teacher_temperature = config.temperature, config.teacher_temperature
        self.align_weight, self.texts, self.chunk = config.align_weight, config.texts, config.chunk
        self.fields, self.constants, self.reads = (config.image_view,), (self.texts,), ("image", "text")

    def flops(self) -> float:
        """Returns forward FLOPs of the small tower for one image."""
        return self.tower_flops

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the images of the batch."""
        arrays = text_arrays(encodings.batch, self.texts)
        images = encodings.image(self.composer.image_view)
        first = jnp.zeros(len(images), jnp.int32)
        ids, mask = arrays["ids"][first], arrays["mask"][first]
        pooled = self.composer.pooled(encodings)
        sentences = self.composer.say(encodings, pooled, ids, mask)
        loss, hits = self.compare(sentences, self.composer.projection(pooled.mean(axis=1)), images)
        cosine = jax.lax.stop_gradient((sentences * images).sum(axis=1)).mean()
        return ObjectiveOutput(loss, {"accuracy": hits.mean(dtype=jnp.float32), "cosine": cosine})

    def compare(
        self,
        sentences: Float[Array, "batch dim"],
        features: Float[Array, "batch dim"],
        images: Float[Array, "batch dim"],
    ) -> tuple[Loss, Bool[Array, " batch"]]:
        """Computes both terms, and which sentences are nearest to their image.

        Args:
          sentences: unit rows of images as words.
          features: of the small tower, of any length.
          images: unit rows of the large tower, which get no gradient.
        """
        images = jax.lax.stop_gradient(images)

        def some(own: Array, seen: Array, places: Int[Array, " rows"]) -> tuple[Loss, Array]:
            targets = soft_targets(seen @ images.T, temperature=self.teacher_temperature)
            cosines = own @ images.T
            return each_row(softmax, cosines / self.temperature, targets), cosines.argmax(axis=1) == places

        losses, hits = micro_batched(some, self.chunk, sentences, images, jnp.arange(len(images)))
        alike, aligned = summed(losses), REGRESSIONS["cosine_distance"](features, images)
        return Loss(alike.total + self.align_weight * aligned.total, alike.weight), hits
