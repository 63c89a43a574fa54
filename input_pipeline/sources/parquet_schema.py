"""Whether a parquet file has the columns that a source names, and of the right type."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from input_pipeline.sources.columns import Columns, alternatives


def check_schema(file: Path, schema: pa.Schema, columns: Columns, named: frozenset[str]) -> dict[str, str]:
    """Which field comes from which column of this file.

    Required: the image, captions or a label, and what the user named.
    """
    present = {}
    for field, names in alternatives(columns):
        column = next((name for name in names if name in schema.names), None)
        if column:
            _check_type(file, field, column, schema.field(column).type)
            present[field] = column
        elif (
            field in named or field == "image" or (field == "captions" and not _any_of(columns.label, schema))
        ):
            raise ValueError(
                f"{file} has no column '{names[0]}' for {field}; it has {', '.join(schema.names)}. "
                f"Name the right one in the source's columns, such as columns={{'{field}': '...'}}"
            )
    return present


def class_names(schema: pa.Schema, column: str | None) -> list[str]:
    """What the numbers of a class label stand for, where Hugging Face's datasets wrote the file; else []."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[column]["names"]
    except (KeyError, TypeError, ValueError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _any_of(names: str, schema: pa.Schema) -> bool:
    return any(name in schema.names for name in names.split("|"))


def _check_type(file: Path, field: str, column: str, kind: pa.DataType) -> None:
    if pa.types.is_null(kind):  # no row of this file has a value
        return
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    hint = ""
    if field == "image":
        fits, wanted = (
            binary or (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0),
            "encoded bytes",
        )
        hint = "; paths of image files go in columns={'image_path': ...}" if text else ""
    elif field in ("captions", "kinds", "languages"):
        fits, wanted = text or (listed and _is_text(kind.value_type)), "a string or a list of strings"
    elif field == "tags":
        fits, wanted = listed and _is_text(kind.value_type), "a list of strings"
    elif field == "translations":
        fits, wanted = pa.types.is_map(kind), "a map from language to caption"
    else:
        fits, wanted = not (listed or binary or pa.types.is_nested(kind)), "one plain value"
    if not fits:
        raise ValueError(f"{file}: column '{column}' for {field} holds {kind}, not {wanted}{hint}")


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
