"""Learned vectors among the tokens of every text: prompts that are trained, not written (CoOp, arXiv 2109.01134)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from input_pipeline.errors import UserError


class Names(nnx.Variable):
    """Token ids of the texts that have a context of their own: no parameter, but a part of the model."""


class LearnedContext(nnx.Module):
    """Vectors that stand before a text's words, behind them, or half before and half behind.

    A text is [begin] words [full stop] [end]: `head` tokens stay before the context and its words, `tail` behind. What
    does not fit into the length any more is cut off the words.
    """

    def __init__(self, config: Any, *, width: int, length: int, rngs: nnx.Rngs):
        """Builds the vectors.

        Args:
          config: `model.text` of the config: `context` (how many), and what begins with `context_`.
          width: of the token embedding.
          length: tokens of a text, with the context.
          rngs: where initial values come from.

        Raises:
          ValueError: there is no room for a word beside them.
        """
        self.head, self.tail, self.count = config.context_head, config.context_tail, config.context
        if self.head + self.count + self.tail >= length:
            raise UserError(
                f"model.text.context={self.count} leaves no room for a name: with context_head={self.head} and "
                f"context_tail={self.tail}, tokenizer.length={length} must be at least "
                f"{self.head + self.count + self.tail + 1}"
            )
        self.before = {"end": self.count, "middle": self.count // 2, "front": 0}[config.context_place]
        classes = config.context_classes
        shape = (classes, self.count, width) if classes else (self.count, width)
        self.embedding = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), shape))
        names = Names(jnp.full((classes, length), -1, jnp.int32), split=(None, None)) if classes else None
        self.names: Names | None = names

    def __call__(
        self,
        x: Float[Array, "batch length width"],
        ids: Int[Array, "batch length"],
        lengths: Int[Array, " batch"],
    ) -> tuple[Float[Array, "batch length width"], Int[Array, " batch"]]:
        """Puts the vectors between embedded tokens.

        Args:
          x: embedded tokens, without positions.
          ids: the tokens; of a model with a context for each class they say which. What is none of its texts gets the
            mean of all contexts.
          lengths: real tokens of each text.

        Returns:
          The tokens with the context among them, and how many are real now.
        """
        places = jnp.arange(x.shape[1])[None]
        total = jnp.minimum(lengths + self.count, x.shape[1])[:, None]
        tail = jnp.minimum(self.tail, lengths - self.head)[:, None]
        behind = total - tail - (self.count - self.before)  # where the words end
        first = (places >= self.head) & (places < self.head + self.before)
        second = (places >= behind) & (places < total - tail)
        vector = jnp.where(second, self.before + places - behind, places - self.head)
        # The place in the text that each token comes from: the tail and the padding keep their distance to its end.
        source = jnp.where(places < self.head, places, places - self.before)
        source = jnp.where(places >= total - tail, places - total + lengths[:, None], source)
        words = jnp.take_along_axis(x, jnp.clip(source, 0, x.shape[1] - 1)[..., None], axis=1)
        own = self._vectors(ids).astype(x.dtype)
        vectors = jnp.take_along_axis(own, jnp.clip(vector, 0, self.count - 1)[..., None], axis=1)
        return jnp.where((first | second)[..., None], vectors, words), total[:, 0]

    def without(
        self, tokens: Float[Array, "batch length width"], lengths: Int[Array, " batch"]
    ) -> Float[Array, "batch length width"]:
        """Returns what a tower makes of a text's own tokens, each in its own place again, as ids and mask have it.

        Args:
          tokens: outputs, with the context among them.
          lengths: real tokens of each text, without the context. A word that was cut off has the row of the last one
            that is there.
        """
        places, given = jnp.arange(tokens.shape[1])[None], lengths[:, None]
        total = jnp.minimum(given + self.count, tokens.shape[1])
        tail = jnp.minimum(self.tail, given - self.head)
        behind = total - tail - (self.count - self.before)
        moved = jnp.minimum(jnp.where(places < self.head, places, places + self.before), behind - 1)
        moved = jnp.where(places >= given - tail, places + total - given, moved)
        return jnp.take_along_axis(tokens, jnp.clip(moved, 0, tokens.shape[1] - 1)[..., None], axis=1)

    def _vectors(self, ids: Int[Array, "batch length"]) -> Float[Array, "batch count width"]:
        values = self.embedding[...]
        if self.names is None:
            return jnp.broadcast_to(values, (len(ids), *values.shape))
        same = (ids[:, None] == self.names[...][None]).all(axis=-1)
        own = values[same.argmax(axis=1)]
        return jnp.where(same.any(axis=1)[:, None, None], own, values.mean(axis=0))


def unknown_text(variables: Any, ids: Int[np.ndarray, "texts length"]) -> int:
    """Finds the first text that has no context of its own in a model where every class has one; -1 = there is none.

    Args:
      variables: of a `DualEncoder`, as nested dicts.
      ids: tokens of the texts.
    """
    names = variables.get("text", {}).get("context", {}).get("names")
    if names is None:
        return -1
    known = {row.tobytes() for row in np.asarray(jax.device_get(names), np.int32)}
    return next((at for at, row in enumerate(np.asarray(ids, np.int32)) if row.tobytes() not in known), -1)
