"""ArrayRecord files of tf.train.Example: the format that training at scale reads, one record at a time.

`encode_record` and `decode_record` are each other's inverse. Write files with the option 'group_size:1', so that
a record can be read without its neighbours.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from input_pipeline.errors import UnreadableFile, UserError
from input_pipeline.records import BadRecord, Reason, Record, decode_text
from input_pipeline.sources.columns import (
    EXTRA,
    Columns,
    check_columns,
    image_bytes,
    make_record,
    pick,
    resolve_columns,
)
from input_pipeline.sources.example_proto import Values, decode_example, encode_example
from input_pipeline.sources.paths import find_files
from input_pipeline.sources.shards import OPEN_FILES, FileVersion, Shards, examine

FORMATS = {"array_record": "ArrayRecordSource"}
SUFFIXES = {".array_record": "array_record"}
STREAMED = True

COLUMNS = Columns(label="label", group="group")
# A record's extras: numbers or texts, and lists of them.
_NUMBER, _NUMBERS = "extra/", "extras/"


class ArrayRecordSource:
    """Records of one or many ArrayRecord files, in the order of file names and records."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """Opens the files' footers.

        Args:
          path: a file, a folder, a pattern or an address.
          columns: names of features that differ from those `encode_record` writes.

        Raises:
          ValueError: no such path, no readable file, or a named feature that no record has.
        """
        self._columns = resolve_columns(columns or {}, COLUMNS)
        files = find_files(path, ".array_record")
        self._shards = Shards(examine(files, lambda file: int(_reader(file).num_records())))
        check_columns(
            path,
            lambda index: dict(_plain_names(decode_example(self._read(index)))),
            len(self),
            self._columns,
            columns or {},
        )

    def __len__(self) -> int:
        return len(self._shards)

    def digest(self) -> str:
        """Returns a few letters for what the files hold."""
        return self._shards.digest()

    def __getitem__(self, index: int) -> Record:
        try:
            return decode_record(self._read(index), self._columns, str(index))
        except ValueError as error:
            raise BadRecord(Reason.UNREADABLE, f"record {index}: {error}") from None

    def _read(self, index: int) -> bytes:
        file, place = self._shards.locate(index)
        try:
            file.check()
            data: bytes = _reader(file).read([place])[0]
        except (RuntimeError, ValueError, OSError) as error:
            raise BadRecord(Reason.UNREADABLE, f"record {place} of {file.path}: {error}") from None
        if not data:
            raise BadRecord(Reason.UNREADABLE, f"record {place} of {file.path} is empty")
        return data


def encode_record(record: Record) -> bytes:
    """Returns a record as a serialised tf.train.Example; numbers of `extras` keep 64 bits as integers, 32 as floats.

    Raises:
      ValueError: an extra that is neither a number or a text nor a list of these of one type.
    """
    features: dict[str, Values] = {
        "id": [_utf8(record.id)],
        "image": [record.image] if record.image is not None else [],
        "captions": [_utf8(caption.text) for caption in record.captions],
        "caption_kinds": [_utf8(caption.kind) for caption in record.captions],
        "caption_languages": [_utf8(caption.language) for caption in record.captions],
        "tags": [_utf8(tag) for tag in record.tags],
        **{name: [_utf8(getattr(record, name))] for name in ("label", "source", "group")},
    }
    for name, value in record.extras.items():
        features |= _encode_extra(name, value)
    return encode_example({name: values for name, values in features.items() if values and values != [b""]})


def decode_record(data: bytes, columns: Columns = COLUMNS, default_id: str = "") -> Record:
    """Returns the record of a serialised tf.train.Example.

    Args:
      data: as encoded by `encode_record` or anybody else.
      columns: which feature holds what.
      default_id: where the Example has none.

    Raises:
      ValueError: the data are no Example.
    """
    features: dict[str, Values] = {}
    extras: dict[str, Any] = {}
    for name, values in decode_example(data):
        if name.startswith(_NUMBER):
            extras[name.removeprefix(_NUMBER)] = _plain(values[0])
        elif name.startswith(_NUMBERS):
            extras[name.removeprefix(_NUMBERS)] = tuple(map(_plain, values))
        else:
            features[name] = values
    fields = pick(features, columns)
    for name, own in fields.items():
        if name in _SINGLE or (name.startswith(EXTRA) and len(own) == 1):
            fields[name] = own[0] if own else None
    image = image_bytes(fields.get("image"))
    return make_record(fields, language=columns.language, default_id=default_id, image=image, extras=extras)


def _plain_names(features: Iterable[tuple[str, Values]]) -> Iterator[tuple[str, Values]]:
    """Features by their names, extras by those that they had before they were kept."""
    for name, values in features:
        yield name, values
        if name.startswith((_NUMBER, _NUMBERS)):
            yield name.partition("/")[2], values


# Fields of one value: an Example holds lists only.
_SINGLE = frozenset({"id", "image", "label", "source", "group"})


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    return decode_text(value) if isinstance(value, bytes) else value


def _encode_extra(name: str, value: Any) -> dict[str, Values]:
    value = value.tolist() if hasattr(value, "tolist") else value  # numpy's
    several = isinstance(value, list | tuple)
    numbers = list(value) if several else [value]
    if {type(number) for number in numbers} not in ({int}, {float}, {str}, set()):
        raise UserError(
            f"extra '{name}' is {value!r}: only integers, floats, texts and lists of one of them can be kept"
        )
    kept = [_utf8(number) if isinstance(number, str) else number for number in numbers]
    return {f"{_NUMBERS if several else _NUMBER}{name}": kept}


@functools.lru_cache(OPEN_FILES)
def _reader(file: FileVersion) -> Any:
    from array_record.python.array_record_module import ArrayRecordReader

    options = "readahead_buffer_size:0,max_parallelism:0"
    reader = ArrayRecordReader(file.path, options, file_reader_buffer_size=1 << 15)
    if not reader.ok():
        raise UnreadableFile(
            f"{file.path} is no readable array_record file: it is damaged, cut off or another format"
        )
    return reader
