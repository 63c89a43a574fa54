"""VTAB's structured tasks: what TFDS has prepared, with the labels and splits that VTAB makes of it.

The benchmark (arXiv 1910.04867) takes labels from what generated an image: counts, distances, poses. Its code says how
(google-research/task_adaptation, data/). A label is a class's number; prompts know their names.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from input_pipeline.known.layouts import Missing
from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources.tfds import TfdsSource

Sample = Mapping[str, Any]
INFO = "dataset_info.json"  # what a prepared version's folder has

# Of VTAB's splits: a split of the data set, and from which percent of it to which.
_WHOLE = {split: (split, 0, 100) for split in ("train", "test")}
_SPLITS: Mapping[str, Mapping[str, tuple[str, int, int]]] = {
    "clevr": {"train": ("train", 0, 90), "val": ("train", 90, 100), "test": ("validation", 0, 100)},
    "dmlab": {**_WHOLE, "val": ("validation", 0, 100)},
    "dsprites": {"train": ("train", 0, 80), "val": ("train", 80, 90), "test": ("train", 90, 100)},
    "kitti": {**_WHOLE, "val": ("validation", 0, 100)},
    "smallnorb": {"train": ("train", 0, 100), "val": ("test", 0, 50), "test": ("test", 50, 100)},
}
# What is made of them: both to learn from, and VTAB's thousand examples.
_JOINED: Mapping[str, Mapping[str, int | None]] = {
    "trainval": {"train": None, "val": None},
    "train800val200": {"train": 800, "val": 200},
}
SPLITS = ("test", "train", "val", *_JOINED)


class Task(NamedTuple):
    """Holds what is asked of a data set.

    Attributes:
      data_set: its name in TFDS.
      classes: how many there are.
      number: from an example to its class.
    """

    data_set: str
    classes: int
    number: Callable[[Sample], int]


def _of(sample: Sample, key: str) -> Any:
    """A feature of all objects, which TFDS gives as a list of them or feature by feature."""
    objects = sample["objects"]
    return np.asarray(
        objects[key] if isinstance(objects, Mapping) else [one[key] for one in objects], np.float64
    )


def _bin(thresholds: Sequence[float], value: float) -> int:
    """Which of the thresholds is the last that the value is above."""
    return bisect_left(thresholds, value) - 1


def _clevr_count(sample: Sample) -> int:
    return len(_of(sample, "size")) - 3  # there are three to ten


def _clevr_distance(sample: Sample) -> int:
    return _bin((0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0), _of(sample, "pixel_coords")[:, 2].min())


def _kitti_distance(sample: Sample) -> int:
    """In metres; the last class is an image without a car, a van or a truck."""
    depths = _of(sample, "location").reshape(-1, 3)[:, 2][_of(sample, "type") < 3]
    return _bin((-100.0, 8.0, 20.0, 999.0), min([*depths, 1000.0]))


def _pose(name: str, among: int, data_set: str, classes: int) -> Task:
    """A latent factor of so many values, of which neighbours make a class where there are fewer."""
    return Task(data_set, classes, lambda sample: int(int(sample[name]) // (among / classes)))


TASKS: Mapping[str, Task] = {
    "clevr_count_all": Task("clevr", 8, _clevr_count),
    "clevr_closest_object_distance": Task("clevr", 6, _clevr_distance),
    "dmlab": _pose("label", 6, "dmlab", 6),
    "dsprites_label_orientation": _pose("label_orientation", 40, "dsprites", 40),
    "dsprites_label_orientation_16": _pose("label_orientation", 40, "dsprites", 16),
    "dsprites_label_x_position": _pose("label_x_position", 32, "dsprites", 32),
    "dsprites_label_x_position_16": _pose("label_x_position", 32, "dsprites", 16),
    "kitti_closest_vehicle_distance": Task("kitti", 4, _kitti_distance),
    "smallnorb_label_azimuth": _pose("label_azimuth", 18, "smallnorb", 18),
    "smallnorb_label_elevation": _pose("label_elevation", 9, "smallnorb", 9),
}


class Structured(TfdsSource):
    """Records of a task's split."""

    def __init__(self, task: str, folder: Path, split: str) -> None:
        """Opens what TFDS has prepared; raises Missing where it is not there.

        Args:
          task: of `TASKS`.
          folder: TFDS's own, or that of a prepared version.
          split: of `SPLITS`.
        """
        self._task, self._split = task, split
        version = _version(folder, TASKS[task].data_set)
        super().__init__(f"{version}/{_instruction(version, TASKS[task].data_set, split)}")

    def _sample(self, index: int) -> dict[str, Any]:
        sample, task = super()._sample(index), TASKS[self._task]
        name = sample.get("id") or sample.get("file_name") or sample.get("image/file_name")
        try:
            number = task.number(sample)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise BadRecord(Reason.UNREADABLE, f"record {index} of {self._path}: no label: {error}") from None
        if not 0 <= number < task.classes:
            where = f"record {index} of {self._path}: class {number}"
            raise BadRecord(Reason.UNREADABLE, f"{where} is none of the {task.classes} of {self._task}")
        image = _visible(sample["image"]) if task.data_set == "dsprites" else sample["image"]
        return {"id": name or f"{self._split}/{index}", "image": image, "label": str(number)}


def _version(folder: Path, name: str) -> Path:
    """The folder of the highest version that is prepared."""
    if (folder / INFO).is_file():
        return folder
    found = [file.parent for file in folder.glob(f"{name}/*/{INFO}")]
    if not found:
        raise Missing(f"{folder / name}/VERSION/{INFO}")
    return max(found, key=lambda one: [int(part) for part in one.name.split(".") if part.isdecimal()])


def _instruction(version: Path, name: str, split: str) -> str:
    """A split in TFDS's words, in examples, for these add up."""
    import tensorflow_datasets as tfds

    splits = tfds.builder_from_directory(version).info.splits
    parts = []
    alone: Mapping[str, int | None] = {split: None}
    for part, most in _JOINED.get(split, alone).items():
        own, *percents = _SPLITS[name][part]
        if own not in splits:
            raise Missing(f"the split '{own}' in {version}")
        first, last = (round(splits[own].num_examples * percent / 100) for percent in percents)
        parts.append(f"{own}[{first}:{last if most is None else min(last, first + most)}]")
    return "+".join(parts)


def _visible(picture: bytes) -> bytes:
    """An image of zeros and ones as black and white."""
    buffer = io.BytesIO()
    try:
        pixels = np.asarray(Image.open(io.BytesIO(picture)))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadRecord(Reason.UNREADABLE, f"an image of zeros and ones: {error}") from None
    Image.fromarray((pixels > 0).astype(np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()
