"""The kinds of sources and tokenizers by name, and classes of anybody's package. Imports nothing until one is used."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

# format -> the class or function that opens it with (path, columns).
SOURCES: Mapping[str, str] = {
    "parquet": "input_pipeline.sources.parquet:ParquetSource",
    "array_record": "input_pipeline.sources.array_record:ArrayRecordSource",
    "webdataset": "input_pipeline.sources.webdataset:WebDatasetSource",
    "tfds": "input_pipeline.sources.tfds:TfdsSource",
    "folder": "input_pipeline.sources.folder:open_folder",
    "csv": "input_pipeline.sources.table:CsvSource",
    "jsonl": "input_pipeline.sources.table:JsonlSource",
    "coco": "input_pipeline.sources.coco:CocoSource",
    "known": "input_pipeline.known:known_set",
}

# kind -> the class that runs it.
TOKENIZERS: Mapping[str, str] = {
    "sentencepiece": "input_pipeline.tokenizers.sentencepiece:SentencePieceTokenizer",
    "clip": "input_pipeline.tokenizers.clip:ClipTokenizer",
    "siglip": "input_pipeline.tokenizers.siglip:SiglipTokenizer",
    "huggingface": "input_pipeline.tokenizers.huggingface:HuggingFaceTokenizer",
}


def check_kind(known: Mapping[str, str], name: str, what: str) -> None:
    """Refuses a name that is neither a known one nor `package.module:Class`; imports nothing.

    Raises:
      ValueError: it is neither; the message names the nearest.
    """
    if name not in known and ":" not in name:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ", nor package.module:Class of a package of yours"
        raise ValueError(f"{what}='{name}' is not one of {', '.join(known)}{hint}")


def find_kind(known: Mapping[str, str], name: str, what: str) -> Any:
    """Imports the class, or function, of a known name or of `package.module:Class`.

    Args:
      known: SOURCES or TOKENIZERS.
      name: what the config says.
      what: where it says it, for errors.

    Raises:
      ValueError: there is no such kind, module or class.
    """
    check_kind(known, name, what)
    target = known.get(name, name)
    try:
        return resolve_name(target)
    except ModuleNotFoundError as error:
        if not f"{target.partition(':')[0]}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"{what}='{name}': there is no module '{error.name}' to import: install it, put it beside the config "
            "file, or name its folder in PYTHONPATH"
        ) from error
    except AttributeError as error:
        raise ValueError(f"{what}='{name}': {error}") from error
