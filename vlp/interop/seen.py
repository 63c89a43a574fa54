"""How far a model's embeddings move where another project prepares its images."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from input_pipeline.sources import open_source
from input_pipeline.views.image import EvaluationView
from vlp.configuration.paths import find
from vlp.loading import load

PICTURES = "data/quickstart/val.parquet"
MOST = 32  # pictures: enough for a mean, few enough for a large model on a CPU
FARTHEST = 0.9  # sides of a picture that counts as not square: the shorter to the longer


def cosines_there(checkpoint: Path, there: Mapping[str, Any]) -> Float[np.ndarray, " n"]:
    """Returns the cosine of each picture's embedding, prepared as the other project does, to the model's own.

    Args:
      checkpoint: one step's folder.
      there: the preprocessing of the other project, as `images.preprocessing_of` reads it.

    Returns:
      Cosines of bundled pictures that are not square, where the two differ most; none where there are no such pictures.
    """
    pictures = list(itertools.islice(_not_square(), MOST))
    if not pictures:
        return np.zeros(0)
    model = load(checkpoint)
    own = model.encode_image(pictures)
    other = model.encode_image_array(EvaluationView(there).load(pictures))
    return np.sum(own * other, axis=1)


def _not_square() -> Iterator[Image.Image]:
    for path in find(PICTURES):
        source = open_source({"format": "parquet", "path": str(path)})
        for number in range(len(source)):
            image = Image.open(io.BytesIO(source[number].image or b"")).convert("RGB")
            if min(image.size) < FARTHEST * max(image.size):
                yield image
