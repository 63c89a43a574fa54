"""Composed retrieval by prompts of a whole sentence's length that an image and a text make together: SPRC."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.given import Context, text_arrays
from vlp.kernels import REGRESSIONS
from vlp.kernels.loss import Loss
from vlp.kernels.softmax import softmax_at
from vlp.kernels.unit import unit
from vlp.models.compute import Compute
from vlp.models.decoder import Decoder
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops, transformer_flops
from vlp.models.linear import linear
from vlp.models.micro_batch import micro_batched
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize, tower_size
from vlp.models.spliced import spliced
from vlp.objectives.base import Objective, ObjectiveOutput
from vlp.objectives.changes import drawn_changes


class SentencePrompts(nnx.Module):
    """Queries that look at an image's patches and, of a reference image, at the words that change it.

    With the words they become soft tokens before the same words in the text tower; without, an image to be found.
    """

    def __init__(
        self,
        size: TowerSize,
        prompts: int,
        *,
        image_width: int,
        text_width: int,
        embed_dim: int,
        compute: Compute,
        rngs: nnx.Rngs,
    ):
        """Builds queries and blocks.

        Args:
          size: of the queries.
          prompts: how many there are.
          image_width: of patches.
          text_width: of the token embedding.
          embed_dim: of the joint space.
          compute: dtype, scan and remat.
          rngs: where initial values come from.
        """
        options: dict[str, Any] = {"compute": compute, "rngs": rngs}
        self.queries = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), (prompts, size.width)))
        self.words = linear(text_width, size.width, std=text_width**-0.5, **options)
        self.decoder = Decoder(size, memory_width=image_width, **options)
        self.prompts = linear(size.width, text_width, std=size.width**-0.5, **options)
        self.projection = linear(size.width, embed_dim, std=size.width**-0.5, **options)

    def soft(
        self,
        patches: Float[Array, "batch patches image_width"],
        words: Float[Array, "batch length text_width"],
        mask: Bool[Array, "batch length"],
    ) -> Float[Array, "batch prompts text_width"]:
        """Returns the prompts of images and the words that change them."""
        count = self.queries.shape[0]
        x = jnp.concatenate([self._asking(patches), self.words(words)], axis=1)
        lengths = count + mask.sum(axis=1, dtype=jnp.int32)
        return self.prompts(self.decoder(x, patches, lengths=lengths)[:, :count])

    def found(
        self, patches: Float[Array, "batch patches image_width"]
    ) -> Float[Array, "batch prompts embed_dim"]:
        """Returns unit rows of images that are searched, one a query."""
        return unit(self.projection(self.decoder(self._asking(patches), patches)))

    def _asking(self, patches: Float[Array, "batch ..."]) -> Float[Array, "batch prompts width"]:
        return for_all(self.queries, (len(patches), *self.queries.shape), patches.dtype)

    def compose(
        self, encodings: Encodings, ids: Int[Array, "batch length"], mask: Bool[Array, "batch length"]
    ) -> Float[Array, "batch embed_dim"]:
        """Returns a unit row for each image of the batch and its text."""
        words = encodings.model.text.embedding(ids)
        return encodings.sentences(spliced(ids, mask, self.soft(encodings.image_tower().tokens, words, mask)))

    def gallery(self, encodings: Encodings) -> Float[Array, "batch prompts embed_dim"]:
        """Returns the unit rows of each image of the batch that are searched."""
        return self.found(encodings.image_tower().tokens)


class SentencePromptRetrieval(Objective):
    """Queries of an image and a text against the rows of the images that they ask for.

    SPRC (arXiv 2310.05473): contrast with the target, the same with free prompts that know no image, and the mean of
    the prompts drawn to that of the free ones. The text's pooled output stands for the paper's class token, in both
    contrasts: where a text tower is causal a prompt at the front has seen no word. With a `chunk` as many rows of the
    scores, one a prompt, exist at a time.
    """

    parts = ("composer",)

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds the composer, the free prompts and the temperature.

        Args:
          config: `objectives.sentence_prompts`; see configs/settings.
          model: for its widths.
          rngs: initial values.
          context: how many labels and texts of changes there are.
        """
        context.asked_and_answered(config.texts, config.labels)
        width, self.size = model.text.width, tower_size(config)
        self.composer = SentencePrompts(
            self.size,
            config.prompts,
            image_width=model.image.width,
            text_width=width,
            embed_dim=model.embed_dim,
            compute=model.compute,
            rngs=rngs,
        )
        self.free = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), (config.prompts, width)))
        self.temperature = nnx.Param(jnp.float32(config.temperature), bounds=(0.001, 0.5))
        self.weights, self.chunk = (config.free_weight, config.align_weight), config.chunk
        self.image_view, self.labels, self.texts = config.image_view, config.labels, config.texts
        self.fields, self.constants = (self.image_view, self.labels), (self.texts,)
        self.raw = (self.labels,)

    def flops(self) -> float:
        """Counts the queries' blocks for a reference and its target, without their attention to the patches."""
        count = self.free.shape[0]
        blocks = transformer_flops(
            tokens=count, width=self.size.width, depth=self.size.depth, mlp_dim=self.size.mlp_dim
        )
        return 2.0 * (blocks + count * mlp_flops((self.size.width, self.free.shape[1])))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the pairs of which the second image has a tag that the first one lacks."""
        patches = encodings.image_tower(self.image_view).tokens
        arrays = text_arrays(encodings.batch, self.texts)
        tag, there = drawn_changes(encodings.batch[self.labels], encodings.key(self.texts))
        first = arrays["first"][tag]
        ids, mask = arrays["ids"][first], arrays["mask"][first]
        prompts = self.composer.soft(patches[:, 0], encodings.model.text.embedding(ids), mask)
        free = for_all(self.free, prompts.shape, prompts.dtype)
        query, blind = (encodings.sentences(spliced(ids, mask, one)) for one in (prompts, free))
        loss, hits = self.compare(query, blind, self.composer.found(patches[:, 1]), prompts, there)
        metrics = {
            "accuracy": (hits & there).sum() / jnp.maximum(there.sum(), 1),
            "asked": there.mean(dtype=jnp.float32),
            "temperature": self.temperature[...],
        }
        return ObjectiveOutput(loss, metrics)

    def compare(
        self,
        query: Float[Array, "batch dim"],
        blind: Float[Array, "batch dim"],
        targets: Float[Array, "batch tokens dim"],
        prompts: Float[Array, "batch count width"],
        there: Bool[Array, " batch"],
    ) -> tuple[Loss, Bool[Array, " batch"]]:
        """Computes the three terms (equations 4 to 7), and which queries find their target first.

        Args:
          query: unit rows of image and text.
          blind: unit rows of the text behind the free prompts.
          targets: unit rows of each image to be found, of which the nearest counts.
          prompts: of the queries, before the text tower.
          there: which queries count; the images of all are candidates.
        """

        def found(rows: Float[Array, "rows dim"], places: Int[Array, " rows"]) -> tuple[Array, Array]:
            similarity = jnp.einsum("id,jqd->ijq", rows, targets).max(axis=-1) / self.temperature[...]
            return softmax_at(similarity, places), jax.lax.stop_gradient(similarity).argmax(axis=1) == places

        places = jnp.arange(len(query))
        losses, hits = micro_batched(found, self.chunk, query, places)
        guesses, _ = micro_batched(found, self.chunk, blind, places)
        aim = jnp.broadcast_to(self.free[...].mean(axis=0), prompts[:, 0].shape)
        aligned = REGRESSIONS["squared_error"](prompts.mean(axis=1), aim, mask=there)
        guess, align = self.weights
        total = ((losses + guess * guesses) * there).sum() + align * aligned.total
        return Loss(total, there.sum(dtype=total.dtype)), hits
