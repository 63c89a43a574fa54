"""What a part of a model writes about images, and how likely it finds given texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Float32, Int, PyTree, UInt8

from vlp.models.dual_encoder import DualEncoder
from vlp.parts import Part
from vlp.scoring import require_method, seeing


class Captioner:
    """Holds a part that writes texts about images; see `writing`."""

    def __init__(
        self, tokenizer: Any, write: Callable[..., np.ndarray], likelihoods: Callable[..., np.ndarray]
    ):
        """Takes a tokenizer, and the compiled functions of images, and of images, ids and mask."""
        self._tokenizer, self._write, self._likelihoods = tokenizer, write, likelihoods

    def write(self, images: UInt8[np.ndarray, "n h w 3"]) -> list[str]:
        """Returns a text for each image."""
        pad = self._tokenizer.special.pad
        rows: Iterable[np.ndarray] = self._write(images) if len(images) else ()
        return [self._tokenizer.decode(ids[ids != pad]) for ids in rows]

    def likelihoods(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str]
    ) -> Float32[np.ndarray, "n 2"]:
        """Returns of each image's text the log-likelihood, and how many tokens it is the sum of."""
        return self._likelihoods(images, *self._tokenizer.encode(texts))


def writing(
    graphdef: nnx.GraphDef[DualEncoder],
    part: Part,
    name: str,
    preprocessing: Mapping[str, Any],
    special: Any,
    beams: int,
) -> tuple[Callable[..., Int[Array, "n length"]], Callable[..., Float[Array, "n 2"]]]:
    """Builds the functions, to be jitted, by which a part writes texts and says how likely given ones are.

    Its `write(encodings, *, begin, end, pad, beams)` and `likelihoods(encodings, ids, mask)` get encodings with the
    images as the batch field `image`.

    Args:
      graphdef: structure of the towers.
      part: the part.
      name: of the part, for errors.
      preprocessing: of the model.
      special: the tokenizer's ids of begin, end and padding.
      beams: texts that are kept at a time while one is written.

    Raises:
      ValueError: it has no method that writes.
    """
    require_method(part, "write", name, "write(encodings, begin, end, pad, beams) that writes texts")
    see = seeing(graphdef, preprocessing)

    def write(variables: PyTree, own: PyTree, images: UInt8[Array, "n h w 3"]) -> Int[Array, "n length"]:
        module = nnx.merge(part.graphdef, own)
        encodings = see(variables, {"image": images})
        begin = special.end if special.begin is None else special.begin
        ids: Int[Array, "n length"] = module.write(
            encodings, begin=begin, end=special.end, pad=special.pad, beams=beams
        )
        return ids

    def likelihoods(
        variables: PyTree,
        own: PyTree,
        images: UInt8[Array, "n h w 3"],
        ids: Int[Array, "n length"],
        mask: Bool[Array, "n length"],
    ) -> Float[Array, "n 2"]:
        encodings = see(variables, {"image": images})
        rows: Float[Array, "n 2"] = nnx.merge(part.graphdef, own).likelihoods(encodings, ids, mask)
        return rows

    return write, likelihoods
