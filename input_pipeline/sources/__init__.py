"""Data at rest, as random access to Records. One file per format; `open_source` picks it by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from input_pipeline.records import Record
from input_pipeline.sources.columns import did_you_mean

# format -> the module and the class or function that opens it with (path, columns), imported when first used.
FORMATS: Mapping[str, str] = {
    "parquet": "input_pipeline.sources.parquet:ParquetSource",
    "array_record": "input_pipeline.sources.array_record:ArrayRecordSource",
    "webdataset": "input_pipeline.sources.webdataset:WebDatasetSource",
    "tfds": "input_pipeline.sources.tfds:TfdsSource",
    "folder": "input_pipeline.sources.folder:open_folder",
    "csv": "input_pipeline.sources.table:CsvSource",
    "jsonl": "input_pipeline.sources.table:JsonlSource",
    "known": "input_pipeline.known:known_set",
}


@runtime_checkable
class Source(Protocol):
    """Random access to records in a fixed order. Picklable (workers get copies) and safe for threads."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record:
        """Record `index`, 0 <= index < len.

        Raises:
          BadRecord: this record cannot be delivered; the others may still be fine.
        """
        ...


# What an entry of data.sources may say; the stream reads those that `open_source` does not.
KEYS = ("format", "path", "weight", "columns", "fraction", "keep_ids", "templates", "prefix", "prefix_token")


def open_source(config: Mapping[str, Any]) -> Source:
    """Open {"format", "path", "columns"}; the other keys there may be say what to do with the records.

    Raises:
      ValueError: unknown key or format, missing path, or files that do not hold what the columns name.
    """
    for key in config:
        if key not in KEYS:
            raise ValueError(f"source key '{key}' is not one of {', '.join(KEYS)}{did_you_mean(key, KEYS)}")
    name = config["format"]
    if name not in FORMATS:
        hint = did_you_mean(name, FORMATS)
        raise ValueError(f"source format '{name}' is not one of {', '.join(FORMATS)}{hint}")
    module, _, attribute = FORMATS[name].partition(":")
    source_class = getattr(importlib.import_module(module), attribute)
    return source_class(config["path"], dict(config.get("columns", {})))
