"""An evaluation split, whole and in a fixed order: what evaluators measure on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from jaxtyping import UInt8

from input_pipeline.errors import UserError
from input_pipeline.images_on_demand import ImagesOnDemand
from input_pipeline.records import BadRecord, Reason, Record, Region
from input_pipeline.sources import Source, open_source
from input_pipeline.sources.columns import plain_name
from input_pipeline.subsets import entry_records
from input_pipeline.tables import hash64
from input_pipeline.views.frames import Shown
from input_pipeline.views.image import EvaluationView
from input_pipeline.views.text import LANGUAGES, spoken

_Entry = tuple[Record, Shown | None, int]  # without encoded bytes, of which the last is the hash
# Of decoded images that are kept in memory; larger sets are decoded again whenever they are read.
HELD_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """One entry per image in every field; what could not be used is left out and counted in `skipped`.

    Records of one image that have captions, the same id or none of their own, and differ in nothing else are one entry.

    Attributes:
      images: at the model's resolution, or as records of patches (`views/frames.py`); of a large set, ImagesOnDemand,
        which are indexed and encoded alike.
      captions: in the wanted languages, the source's best first; may be empty for an image. Of a set that speaks
        none of them but one other, in that.
      translations: the captions of every other language, by language.
      labels: '' where there is none.
      skipped: how many records were left out, by reason.
      regions: parts of each image, with their boxes as the model sees it; most sets know none.
      masks: the class number of each pixel, 0 where it is none of `classes`, 255 where nobody knows; None in most sets.
      classes: what the numbers of masks mean, from 1 on.
      slices: what `columns.extras` says of each image, by column, '' where it says nothing.
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
    slices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    regions: tuple[tuple[Region, ...], ...] = ()
    masks: UInt8[np.ndarray, "n resolution resolution"] | None = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


def load_evaluation_set(
    config: Mapping[str, Any],
    preprocessing: Mapping[str, Any],
    *,
    name: str = "",
    languages: tuple[str, ...] = LANGUAGES,
    threads: int = 2,
    held_bytes: int = HELD_BYTES,
    max_bad_share: float = 1.0,
    decode: bool = True,
) -> EvaluationSet:
    """Reads and decodes a whole split, which shows the records that cannot be used.

    Args:
      config: {"format", "path", "columns"} of the split, and which part of it: "fraction", "keep_ids", "shots".
      preprocessing: {"resolution", "resize", ...} of the model.
      name: of the set, for errors; '' is its path.
      languages: of `captions`; () is all of them.
      threads: to decode in.
      held_bytes: of decoded images that are kept.
      max_bad_share: of records that cannot be used; figures over what more would leave are none of the set.
      decode: False decodes nothing yet and so counts no image that cannot be decoded: for a look at what is known.

    Raises:
      ValueError: the split cannot be opened, none of its records can be used, or too many cannot.
    """
    source, view = open_source(config), EvaluationView(preprocessing)
    chosen = sorted(entry_records(source, name, config))
    held = decode and view.frame.dtype.itemsize * len(chosen) <= held_bytes

    def load(index: int) -> tuple[Record, Shown | None, int] | BadRecord:
        try:
            record = _with_image(source, index)
            data = cast(bytes, record.image)
            image = view.of_bytes(data) if decode else None
            return (
                _shown(record, view, placed=decode),
                image if held else None,
                hash64(data),
            )
        except BadRecord as bad:
            return bad

    with ThreadPoolExecutor(threads) as pool:
        loaded = list(pool.map(load, chosen))
    numbered = list(zip(chosen, loaded, strict=True))
    good = _joined({index: entry for index, entry in numbered if not isinstance(entry, BadRecord)})
    bad = {index: entry for index, entry in numbered if isinstance(entry, BadRecord)}
    _refuse_bad(name or config["path"], bad, len(loaded), max_bad_share)

    def image_of(index: int) -> Shown:
        return view.of_bytes(cast(bytes, _with_image(source, index).image))

    images = (
        np.stack([image for _, image, _ in good.values() if image is not None])
        if held
        else ImagesOnDemand(image_of, list(good), view.frame, threads)
    )
    whole = _whole([record for record, _, _ in good.values()], cast(np.ndarray, images), bad, languages)
    return replace(whole, classes=tuple(getattr(source, "classes", ())))


def _shown(record: Record, view: EvaluationView, placed: bool) -> Record:
    """A record without its picture, its mask as the view shows it, and so its regions, if they are placed."""
    numbers = view.mask(record)
    mask = None if numbers is None else numbers.tobytes()
    return replace(record, image=None, regions=view.regions(record) if placed else record.regions, mask=mask)


def _joined(entries: Mapping[int, _Entry]) -> dict[int, _Entry]:
    """Rows of a table for each caption of an image, as the first of them with all captions: apart, they would be each
    other's mistakes in a search."""
    joined: dict[int, _Entry] = {}
    firsts: dict[Any, int] = {}
    for index, (record, image, data) in entries.items():
        own = "" if record.id == str(index) else record.id
        said = own, data, record.label, record.group, record.source, record.tags
        first = firsts.setdefault(said, index) if record.captions else index
        if first != index:
            kept, image, _ = joined[first]
            record = replace(kept, captions=kept.captions + record.captions)
        joined[first] = record, image, data
    return joined


def reasons(skipped: Mapping[Reason, int]) -> dict[str, int]:
    """Returns how many records were left out, by the reason's name, the most frequent first."""
    return {
        reason.name.lower(): count for reason, count in sorted(skipped.items(), key=lambda item: -item[1])
    }


def _with_image(source: Source, index: int) -> Record:
    record = source[index]
    if record.image is None:
        raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
    return record


def _refuse_bad(name: str, bad: Mapping[int, BadRecord], total: int, share: float) -> None:
    counted = reasons(Counter(entry.reason for entry in bad.values()))
    why = ", ".join(f"{count} {reason}" for reason, count in counted.items())
    if len(bad) == total:
        raise UserError(f"evaluation set {name} has no usable record: {why or 'it is empty'}")
    if len(bad) > share * total:
        first, example = next(iter(bad.items()))
        limit = math.ceil(100 * len(bad) / total) / 100
        raise UserError(
            f"{len(bad)} of {total} records of evaluation set {name} cannot be used, more than "
            f"data.max_bad_share={share}: {why}; the first is record {first} ({example.detail}). Look at the data, or "
            f"raise the limit with --config.data.max_bad_share={limit}"
        )


def _whole(
    records: list[Record],
    images: UInt8[np.ndarray, "n resolution resolution 3"],
    bad: Mapping[int, BadRecord],
    languages: tuple[str, ...],
) -> EvaluationSet:
    others = _other_languages(records, languages)
    if len(others) == 1 and not any(_captions(records, languages)):
        languages, others = (others[0],), []
    return EvaluationSet(
        images=images,
        ids=tuple(record.id for record in records),
        captions=_captions(records, languages),
        translations={one: _captions(records, (one,)) for one in others},
        labels=tuple(record.label for record in records),
        tags=tuple(record.tags for record in records),
        groups=tuple(record.group for record in records),
        sources=tuple(record.source for record in records),
        skipped=Counter(entry.reason for entry in bad.values()),
        slices=_slices(records),
        regions=tuple(record.regions for record in records),
        masks=_masks(records),
    )


def _masks(records: list[Record]) -> UInt8[np.ndarray, "n resolution resolution"] | None:
    if any(record.mask is None for record in records):
        return None
    flat = np.stack([np.frombuffer(record.mask or b"", np.uint8) for record in records])
    side = math.isqrt(flat.shape[1])
    return flat.reshape(len(records), side, side)


def _slices(records: list[Record]) -> dict[str, tuple[str, ...]]:
    names = sorted({name for record in records for name in record.extras})
    return {name: tuple(plain_name(record.extras.get(name)) for record in records) for name in names}


def _captions(records: list[Record], languages: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(caption.text for caption in spoken(record, languages)) for record in records)


def _other_languages(records: list[Record], languages: tuple[str, ...]) -> list[str]:
    if not languages:
        return []
    return sorted({caption.language for record in records for caption in record.captions} - set(languages))
