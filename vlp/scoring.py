"""What parts of a model make of images: scores against texts, or rows to search by."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Float32, Int, PyTree, Shaped, UInt8

from input_pipeline.errors import UserError
from input_pipeline.views.patches import picture_of
from vlp.encodings import Encodings
from vlp.given import TEXTS
from vlp.models.dual_encoder import DualEncoder
from vlp.models.regions import GRIDS, grid_boxes
from vlp.parts import Part
from vlp.pixels import refuse_patches

CANDIDATES = "candidates"  # the constant texts that a part scores
CROPS = 2048  # that exist at a time: at 384 pixels, 0.9 GB


class Cosines:
    """Cosines of the model's own embeddings: of images, of patches, and of what lies in boxes."""

    def __init__(self, model: Any, frame: Any):
        """Takes a `vlp.Model`, and what it makes of images, by which regions at their own aspect ratio are shown."""
        self._model, self._frame = model, frame

    def score(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n k"]:
        """Returns a cosine for each image and text."""
        return self._model.encode_image_array(images) @ self._model.encode_text(texts, prefix=prefix).T

    def maps(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n k rows columns"] | list[np.ndarray]:
        """Returns a cosine for each patch and text; of images at their own aspect ratio, a list of such maps."""
        patches, rows = self._model.encode_patch_array(images), self._model.encode_text(texts, prefix=prefix)
        if images.dtype.names:
            return [np.einsum("rcd,kd->krc", own, rows) for own in patches]
        return np.einsum("nrcd,kd->nkrc", patches, rows)

    def regions(
        self,
        images: UInt8[np.ndarray, "n h w 3"],
        boxes: Float32[np.ndarray, "n regions 4"],
        texts: Sequence[str],
        *,
        prefix: str = "",
    ) -> Float32[np.ndarray, "n regions k"]:
        """Returns a cosine for the crop of each box and each text."""
        return self._crops(images, boxes) @ self._model.encode_text(texts, prefix=prefix).T

    def detect(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> tuple[Float32[np.ndarray, "n boxes 4"], Float32[np.ndarray, "n boxes k"]]:
        """Returns the parts that grids cut an image into, and a cosine for the crop of each and each text."""
        boxes = np.broadcast_to(grid_boxes(GRIDS), (len(images), sum(side**2 for side in GRIDS), 4))
        return boxes, self.regions(images, boxes, texts, prefix=prefix)

    def relate(
        self,
        images: UInt8[np.ndarray, "n h w 3"],
        boxes: Float32[np.ndarray, "n regions 4"],
        names: Sequence[Sequence[str]],
        texts: Sequence[str],
    ) -> Float32[np.ndarray, "n pairs k"]:
        """Returns, for each ordered pair of boxes, the cosines of the crop of both with "one, predicate, other"."""
        pairs = list(itertools.permutations(range(boxes.shape[1]), 2))
        first, second = np.array(pairs).reshape(-1, 2).T
        start = np.minimum(boxes[:, first, :2], boxes[:, second, :2])
        around = np.concatenate([start, np.maximum(boxes[:, first, 2:], boxes[:, second, 2:])], axis=2)
        said = [f"{own[one]} {text} {own[other]}" for own in names for one, other in pairs for text in texts]
        rows = self._model.encode_text(said).reshape(*around.shape[:2], len(texts), -1)
        return np.einsum("npd,npkd->npk", self._crops(images, around), rows)

    def _crops(
        self, images: UInt8[np.ndarray, "n h w 3"], boxes: Float32[np.ndarray, "n regions 4"]
    ) -> Float32[np.ndarray, "n regions dim"]:
        """Rows of what lies in boxes, cut out of a few images at a time: all crops of a large set fit no memory."""
        step, rows = max(1, CROPS // boxes.shape[1]), []
        for first in range(0, len(images), step):
            block = slice(first, first + step)
            pairs = zip(images[block], boxes[block], strict=True)
            crops = np.stack([self._cropped(shown, box) for shown, own in pairs for box in own])
            rows.append(self._model.encode_image_array(crops))
        return np.concatenate(rows).reshape(*boxes.shape[:2], -1)

    def _cropped(self, shown: np.ndarray, box: Float32[np.ndarray, 4]) -> np.ndarray:
        """What lies in a box, as images are shown to the model: as large as the picture, or at its own aspect ratio."""
        if not shown.dtype.names:
            return cropped(shown, box)
        picture = picture_of(shown)
        place = place_of(picture, box)
        return shown if place is None else self._frame.packed(self._frame.resize(picture, place))


def place_of(
    picture: UInt8[np.ndarray, "height width 3"], box: Float32[np.ndarray, 4]
) -> tuple[float, float, float, float] | None:
    """Returns left, top, right and bottom of a box in pixels; None where it has no area."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (box * np.array([width, height, width, height])).tolist()
    return (left, top, right, bottom) if left < right and top < bottom else None


def cropped(
    picture: UInt8[np.ndarray, "side side 3"], box: Float32[np.ndarray, 4]
) -> UInt8[np.ndarray, "side side 3"]:
    """Returns what lies in a box, as large as the picture (bicubic); of a box without an area, the picture."""
    from PIL import Image

    place = place_of(picture, box)
    if place is None:
        return picture
    height, width = picture.shape[:2]
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC, place)
    return np.asarray(image)


class PartScorer:
    """Scores of a part; see `scoring`. What its part cannot be asked is refused when it is."""

    def __init__(self, model: Any, ask: Callable[..., np.ndarray]):
        """Takes a `vlp.Model`, and what asks a method of the part: (its name, arrays of texts, batch fields)."""
        self._model, self._ask = model, ask

    def score(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n k"]:
        """Returns a score for each image and text; the texts are encoded once, where there is a tower for them."""
        if not len(images) or not len(texts):
            return np.zeros((len(images), len(texts)), np.float32)
        return self._ask("score", self._arrays(texts, prefix), image=images)

    def maps(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> Float32[np.ndarray, "n k rows columns"]:
        """Returns a score for each cell and text, by the part's `score_map`."""
        return self._ask("score_map", self._arrays(texts, prefix), image=images)

    def regions(
        self,
        images: UInt8[np.ndarray, "n h w 3"],
        boxes: Float32[np.ndarray, "n regions 4"],
        texts: Sequence[str],
        *,
        prefix: str = "",
    ) -> Float32[np.ndarray, "n regions k"]:
        """Returns a score for each box and text, by the part's `score_regions`."""
        return self._ask("score_regions", self._arrays(texts, prefix), image=images, region_boxes=boxes)

    def detect(
        self, images: UInt8[np.ndarray, "n h w 3"], texts: Sequence[str], *, prefix: str = ""
    ) -> tuple[Float32[np.ndarray, "n boxes 4"], Float32[np.ndarray, "n boxes k"]]:
        """Returns boxes that the part's `detect` finds, and a score for each of them and each text."""
        found = self._ask("detect", self._arrays(texts, prefix), image=images)
        return found[..., :4], found[..., 4:]

    def relate(
        self,
        images: UInt8[np.ndarray, "n h w 3"],
        boxes: Float32[np.ndarray, "n regions 4"],
        names: Sequence[Sequence[str]],
        texts: Sequence[str],
    ) -> Float32[np.ndarray, "n pairs k"]:
        """Returns a score of each text as a predicate for each ordered pair of boxes, which show these names."""
        ids, mask = self._model.tokenizer.encode([name for own in names for name in own], None)
        shape = (*boxes.shape[:2], -1)
        words = {"region_text": ids.reshape(shape), "region_text_mask": mask.reshape(shape)}
        return self._ask("relate", self._arrays(texts, ""), image=images, region_boxes=boxes, **words)

    def _arrays(self, texts: Sequence[str], prefix: str) -> dict[str, np.ndarray]:
        ids, mask = self._model.tokenizer.encode(texts, [prefix] * len(texts) if prefix else None)
        numbers = np.arange(len(texts), dtype=np.int32)
        arrays = {"ids": ids, "mask": mask, "label": numbers, "first": numbers}
        if "text" in self._model.towers:
            arrays["rows"] = self._model.encode_text(texts, prefix=prefix)
        return arrays


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
    graphdef: nnx.GraphDef[DualEncoder],
    part: Part,
    name: str,
    preprocessing: Mapping[str, Any],
    method: str = "score",
    fields: Sequence[str] = ("image",),
) -> Callable[..., Float[Array, "n ..."]]:
    """Builds the function, to be jitted, that asks a part's method `score(encodings, texts)`, or another of that form.

    The method gets what its objective gets in training: encodings with the images as the batch field `image`, and
    perhaps others, and the name of the constant texts to score, of which `encodings.texts(name)` has the embeddings; it
    returns [n, ...].

    Args:
      graphdef: structure of the towers.
      part: the part.
      name: of the part, for errors.
      preprocessing: of the model.
      method: of the part.
      fields: of the batch, whose rows the function takes in this order.

    Raises:
      ValueError: it has no such method.
    """
    require_method(part, method, name, f"{method}(encodings, texts) that scores images against texts")
    see = seeing(graphdef, preprocessing)

    def score(
        variables: PyTree, own: PyTree, *rows: Shaped[Array, "n ..."], texts: dict[str, Array]
    ) -> Float[Array, "n ..."]:
        batch: dict[str, Any] = {**dict(zip(fields, rows, strict=True)), TEXTS + CANDIDATES: texts}
        module = nnx.merge(part.graphdef, own)
        scores: Float[Array, "n ..."] = getattr(module, method)(see(variables, batch), CANDIDATES)
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
    refuse_patches(preprocessing.get("patches"), f"the part '{name}'")
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
