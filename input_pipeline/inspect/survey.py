"""What a source holds: every record looked at once, or a sample that is spread evenly over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from input_pipeline.decode import open_picture
from input_pipeline.prepare.fingerprint import Seen, fingerprint
from input_pipeline.prepare.header import read_header
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import Source
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.text import TextView

_TOP = 20  # of a histogram
_EXAMPLES = 5  # of each reason
_ALIKE = 16  # levels of 255, as in configs/base.py: prepare
_THUMBNAIL = 64  # pixels that a fingerprint needs at the least


@dataclass(frozen=True, slots=True)
class Look:
    """One good record: all that a survey counts, without its pixels."""

    record: Record  # without image
    texts: tuple[str, ...]  # all that training may show
    tokens: tuple[int, ...]  # of each text
    format: str
    size: tuple[int, int]  # width, height
    image_bytes: int
    fingerprint: bytes


@dataclass(frozen=True)
class Survey:
    """What was seen: `figures` is plain JSON; `good` are the numbers of the records that training can use."""

    figures: dict[str, Any]
    good: tuple[int, ...]


def survey(source: Source, view: TextView, tokenizer: Tokenizer, *, records: int, threads: int) -> Survey:
    """Look at records, at their images decoded and at their texts as tokens.

    Args:
      source: any.
      view: which of a record's texts training may show.
      tokenizer: of the model.
      records: how many to look at, evenly spread; 0 = all.
      threads: to decode in.

    Raises:
      ValueError: the source is empty.
    """
    count = len(source)
    if not count:
        raise ValueError("the source has no records")
    numbers = spread(count, records)
    with ThreadPoolExecutor(threads) as pool:
        looks = list(pool.map(lambda number: _look(source, view, tokenizer, number), numbers))
    good = [look for look in looks if isinstance(look, Look)]
    bad = [(number, look) for number, look in zip(numbers, looks, strict=True) if isinstance(look, BadRecord)]
    figures: dict[str, Any] = {"records": count, "looked_at": len(numbers), "usable": len(good), **_bad(bad)}
    if good:
        figures |= {
            "near_duplicates": _near_duplicates(good),
            "images": _images(good),
            "captions": _captions(good, tokenizer.length),
            "tags": _histogram(tag for look in good for tag in look.record.tags),
            "labels": _histogram(look.record.label for look in good if look.record.label),
        }
    usable = tuple(number for number, look in zip(numbers, looks, strict=True) if isinstance(look, Look))
    return Survey(figures, usable)


def spread(count: int, wanted: int) -> list[int]:
    """`wanted` numbers below `count`, evenly spread; all of them if wanted is 0 or more than there are."""
    if not 0 < wanted < count:
        return list(range(count))
    return [place * count // wanted for place in range(wanted)]


def _look(source: Source, view: TextView, tokenizer: Tokenizer, number: int) -> Look | BadRecord:
    try:
        record = source[number]
        texts = tuple(view.every_text(record))
        if not texts:
            view.usable(record)  # says why
        if record.image is None:
            raise BadRecord(Reason.MISSING_IMAGE, f"record '{record.id}' has no image")
        picture = open_picture(record.image)
        size = picture.width, picture.height
        pixels, _ = picture.reduced(min(size) / _THUMBNAIL)
    except BadRecord as bad:
        return bad
    header = read_header(record.image)
    return Look(
        Record(**{name: getattr(record, name) for name in _KEPT}, image=None),
        texts,
        tuple(tokenizer.count_tokens(texts).tolist()),
        header.format if header else "unknown",
        size,
        len(record.image),
        fingerprint(Image.fromarray(pixels)),
    )


_KEPT = ("id", "captions", "tags", "label", "source", "group")


def _bad(bad: Sequence[tuple[int, BadRecord]]) -> dict[str, Any]:
    names = [(one.reason.name.lower(), f"record {number}: {one.detail}") for number, one in bad]
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


def _images(looks: Sequence[Look]) -> dict[str, Any]:
    return {
        "formats": _histogram(look.format for look in looks)["top"],
        "width": _distribution([look.size[0] for look in looks]),
        "height": _distribution([look.size[1] for look in looks]),
        "shorter_side": _distribution([min(look.size) for look in looks]),
        "longer_side": _distribution([max(look.size) for look in looks]),
        "bytes": _distribution([look.image_bytes for look in looks]),
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
