"""Which format lies at a path, for sources that say nothing but the path."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from input_pipeline.addresses import file_name, is_address, redacted
from input_pipeline.errors import UserError
from input_pipeline.kinds import suffixes
from input_pipeline.sources import coco_boxes
from input_pipeline.sources.coco import NAMES, is_coco
from input_pipeline.sources.csv_rows import dialect_of
from input_pipeline.sources.folder import IMAGES, table_of
from input_pipeline.sources.paths import check_one_split, find_folder, find_path, has_suffix, is_split
from input_pipeline.sources.shards import FileVersion
from input_pipeline.sources.table import COLUMNS


class Guess(NamedTuple):
    """A format, and the path where it lies: the one that was asked for, or a folder in it."""

    format: str
    path: str


def guess(path: str) -> Guess:
    """Finds out the source format of a file, a folder, a pattern or an address; whether it is there is not asked.

    Raises:
      ValueError: it is nothing that is known; says what it is, or what could be read.
    """
    if is_address(path):
        return Guess(_format_of_address(path), path)
    if form := _of_name(path):
        return Guess(form, path)
    place = find_path(path)
    if place is not None and not place.is_dir():
        FileVersion.of(place)  # refuses what is no regular file
        if has_suffix(place.name, (".arrow",)):
            _refuse_what_others_keep(place.parent, str(Path(path).parent))
        if has_suffix(place.name, (".json",)):
            boxes = place.name.startswith(coco_boxes.NAMES)
            return Guess("coco_boxes" if boxes else "coco" if is_coco(place) else "jsonl", path)
        raise UserError(_unknown(str(place)))
    if place is None and (found := _of_parent(path)):
        return found
    return _of_folder(find_folder(path), path)


def _of_name(name: str) -> str:
    return next(
        (form for suffix, form in suffixes().items() if has_suffix(name.rsplit("/", 1)[-1], (suffix,))), ""
    )


def _of_parent(path: str) -> Guess | None:
    """Of NAME/SPLIT: a TFDS data set, or files whose names begin with the split."""
    folder = find_path(str(Path(path).parent)) if "/" in path else None
    if folder is None or not folder.is_dir():
        return None
    if (folder / "features.json").is_file() and (folder / "dataset_info.json").is_file():
        return Guess("tfds", path)
    form = _of_files(folder, one_split=False) if is_split(Path(path).name) else ""
    return Guess(form, path) if form else None


def _of_folder(folder: Path, path: str) -> Guess:
    _refuse_what_others_keep(folder, path)
    if table_of(folder):
        return Guess("folder", path)
    pictures = _has_pictures(folder)
    if form := _of_files(folder, pictures):
        return Guess(form, path)
    if any(folder.glob(NAMES)) or any(folder.glob(f"annotations/{NAMES}")):
        return Guess("coco", path)
    inner = folder / "data"  # of a repository of Hugging Face
    if inner.is_dir() and (form := _of_files(inner, pictures)):
        return Guess(form, str(Path(path) / "data"))
    if pictures:
        return Guess("folder", path)
    raise UserError(_unknown(str(folder)))


def _of_files(folder: Path, pictures: bool = False, one_split: bool = True) -> str:
    """The format of the files in a folder; '' where there are none that is known.

    Args:
      folder: to look in.
      pictures: whether there are some, too: then a table is one of them only if it says where its images are.
      one_split: refuse files of several splits.
    """
    files = [file for file in sorted(folder.iterdir()) if not file.is_dir()]
    for suffix, form in suffixes().items():
        found = [file for file in files if has_suffix(file.name, (suffix,))]
        if found and (not pictures or _names_images(found[0], form)):
            if one_split:
                check_one_split(folder, [file.name for file in found], suffix)
            return form
    return ""


def _names_images(file: Path, form: str) -> bool:
    """Whether the first record of a file has an image, or a path of one; shards have."""
    try:
        if form == "parquet":
            import pyarrow.parquet as pq

            return "image" in pq.read_schema(file).names
        if form == "csv":
            return _has_path(dialect_of(FileVersion.of(file)).header)
        if form == "jsonl":
            with open(file, "rb") as stream:
                return _has_path(json.loads(stream.readline()))
    except (ValueError, OSError, TypeError):
        return False
    return True


def _has_path(names: Iterable[str]) -> bool:
    return not set(COLUMNS.image_path.split("|")).isdisjoint(names)


def _has_pictures(folder: Path) -> bool:
    """Whether there is an image at any depth, in linked folders, too."""
    links = [entry for entry in folder.iterdir() if entry.is_symlink() and entry.is_dir()]
    found = (file for place in (folder, *links) for file in place.rglob("*"))
    return any(file.suffix.lower() in IMAGES for file in found)


def _refuse_what_others_keep(folder: Path, path: str) -> None:
    """Folders that hold a data set in a form that is not read from here."""
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        raise UserError(
            f"{folder} was written by Hugging Face's save_to_disk, as Arrow files: write its splits as Parquet, with "
            f"datasets.load_from_disk('{path}')['train'].to_parquet('train.parquet') (without ['train'] if it has no "
            "splits), and name that file"
        )
    if (folder / "dataset_info.json").is_file() and not list(folder.glob("*.arrow")):
        raise UserError(f"{folder} is a TFDS data set: name one of its splits, such as {path}/train")


def _format_of_address(address: str) -> str:
    name = file_name(address)
    if form := _of_name(name):
        return form
    shown, scheme = redacted(address), address.partition("://")[0].lower()
    if scheme in ("http", "https"):
        raise UserError(
            f"{shown} names no file of a known kind ({', '.join(suffixes())}), and a folder cannot be listed over "
            f"{scheme}: name its files, with a range such as {shown.rstrip('/')}/{{00000..00099}}.tar, or the format"
        )
    from input_pipeline.sources.remote import listed

    names = listed(address)
    for suffix, form in suffixes().items():
        if found := [name for name in names if has_suffix(name, (suffix,))]:
            check_one_split(Path(shown), found, suffix)
            return form
    raise UserError(_unknown(shown))


def _unknown(where: str) -> str:
    known = ", ".join([*suffixes(), ".json", "pictures"])
    return (
        f"{where} holds no known data ({known}): give a file, or name the format in "
        "--config.data.sources={'mine': {'format': ..., 'path': ...}}"
    )
