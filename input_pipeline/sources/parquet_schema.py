"""Which columns of a parquet file hold which field, by their names and types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources.columns import EXTRA, Columns, alternatives, name_of, was_named

# Of a record of which a file says one of these, something can be learned or measured.
_SAYING = ("captions", "translations", "label", "tags", "group")


def file_columns(file: Path, schema: pa.Schema, columns: Columns, named: frozenset[str]) -> Columns:
    """Reduces columns to those that a file has with a type that fits.

    Raises:
      ValueError: it lacks the image, a column that the user named, or all that could be said about an image; or
        one of these is of another type, or there twice.
    """
    found: dict[str, str] = {}
    problems: dict[str, str] = {}
    for field, names in alternatives(columns):
        fitting = []
        for name in names:
            kind = _type_at(file, schema, name)
            problem = _misfit(field, kind) if kind is not None else ""
            if problem:
                problems.setdefault(field, f"{file}: column '{name}' for {field} {problem}")
            elif kind is not None:
                fitting.append(name)
        found[field] = "|".join(fitting)
    image = "image" if columns.image else "image_path"
    for field in found:
        if not found[field] and (was_named(field, named) or field == image):
            raise UserError(problems.get(field) or _lacks(file, schema, field, name_of(columns, field)))
    if columns.captions and not any(found.get(field) for field in _SAYING):
        raise UserError(problems.get("captions") or _lacks(file, schema, "captions", columns.captions))
    extras = ",".join(filter(None, (found.pop(field) for field in list(found) if field.startswith(EXTRA))))
    return replace(columns, **found, extras=extras)


def top_names(columns: Columns, schema: pa.Schema) -> list[str]:
    """Returns the columns to read, without what lies inside of them."""
    wanted = (name for _, names in alternatives(columns) for name in names)
    return list(dict.fromkeys(name if name in schema.names else name.partition("/")[0] for name in wanted))


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Returns, by column, what numbers of class labels stand for, where Hugging Face's datasets wrote the file."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    kinds = features.items() if isinstance(features, Mapping) else ()
    named = {column: kind.get("names") for column, kind in kinds if isinstance(kind, Mapping)}
    return {column: [*map(str, names)] for column, names in named.items() if isinstance(names, list)}


def class_name(number: Any, names: Sequence[str]) -> Any:
    """Returns the name of a class by its number, which gaps in the column make a float; a negative one is no class, and
    one without a name a BadRecord, which is returned."""
    if isinstance(number, bool) or not isinstance(number, int | float) or number != number:
        return number
    if number < 0:
        return None
    if number == int(number) and number < len(names):
        return names[int(number)]
    return BadRecord(Reason.UNREADABLE, f"class {number} has no name: the file names {len(names)}, from 0")


def _lacks(file: Path, schema: pa.Schema, field: str, name: str) -> str:
    return (
        f"{file} has no column '{name.split('|')[0]}' for {field}; it has {', '.join(schema.names)}. "
        f"Name the right one in the source's columns, such as columns={{'{field}': '...'}}"
    )


def _type_at(file: Path, schema: pa.Schema, name: str) -> pa.DataType | None:
    """The type of a column, or of what lies at a path of keys, as a list where there are several of it."""
    outer, *inner = [name] if name in schema.names else name.split("/")
    if schema.names.count(outer) > 1:
        raise UserError(
            f"{file} has {schema.names.count(outer)} columns '{outer}': give each a name of its own"
        )
    if outer not in schema.names:
        return None
    kind, listed = schema.field(outer).type, False
    for key in inner:
        kind, within = _unlisted(kind)
        listed |= within
        if not pa.types.is_struct(kind) or kind.get_field_index(key) < 0:
            return None
        kind = kind.field(kind.get_field_index(key)).type
    return pa.list_(kind) if listed and not _is_list(kind) else kind


def _misfit(field: str, kind: pa.DataType) -> str:
    """What is wrong with the type of a field's column; '' where it fits."""
    if pa.types.is_null(kind):  # no row of this file has a value
        return ""
    inner, listed = _unlisted(kind)
    text, nested = _is_text(inner), pa.types.is_nested(inner)
    binary = not listed and _is_binary(inner)
    hint = ""
    if field in ("image", "image_path"):
        key = "bytes" if field == "image" else "path"
        held = pa.types.is_struct(inner) and inner.get_field_index(key) >= 0
        fits = not listed and (held or (binary if field == "image" else text))
        wanted = "encoded bytes" if field == "image" else "a path"
        if field == "image" and text and not listed:
            hint = "; paths of image files go in columns={'image_path': ...}"
    elif field in ("captions", "kinds", "languages", "tags"):
        fits, wanted = text, "a string or a list of strings"
    elif field == "translations":
        texts = pa.types.is_struct(inner) and all(_is_text(part.type) for part in inner)
        fits, wanted = not listed and (pa.types.is_map(inner) or texts), "a map from language to caption"
    else:
        fits, wanted = not (listed or binary or nested), "one plain value"
    return "" if fits else f"holds {kind}, not {wanted}{hint}"


def _unlisted(kind: pa.DataType) -> tuple[pa.DataType, bool]:
    """What a list holds, or the type itself; dictionaries are what they stand for."""
    listed = False
    while _is_list(kind) or pa.types.is_dictionary(kind):
        listed |= _is_list(kind)
        kind = kind.value_type
    return kind, listed


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return any(
        test(kind)
        for test in (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view)
    )


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
