"""Data sets of TensorFlow Datasets as random access to Records, without TensorFlow.

The path is NAME[:VERSION]/SPLIT or FOLDER/SPLIT: `coco_captions/train`, `imagenet2012:5.1.0/validation[:1000]`, or
`/data/coco_captions/1.1.0/train`, where the folder is that of a prepared version. The data set must have been
prepared with `file_format="array_record"`; below which folder is said by TFDS_DATA_DIR. Images stay encoded.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources.columns import (
    Columns,
    alternatives,
    check_columns,
    image_bytes,
    make_record,
    pick,
    resolve_columns,
)
from input_pipeline.sources.digest import digest
from input_pipeline.sources.paths import here
from input_pipeline.sources.shards import FileVersion

FORMATS = {"tfds": "TfdsSource"}
NAMED = True

COLUMNS = Columns(
    id="id|image/id|image_id|file_name|image/filename",
    captions="captions/text|captions|caption|text|title",
    label="label|category|objects/label",
    group="group|concept",
)


class TfdsSource:
    """Records of one split, in the data set's own order."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """Opens a prepared split.

        Args:
          path: see above.
          columns: names of features; 'a/b' is feature b inside a.

        Raises:
          ValueError: no such data set or split, not prepared, or a feature that it does not have.
        """
        self._columns = resolve_columns(columns or {}, COLUMNS)
        name, slash, split = path.rpartition("/")
        if not slash or not name or not split:
            raise UserError(f"tfds path '{path}' must be NAME[:VERSION]/SPLIT or FOLDER/SPLIT")
        self._path = path
        try:
            builder = _builder(name)
            features = dict(builder.info.features.items())
            self._class_names = _class_names(features)
            self._data = builder.as_data_source(split=split, decoders=self._decoders(features))
            parts = builder.info.splits[split].file_instructions
            taken = (part.take if part.take >= 0 else part.examples_in_shard - part.skip for part in parts)
            self._ends = list(itertools.accumulate(taken))
            self._files = [FileVersion.of(Path(part.filename)) for part in parts]
        except Exception as error:  # TFDS has no common kind of error for what may be missing
            raise UserError(_advice(path, error)) from None
        check_columns(path, self._sample, len(self), self._columns, columns or {})

    def _decoders(self, features: Mapping[str, Any]) -> dict[str, Any]:
        from tensorflow_datasets import decode
        from tensorflow_datasets import features as kinds

        names = dict(alternatives(self._columns)).get("image", ())
        return {name: decode.SkipDecoding() for name in names if isinstance(features.get(name), kinds.Image)}

    def __len__(self) -> int:
        return len(self._data)

    def digest(self) -> str:
        """Returns a few letters for what the files hold."""
        return digest((file.size for file in self._files), [file.path for file in self._files])

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        values = pick(self._sample(index), self._columns)
        image = image_bytes(values.get("image"))
        return make_record(values, language=self._columns.language, default_id=str(index), image=image)

    def _sample(self, index: int) -> dict[str, Any]:
        try:
            self._files[bisect_right(self._ends, index)].check()
            sample = _plain(self._data[index])
        except Exception as error:  # of array_record, protobuf or a feature's decoder
            raise BadRecord(Reason.UNREADABLE, f"record {index} of {self._path}: {error}") from None
        for name, names in self._class_names.items():
            if isinstance(sample.get(name), int) and 0 <= sample[name] < len(names):
                sample[name] = names[sample[name]]
        return sample


def _builder(name: str) -> Any:
    import tensorflow_datasets as tfds

    folder = here(name)
    if folder.is_dir():
        return tfds.builder_from_directory(folder)
    builder = tfds.builder(name)
    if not Path(builder.data_dir).is_dir():
        raise UserError(f"there is nothing at {builder.data_dir}")
    return builder


def _class_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """What the numbers of a class label stand for, by feature."""
    from tensorflow_datasets import features as kinds

    labels = {name: kind for name, kind in features.items() if isinstance(kind, kinds.ClassLabel)}
    return {name: list(kind.names) for name, kind in labels.items() if kind.names}


def _plain(value: Any) -> Any:
    """numpy's arrays and numbers as Python's."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def _advice(path: str, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return (
        f"tfds data set '{path}' cannot be opened: {reason}. Prepare it first, with "
        'tfds.builder(NAME, file_format="array_record").download_and_prepare(), and say where with TFDS_DATA_DIR'
    )
