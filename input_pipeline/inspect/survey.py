"""What a source holds: every record looked at once, or a sample that is spread evenly over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from input_pipeline.decode import open_picture
from input_pipeline.errors import UserError
from input_pipeline.prepare.fingerprint import Seen, fingerprint
from input_pipeline.prepare.header import read_header
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import Source
from input_pipeline.subsets import spread
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.text import TextView

_TOP = 20  # of a histogram
_EXAMPLES = 5  # of each reason
_ALIKE = 16  # levels of 255, as in configs/base.py: prepare
_THUMBNAIL = 64  # pixels that a fingerprint needs at the least


@dataclass(frozen=True, slots=True)
class Look:
    """One record with a sound image: all that a survey counts, without its pixels."""

    record: Record  # without image
    texts: tuple[str, ...]  # all that training may show; () = it has no caption
    tokens: tuple[int, ...]  # of each text
    format: str
    size: tuple[int, int]  # width, height
    image_bytes: int
    fingerprint: bytes
    unusable: BadRecord | None  # why training cannot use it all the same


@dataclass(frozen=True)
class Survey:
    """Holds what was seen.

    Attributes:
      figures: plain JSON.
      good: numbers of the records that training can use.
      pictures: numbers of those with a sound image, captions or not.
    """

    figures: dict[str, Any]
    good: tuple[int, ...]
    pictures: tuple[int, ...]


def survey(
    source: Source,
    chosen: Sequence[int],
    view: TextView,
    tokenizer: Tokenizer,
    *,
    records: int,
    threads: int,
) -> Survey:
    """Looks at records, at their images decoded and at their texts as tokens.

    Args:
      source: any.
      chosen: numbers of the records in use.
      view: which of a record's texts training may show.
      tokenizer: of the model.
      records: how many to look at, evenly spread; 0 = all.
      threads: to decode in.

    Raises:
      ValueError: the source is empty.
    """
    if not chosen:
        raise UserError("the source has no records")
    numbers = [chosen[place] for place in spread(len(chosen), records)]
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda number: _look(source, view, tokenizer, number), numbers))
    looks = {number: look for number, look in zip(numbers, found, strict=True) if isinstance(look, Look)}
    why = [look.unusable if isinstance(look, Look) else look for look in found]
    good = [number for number, bad in zip(numbers, why, strict=True) if not bad]
    figures: dict[str, Any] = {"records": len(source), "in_use": len(chosen), "looked_at": len(numbers)}
    figures |= {"usable": len(good), **_bad(zip(numbers, why, strict=True))}
    figures |= _pictures(list(looks.values())) if looks else {}
    figures |= {"captions": _captions([looks[number] for number in good], tokenizer.length)} if good else {}
    return Survey(figures, tuple(good), tuple(looks))


def _look(source: Source, view: TextView, tokenizer: Tokenizer, number: int) -> Look | BadRecord:
    try:
        record = source[number]
        if record.image is None:
            raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
        picture = open_picture(record.image)
        size = picture.width, picture.height
        pixels, _ = picture.reduced(min(size) / _THUMBNAIL)
    except BadRecord as bad:
        return bad
    header, texts = read_header(record.image), tuple(view.every_text(record))
    return Look(
        Record(**{name: getattr(record, name) for name in _KEPT}, image=None),
        texts,
        tuple(tokenizer.count_tokens(texts).tolist()) if texts else (),
        header.format if header else "unknown",
        size,
        len(record.image),
        fingerprint(Image.fromarray(pixels)),
        None if texts else _without_text(view, record),
    )


def _without_text(view: TextView, record: Record) -> BadRecord | None:
    try:
        view.usable(record)
    except BadRecord as bad:
        return bad
    return None


_KEPT = ("id", "captions", "tags", "label", "source", "group")


def _bad(found: Iterable[tuple[int, BadRecord | None]]) -> dict[str, Any]:
    names = [(bad.reason.name.lower(), f"record {number}: {bad.detail}") for number, bad in found if bad]
    examples: dict[str, list[str]] = {}
    for name, text in names:
        examples.setdefault(name, []).append(text)
    return {
        "bad": dict(Counter(name for name, _ in names)),
        "bad_examples": {name: texts[:_EXAMPLES] for name, texts in examples.items()},
    }


def _near_duplicates(looks: Sequence[Look]) -> int:
    rows = np.frombuffer(b"".join(look.fingerprint for look in looks), np.uint8).reshape(len(looks), -1)
    seen = Seen(_ALIKE)
    return sum(int((~seen.keep_new(rows[at : at + 64])).sum()) for at in range(0, len(rows), 64))


def _pictures(looks: Sequence[Look]) -> dict[str, Any]:
    images = {
        "formats": _histogram(look.format for look in looks)["top"],
        "width": _distribution([look.size[0] for look in looks]),
        "height": _distribution([look.size[1] for look in looks]),
        "shorter_side": _distribution([min(look.size) for look in looks]),
        "longer_side": _distribution([max(look.size) for look in looks]),
        "bytes": _distribution([look.image_bytes for look in looks]),
    }
    return {
        "near_duplicates": _near_duplicates(looks),
        "images": images,
        "tags": _histogram(tag for look in looks for tag in look.record.tags),
        "labels": _histogram(look.record.label for look in looks if look.record.label),
    }


def _captions(looks: Sequence[Look], length: int) -> dict[str, Any]:
    tokens = np.array([count for look in looks for count in look.tokens])
    captions = [caption for look in looks for caption in look.record.captions]
    return {
        "per_record": _distribution([len(look.record.captions) for look in looks]),
        "usable_per_record": _distribution([len(look.texts) for look in looks]),
        "kinds": _histogram(caption.kind for caption in captions)["top"],
        "languages": _histogram(caption.language for caption in captions)["top"],
        "tokens": _distribution(tokens),
        "length": length,
        "truncated_share": round(float((tokens > length).mean()), 4),
    }


def _distribution(values: Any) -> dict[str, float]:
    array = np.asarray(values)
    low, median, high = np.percentile(array, [5, 50, 95])
    figures = {"min": array.min(), "p5": low, "median": median, "p95": high, "max": array.max()}
    return {name: round(float(value), 1) for name, value in {**figures, "mean": array.mean()}.items()}


def _histogram(names: Any) -> dict[str, Any]:
    counts: Mapping[str, int] = Counter(names)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {"distinct": len(ordered), "top": dict(ordered[:_TOP])}
