"""What objectives on regions share: the fields, an image's patches in the joint space, and classes of cells."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vlp.encodings import Encodings
from vlp.given import text_arrays
from vlp.kernels.boxes import covered
from vlp.kernels.unit import unit
from vlp.models.label_rows import LabelRows, label_rows

BOXES = ("region_boxes", "region_mask")
TEXTS = ("region_text", "region_text_mask")


def grid_side(tower: Any) -> int:
    """Returns how many patches of an image tower make a side; 0 of a tower that has none."""
    return int(getattr(tower, "side", 0))


def texts_known(encodings: Encodings) -> Bool[Array, "batch regions"]:
    """Tells which regions are there and have a text: of one that has none a single token stands in its place."""
    texts = encodings.batch["region_text_mask"].sum(axis=2) > 1
    known: Bool[Array, "batch regions"] = encodings.batch["region_mask"] & texts
    return known


def patch_features(encodings: Encodings, view: str) -> Float[Array, "batch patches embed_dim"]:
    """Returns patches by the projection of the whole image, of any length."""
    return encodings.model.image_projection(encodings.image_tower(view).tokens)


def tokens_asked(encodings: Encodings, view: str) -> Float[Array, "batch tokens embed_dim"]:
    """Returns the whole image's features and its patches', in that order: what texts look at."""
    whole = encodings.image_features(view)[:, None]
    return jnp.concatenate([whole, patch_features(encodings, view)], axis=1)


def rows_of_labels(encodings: Encodings, texts: str, most: int) -> LabelRows:
    """Returns the unit rows of each label's first constant texts."""
    first = text_arrays(encodings.batch, texts)["first"]
    return label_rows(encodings.texts(texts), encodings.text_labels(texts), first, most)


def fit_of_cells(
    rows: Float[Array, "batch texts dim"], patches: Float[Array, "batch patches dim"]
) -> Float[Array, "batch texts patches"]:
    """Returns the cosines of each image's rows with its patches, in float32."""
    return jnp.einsum("bkd,bpd->bkp", unit(rows), unit(patches))


def as_map(cells: Float[Array, "batch texts cells"]) -> Float[Array, "batch texts side side"]:
    """Returns cells as a square."""
    side = round(cells.shape[2] ** 0.5)
    return cells.reshape(*cells.shape[:2], side, side)


def classes_of_cells(
    boxes: Float[Array, "batch regions 4"], states: Int[Array, "batch regions labels"], cells: int
) -> Int[Array, "batch cells"]:
    """Returns the label of each cell of a square grid, by the last region that covers its middle; -1 where none does
    or its label is not known.

    Args:
      boxes: of the regions; what is no region covers nothing.
      states: 1 where a region has a label.
      cells: of the grid.
    """
    labels = jnp.where((states > 0).any(axis=2), (states > 0).argmax(axis=2), -1)
    inside = covered(boxes, round(cells**0.5))
    order = jnp.where(inside, jnp.arange(1, boxes.shape[1] + 1)[None, :, None], 0)
    last = order.argmax(axis=1)
    own = jnp.take_along_axis(labels, last, axis=1)
    return jnp.where(inside.any(axis=1), own, -1)
