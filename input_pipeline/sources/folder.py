"""A folder of images: with a captions file, with a text file beside each image, or sorted into class folders.

- `captions` or `metadata`, as .jsonl, .json, .csv, .tsv or .parquet in the folder itself, is read as a table of its
  images.
- A folder with nothing but one split in it, as `train`, is that split.
- Otherwise every image is a record. Its captions are in a .txt (one caption, whatever its lines) or .json file of
  the same name, and its label is the name of the top folder that it lies in, or with the column `folders` all of
  them, as '/b/bakery/shop'. A .txt or .json without an image is a bad record; names that begin with a dot are passed
  over.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import table
from input_pipeline.sources.columns import (
    Columns,
    check_columns,
    make_record,
    pick,
    plain_name,
    resolve_columns,
)
from input_pipeline.sources.digest import digest
from input_pipeline.sources.parquet import ParquetSource
from input_pipeline.sources.paths import check_one_split, find_folder, read_beside, split_of
from input_pipeline.sources.table import CsvSource, JsonlSource

FORMATS = {"folder": "open_folder"}
IMAGE_FILES = True

COLUMNS = Columns(
    id="id",
    image="image",
    captions="captions|txt|caption|text",
    label="label|category|folder",
    group="group|concept",
)
_ENDINGS = "jpg jpeg jpe jfif png webp gif bmp tif tiff avif heic heif jp2 jxl tga ppm pgm pbm pnm"
IMAGES = frozenset(f".{ending}" for ending in _ENDINGS.split(" "))
_SIDES = frozenset({".txt", ".json"})
_Table = Callable[..., "JsonlSource | CsvSource | ParquetSource"]
_TABLES: dict[str, _Table] = {
    ".jsonl": JsonlSource,
    ".json": JsonlSource,
    ".csv": CsvSource,
    ".tsv": CsvSource,
    ".parquet": functools.partial(ParquetSource, defaults=table.COLUMNS),
}


class _Entry(NamedTuple):
    """Paths relative to the folder; '' where there is none."""

    image: str
    txt: str
    json: str


def open_folder(
    path: str, columns: Mapping[str, str] | None = None, image_folder: str = ""
) -> FolderSource | JsonlSource | CsvSource | ParquetSource:
    """Opens the source of a folder, by what lies in it.

    Raises:
      ValueError: no such folder, or nothing in it.
    """
    folder = _of_one_split(find_folder(path))
    file = table_of(folder)
    if file is None:
        return FolderSource(str(folder), columns, image_folder)
    return _TABLES[file.suffix.lower()](str(file), columns, image_folder=image_folder)


def table_of(folder: Path) -> Path | None:
    """Returns the table of a folder's images, if there is one."""
    files = {file.name.lower(): file for file in folder.iterdir()}
    names = (name + suffix for name in ("captions", "metadata") for suffix in _TABLES)
    return next((files[name] for name in names if name in files and files[name].is_file()), None)


def _of_one_split(folder: Path) -> Path:
    """The folder, or the only one in it where that is a split, as `train`: a split is no class."""
    inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    folders = [entry for entry in inside if entry.is_dir()]
    alone = len(folders) == 1 and not any(entry.suffix.lower() in IMAGES for entry in inside)
    return folders[0] if alone and split_of(folders[0].name) and not table_of(folder) else folder


def _refuse_tables_below(folder: Path) -> None:
    """Tables of images in the folders below, whose captions nobody would miss."""
    folders = [
        entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")
    ]
    tables = [table for one in folders if (table := table_of(one)) and table.suffix.lower() != ".json"]
    if tables:
        others = f" and {len(tables) - 1} more like it" if len(tables) > 1 else ""
        raise UserError(
            f"{folder} has no table of its images, but {tables[0]}{others} has one of those beside it: name "
            f"{tables[0].parent}, or write one table into {folder}"
        )


class FolderSource:
    """Records of the images below a folder, in the order of their paths."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None, image_folder: str = "") -> None:
        """Lists the folder.

        Args:
          path: the folder.
          columns: keys of the .json files, or 'txt', 'folder' and 'folders' for what comes from those.
          image_folder: what links may not lead out of; '' = the folder itself.

        Raises:
          ValueError: no such folder, nothing in it, or class folders of several splits.
        """
        self._columns = resolve_columns(columns or {}, COLUMNS)
        self._folder = find_folder(path)
        self._root = find_folder(image_folder) if image_folder else self._folder
        check_one_split(self._folder, _folders_with_images(self._folder))
        _refuse_tables_below(self._folder)
        self._entries = list(_entries(self._folder))
        if not self._entries:
            raise UserError(f"{self._folder} has no images in it: they end in {', '.join(sorted(IMAGES))}")
        check_columns(
            path, lambda index: self._sample(self._entries[index]), len(self), self._columns, columns or {}
        )

    def __len__(self) -> int:
        return len(self._entries)

    def digest(self) -> str:
        """Returns a few letters for the names of all files, and for what some hold."""
        names = list(filter(None, itertools.chain(*self._entries)))
        return digest(names, [self._folder / name for name in names])

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self._entries):
            raise IndexError(f"record {index} of {len(self)}")
        entry = self._entries[index]
        values = pick(self._sample(entry), self._columns)
        image = self._read(entry.image) if entry.image else None
        default_id = entry.image or entry.txt or entry.json
        return make_record(values, language=self._columns.language, default_id=default_id, image=image)

    def ids(self) -> Iterator[str]:
        """Yields the id of every record where it is its path, which needs no reading; else of each that can be read."""
        for entry in self._entries:
            try:
                own = plain_name(pick(self._sample(entry), self._columns).get("id")) if entry.json else ""
                yield own or entry.image or entry.txt or entry.json
            except BadRecord:
                yield ""

    def _read(self, name: str) -> bytes:
        return read_beside(self._folder, name, self._root)

    def _sample(self, entry: _Entry) -> dict[str, Any]:
        folders, inside, _ = (entry.image or entry.txt or entry.json).rpartition("/")
        sample: dict[str, Any] = {
            "image": entry.image or None,
            "folder": folders.partition("/")[0] if inside else None,
            "folders": f"/{folders}" if inside else None,
        }
        if entry.txt:
            sample["txt"] = self._read(entry.txt)
        if entry.json:
            try:
                content = json.loads(self._read(entry.json))
            except (ValueError, RecursionError) as error:
                raise BadRecord(Reason.UNREADABLE, f"{entry.json}: {error}") from None
            sample = (content if isinstance(content, dict) else {"json": content}) | sample
        return sample


def _entries(root: Path) -> Iterator[_Entry]:
    """Files that belong together: of one name in one folder. A second image of a name is a record of its own."""
    seen = {os.path.realpath(root)}
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and _new(folder, name, seen))
        within = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if within == "." else f"{within}/"
        images: dict[str, list[str]] = {}
        sides: dict[str, dict[str, str]] = {}
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            suffix = suffix.lower()
            if name.startswith("."):
                continue
            if suffix in IMAGES:
                images.setdefault(stem, []).append(prefix + name)
            elif suffix in _SIDES:
                sides.setdefault(stem, {})[suffix] = prefix + name
        for stem in sorted(images.keys() | sides.keys()):
            side = sides.get(stem, {})
            for image in images.get(stem, [""]):
                yield _Entry(image, side.get(".txt", ""), side.get(".json", ""))


def _new(folder: str, name: str, seen: set[str]) -> bool:
    """Whether a folder has not been walked yet, by any name: links may lead in circles."""
    real = os.path.realpath(os.path.join(folder, name))
    if real in seen:
        return False
    seen.add(real)
    return True


def _folders_with_images(root: Path) -> list[str]:
    """The folders directly below that have an image somewhere, if all of them are called as splits are."""
    folders = [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    if not all(split_of(folder.name) for folder in folders):
        return []
    return [folder.name for folder in folders if next(_entries(folder), None)]
