"""COCO's and LVIS's own files of boxes (instances_val2017.json, lvis_v1_val.json) as random access to Records.

The path is such a file, beside the images as `coco` looks for them. A record's regions are its boxes in the file's
order, crowds left out, with the category's name as text and label; its tags are the categories that it has, each once,
and the negatives that LVIS knows of stand in `extras` as `absent`. Boxes without an area in the picture are
left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from input_pipeline.decode import MAX_PIXELS, open_picture
from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason, Record, Region
from input_pipeline.sources.coco import images_of
from input_pipeline.sources.digest import digest
from input_pipeline.sources.paths import find_files, find_folder, read_beside

FORMATS = {"coco_boxes": "CocoBoxes"}
IMAGE_FILES = True

NAMES = ("instances_", "lvis_")  # what the files' names begin with


class CocoBoxes:
    """Records of the images of one file, in its order, each with its boxes."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None, image_folder: str = "") -> None:
        """Reads the file whole.

        Args:
          path: of it.
          columns: none: they are known.
          image_folder: where the images are, if they are not where COCO has them.

        Raises:
          ValueError: no such file, none of this form, or its first image is nowhere.
        """
        if columns and any(columns.values()):
            raise UserError(
                f"the columns of format 'coco_boxes' are known: leave columns={dict(columns)} out"
            )
        file = find_files(path, ".json")[0]
        self._images, self._names, self._boxes = _content(file)
        self._folder = find_folder(image_folder) if image_folder else images_of(file, self._images[0])

    def __len__(self) -> int:
        return len(self._images)

    def digest(self) -> str:
        """Returns a few letters for the boxes, and for what some images hold."""
        names = [image["file_name"] for image in self._images]
        return digest((names, self._names, self._boxes), [self._folder / name for name in names])

    def ids(self) -> Iterator[str]:
        """Yields the name of every image file, which is its id."""
        return (image["file_name"] for image in self._images)

    def values(self, field: str) -> Iterator[list[str] | None]:
        """Yields the tags of every record; no image is read."""
        for image in self._images:
            yield [*self._tags(image["id"])] if field == "tags" else None

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        entry = self._images[index]
        image = read_beside(self._folder, entry["file_name"])
        picture = open_picture(image, MAX_PIXELS)
        size = picture.width, picture.height
        if size != (entry.get("width", size[0]), entry.get("height", size[1])):
            raise BadRecord(Reason.UNREADABLE, f"{entry['file_name']} is of {size}, its boxes are not")
        boxes = self._boxes.get(entry["id"], [])
        placed = [_region(box, self._names[category], *size) for category, box in boxes]
        regions = tuple(one for one in placed if one.box[0] < one.box[2] and one.box[1] < one.box[3])
        absent = [self._names[one] for one in entry.get("neg_category_ids", ()) if one in self._names]
        extras = {"absent": absent} if absent else {}
        return Record(entry["file_name"], image, tags=self._tags(entry["id"]), extras=extras, regions=regions)

    def _tags(self, image: Any) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._names[category] for category, _ in self._boxes.get(image, [])))


def _region(box: Sequence[float], name: str, width: int, height: int) -> Region:
    left, top, across, down = box
    corners = (left / width, top / height, (left + across) / width, (top + down) / height)
    first, second, third, fourth = (min(max(one, 0.0), 1.0) for one in corners)
    return Region((first, second, third, fourth), name, name)


def _content(
    file: Path,
) -> tuple[list[dict[str, Any]], dict[Any, str], dict[Any, list[tuple[Any, list[float]]]]]:
    """The images, the names of categories, and (category, left, top, width and height) by the id of an image."""
    try:
        content = json.loads(file.read_bytes())
        names = {one["id"]: str(one["name"]).replace("_", " ") for one in content["categories"]}
        boxes: dict[Any, list[tuple[Any, list[float]]]] = {}
        for one in content["annotations"]:
            left, top, across, down = map(float, one["bbox"])
            if not one.get("iscrowd", 0) and across > 0 and down > 0:
                own = one["category_id"], [left, top, across, down]
                boxes.setdefault(one["image_id"], []).append(own)
                names[own[0]]  # refused where there is no such category
        # LVIS has addresses in the place of names: their end is the name, their folder the split.
        images = [{**image, "file_name": _file_name(image), "id": image["id"]} for image in content["images"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{file} is none of COCO's or LVIS's files of boxes, which have images (id, file_name or coco_url), "
            f"categories (id, name) and annotations (image_id, category_id, bbox): {type(error).__name__}: "
            f"{str(error)[:200]}"
        ) from None
    if not images or not boxes:
        raise UserError(f"{file} has {len(images)} images and boxes of {len(boxes)}: it says nothing")
    return images, names, boxes


def _file_name(image: Mapping[str, Any]) -> str:
    return str(image["file_name"] if "file_name" in image else "/".join(image["coco_url"].split("/")[-2:]))
