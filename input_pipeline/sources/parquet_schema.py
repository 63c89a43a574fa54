"""Which parquet column holds what, and whether a file has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True)
class Columns:
    """Which column holds what ('' = none). `language` is no column but the language of `captions` itself."""

    id: str = "id"
    image: str = "image"
    image_path: str = ""
    captions: str = "captions"
    kinds: str = "caption_kinds"
    translations: str = "langs"
    tags: str = "tags"
    label: str = "category"
    source: str = "source"
    group: str = "concept"
    language: str = "en"


def resolve_columns(columns: Mapping[str, str]) -> Columns:
    known = [field.name for field in fields(Columns)]
    for name in columns:
        if name not in known:
            raise ValueError(f"parquet columns: '{name}' is not one of {', '.join(known)}")
    if columns.get("image_path"):
        columns = {**columns, "image": ""}
    return Columns(**columns)


def check_schema(file: Path, schema: pa.Schema, columns: Columns, named: frozenset[str]) -> dict[str, str]:
    """Which field comes from which column of this file. Required: the image, the captions, and what the user named."""
    present = {}
    for field in fields(Columns):
        column = getattr(columns, field.name)
        if not column or field.name == "language":
            continue
        if column in schema.names:
            _check_type(file, field.name, column, schema.field(column).type)
            present[field.name] = column
        elif field.name in named or field.name in ("image", "captions"):
            raise ValueError(
                f"{file} has no column '{column}' for {field.name}; it has {', '.join(schema.names)}. "
                f"Name the right one in the source's columns, such as columns={{'{field.name}': '...'}}"
            )
    return present


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
    elif field in ("captions", "kinds"):
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
