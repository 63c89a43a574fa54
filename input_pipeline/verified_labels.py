"""Which labels of which images are known: tags of a set, verified labels from a table, a hierarchy of labels.

The files are those of Open Images (arXiv 1811.00982), or anything written like them.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int8

from input_pipeline.errors import UserError
from input_pipeline.sources.paths import find_files

_COLUMNS = {
    "id": ("id", "ImageID"),
    "label": ("label", "LabelName"),
    "confidence": ("confidence", "Confidence"),
}


class KnownLabels(NamedTuple):
    """Labels, sorted, and for each image whether it has them: 1 yes, -1 no, 0 unknown."""

    labels: list[str]
    targets: Int8[np.ndarray, "images labels"]


class Hierarchy:
    """Holds what is a kind of what; a label may stand in several places."""

    def __init__(self, tree: Mapping[str, Any] | None = None) -> None:
        """Takes nested {"LabelName": ..., "Subcategory": [...]}; None is no hierarchy."""
        self._parents: dict[str, set[str]] = {}
        self._children: dict[str, set[str]] = {}
        if tree is not None:
            self._add(tree)

    def _add(self, node: Mapping[str, Any]) -> None:
        for child in node.get("Subcategory", ()):
            self._children.setdefault(node["LabelName"], set()).add(child["LabelName"])
            self._parents.setdefault(child["LabelName"], set()).add(node["LabelName"])
            self._add(child)

    @property
    def labels(self) -> set[str]:
        """All that it knows."""
        return {*self._parents, *self._children}

    def ancestors(self, label: str) -> set[str]:
        """Returns everything it is a kind of."""
        return _reached(self._parents, label)

    def descendants(self, label: str) -> set[str]:
        """Returns everything that is a kind of it."""
        return _reached(self._children, label)


def yes_and_no(
    tags: Sequence[str], checked: Mapping[str, float], hierarchy: Hierarchy
) -> tuple[set[str], set[str]]:
    """Returns what an image has and what it has not, by the rule of `known_labels`; what is in neither is unknown.

    Args:
        tags: of the image.
        checked: confidences of its verified labels.
        hierarchy: of the labels.
    """
    yes = {*tags, *(label for label, confidence in checked.items() if confidence >= 1)}
    no = {label for label, confidence in checked.items() if confidence <= 0}
    yes = yes.union(*map(hierarchy.ancestors, yes))
    return yes, no.union(*map(hierarchy.descendants, no)) - yes


def known_labels(
    ids: Sequence[str],
    tags: Sequence[Sequence[str]],
    verified: Mapping[str, Mapping[str, float]] | None = None,
    hierarchy: Hierarchy | None = None,
    *,
    min_images: int = 1,
) -> KnownLabels:
    """Returns what is known of each image.

    A tag is there. Of verified labels those with confidence 1 are there, those with 0 are not, and all others are
    unknown; without any verification, what is no tag is not there. With a hierarchy, what is there is so with all its
    ancestors, and what is not is not with all its descendants; where the two disagree, it is there.

    Args:
        ids: of the images.
        tags: of each image.
        verified: confidences of labels by image id, from `read_verified`.
        hierarchy: of the labels.
        min_images: labels of fewer images are left out.
    """
    hierarchy = hierarchy or Hierarchy()
    there, absent = [], []
    for identifier, own in zip(ids, tags, strict=True):
        yes, no = yes_and_no(own, (verified or {}).get(identifier, {}), hierarchy)
        there.append(yes)
        absent.append(no)
    counts: dict[str, int] = {}
    for label in (label for labels in there for label in labels):
        counts[label] = counts.get(label, 0) + 1
    labels = sorted(label for label, count in counts.items() if count >= min_images)
    place = {label: at for at, label in enumerate(labels)}
    targets = np.full((len(ids), len(labels)), 0 if verified is not None else -1, np.int8)
    for row, (yes, no) in enumerate(zip(there, absent, strict=True)):
        targets[row, [place[label] for label in no if label in place]] = -1
        targets[row, [place[label] for label in yes if label in place]] = 1
    return KnownLabels(labels, targets)


def read_verified(path: str) -> dict[str, dict[str, float]]:
    """Confidences of labels by image id, from csv or parquet files with columns id, label and confidence (or
    ImageID, LabelName and Confidence); of a label that comes twice, the last counts.

    Ids and labels are texts as they stand there: '000139' stays so. Where there is no confidence, nobody knows.

    Raises:
        ValueError: no such file, it lacks a column, or a row has no id, no label or a confidence that is no number.
    """
    confidences: dict[str, dict[str, float]] = {}
    for file in find_files(path):
        rows = _parquet_rows(file) if file.suffix == ".parquet" else _csv_rows(file)
        for number, (identifier, label, confidence) in enumerate(rows, start=1):
            if not identifier or not label:
                raise UserError(f"{file}, row {number} has no {'label' if identifier else 'id'}")
            try:
                known = float(confidence)
            except ValueError:
                raise UserError(f"{file}, row {number}: the confidence {confidence!r} is no number") from None
            if not math.isnan(known):
                confidences.setdefault(identifier, {})[label] = known
    return confidences


def _csv_rows(file: Path) -> Iterator[list[str]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t" if file.suffix == ".tsv" else ",")
        names = _columns(file, rows.fieldnames or ())
        for row in rows:
            identifier, label, confidence = ((row[name] or "").strip() for name in names)
            yield [identifier, label, confidence or "nan"]


def _parquet_rows(file: Path) -> Iterator[list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{file} is not a readable parquet file: {error}") from None
    names = _columns(file, table.column_names)
    for name in names[:2]:
        kind = table.schema.field(name).type
        if not any(
            is_it(kind) for is_it in (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
        ):
            raise UserError(f"{file}: column {name} holds {kind}, where ids and labels are texts")
    for row in zip(*(table.column(name).to_pylist() for name in names), strict=True):
        identifier, label, confidence = ("" if value is None else str(value) for value in row)
        yield [identifier, label, confidence or "nan"]


def _columns(file: Path, there: Sequence[str]) -> list[str]:
    names = [next((one for one in known if one in there), "") for known in _COLUMNS.values()]
    if "" in names:
        missing = " or ".join(list(_COLUMNS.values())[names.index("")])
        raise UserError(f"{file} has no column {missing}; it has {', '.join(there)}")
    return names


def read_hierarchy(path: str) -> Hierarchy:
    """Returns a tree as Open Images has it, {"LabelName": ..., "Subcategory": [...]} in JSON.

    Raises:
        ValueError: no such file, or something else in it.
    """
    file = find_files(path)[0]
    try:
        return Hierarchy(json.loads(file.read_text(encoding="utf-8-sig")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{file} is no tree of LabelName and Subcategory: {error!r}") from None


def read_seen(path: str) -> frozenset[str]:
    """Reads a file of labels, as --job=labels writes it, as a set.

    Raises:
      ValueError: there is none, or it is of another form.
    """
    from input_pipeline.labels import read_labels

    return frozenset(read_labels(path, ""))


def read_label_names(path: str) -> dict[str, str]:
    """Returns names of labels, from a csv file of two columns (label, name) with no header or with any.

    Raises:
        ValueError: no such file.
    """
    with find_files(path)[0].open(encoding="utf-8-sig", newline="") as lines:
        return {row[0]: row[1] for row in csv.reader(lines) if len(row) > 1}


def _reached(edges: Mapping[str, set[str]], label: str) -> set[str]:
    reached: set[str] = set()
    ahead = [label]
    while ahead:
        for other in edges.get(ahead.pop(), ()):
            if other not in reached:
                reached.add(other)
                ahead.append(other)
    return reached
