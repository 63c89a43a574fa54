"""Captions that stand in a file of their own, by id: what a language model, a captioner or a curation wrote.

A line of `texts.jsonl` is {"id", "texts", "kind", "by", "prompt"}: `kind` tells these captions from others
(`data.text.kinds`), `by` and `prompt` say where they come from, `language` which one it is. Lines of one id add up.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Caption, Reason, Record, clean_text
from input_pipeline.sources import rows
from input_pipeline.sources.cache import Index, cached_index
from input_pipeline.sources.columns import plain_name
from input_pipeline.sources.digest import digest
from input_pipeline.sources.files import open_file
from input_pipeline.sources.paths import find_files
from input_pipeline.sources.reading import in_order
from input_pipeline.sources.shards import FileVersion
from input_pipeline.tables import hash64

SUFFIXES = (".jsonl", ".ndjson")
_Line = dict[str, Any]


class LinesById:
    """The lines of JSON files, found by their ids: 24 bytes a line in memory, and the lines stay on disk."""

    def __init__(self, path: str) -> None:
        """Finds all lines, once for each version of a file.

        Args:
          path: .jsonl files, as `find_files` takes them.

        Raises:
          ValueError: there are none, a line is no JSON object or has no id.
        """
        self.files = [FileVersion.of(file) for file in find_files(path, *SUFFIXES)]
        self.path, self.lines = path, sum(len(_index(file)) for file in self.files)
        if not self.lines:
            raise UserError(f"{path} holds no line: it needs a JSON object with an `id` in each")

    def __getitem__(self, identifier: str) -> list[_Line]:
        """Returns what the lines of an id say, in the order of the files; none of an id that has none.

        Raises:
          BadRecord: a file has changed or gone.
        """
        wanted, found = _signed(identifier), list[_Line]()
        for file in self.files:
            index = _index(file)
            first, end = (int(index[:, 0].searchsorted(wanted, side)) for side in ("left", "right"))
            found += [_parsed(file, index[place]) for place in range(first, end)]
        return found

    def __contains__(self, identifier: str) -> bool:
        wanted = _signed(identifier)
        for file in self.files:
            hashes = _index(file)[:, 0]
            place = int(hashes.searchsorted(wanted))
            if place < len(hashes) and hashes[place] == wanted:
                return True
        return False

    def check_fits(self, ids: Iterable[str]) -> None:
        """Looks at some ids of a source.

        Raises:
          ValueError: there are ids, and none of them has a line.
        """
        looked = list(ids)
        if looked and not any(identifier in self for identifier in looked):
            raise UserError(
                f"{self.path} has no line for any of {len(looked)} records looked at, such as '{looked[-1]}'; its ids "
                f"are such as '{self.example()}': use the file that was made for this source"
            )

    def example(self) -> str:
        """Returns the id of the first line."""
        file = self.files[0]
        index = _index(file)
        return plain_name(_parsed(file, index[int(index[:, 1].argmin())]).get("id"))

    def digest(self) -> str:
        """Returns a few letters for what the files hold."""
        return digest((file.size for file in self.files), [file.path for file in self.files])


class TextsById(LinesById):
    """The captions of `texts.jsonl`."""

    def of(self, identifier: str) -> tuple[Caption, ...]:
        """Returns the captions of an id, as its lines have them.

        Raises:
          BadRecord: what a line has under `texts` is no list of texts.
        """
        captions: dict[Caption, None] = {}
        for line in self[identifier]:
            texts = line.get("texts")
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise BadRecord(
                    Reason.UNREADABLE, f"{self.path}: `texts` of id '{identifier}' is no list of texts"
                )
            kind, language = str(line.get("kind") or ""), str(line.get("language") or "")
            captions |= {
                Caption(clean, kind, language): None for text in texts if (clean := clean_text(text))
            }
        return tuple(captions)


class WithTexts:
    """A source whose records have these captions before their own."""

    setting = "captions_by_id"

    def __init__(self, source: Any, path: str) -> None:
        """Opens the file; whether it belongs to the source is asked before the first step (`first_look`)."""
        self.source: Any = source
        self.texts: Any = TextsById(path)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Record:
        record: Record = self.source[index]
        return with_captions(record, self.texts.of(record.id))

    def in_order(self, fields: Collection[str]) -> WithTexts:
        """Returns the same records with some of their fields."""
        other = copy.copy(self)
        other.source = in_order(self.source, fields)
        return other

    def digest(self) -> str:
        """Returns a few letters for what the source and the files of captions hold."""
        own = getattr(self.source, "digest", lambda: "")
        return f"{own()}+{self.texts.digest()}"

    def __getattr__(self, name: str) -> Any:
        """What some sources can do beyond records: listing `ids`, and `values` of one field."""
        if name in ("ids", "values"):
            return getattr(self.source, name)
        raise AttributeError(name)


def with_captions(record: Record, captions: Sequence[Caption]) -> Record:
    """Returns a record with captions before its own; one that it has already counts once."""
    every = tuple(dict.fromkeys([*captions, *record.captions]))
    return dataclasses.replace(record, captions=every) if captions else record


def line_of(identifier: str, texts: Sequence[str], kind: str, by: str, prompt: str) -> bytes:
    """Returns a line of `texts.jsonl`."""
    line = {"id": identifier, "texts": list(texts), "kind": kind, "by": by, "prompt": prompt}
    return (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _signed(identifier: str) -> np.int64:
    """The hash of an id, as an index holds it."""
    return np.uint64(hash64(identifier)).astype(np.int64)


def _index(file: FileVersion) -> Index:
    """Hash of the id, first byte and end of each line, sorted by hash."""
    return cached_index("lines by id 1", 3, file, _find_lines)


def _find_lines(file: FileVersion) -> Index:
    found = []
    for first, end, number in rows.lines(file).tolist():
        try:
            identifier = plain_name(_parsed(file, (0, first, end)).get("id"))
        except (BadRecord, ValueError, AttributeError, RecursionError) as error:
            raise UserError(f"{file.path}, line {number} is no JSON object: {error}") from None
        if not identifier:
            raise UserError(f"{file.path}, line {number} has no `id`")
        found.append((int(_signed(identifier)), first, end))
    index = rows.array(found)
    return index[np.argsort(index[:, 0], kind="stable")]


def _parsed(file: FileVersion, place: Any) -> _Line:
    _, first, end = map(int, place)
    value = json.loads(open_file(file).read(first, end - first))
    if not isinstance(value, dict):
        raise UserError(f"{str(value)[:40]} is no object")
    return value
