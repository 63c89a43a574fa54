"""What parts of a model make of images: scores against texts, or rows to search by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Float32, Int, PyTree, Shaped, UInt8

from input_pipeline.errors import UserError
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


class Composer:
    """Holds what a part makes of images with texts, and of the images that are searched; see `composing`."""

    def __init__(
        self, model: Any, compose: Callable[..., np.ndarray], gallery: Callable[[np.ndarray], np.ndarray]
    ):
        """Takes a `vlp.Model`, and the compiled functions of images, ids and mask, and of images."""
        self._model, self._compose, self._gallery = model, compose, gallery

    def compose(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n dim"]:
        """Returns a unit row for each image and its text."""
        ids, mask = self._model.tokenizer.encode(texts, [prefix] * len(texts) if prefix else None)
        return self._compose(images, ids, mask)

    def gallery(self, images: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n tokens dim"]:
        """Returns unit rows for each image, of which the nearest to a query counts."""
        return self._gallery(images)


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
    require_method(part, "score", name, "score(encodings, texts) that scores images against texts")
    see = seeing(graphdef, preprocessing)

    def score(
        variables: PyTree, own: PyTree, texts: dict[str, Array], images: UInt8[Array, "n h w 3"]
    ) -> Float[Array, "n k"]:
        batch: dict[str, Any] = {"image": images, TEXTS + CANDIDATES: texts}
        encodings = see(variables, batch)
        scores: Float[Array, "n k"] = nnx.merge(part.graphdef, own).score(encodings, CANDIDATES)
        return scores.astype(jnp.float32)

    return score


def composing(
    graphdef: nnx.GraphDef[DualEncoder], part: Part, name: str, preprocessing: Mapping[str, Any]
) -> tuple[Callable[..., Float[Array, "n dim"]], Callable[..., Float[Array, "n tokens dim"]]]:
    """Builds the functions, to be jitted, by which a part searches for an image and a text together.

    Its `compose(encodings, ids, mask)` makes a unit row of each image, the batch field `image`, and its text, and
    `gallery(encodings)` the unit rows of each image that is searched; the largest cosine with any of them counts.

    Args:
      graphdef: structure of the towers.
      part: the part.
      name: of the part, for errors.
      preprocessing: of the model.

    Raises:
      ValueError: it has no such methods.
    """
    for method in ("compose", "gallery"):
        require_method(
            part, method, name, "compose(encodings, ids, mask) and gallery(encodings) that search for images"
        )
    see = seeing(graphdef, preprocessing)

    def compose(
        variables: PyTree,
        own: PyTree,
        images: UInt8[Array, "n h w 3"],
        ids: Int[Array, "n length"],
        mask: Bool[Array, "n length"],
    ) -> Float[Array, "n dim"]:
        encodings = see(variables, {"image": images})
        rows: Float[Array, "n dim"] = nnx.merge(part.graphdef, own).compose(encodings, ids, mask)
        return rows.astype(jnp.float32)

    def gallery(
        variables: PyTree, own: PyTree, images: UInt8[Array, "n h w 3"]
    ) -> Float[Array, "n tokens dim"]:
        encodings = see(variables, {"image": images})
        rows: Float[Array, "n tokens dim"] = nnx.merge(part.graphdef, own).gallery(encodings)
        return rows.astype(jnp.float32)

    return compose, gallery


def require_method(part: Part, method: str, name: str, what: str) -> None:
    """Refuses a part without a method that is asked of it.

    Raises:
      ValueError: says what is missing.
    """
    if not callable(getattr(part.module(), method, None)):
        raise UserError(f"the part '{name}' has no method {what}")


def seeing(
    graphdef: nnx.GraphDef[DualEncoder], preprocessing: Mapping[str, Any]
) -> Callable[[PyTree, dict[str, Any]], Encodings]:
    """Returns a function of variables and a batch: the batch as an objective sees it, but without randomness."""
    mean, std = tuple(preprocessing["mean"]), tuple(preprocessing["std"])

    def see(variables: PyTree, batch: dict[str, Any]) -> Encodings:
        model = nnx.merge(graphdef, variables)
        return Encodings(model, batch, key=None, step=jnp.int32(0), mean=mean, std=std)

    return see
