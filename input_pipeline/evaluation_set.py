"""An evaluation split, whole and in a fixed order: what evaluators compare a model with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import UInt8

from input_pipeline.decode import decode_rgb
from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources import Source, open_source
from input_pipeline.views.image import EvaluationView
from input_pipeline.views.resize import Square
from input_pipeline.views.text import TextView


@dataclass(frozen=True)
class EvaluationSet:
    """One entry an image in every field; images that cannot be read are left out and counted by reason."""

    images: UInt8[np.ndarray, "n resolution resolution 3"]
    captions: list[list[str]]
    labels: list[str]
    tags: list[list[str]]
    skipped: Mapping[Reason, int] = field(default_factory=dict)


def load_evaluation_set(config: Mapping[str, Any], preprocessing: Mapping[str, Any], threads: int = 2) -> EvaluationSet:
    """Reads the source {"format", "path", "columns"} in the order of its records.

    Raises:
      ValueError: the source cannot be opened, or holds no usable record.
    """
    source, view = open_source(config), EvaluationView(preprocessing)
    with ThreadPoolExecutor(threads) as pool:
        rows = list(pool.map(lambda index: _row(source, index, view), range(len(source))))
    usable = [row for row in rows if not isinstance(row, Reason)]
    if not usable:
        raise ValueError(f"{config['path']} has no usable record among {len(rows)}")
    images, captions, labels, tags = (list(column) for column in zip(*usable, strict=True))
    skipped = Counter(row for row in rows if isinstance(row, Reason))
    return EvaluationSet(np.stack(images), captions, labels, tags, skipped)


def _row(source: Source, index: int, view: EvaluationView) -> tuple[Square, list[str], str, list[str]] | Reason:
    try:
        record = source[index]
        if record.image is None:
            return Reason.MISSING_IMAGE
        captions = [caption.text for caption in TextView().usable(record)]
        return view(decode_rgb(record.image)), captions, record.label, list(record.tags)
    except BadRecord as bad:
        return bad.reason
