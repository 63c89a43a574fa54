"""Sets as CLIP_benchmark lays them out: tar files in a folder a split, and beside them the names of classes.

    SET/classnames.txt, zeroshot_classification_templates.txt, dataset_type.txt, test/nshards.txt, test/0.tar, ...

A sample has an image and its class's number (`.cls`), or captions, one a line (`.txt`; the type is "retrieval"), or a
row of zeros and ones, one a class (`.npy`; "multilabel"). The `.npy` of other sets says what else is known of an image,
such as the region and the year: these numbers are the record's group, with commas between them.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int

from input_pipeline.errors import UserError
from input_pipeline.known.layouts import read_text
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources.columns import image_bytes, make_record, pick
from input_pipeline.sources.paths import here
from input_pipeline.sources.webdataset import WebDatasetSource

FORMATS = {"clip_benchmark": "BenchmarkSet"}

NAMES, TEMPLATES, TYPE = "classnames.txt", "zeroshot_classification_templates.txt", "dataset_type.txt"


class BenchmarkSet(WebDatasetSource):
    """Records of one split."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """Indexes the shards.

        Args:
          path: folder of a set, whose split 'test' is meant, or that of another split.
          columns: none: they are known.

        Raises:
          ValueError: no such folder, fewer shards than it says there are, or columns.
        """
        if columns:
            raise UserError(
                f"{path}: columns of format 'clip_benchmark' are known; leave {dict(columns)} out"
            )
        split = split_folder(here(path))
        _check_shards(split)
        self._type = dataset_type(split.parent)
        super().__init__(str(split), {"separator": "\n"} if self._type == "retrieval" else {})
        self._wanted |= {"npy"}

    def __getitem__(self, index: int) -> Record:
        key, sample = self._sample(index)
        values = pick(sample, self._columns)
        image = image_bytes(values.get("image"))
        record = make_record(values, language=self._columns.language, default_id=key, image=image)
        data = sample.get("npy")
        if not isinstance(data, bytes):
            return record
        numbers = _numbers(data, record.id)
        if self._type == "multilabel":
            return dataclasses.replace(record, tags=tuple(map(str, np.flatnonzero(numbers).tolist())))
        return dataclasses.replace(record, group=",".join(map(str, numbers.tolist())))


def split_folder(path: Path) -> Path:
    """Returns the folder of a split: the path itself, or `test` in it.

    Raises:
      ValueError: neither has shards.
    """
    for folder in (path, path / "test"):
        if any(folder.glob("*.tar")):
            return folder
    raise UserError(f"{path} holds no set of CLIP_benchmark: looked for *.tar in it and in {path / 'test'}")


def dataset_type(folder: Path) -> str:
    """Returns 'classification', 'multilabel' or 'retrieval', as a set's folder says."""
    return (_lines(folder / TYPE) or ["classification"])[0].lower()


def class_names(folder: Path) -> list[str]:
    """Returns the names of a set's classes, by number.

    Raises:
      ValueError: the set's folder does not have them.
    """
    return _required(folder / NAMES, "the name of each class, a line each")


def templates(folder: Path) -> list[str]:
    """Returns a set's prompts, in which {c} is the class.

    Raises:
      ValueError: the set's folder does not have them, or one has no place for the class.
    """
    found = _required(folder / TEMPLATES, "prompts with {c} for the class, a line each")
    if bad := [template for template in found if "{c}" not in template]:
        raise UserError(f"{folder / TEMPLATES}: '{bad[0]}' has no {{c}} for the class's name")
    return found


def _required(file: Path, what: str) -> list[str]:
    if found := _lines(file):
        return found
    raise UserError(f"{file} is not there or empty: it must hold {what}")


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        return []
    return [line.strip() for line in read_text(file).splitlines()]


def _check_shards(split: Path) -> None:
    said = (_lines(split / "nshards.txt") or [""])[0]
    shards = len(list(split.glob("*.tar")))
    if said.isdecimal() and shards < int(said):
        raise UserError(
            f"{split} has {shards} of the {said} shards that its nshards.txt speaks of: fetch the rest"
        )


def _numbers(data: bytes, where: str) -> Int[np.ndarray, " n"]:
    try:
        return np.load(io.BytesIO(data), allow_pickle=False).reshape(-1).astype(np.int64)
    except (ValueError, EOFError, TypeError) as error:
        raise BadRecord(Reason.UNREADABLE, f"the .npy of {where}: {error}") from None
