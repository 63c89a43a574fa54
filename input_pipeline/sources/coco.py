"""COCO's own caption files (captions_val2017.json: `images` and `annotations`) as random access to Records.

The path is such a file, or a folder in which, or below `annotations`, there is one. Images are looked for as COCO is
downloaded: beside the file, in the folder above it, in `train2017` or the like there, or in `images`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Caption, Reason, Record, clean_text
from input_pipeline.sources.columns import plain_name
from input_pipeline.sources.digest import digest
from input_pipeline.sources.paths import find_files, find_folder, find_path, read_beside

FORMATS = {"coco": "CocoSource"}
IMAGE_FILES = True

NAMES = "captions_*.json"


class CocoSource:
    """Records of the images of one file, in its order, each with its captions."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None, image_folder: str = "") -> None:
        """Reads the file whole.

        Args:
          path: a file, or a folder with one.
          columns: none but `language`: they are known.
          image_folder: where the images are, if they are not where COCO has them.

        Raises:
          ValueError: no such file, several, none of COCO's form, or its first image is nowhere.
        """
        if unknown := set(columns or {}) - {"language"}:
            raise UserError(f"the columns of format 'coco' are known: leave '{min(unknown)}' out")
        file = annotation_file(path)
        images, captions = _content(file)
        self._images = images
        language = (columns or {}).get("language", "en")
        self._captions = {
            number: tuple(Caption(text, "sentence", language) for text in texts)
            for number, texts in captions.items()
        }
        self._folder = find_folder(image_folder) if image_folder else images_of(file, images[0])

    def __len__(self) -> int:
        return len(self._images)

    def digest(self) -> str:
        """Returns a few letters for the captions, and for what some images hold."""
        names = [image["file_name"] for image in self._images]
        return digest((names, self._captions), [self._folder / name for name in names])

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        name = self._images[index]["file_name"]
        image = read_beside(self._folder, name)
        return Record(id=name, image=image, captions=self._captions.get(self._images[index]["id"], ()))

    def ids(self) -> Iterator[str]:
        """Yields the name of every image file, which is its id."""
        return (image["file_name"] for image in self._images)


def annotation_file(path: str) -> Path:
    """Finds the one caption file at a path.

    Raises:
      ValueError: there is none, or several.
    """
    place = find_path(path)
    if place is None or place.is_file():
        return find_files(path, ".json")[0]
    files = [*sorted(place.glob(NAMES)), *sorted(place.glob(f"annotations/{NAMES}"))]
    if len(files) != 1:
        found = f"{len(files)} of them: name one of {', '.join(map(str, files))}" if files else "none"
        raise UserError(
            f"{place} is to have one {NAMES}, in it or in its folder 'annotations'; there is {found}"
        )
    return files[0]


def is_coco(file: Path) -> bool:
    """Tells from its first bytes whether a .json file may be one of COCO's."""
    with open(file, "rb") as stream:
        start = stream.read(1 << 12)
    return bool(
        re.match(rb'\s*\{\s*"(info|images|annotations|licenses|categories|type)"\s*:\s*[\[{"]', start)
    )


def _content(file: Path) -> tuple[list[dict[str, Any]], dict[Any, list[str]]]:
    """The images, and the captions by the id of an image."""
    try:
        content = json.loads(file.read_bytes())
        images, captions = content["images"], dict[Any, list[str]]()
        for annotation in content["annotations"]:
            text = clean_text(annotation.get("caption", ""))
            if text:
                captions.setdefault(annotation["image_id"], []).append(text)
        for image in images:
            if not plain_name(image["file_name"]) or "id" not in image:
                raise KeyError("file_name")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{file} is none of COCO's caption files, which have images (id, file_name) and annotations (image_id, "
            f"caption): {type(error).__name__}: {str(error)[:200]}"
        ) from None
    if not images or not captions:
        raise UserError(f"{file} has {len(images)} images and captions of {len(captions)}: it says nothing")
    return images, captions


def images_of(file: Path, image: Mapping[str, Any]) -> Path:
    """Finds the folder of the images of an annotation file, by its first image.

    Raises:
      ValueError: the image is in none of the places where COCO has them.
    """
    splits = dict.fromkeys(split for split in (file.stem.partition("_")[2], file.stem) if split)
    names = ["", *(below for split in splits for below in (split, f"images/{split}")), "images"]
    tried = [folder / below for folder in (file.parent, file.parent.parent) for below in names]
    for folder in tried:
        try:
            read_beside(folder, image["file_name"])
            return folder
        except BadRecord as bad:
            if bad.reason is not Reason.MISSING_IMAGE:
                return folder
    raise UserError(
        f"{file} names {image['file_name']}, which is in none of {', '.join(map(str, tried))}: say where the images "
        "are by the source's image_folder"
    )
