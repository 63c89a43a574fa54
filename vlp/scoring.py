"""Scores of images against texts: cosines, or what a part of the model makes of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Float32, PyTree, Shaped, UInt8

from vlp.encodings import Encodings
from vlp.given import TEXTS
from vlp.models.dual_encoder import DualEncoder
from vlp.parts import Part

CANDIDATES = "candidates"  # the constant texts that a part scores


class Scorer(Protocol):
    """Holds what scores images against texts; scores of one image compare with each other, how else is its own
    affair."""

    def score(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n k"]:
        """Returns a score for each image and text, with a prefix token before every text where there is one."""


class Cosines:
    """Cosines of the model's own embeddings."""

    def __init__(self, model: Any):
        """Takes a `vlp.Model`."""
        self._model = model

    def score(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n k"]:
        """Returns a cosine for each image and text."""
        return self._model.encode_image_array(images) @ self._model.encode_text(texts, prefix=prefix).T


class PartScorer:
    """Scores of a part; see `scoring`."""

    def __init__(
        self, model: Any, score: Callable[[UInt8[np.ndarray, "n h w 3"], dict[str, np.ndarray]], np.ndarray]
    ):
        """Takes a `vlp.Model`, and the compiled scores of images and the arrays of texts."""
        self._model, self._score = model, score

    def score(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n k"]:
        """Returns a score for each image and text; the texts are encoded once."""
        if not len(images) or not len(texts):
            return np.zeros((len(images), len(texts)), np.float32)
        ids, mask = self._model.tokenizer.encode(texts, [prefix] * len(texts) if prefix else None)
        rows, numbers = self._model.encode_text(texts, prefix=prefix), np.arange(len(texts), dtype=np.int32)
        arrays = {"ids": ids, "mask": mask, "label": numbers, "first": numbers, "rows": rows}
        return self._score(images, arrays)


def scoring(
    graphdef: nnx.GraphDef[DualEncoder], part: Part, name: str, preprocessing: Mapping[str, Any]
) -> Callable[
    [PyTree, PyTree, dict[str, Shaped[Array, "k ..."]], UInt8[Array, "n h w 3"]], Float[Array, "n k"]
]:
    """Builds the function, to be jitted, that scores by a part with a method `score(encodings, texts)`.

    The method gets what its objective gets in training: encodings with the images as the batch field `image`, and the
    name of the constant texts to score, of which `encodings.texts(name)` has the embeddings; it returns [n, k].

    Args:
      graphdef: structure of the towers.
      part: the part.
      name: of the part, for errors.
      preprocessing: of the model.

    Raises:
      ValueError: it has no such method.
    """
    if not callable(getattr(part.module(), "score", None)):
        raise ValueError(
            f"the part '{name}' has no method score(encodings, texts) that scores images against texts"
        )
    mean, std = tuple(preprocessing["mean"]), tuple(preprocessing["std"])

    def score(
        variables: PyTree, own: PyTree, texts: dict[str, Array], images: UInt8[Array, "n h w 3"]
    ) -> Float[Array, "n k"]:
        batch: dict[str, Any] = {"image": images, TEXTS + CANDIDATES: texts}
        model = nnx.merge(graphdef, variables)
        encodings = Encodings(model, batch, key=None, step=jnp.int32(0), mean=mean, std=std)
        scores: Float[Array, "n k"] = nnx.merge(part.graphdef, own).score(encodings, CANDIDATES)
        return scores.astype(jnp.float32)

    return score
