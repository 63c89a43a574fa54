"""A folder of images: with a captions file, with a text file beside each image, or sorted into class folders.

- `captions` or `metadata`, as .jsonl, .json, .csv or .tsv in the folder itself, is read as a table of its images.
- Otherwise every image is a record. Its captions are in a .txt (one caption, whatever its lines) or .json file of
  the same name, and its label is the name of the top folder that it lies in. A .txt or .json without an image is
  a bad record; names that begin with a dot are passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources.columns import (
    Columns,
    check_columns,
    make_record,
    pick,
    resolve_columns,
)
from input_pipeline.sources.paths import find_folder, read_beside
from input_pipeline.sources.table import CsvSource, JsonlSource

COLUMNS = Columns(
    id="id",
    image="image",
    captions="captions|txt|caption|text",
    label="label|category|folder",
    group="group|concept",
)
IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
_SIDES = frozenset({".txt", ".json"})
_Table = type[JsonlSource] | type[CsvSource]
_TABLES: dict[str, _Table] = {
    ".jsonl": JsonlSource,
    ".json": JsonlSource,
    ".csv": CsvSource,
    ".tsv": CsvSource,
}


class _Entry(NamedTuple):
    """Paths relative to the folder; '' where there is none."""

    image: str
    txt: str
    json: str


def open_folder(
    path: str, columns: Mapping[str, str] | None = None
) -> FolderSource | JsonlSource | CsvSource:
    """The source of a folder, by what lies in it.

    Raises:
      ValueError: no such folder, or nothing in it.
    """
    folder = find_folder(path)
    for name in ("captions", "metadata"):
        for suffix, table in _TABLES.items():
            if (folder / (name + suffix)).is_file():
                return table(str(folder / (name + suffix)), columns)
    return FolderSource(path, columns)


class FolderSource:
    """Records of the images below a folder, in the order of their paths."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """List the folder.

        Args:
          path: the folder.
          columns: keys of the .json files, or 'txt' and 'folder' for what comes from those.

        Raises:
          ValueError: no such folder, or nothing in it.
        """
        self._columns = resolve_columns(columns or {}, COLUMNS)
        self._folder = find_folder(path)
        self._entries = list(_entries(self._folder))
        if not self._entries:
            raise ValueError(f"{self._folder} has no images in it: they end in {', '.join(sorted(IMAGES))}")
        check_columns(
            path, lambda index: self._sample(self._entries[index]), len(self), self._columns, columns or {}
        )

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self._entries):
            raise IndexError(f"record {index} of {len(self)}")
        entry = self._entries[index]
        values = pick(self._sample(entry), self._columns)
        image = read_beside(self._folder, entry.image) if entry.image else None
        default_id = entry.image or entry.txt or entry.json
        return make_record(values, language=self._columns.language, default_id=default_id, image=image)

    def _sample(self, entry: _Entry) -> dict[str, Any]:
        folder, inside, _ = (entry.image or entry.txt or entry.json).partition("/")
        sample: dict[str, Any] = {"image": entry.image or None, "folder": folder if inside else None}
        if entry.txt:
            sample["txt"] = read_beside(self._folder, entry.txt)
        if entry.json:
            try:
                content = json.loads(read_beside(self._folder, entry.json))
            except (ValueError, RecursionError) as error:
                raise BadRecord(Reason.UNREADABLE, f"{entry.json}: {error}") from None
            sample = (content if isinstance(content, dict) else {"json": content}) | sample
        return sample


def _entries(root: Path) -> Iterator[_Entry]:
    """Files that belong together: of one name in one folder. A second image of a name is a record of its own."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
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
