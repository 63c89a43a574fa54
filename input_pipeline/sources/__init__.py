"""Data at rest, as random access to Records. One file per format; `open_source` picks it by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from input_pipeline.buckets import in_bucket
from input_pipeline.errors import UserError
from input_pipeline.kinds import find_kind, sources, with_image_files
from input_pipeline.records import Record


@runtime_checkable
class Source(Protocol):
    """Random access to records in a fixed order. Picklable (workers get copies) and safe for threads."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record:
        """Returns record `index`, 0 <= index < len.

        Raises:
          BadRecord: this record cannot be delivered; the others may still be fine.
        """
        ...


def open_source(config: Mapping[str, Any], cache_gb: float = 0.0) -> Source:
    """Opens {"format", "path", "columns", "image_folder", "captions_by_id", "regions_by_id"}; all else is about its
    records.

    Where there is no format, it is guessed from the path.

    Args:
      config: the entry.
      cache_gb: of an address in a bucket, what is kept here at a time; 0 = it is fetched whole.

    Raises:
      ValueError: unknown format, missing path, or files that do not hold what the columns name.
    """
    name, path = config.get("format", ""), config["path"]
    if cache_gb and in_bucket(path):
        from input_pipeline.streaming.source import open_streamed

        return open_streamed(config, cache_gb)
    if not name:
        from input_pipeline.sources.guess import guess

        name, path = guess(path)
    source_class = find_kind(sources(), name, "format")
    options: dict[str, Any] = {}
    if folder := config.get("image_folder", ""):
        if name not in with_image_files() and name in sources():
            raise UserError(f"image_folder is of {', '.join(with_image_files())}, not of format '{name}'")
        options["image_folder"] = folder
    opened: Source = source_class(path, dict(config.get("columns", {})), **options)
    if captions := config.get("captions_by_id", ""):
        from input_pipeline.texts_by_id import WithTexts

        opened = WithTexts(opened, captions)
    if regions := config.get("regions_by_id", ""):
        from input_pipeline.regions_by_id import WithRegions

        opened = WithRegions(opened, regions)
    return opened


def open_named(name: str, config: Mapping[str, Any], cache_gb: float = 0.0) -> Source:
    """Opens an entry of `data.sources` by `open_source`, so that what is wrong with it names it."""
    try:
        return open_source(config, cache_gb)
    except ValueError as error:
        raise UserError(f"source '{name}': {error}") from None
