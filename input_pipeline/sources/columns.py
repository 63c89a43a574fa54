"""Which column of a data set holds which field of a Record: one rule for every format."""

from __future__ import annotations

import contextlib
import difflib
import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Caption, Reason, Record, clean_text, decode_text

_NO_COLUMN = ("language", "separator")
EXTRA = "extras/"  # before the names of such fields
_FIRST_SAMPLES = 16  # how many `check_columns` looks at


@dataclass(frozen=True)
class Columns:
    """The name of each field's column, JSON key, tar member extension or feature.

    '' is none; 'a|b' is the first of them that holds something; 'a/b' is key b inside a. `languages` has a language
    for each caption; without it they are in `language`, which is no column but the language itself, as `separator` is
    what stands between the captions of one text. `extras` are columns that travel as they are, with commas between
    them.
    """

    id: str = "id"
    image: str = "image"
    image_path: str = ""
    captions: str = "captions"
    kinds: str = "caption_kinds"
    languages: str = "caption_languages"
    translations: str = "langs"
    tags: str = "tags"
    label: str = "category"
    source: str = "source"
    group: str = "concept"
    language: str = "en"
    separator: str = ""
    extras: str = ""


# Where a field of a Record comes from more than the column of its name.
_COLUMNS_OF = {
    "image": ("image", "image_path"),
    "captions": ("captions", "kinds", "languages", "translations"),
}
_NO_COLUMNS = {field.name: "" for field in fields(Columns)}


def resolve_columns(columns: Mapping[str, str], defaults: Columns) -> Columns:
    """Returns the defaults of a format, with what a config names in place of them.

    Raises:
      ValueError: a name that is no field.
    """
    known = [field.name for field in fields(Columns)]
    for name in columns:
        if name not in known:
            raise UserError(f"columns: '{name}' is not one of {', '.join(known)}{did_you_mean(name, known)}")
    values = {field: getattr(defaults, field) for field in known} | dict(columns)
    for named, other in (("image_path", "image"), ("image", "image_path")):
        if columns.get(named) and other not in columns:
            values[other] = ""
    return Columns(**values)


def only_fields(columns: Columns, fields: Collection[str]) -> Columns:
    """Returns the columns that some fields of a Record come from, and its id."""
    named = {"id", *_NO_COLUMN, *(column for field in fields for column in _COLUMNS_OF.get(field, (field,)))}
    return replace(columns, **{name: "" for name in _NO_COLUMNS if name not in named})


def did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else ""


@functools.cache
def alternatives(columns: Columns) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Returns (field, the names to look for in turn) of every field that has a name."""
    names = {field.name: getattr(columns, field.name) for field in fields(Columns)}
    extras = [name.strip() for name in names.pop("extras").split(",") if name.strip()]
    names |= {EXTRA + name.split("|")[0]: name for name in extras}
    return tuple(
        (field, tuple(name.split("|"))) for field, name in names.items() if name and field not in _NO_COLUMN
    )


def was_named(field: str, named: Collection[str]) -> bool:
    """Says whether a field of `alternatives` is among those that a user named."""
    return field in named or (field.startswith(EXTRA) and "extras" in named)


def name_of(columns: Columns, field: str) -> str:
    """Returns what a field of `alternatives` is called in the data."""
    return field.removeprefix(EXTRA) if field.startswith(EXTRA) else str(getattr(columns, field))


def pick(sample: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Turns a sample by the format's own names into its values by field; what holds nothing is passed over."""
    values = {}
    for field, names in alternatives(columns):
        for name in names:
            value = sample.get(name)
            if value is None and "/" in name:
                value = _inside(sample, name.split("/"))
            if not (value in (None, b"") if field == "image" else holds_nothing(value)):
                values[field] = value
                break
    if columns.separator and "captions" in values:
        texts = map(_text, _as_list(values["captions"]))
        values["captions"] = [part for text in texts for part in text.split(columns.separator)]
    return values


def holds_nothing(value: Any) -> bool:
    """Tells null, NaN, an empty or blank text, and a list or a group of nothing else from what has a content."""
    if isinstance(value, str | bytes):
        return not value or value.isspace()
    if isinstance(value, list | tuple):
        return all(map(holds_nothing, value))
    if isinstance(value, Mapping):
        return all(map(holds_nothing, value.values()))
    return value is None or value != value


def check_columns(
    where: str,
    sample: Callable[[int], Mapping[str, Any]],
    count: int,
    columns: Columns,
    named: Collection[str],
) -> None:
    """Refuses names that nothing answers to, for formats in which every sample may have other names.

    Args:
      where: the path, for the message.
      sample: by number, of `count`. The first few that can be read are looked at; where there is none, nothing is
        known and nothing refused.
      columns: of the source.
      named: the fields whose names the user gave; the image is asked for always.

    Raises:
      ValueError: a field that no sample has, or captions that are no texts but what holds them.
    """
    image = "image" if columns.image else "image_path"
    names = dict(alternatives(columns))
    wanted = {field for field in names if was_named(field, named) or field == image}
    seen: dict[str, None] = {}
    for one in itertools.islice(_readable(sample, count), _FIRST_SAMPLES):
        _check_captions(where, one, columns)
        wanted -= {field for field in wanted if any(_has(one, name) for name in names[field])}
        seen |= dict.fromkeys(_keys(one))
        if not wanted:
            return
    if wanted and seen:
        field = min(wanted)
        raise UserError(
            f"{where} has no '{name_of(columns, field)}' for {field}; it has {', '.join(seen)}. "
            f"Name the right one in the source's columns, such as columns={{'{field}': '...'}}"
        )


def _has(sample: Mapping[str, Any], name: str) -> bool:
    """Whether a sample has a column, with or without content; one of a group only if some sample fills it."""
    return name in sample or ("/" in name and not holds_nothing(_inside(sample, name.split("/"))))


def _keys(sample: Mapping[str, Any]) -> Iterator[str]:
    """How columns are written: the keys of a sample, and below those that hold groups `key/inner`."""
    for key, value in sample.items():
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, Mapping) and len(first) <= _FIRST_SAMPLES:
            yield from (f"{key}/{inner}" for inner in _keys(first))
        else:
            yield str(key)


def _check_captions(where: str, sample: Mapping[str, Any], columns: Columns) -> None:
    names = columns.captions.split("|")
    for name in names:
        value = _inside(sample, name.split("/"))
        items = value if isinstance(value, list) and value else [value]
        if not holds_nothing(value) and not all(isinstance(item, Mapping) for item in items):
            return
        if not holds_nothing(value) and not any(other.startswith(f"{name}/") for other in names):
            keys = list(_keys(items[0]))
            raise UserError(
                f"{where}: '{name}' for captions holds groups with {', '.join(keys)}, not texts: say which is the "
                f"text, such as columns={{'captions': '{name}/{keys[0]}'}}"
            )


def _readable(sample: Callable[[int], Mapping[str, Any]], count: int) -> Iterator[Mapping[str, Any]]:
    for index in range(count):
        with contextlib.suppress(BadRecord, ValueError):
            yield sample(index)


def make_record(
    values: Mapping[str, Any],
    *,
    language: str,
    default_id: str,
    image: bytes | None,
    extras: Mapping[str, Any] | None = None,
) -> Record:
    """Makes a Record of values by field, whichever format they come from: text may be bytes, lists may be absent."""
    return Record(
        id=plain_name(values.get("id")) or default_id,
        image=image,
        captions=_captions(values, language),
        tags=tuple(filter(None, map(plain_name, _keywords(values.get("tags"))))),
        label=plain_name(values.get("label")),
        source=plain_name(values.get("source")),
        group=plain_name(values.get("group")),
        extras={**_extras(values), **(extras or {})},
    )


def _extras(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the user wants along: numbers as they are, all else as texts."""
    return {
        name.removeprefix(EXTRA): value
        if isinstance(value, int | float | list | tuple)
        else plain_name(value)
        for name, value in values.items()
        if name.startswith(EXTRA)
    }


def image_bytes(value: Any) -> bytes | None:
    """Returns encoded bytes, or those of Hugging Face's {bytes, path}; None for anything else."""
    if isinstance(value, Mapping):
        value = value.get("bytes")
    return value if isinstance(value, bytes) else None


def image_path(values: Mapping[str, Any]) -> str:
    """Returns where an image lies that is not in the values itself: their path, or that of {bytes, path} without
    bytes."""
    for value in (values.get("image_path"), values.get("image")):
        if isinstance(value, Mapping):
            value = value.get("path")
        if isinstance(value, str) and image_bytes(values.get("image")) is None:
            return value
    return ""


def _inside(value: Any, keys: list[str]) -> Any:
    """What lies at a path of keys; in a list of objects, a list of what lies there in each."""
    for position, key in enumerate(keys):
        if isinstance(value, list | tuple):
            return [_inside(item, keys[position:]) for item in value]
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _captions(values: Mapping[str, Any], language: str) -> tuple[Caption, ...]:
    """The non-empty captions, then their translations."""
    given = values.get("captions")
    texts = [given] if isinstance(given, Mapping) else _as_list(given)
    if held := [text for text in texts if isinstance(text, list | tuple | Mapping)]:
        raise BadRecord(Reason.UNREADABLE, f"a caption is {str(held[0])[:60]}, not a text")
    kinds = itertools.chain(map(plain_name, _as_list(values.get("kinds"))), itertools.repeat(""))
    languages = itertools.chain(
        map(plain_name, _as_list(values.get("languages"))), itertools.repeat(language)
    )
    rows = zip(texts, kinds, languages, strict=False)
    own = [Caption(clean_text(_text(text)), kind, tongue) for text, kind, tongue in rows]
    translations = values.get("translations") or ()
    if isinstance(translations, Mapping):
        translations = translations.items()
    translated = [Caption(clean_text(_text(text)), "translation", code) for code, text in translations]
    return tuple(caption for caption in own + translated if caption.text)


def _as_list(value: Any) -> list[Any]:
    """One text is a list of one; what is neither text nor list is no text."""
    if isinstance(value, str | bytes):
        return [value]
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, Mapping) else []


def _keywords(value: Any) -> list[Any]:
    """A list, or one text of keywords with commas between them."""
    if isinstance(value, str | bytes):
        return [word.strip() for word in _text(value).split(",")]
    return _as_list(value)


def _text(value: Any) -> str:
    """Text as it is or decoded; a number is no text: a caption of NaN is none."""
    if isinstance(value, str):
        return value
    return decode_text(value) if isinstance(value, bytes) else ""


def plain_name(value: Any) -> str:
    """Returns a name, which unlike a caption may be a number: class 0 is '0'."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bytes):
        return decode_text(value).strip()
    if (
        isinstance(value, float) and value.is_integer()
    ):  # whole numbers of a column with gaps, which become floats
        value = int(value)
    return "" if value is None or value != value else str(value)  # NaN is none either
