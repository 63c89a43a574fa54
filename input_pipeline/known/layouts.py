"""What known data sets look like on disk, as random access to Records."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.records import Caption, Record, clean_text
from input_pipeline.sources.folder import IMAGES
from input_pipeline.sources.paths import read_beside

CAPTIONS = 5  # of an image, in the standard retrieval protocol: the first five of those that have more


T = TypeVar("T")


class Missing(Exception):
    """The files that were looked for and are not there."""


class Listed:
    """Records without their images, and the file of each image below one folder."""

    def __init__(self, folder: Path, records: Sequence[Record], files: Sequence[str]) -> None:
        self._folder, self._records, self._files = folder, list(records), list(files)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        record = self._records[index]
        image = read_beside(self._folder, self._files[index])
        return Record(
            id=record.id, image=image, captions=record.captions, label=record.label, group=record.group
        )


class Karpathy(Listed):
    """Andrej Karpathy's splits: a JSON file with sentences, images as they were downloaded (arXiv 1412.2306)."""

    def __init__(self, folder: Path, name: str, split: str) -> None:
        """Reads the file; raises Missing where it or all of the images are not there."""
        if not (folder / name).is_file():
            raise Missing(str(folder / name))
        content = read_json(folder / name)
        listed = value_of(content, "images", list, str(folder / name))
        places = [(image, f"{folder / name}, images[{at}]") for at, image in enumerate(listed)]
        split_of = [value_of(image, "split", str, where) for image, where in places]
        kept = [place for place, own in zip(places, split_of, strict=True) if own == split]
        chosen = [image for image, _ in kept]
        if not chosen:
            raise Missing(f"images of the split '{split}' in {folder / name}")
        records = [_sentences(image, where) for image, where in kept]
        below = _below(folder, chosen[0])
        super().__init__(folder, records, [_path(below, {"filepath": "", **image}) for image in chosen])


def _sentences(image: Mapping[str, Any], where: str) -> Record:
    value_of({"filepath": "", **image}, "filepath", str, where)
    sentences = value_of(image, "sentences", list, where)
    texts = [
        clean_text(value_of(sentence, "raw", str, f"{where}.sentences[{at}]"))
        for at, sentence in enumerate(sentences)
    ]
    captions = tuple(Caption(text, "sentence", "en") for text in texts if text)
    return Record(id=value_of(image, "filename", str, where), image=None, captions=captions[:CAPTIONS])


def read_text(file: Path) -> str:
    """Returns what a text file holds; raises ValueError with the file's name where it is none, or cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise UserError(f"{file} cannot be read as a text in UTF-8: {error}") from None


def read_json(file: Path, text: str | None = None, line: int = 0) -> Any:
    """Returns what a JSON file, or a line of one, holds; raises ValueError with the file's name and the place."""
    try:
        return json.loads(read_text(file) if text is None else text)
    except UserError:
        raise
    except (ValueError, RecursionError) as error:
        place = f", line {line}," if line else ""
        raise UserError(f"{file}{place} is no JSON: {error}") from None


def entries_of(file: Path) -> list[tuple[Any, str]]:
    """Returns the entries of a file that is a JSON list, each with its place; raises ValueError where it is another."""
    entries = read_json(file)
    if not isinstance(entries, list):
        raise UserError(f"{file} must be a list: it has {type(entries).__name__}")
    return [(entry, f"{file}, entry {at}") for at, entry in enumerate(entries)]


def value_of(value: Any, key: str, kind: type[T], where: str) -> T:
    """Returns the value of a key; raises ValueError with the place where there is none, or one of another type."""
    if not isinstance(value, Mapping) or not isinstance(value.get(key), kind):
        found = (
            f"{type(value).__name__}" if not isinstance(value, Mapping) else f"{value.get(key)!r:.60} there"
        )
        raise UserError(f"{where} must have '{key}', a {kind.__name__}: it has {found}")
    found_value: T = value[key]
    return found_value


def _path(below: str, image: Mapping[str, Any]) -> str:
    return os.path.join(below, image["filepath"], image["filename"])


def _below(folder: Path, image: Mapping[str, Any]) -> str:
    """The folder of the images, relative to that of the file: as downloaded, or all in one."""
    usual = ("", "images", "flickr30k-images", "flickr30k_images")
    for below in usual:
        if os.path.isfile(folder / _path(below, {"filepath": "", **image})):
            return below
    tried = ", ".join(str(folder / _path(below, {"filepath": "", **image})) for below in usual)
    raise Missing(f"the first image at {tried}")


class Gpr1200(Listed):
    """1,200 categories of ten images each; a file's name begins with its category's number (arXiv 2111.13122)."""

    def __init__(self, folder: Path) -> None:
        """Lists the images; raises Missing where there is none."""
        place = folder / "images" if (folder / "images").is_dir() else folder
        files = [name for name in image_names(place) if name.partition("_")[0].isdigit()]
        if not files:
            raise Missing(f"images named NUMBER_*.jpg in {folder} or {folder / 'images'}")
        files.sort(key=lambda name: (int(name.partition("_")[0]), name))
        categories = [name.partition("_")[0] for name in files]
        records = [
            Record(id=name, image=None, label=category, group=category)
            for name, category in zip(files, categories, strict=True)
        ]
        super().__init__(place, records, files)


class Xm3600(Listed):
    """Crossmodal-3600: captions in 36 languages (arXiv 2205.12522)."""

    def __init__(self, folder: Path) -> None:
        """Reads captions.jsonl; raises Missing where it or the images are not there."""
        if not (folder / "captions.jsonl").is_file():
            raise Missing(str(folder / "captions.jsonl"))
        if not (folder / "images").is_dir():
            raise Missing(f"{folder / 'images'} with KEY.jpg")
        file = folder / "captions.jsonl"
        lines = read_text(file).splitlines()
        images = [
            (read_json(file, line, at), f"{file}, line {at}")
            for at, line in enumerate(lines, 1)
            if line.strip()
        ]
        keys = [value_of(image, "image/key", str, where) for image, where in images]
        records = [
            Record(id=key, image=None, captions=_languages(image, where))
            for key, (image, where) in zip(keys, images, strict=True)
        ]
        super().__init__(folder, records, [f"images/{key}.jpg" for key in keys])


def _languages(image: Mapping[str, Any], where: str) -> tuple[Caption, ...]:
    by_language = {
        language: value_of(value, "caption", list, f"{where}, {language}")
        for language, value in image.items()
        if isinstance(value, dict)
    }
    if bad := [
        language for language, texts in by_language.items() if not all(isinstance(one, str) for one in texts)
    ]:
        raise UserError(f"{where}, {bad[0]}: 'caption' must hold texts")
    return tuple(
        Caption(clean_text(text), "sentence", language)
        for language, texts in by_language.items()
        for text in texts
    )


# Set -> (folder of the archive, files by split, file of the class names, bytes of labels before an image).
_CIFAR: Mapping[str, tuple[str, Mapping[str, tuple[str, ...]], str, int]] = {
    "cifar10": (
        "cifar-10-batches-bin",
        {"test": ("test_batch.bin",), "train": tuple(f"data_batch_{i}.bin" for i in range(1, 6))},
        "batches.meta.txt",
        1,
    ),
    "cifar100": (
        "cifar-100-binary",
        {"test": ("test.bin",), "train": ("train.bin",)},
        "fine_label_names.txt",
        2,
    ),
}
_SIDE = 32


class Cifar:
    """CIFAR's binary version, whose images become PNGs when they are read; no pickle is opened."""

    def __init__(self, folder: Path, name: str, split: str) -> None:
        """Reads all of the split (30 or 150 MiB); raises Missing where a file is not there."""
        archive, splits, names, labels = _CIFAR[name]
        place = folder / archive if (folder / archive).is_dir() else folder
        wanted = [place / file for file in (*splits[split], names)]
        if absent := [str(file) for file in wanted if not file.is_file()]:
            raise Missing(", ".join(absent))
        size = labels + 3 * _SIDE * _SIDE
        rows = [np.fromfile(file, np.uint8) for file in wanted[:-1]]
        for file, own in zip(wanted, rows, strict=False):
            if not len(own) or len(own) % size:
                raise UserError(
                    f"{file} has {len(own):,} bytes, no multiple of an image's {size:,}: fetch it again"
                )
        self._rows = np.concatenate(rows).reshape(-1, size)
        self._labels, self._split = labels, split
        self._names = [line.replace("_", " ") for line in read_text(wanted[-1]).split()]
        highest = int(self._rows[:, labels - 1].max())
        if highest >= len(self._names):
            raise UserError(
                f"{wanted[-1]} has {len(self._names)} class names, and an image is of class {highest}"
            )

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        row, buffer = self._rows[index], io.BytesIO()
        pixels = row[self._labels :].reshape(3, _SIDE, _SIDE).transpose(1, 2, 0)
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
        label = self._names[row[self._labels - 1]]  # of CIFAR-100's two, the fine one comes second
        return Record(id=f"{self._split}/{index}", image=buffer.getvalue(), label=label)


def image_names(folder: Path) -> list[str]:
    """Returns the names of the images in a folder, sorted; none where there is no folder."""
    return (
        sorted(file.name for file in folder.iterdir() if file.suffix.lower() in IMAGES)
        if folder.is_dir()
        else []
    )
