"""HDF5 files whose datasets are columns: row i of each belongs to record i.

Images are encoded bytes (variable-length uint8) or pixels [n, height, width(, 3)] of uint8; texts are strings, or rows
of them. Datasets in groups are named by their paths, such as `meta/label`. Needs the package h5py.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

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
from input_pipeline.sources.paths import find_files
from input_pipeline.sources.shards import OPEN_FILES, FileVersion, Shards, examine

FORMATS = {"hdf5": "Hdf5Source"}
SUFFIXES = {".h5": "hdf5", ".hdf5": "hdf5"}

COLUMNS = Columns(captions="captions|caption", label="label|category", group="group|concept")


class Hdf5Source:
    """Records of one or many HDF5 files, in the order of file names and rows."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """Opens the files.

        Args:
          path: a file, a folder, a pattern or an address.
          columns: names of datasets that differ from the defaults.

        Raises:
          ValueError: no such path, no readable file, a named dataset that is not there, or datasets of other lengths.
        """
        self._columns = resolve_columns(columns or {}, COLUMNS)
        self._names = [name for _, names in alternatives(self._columns) for name in names]
        files = find_files(path, *SUFFIXES)
        self._shards = Shards(examine(files, self._rows))
        check_columns(path, self._sample, len(self), self._columns, columns or {})

    def __len__(self) -> int:
        return len(self._shards)

    def digest(self) -> str:
        """Returns a few letters for what the files hold."""
        return self._shards.digest()

    def __getitem__(self, index: int) -> Record:
        fields = pick(self._sample(index), self._columns)
        image = image_bytes(fields.get("image"))
        return make_record(fields, language=self._columns.language, default_id=str(index), image=image)

    def _sample(self, index: int) -> dict[str, Any]:
        version, row = self._shards.locate(index)
        try:
            version.check()
            file = _opened(version)
            return {name: _value(file[name][row]) for name in self._there(file)}
        except (OSError, ValueError) as error:
            raise BadRecord(Reason.UNREADABLE, f"row {row} of {version.path}: {error}") from None

    def _there(self, file: Any) -> Iterator[str]:
        """The datasets that a column may mean and the file has; of one that has none of them, all."""
        return (name for name in self._names if name in file and hasattr(file[name], "shape"))

    def _rows(self, version: FileVersion) -> int:
        file = _opened(version)
        lengths = {name: len(file[name]) for name in self._there(file)}
        if not lengths:
            raise UserError(
                f"{version.path} has none of {', '.join(self._names)}; it has {', '.join(file)}: name its datasets in "
                "the source's columns, such as columns={'image': '...'}"
            )
        if len(set(lengths.values())) > 1:
            raise UserError(f"the datasets of {version.path} have other lengths: {lengths}")
        return next(iter(lengths.values()))


def _value(value: Any) -> Any:
    """A row as plain Python: encoded bytes, pixels as a PNG, texts, numbers, or lists of these."""
    if not isinstance(value, np.ndarray):
        return value.item() if hasattr(value, "item") else value
    if value.dtype == np.uint8:
        return value.tobytes() if value.ndim == 1 else _png(value)
    return value.tolist()


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


@functools.lru_cache(OPEN_FILES)
def _opened(version: FileVersion) -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise UserError(f"{version.path} is HDF5, which needs a package: pip install h5py") from error
    try:
        return h5py.File(version.path, "r")
    except OSError as error:
        raise UserError(f"{version.path} is no readable HDF5 file: {error}") from None
