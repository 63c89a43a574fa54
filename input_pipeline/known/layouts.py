"""What known data sets look like on disk, as random access to Records."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from input_pipeline.records import Caption, Record, clean_text
from input_pipeline.sources.folder import IMAGES
from input_pipeline.sources.paths import read_beside

CAPTIONS = 5  # of an image, in the standard retrieval protocol: the first five of those that have more


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
        listed = json.loads((folder / name).read_text(encoding="utf-8"))["images"]
        chosen = [image for image in listed if image["split"] == split]
        if not chosen:
            raise Missing(f"images of the split '{split}' in {folder / name}")
        below = _below(folder, chosen[0])
        files = [_path(below, {"filepath": "", **image}) for image in chosen]
        super().__init__(folder, [_sentences(image) for image in chosen], files)


def _sentences(image: Mapping[str, Any]) -> Record:
    texts = [clean_text(sentence["raw"]) for sentence in image["sentences"]]
    captions = tuple(Caption(text, "sentence", "en") for text in texts if text)
    return Record(id=image["filename"], image=None, captions=captions[:CAPTIONS])


def _path(below: str, image: Mapping[str, Any]) -> str:
    return os.path.join(below, image["filepath"], image["filename"])


def _below(folder: Path, image: Mapping[str, Any]) -> str:
    """The folder of the images, relative to that of the file: as downloaded, or all in one."""
    usual = ("", "images", "flickr30k-images", "flickr30k_images")
    for below in usual:
        if (folder / _path(below, {"filepath": "", **image})).is_file():
            return below
    tried = ", ".join(str(folder / _path(below, {"filepath": "", **image})) for below in usual)
    raise Missing(f"the first image at {tried}")


class Gpr1200(Listed):
    """1,200 categories of ten images each; a file's name begins with its category's number (arXiv 2111.13122)."""

    def __init__(self, folder: Path) -> None:
        """Lists the images; raises Missing where there is none."""
        place = folder / "images" if (folder / "images").is_dir() else folder
        files = [name for name in _images(place) if name.partition("_")[0].isdigit()]
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
        lines = (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()
        images = [json.loads(line) for line in lines if line.strip()]
        keys = [image["image/key"] for image in images]
        records = [
            Record(id=key, image=None, captions=_languages(image))
            for key, image in zip(keys, images, strict=True)
        ]
        super().__init__(folder, records, [f"images/{key}.jpg" for key in keys])


def _languages(image: Mapping[str, Any]) -> tuple[Caption, ...]:
    by_language = {language: value["caption"] for language, value in image.items() if isinstance(value, dict)}
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
        rows = [np.fromfile(file, np.uint8) for file in wanted[:-1]]
        self._rows = np.concatenate(rows).reshape(-1, labels + 3 * _SIDE * _SIDE)
        self._labels, self._split = labels, split
        self._names = [line.replace("_", " ") for line in wanted[-1].read_text(encoding="utf-8").split()]

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


def _images(folder: Path) -> list[str]:
    return (
        sorted(file.name for file in folder.iterdir() if file.suffix.lower() in IMAGES)
        if folder.is_dir()
        else []
    )
