"""Questions of a compositional evaluation: from SugarCrepe's and Winoground's files, or made of captions alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline.errors import UserError
from vlp.evaluation.protocols import EvaluationSet


class Choice(NamedTuple):
    """An image between its caption and a foil (SugarCrepe, arXiv 2306.14610)."""

    image: int
    caption: str
    foil: str
    kind: str


class Quadruple(NamedTuple):
    """Two images and two captions of the same words in another order (Winoground, arXiv 2204.03162)."""

    images: tuple[int, int]
    captions: tuple[str, str]
    kind: str


Question = Choice | Quadruple


def read_questions(path: Path, ids: Sequence[str]) -> list[Question]:
    """Reads a file, or all JSON files of a folder, whose names are kinds of questions.

    Args:
      path: SugarCrepe's JSON (entries with filename, caption, negative_caption), or Winoground's JSON lines
        (image_0, image_1, caption_0, caption_1, and the kind as `collapsed_tag`).
      ids: of the images of the evaluation set; files may name them with or without an ending.

    Raises:
      ValueError: a file that is neither, or an image that the set does not have.
    """
    files = sorted(path.glob("*.json*")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} has no .json or .jsonl file: give SugarCrepe's or Winoground's")
    places: dict[str, int] = {}
    for row, name in enumerate(ids):
        places.setdefault(name, row)
        places.setdefault(Path(name).stem, row)
    return [
        _question(entry, places, f"{file}, entry {number}", file.stem)
        for file in files
        for number, entry in enumerate(_entries(file))
    ]


def minimal_pairs(data: EvaluationSet) -> list[Question]:
    """Makes questions of captions that differ from another image's in exactly one word.

    The foil of a caption is the first such caption of another image that is none of its own image's; its kind is ''.
    """
    captions = [(row, text, text.split()) for row, texts in enumerate(data.captions) for text in texts]
    alike: dict[tuple[int, tuple[str, ...]], list[tuple[int, str]]] = defaultdict(list)
    for row, text, words in captions:
        for place in _gaps(words):
            alike[place].append((row, text))
    return [
        Choice(row, text, foil, "")
        for row, text, words in captions
        if (foil := _foil(row, text, words, alike, data.captions[row]))
    ]


def _gaps(words: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The caption without each of its words in turn, and where it was; of a single word nothing would be left."""
    lower = [word.lower() for word in words]
    return ((place, (*lower[:place], *lower[place + 1 :])) for place in range(len(words)) if len(words) > 1)


def _foil(
    row: int,
    text: str,
    words: Sequence[str],
    alike: Mapping[tuple[int, tuple[str, ...]], Sequence[tuple[int, str]]],
    own: Sequence[str],
) -> str:
    taken = {caption.lower() for caption in own}
    others = (one for place in _gaps(words) for one in alike[place])
    return next((other for there, other in others if there != row and other.lower() not in taken), "")


def _entries(file: Path) -> Iterator[Mapping[str, Any]]:
    text = file.read_text(encoding="utf-8")
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise UserError(f"{file} is neither JSON nor JSON lines: {error}") from None
    if isinstance(found, Mapping):  # entries by number, or a single line
        found = found.values() if all(isinstance(entry, Mapping) for entry in found.values()) else [found]
    return iter(found)


def _question(entry: Any, places: Mapping[str, int], where: str, kind: str) -> Question:
    if not isinstance(entry, Mapping):
        raise UserError(f"{where} is no JSON object")
    if {"filename", "caption", "negative_caption"} <= entry.keys():
        row = _row(entry["filename"], places, where)
        return Choice(row, str(entry["caption"]), str(entry["negative_caption"]), kind)
    if {"image_0", "image_1", "caption_0", "caption_1"} <= entry.keys():
        images = _row(entry["image_0"], places, where), _row(entry["image_1"], places, where)
        tag = str(entry.get("collapsed_tag", "")).lower().replace(" ", "_")
        return Quadruple(images, (str(entry["caption_0"]), str(entry["caption_1"])), tag)
    raise UserError(
        f"{where} has {', '.join(map(str, entry))}: it needs filename, caption and negative_caption (SugarCrepe), or "
        "image_0, image_1, caption_0 and caption_1 (Winoground)"
    )


def _row(name: Any, places: Mapping[str, int], where: str) -> int:
    for known in (str(name), Path(str(name)).stem):
        if known in places:
            return places[known]
    raise UserError(f"{where}: the evaluation set has no image '{name}'")
