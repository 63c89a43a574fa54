"""Questions of a compositional evaluation: from published files, or made of captions alone."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline.errors import UserError
from vlp.evaluation.protocols import EvaluationSet


class Choice(NamedTuple):
    """An image between its caption and a foil (SugarCrepe, arXiv 2306.14610; ARO, 2210.01936; VL-CheckList,
    2207.00221)."""

    image: int
    caption: str
    foil: str
    kind: str


class Quadruple(NamedTuple):
    """Two images and two captions of the same words in another order (Winoground, arXiv 2204.03162)."""

    images: tuple[int, int]
    captions: tuple[str, str]
    kind: str


class Several(NamedTuple):
    """An image and several texts of which one is right, such as the answers to a question (CVQA, arXiv 2406.05967)."""

    image: int
    captions: tuple[str, ...]
    right: int
    kind: str


Question = Choice | Quadruple | Several


def read_questions(path: Path, ids: Sequence[str]) -> list[Question]:
    """Reads a file, or all JSON files of a folder, whose names are kinds of questions.

    Args:
      path: SugarCrepe's JSON (entries with filename, caption, negative_caption), ARO's (image_path, true_caption,
        false_caption, a box, and the kind as `relation_name` or `attributes`), VL-CheckList's ([path, {POS, NEG}]),
        Winoground's JSON lines (image_0, image_1, caption_0, caption_1, and the kind as `collapsed_tag`), or CVQA's
        rows as JSON lines (ID, Question, Options, Label, and the kind as `Subset`).
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
        question
        for file in files
        for number, entry in enumerate(_entries(file))
        for question in _questions(entry, places, f"{file}, entry {number}", file.stem)
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


def _questions(entry: Any, places: Mapping[str, int], where: str, kind: str) -> list[Question]:
    """What one entry asks, by the keys that it has."""
    if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], Mapping):
        return _vl_checklist(entry[0], entry[1], places, where, kind)
    if not isinstance(entry, Mapping):
        raise UserError(f"{where} is no JSON object")
    for keys, read in _FORMS.items():
        if set(keys) <= entry.keys():
            return [read(entry, places, where, kind)]
    known = "; ".join(", ".join(keys) for keys in _FORMS)
    raise UserError(f"{where} has {', '.join(map(str, entry))}: it needs {known}; or [path, {{POS, NEG}}]")


def _vl_checklist(
    image: Any, said: Mapping[str, Any], places: Mapping[str, int], where: str, kind: str
) -> list[Question]:
    captions, foils = said.get("POS"), said.get("NEG")
    if not isinstance(captions, list) or not isinstance(foils, list) or len(captions) != len(foils):
        raise UserError(
            f"{where}: POS is {captions!r:.80} and NEG {foils!r:.80}: they must be two lists of the same length"
        )
    row = _row(image, places, where)
    return [Choice(row, str(caption), str(foil), kind) for caption, foil in zip(captions, foils, strict=True)]


def _sugarcrepe(entry: Mapping[str, Any], places: Mapping[str, int], where: str, kind: str) -> Question:
    row = _row(entry["filename"], places, where)
    return Choice(row, str(entry["caption"]), str(entry["negative_caption"]), kind)


def _aro(entry: Mapping[str, Any], places: Mapping[str, int], where: str, kind: str) -> Question:
    box = [entry.get(f"bbox_{side}") for side in "xywh"]
    cut = "" if None in box else f"@{','.join(map(str, box))}"
    name = f"{entry['image_path']}{cut}"
    row = _row(name if name in places else entry["image_path"], places, where)
    said = entry.get("relation_name") or "_".join(map(str, entry.get("attributes") or ())) or kind
    return Choice(row, str(entry["true_caption"]), str(entry["false_caption"]), _kind(said))


def _winoground(entry: Mapping[str, Any], places: Mapping[str, int], where: str, kind: str) -> Question:
    images = _row(entry["image_0"], places, where), _row(entry["image_1"], places, where)
    captions = str(entry["caption_0"]), str(entry["caption_1"])
    return Quadruple(images, captions, _kind(entry.get("collapsed_tag", "")))


def _cvqa(entry: Mapping[str, Any], places: Mapping[str, int], where: str, kind: str) -> Question:
    options, right = entry["Options"], entry["Label"]
    if not isinstance(options, list) or not isinstance(right, int) or not 0 <= right < len(options):
        raise UserError(
            f"{where}: Label is {right!r}, no place among {options!r:.80}: it must say which is right"
        )
    texts = tuple(f"{entry['Question']} {option}" for option in options)
    return Several(_row(entry["ID"], places, where), texts, right, _kind(entry.get("Subset", "")))


_FORMS: Mapping[tuple[str, ...], Callable[..., Question]] = {
    ("filename", "caption", "negative_caption"): _sugarcrepe,
    ("image_path", "true_caption", "false_caption"): _aro,
    ("image_0", "image_1", "caption_0", "caption_1"): _winoground,
    ("ID", "Question", "Options", "Label"): _cvqa,
}


def _kind(said: Any) -> str:
    """A kind as a part of a figure's name."""
    return "_".join(re.findall(r"\w+", str(said).lower()))


def _row(name: Any, places: Mapping[str, int], where: str) -> int:
    for known in (str(name), Path(str(name)).stem):
        if known in places:
            return places[known]
    raise UserError(f"{where}: the evaluation set has no image '{name}'")
