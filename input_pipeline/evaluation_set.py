"""An evaluation split, whole and in a fixed order: what evaluators measure on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from jaxtyping import UInt8

from input_pipeline.images_on_demand import ImagesOnDemand
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import Source, open_source
from input_pipeline.views.image import EvaluationView
from input_pipeline.views.resize import Square
from input_pipeline.views.text import LANGUAGES, spoken

# Of decoded images that are kept in memory; larger sets are decoded again whenever they are read.
HELD_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """One entry per image in every field; what could not be used is left out and counted in `skipped`.

    Attributes:
      images: at the model's resolution; of a large set, ImagesOnDemand, which are indexed and encoded alike.
      captions: in the wanted languages, the source's best first; may be empty for an image.
      translations: the captions of every other language, by language.
      labels: '' where there is none.
      skipped: how many records were left out, by reason.
    """

    images: UInt8[np.ndarray, "n resolution resolution 3"]
    ids: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    translations: Mapping[str, tuple[tuple[str, ...], ...]]
    labels: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    groups: tuple[str, ...]
    sources: tuple[str, ...]
    skipped: Mapping[Reason, int]

    def __len__(self) -> int:
        return len(self.ids)


def load_evaluation_set(
    config: Mapping[str, Any],
    preprocessing: Mapping[str, Any],
    *,
    languages: tuple[str, ...] = LANGUAGES,
    threads: int = 2,
    held_bytes: int = HELD_BYTES,
) -> EvaluationSet:
    """Read and decode a whole split, which shows the records that cannot be used.

    Args:
      config: {"format", "path", "columns"} of the split.
      preprocessing: {"resolution", "resize", ...} of the model.
      languages: of `captions`; () is all of them.
      threads: to decode in.
      held_bytes: of decoded images that are kept.

    Raises:
      ValueError: the split cannot be opened, or none of its records can be used.
    """
    source, view = open_source(config), EvaluationView(preprocessing)
    resolution = preprocessing["resolution"]
    held = 3 * resolution**2 * len(source) <= held_bytes

    def load(index: int) -> tuple[Record, Square | None] | Reason:
        try:
            record, image = _load(source, view, index)
            return record, image if held else None
        except BadRecord as bad:
            return bad.reason

    with ThreadPoolExecutor(threads) as pool:
        loaded = list(pool.map(load, range(len(source))))
    good = [entry for entry in loaded if not isinstance(entry, Reason)]
    skipped = Counter(entry for entry in loaded if isinstance(entry, Reason))
    if not good:
        reasons = (
            ", ".join(f"{count} {reason.name.lower()}" for reason, count in skipped.items()) or "it is empty"
        )
        raise ValueError(f"evaluation set {config['path']} has no usable record: {reasons}")
    records = [record for record, _ in good]
    usable = [index for index, entry in enumerate(loaded) if not isinstance(entry, Reason)]
    images = (
        np.stack([image for _, image in good if image is not None])
        if held
        else ImagesOnDemand(lambda index: _load(source, view, index)[1], usable, resolution, threads)
    )
    return EvaluationSet(
        images=cast(np.ndarray, images),
        ids=tuple(record.id for record in records),
        captions=_captions(records, languages),
        translations={one: _captions(records, (one,)) for one in _other_languages(records, languages)},
        labels=tuple(record.label for record in records),
        tags=tuple(record.tags for record in records),
        groups=tuple(record.group for record in records),
        sources=tuple(record.source for record in records),
        skipped=dict(skipped),
    )


def _captions(records: list[Record], languages: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(caption.text for caption in spoken(record, languages)) for record in records)


def _other_languages(records: list[Record], languages: tuple[str, ...]) -> list[str]:
    if not languages:
        return []
    return sorted({caption.language for record in records for caption in record.captions} - set(languages))


def _load(source: Source, view: EvaluationView, index: int) -> tuple[Record, Square]:
    record = source[index]
    if record.image is None:
        raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
    image = view.of_bytes(record.image)
    return replace(record, image=None), image
