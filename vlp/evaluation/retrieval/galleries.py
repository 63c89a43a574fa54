"""Which captions and images of an evaluation set are searched together: all, a fold, or those of one language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from input_pipeline.errors import UserError
from vlp.evaluation.protocols import EvaluationSet

ENGLISH, EVERY = "en", "*"


class Gallery(NamedTuple):
    """Who belongs to whom: `texts` are the distinct captions, `pairs` the (image, text) that go together.

    `rows` are the images' places in their set; `pairs` counts through these. An equal caption of two images
    is one text: as a candidate it is right for both, since no model can tell the copies apart. As a query it
    is asked once for each image and has only that image as its answer.
    """

    rows: Int64[np.ndarray, " images"]
    texts: list[str]
    pairs: Int64[np.ndarray, "pairs 2"]


def gallery(captions: Sequence[Sequence[str]], rows: Iterable[int] | None = None) -> Gallery:
    """Returns distinct captions of some images (None is all), in order of appearance; pairs are sorted by image."""
    chosen = range(len(captions)) if rows is None else list(rows)
    index: dict[str, int] = {}
    pairs = [
        (image, index.setdefault(text, len(index)))
        for image, row in enumerate(chosen)
        for text in dict.fromkeys(captions[row])
    ]
    return Gallery(np.array(chosen, np.int64), list(index), np.array(pairs, np.int64).reshape(-1, 2))


def whole_gallery(name: str, data: EvaluationSet) -> Gallery:
    """Returns all images and captions of a set.

    Raises:
        ValueError: it has no captions.
    """
    whole = gallery(data.captions)
    if not whole.texts:
        raise UserError(f"evaluation set {name!r} has no captions: take it out of the evaluator's sets")
    return whole


def folds(name: str, data: EvaluationSet, count: int) -> list[Gallery]:
    """Returns consecutive images in `count` equal parts, as nearly as it goes: of COCO's 5,000 five give "1K".

    Raises:
        ValueError: a fold without captions.
    """
    parts = [gallery(data.captions, rows) for rows in np.array_split(np.arange(len(data.captions)), count)]
    if not all(part.texts for part in parts):
        raise UserError(
            f"a fold of evaluation set {name!r} has no captions: ask for fewer than {count} folds"
        )
    return parts


def in_language(name: str, data: EvaluationSet, language: str) -> tuple[Gallery, Gallery]:
    """Returns the captions in a language with the images that have one, and English captions of the same images.

    There are as many English ones of an image, its first, as it has in the language, so that neither is the
    easier search.

    Raises:
        ValueError: no caption in that language, or none of these images has an English one.
    """
    captions = captions_in(name, data, language)
    rows = [row for row, own in enumerate(captions) if own]
    english = [own[: len(other)] for own, other in zip(data.captions, captions, strict=True)]
    own, same = gallery(captions, rows), gallery(english, rows)
    if not same.texts:
        raise UserError(f"evaluation set {name!r} has no English captions to compare {language!r} with")
    return own, same


def languages_beside_english(data: EvaluationSet) -> list[str]:
    """Languages in which some image has a caption that can be compared with an English one of the same image."""
    return [
        language
        for language, captions in data.translations.items()
        if any(own and english for own, english in zip(captions, data.captions, strict=True))
    ]


def captions_in(name: str, data: EvaluationSet, language: str) -> Sequence[Sequence[str]]:
    """Captions in one language, an entry per image.

    Raises:
        ValueError: there are none.
    """
    captions = data.captions if language == ENGLISH else data.translations.get(language, ())
    if not any(captions):
        known = ", ".join([ENGLISH, *data.translations])
        raise UserError(f"evaluation set {name!r} has no captions in {language!r}: it has {known}")
    return captions
