"""Which format lies at a path, for commands that are given nothing but the path."""

from __future__ import annotations

import re
from pathlib import Path

from input_pipeline.sources.folder import IMAGES
from input_pipeline.sources.paths import find_folder

# The first that a folder has wins: pictures may lie beside the table that lists them.
_SUFFIXES = {
    ".array_record": "array_record",
    ".parquet": "parquet",
    ".tar": "webdataset",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
}
_NUMBERED = re.compile(r"-\d{5}-of-\d{5}$")  # as TFDS numbers its shards
_TABLE_OF_FOLDER = re.compile(r"(captions|metadata)\.(jsonl|json|csv|tsv)")  # which the folder source reads


def guess_format(path: str) -> str:
    """The name of the source format of a file, a folder, a pattern or an address; whether it is there is not asked.

    Raises:
      ValueError: it is nothing that is known.
    """
    suffix = _suffix(path)
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if (Path(path).expanduser().parent / "dataset_info.json").is_file():
        return "tfds"
    folder = find_folder(path)
    if (folder / "dataset_info.json").is_file():
        raise ValueError(f"{folder} is a TFDS data set: name one of its splits, such as {path}/train")
    names = {file.name for file in folder.iterdir()}
    if any(map(_TABLE_OF_FOLDER.fullmatch, names)):
        return "folder"
    suffixes = set(map(_suffix, names))
    for suffix, name in _SUFFIXES.items():
        if suffix in suffixes:
            return name
    if any(file.suffix.lower() in IMAGES for file in folder.rglob("*")):
        return "folder"
    raise ValueError(
        f"{folder} holds no known data ({', '.join([*_SUFFIXES, 'pictures'])}): give a file, or name the format in "
        "--config.data.sources={'mine': {'format': ..., 'path': ...}}"
    )


def _suffix(name: str) -> str:
    return Path(_NUMBERED.sub("", name)).suffix.lower()
