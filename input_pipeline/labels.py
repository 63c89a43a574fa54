"""Labels of data: which there are, the files that list them, and a number for each."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.records import BadRecord, Record
from input_pipeline.sources import Source, open_named
from input_pipeline.sources.columns import make_record
from input_pipeline.sources.paths import find_files
from input_pipeline.tables import read_parquet

_LISTING = {"labels", "counts", "of"}  # what a file of `write_labels` says

_WORD = re.compile(r"[^\W\d_]{3,}")


def words_of(record: Record) -> tuple[str, ...]:
    """Returns the words of a record's captions in lower case, each once; those of one or two letters are none."""
    text = " ".join(caption.text for caption in record.captions if caption.kind != "translation")
    return tuple(dict.fromkeys(_WORD.findall(text.lower())))


# What a record may be asked for, by name: none, one or several labels.
OF: Mapping[str, Callable[[Record], Sequence[str]]] = {
    "label": lambda record: (record.label,) if record.label else (),
    "branch": lambda record: (record.label.partition("/")[0],) if record.label else (),
    "tags": lambda record: record.tags,
    "group": lambda record: (record.group,) if record.group else (),
    "words": words_of,
}
_FIELDS = {
    "words": "captions",
    "branch": "label",
}  # of a record, that hold them, where it is not the name itself


def labels_of(source: Source, of: str) -> Iterator[Sequence[str]]:
    """Yields the labels of every record, in order; none of one that cannot be read.

    Reads the whole source once, or its labels alone where it can deliver the `values` of a field without its images.

    Args:
      source: of the records.
      of: a name in OF.
    """
    read, field = OF[of], _FIELDS.get(of, of)
    if values := getattr(source, "values", None):
        for value in values(field):
            yield read(make_record({field: value}, language="", default_id="", image=None))
        return
    for index in range(len(source)):
        try:
            yield read(source[index])
        except BadRecord:
            yield ()


def count_labels(sources: Sequence[Source], of: str) -> Counter[str]:
    """Counts the records that have each label."""
    counts: Counter[str] = Counter()
    for source in sources:
        for labels in labels_of(source, of):
            counts.update(set(labels))
    return counts


def source_labels(name: str, sources: Mapping[str, Mapping[str, Any]], of: str) -> dict[str, list[str]]:
    """Returns the labels of a source, sorted, as `read_labels` returns those of a file; its records are read once.

    Args:
      name: in `sources`; '' = the only one with a weight.
      sources: `data.sources` of the config.
      of: a name in OF.

    Raises:
      ValueError: there is no such source, several are meant, or no record has a label.
    """
    used = [one for one, entry in sources.items() if entry["weight"] > 0]
    if not name and len(used) != 1:
        raise UserError(f"set `path` to a file of labels, or `source` to one of {', '.join(sources)}")
    name = name or used[0]
    if name not in sources:
        raise UserError(f"source='{name}' is not in data.sources, which has {', '.join(sources)}")
    distinct = sorted({label for own in labels_of(open_named(name, sources[name]), of) for label in own})
    if not distinct:
        raise UserError(f"no record of source '{name}' has `{of}`: name their column in its columns")
    return {label: [] for label in distinct}


def labels_text(counts: Mapping[str, int], of: str, least: int = 1) -> str:
    """Writes down the labels of `least` records or more as `read_labels` reads them, sorted, with their counts.

    Raises:
      ValueError: no label has so many records.
    """
    labels = sorted(label for label, count in counts.items() if count >= least)
    if not labels:
        most = max(counts.values(), default=0)
        raise UserError(f"no label of `{of}` has {least} records or more; the most that one has is {most}")
    content = {"of": of, "labels": labels, "counts": [counts[label] for label in labels]}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def read_labels(path: str, column: str = "") -> dict[str, list[str]]:
    """Reads the labels that a file lists, in its order, each with the sentences that the file has about it.

    Args:
      path: JSON as --job=labels writes it ({"labels": [...]}), a JSON list of labels, a JSON object from labels to
        lists of sentences (as --job=describe writes it), a text file with a label a line, or parquet files.
      column: of parquet files; '' = `label`. A label that comes again counts once.

    Raises:
      ValueError: there is no such file, it has another form, no label at all, one twice, or one that is empty.
    """
    file = find_files(path, ".parquet", ".json", ".txt")[0]
    if file.suffix == ".parquet":
        found = dict.fromkeys(
            map(str, read_parquet(path, column or "label").column(0).drop_null().to_pylist())
        )
        labels: dict[str, list[str]] = {label: [] for label in found}
    else:
        labels = _from_json(file) if file.suffix == ".json" else _from_lines(file)
    if not labels:
        raise UserError(f"{file} holds no label")
    if nameless := [number for number, label in enumerate(labels) if not label.strip()]:
        raise UserError(f"{file}: label {nameless[0]}, counted from 0, is empty: give that class a name")
    return labels


def _from_lines(file: Path) -> dict[str, list[str]]:
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    return _distinct([line.strip() for line in lines if line.strip()], file)


def _from_json(file: Path) -> dict[str, list[str]]:
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is no JSON: {error}") from None
    if isinstance(content, dict) and "labels" in content and set(content) <= _LISTING:
        content = content["labels"]
    if isinstance(content, list) and all(isinstance(label, str) for label in content):
        return _distinct(content, file)
    if not isinstance(content, dict):
        raise UserError(f"{file} is neither a list of labels nor an object from labels to sentences")
    for label, own in content.items():
        if not isinstance(own, list) or not all(isinstance(text, str) and text for text in own):
            raise UserError(f"{file}: label '{label}' must have a list of texts")
    return content


def _distinct(labels: Sequence[str], file: Path) -> dict[str, list[str]]:
    counts = Counter(labels)
    if twice := [label for label, count in counts.items() if count > 1]:
        raise UserError(
            f"{file}: the label '{twice[0]}' stands there twice: keep one, its place is its number"
        )
    return {label: [] for label in labels}
