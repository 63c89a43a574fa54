"""Words of a caption that are hidden, and told from the others and the image: PLIP's attributes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Int

from vlp.encodings import Encodings
from vlp.given import Context, text_arrays
from vlp.kernels.loss import Loss
from vlp.models.decoder import Decoder
from vlp.models.dual_encoder import DualEncoder
from vlp.models.flops import mlp_flops, transformer_flops
from vlp.models.linear import linear
from vlp.models.shared import for_all
from vlp.models.sizes import TowerSize
from vlp.models.text import SoftTokens
from vlp.objectives.base import Objective, ObjectiveOutput


class AttributeWords(Objective):
    """Tokens of attributes are hidden in the caption; the image's embedding, added to all tokens, helps to tell them.

    The prediction of attribute phrases of PLIP (arXiv 2305.08386, section 3.3). What may be hidden are the tokens of
    the constant texts `words`: colours, clothes, whatever tells what a thing is like.
    """

    def __init__(self, config: Any, *, model: DualEncoder, rngs: nnx.Rngs, context: Context):
        """Builds blocks and scores.

        Args:
          config: `objectives.attribute_words`; see configs/settings.
          model: for its widths.
          rngs: initial values.
          context: the vocabulary, and whether the words are there.
        """
        context.texts[config.words]  # refused where they are not there
        width = model.text.width
        options: dict[str, Any] = {"compute": model.compute, "rngs": rngs}
        self.size = TowerSize(width, config.depth, config.heads, 4 * width)
        self.hidden = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), (width,)))
        self.seen = linear(model.embed_dim, width, std=model.embed_dim**-0.5, **options)
        self.decoder = Decoder(self.size, **options)
        self.scores = linear(width, context.vocabulary_size, std=width**-0.5, **options)
        self.image_view, self.words, self.share, self.length = (
            config.image_view,
            config.words,
            config.share,
            context.length,
        )
        self.fields, self.constants = (self.image_view, "text", "text_mask"), (self.words,)

    def flops(self) -> float:
        """Counts the blocks and the scores of all tokens."""
        blocks = transformer_flops(
            tokens=self.length, width=self.size.width, depth=self.size.depth, mlp_dim=self.size.mlp_dim
        )
        return blocks + self.length * mlp_flops((self.size.width, self.scores.out_features))

    def __call__(self, encodings: Encodings) -> ObjectiveOutput:
        """Returns the mean over the tokens that are hidden."""
        ids, mask = encodings.batch["text"], encodings.batch["text_mask"]
        arrays = text_arrays(encodings.batch, self.words)
        which = attribute_tokens(ids, mask, arrays["ids"], arrays["mask"])
        which &= jax.random.uniform(encodings.key(self.words), ids.shape) < self.share
        places = jnp.where(which, jnp.arange(ids.shape[1])[None], ids.shape[1])  # beyond: nothing is replaced
        values = jnp.broadcast_to(self.hidden[...], (*ids.shape, len(self.hidden[...])))
        tokens = encodings.model.text(ids, mask, soft=SoftTokens(values, places)).tokens
        seen = self.seen(encodings.image(self.image_view))[:, None]
        out = self.decoder(
            tokens + for_all(seen, tokens.shape, tokens.dtype), lengths=mask.sum(axis=1, dtype=jnp.int32)
        )
        scores = self.scores(out).astype(jnp.float32)
        likely = jax.nn.log_softmax(scores, axis=-1)
        own = jnp.take_along_axis(likely, ids[..., None], axis=-1)[..., 0]
        count = which.sum(dtype=jnp.float32)
        hits = (which & (scores.argmax(axis=-1) == ids)).sum() / jnp.maximum(count, 1.0)
        loss = Loss(-jnp.where(which, own, 0.0).sum(), count)
        return ObjectiveOutput(loss, {"accuracy": hits, "hidden": count / mask.sum()})


def attribute_tokens(
    ids: Int[Array, "batch length"],
    mask: Bool[Array, "batch length"],
    words: Int[Array, "words length"],
    words_mask: Bool[Array, "words length"],
) -> Bool[Array, "batch length"]:
    """Tells which tokens of texts are tokens of some words; those that begin or end texts are none.

    Args:
      ids: tokens of texts.
      mask: which are real.
      words: tokens of the words, as texts of their own.
      words_mask: which of these are real.
    """
    last = words_mask.sum(axis=1, keepdims=True) - 1
    places = jnp.arange(words.shape[1])[None]
    inside = words_mask & (places > 0) & (places < last)
    wanted = jnp.where(inside, words, -1).reshape(-1)
    there = (ids[..., None] == wanted).any(axis=-1)
    behind = jnp.arange(ids.shape[1])[None]
    return there & mask & (behind > 0) & (behind < mask.sum(axis=1, keepdims=True) - 1)
