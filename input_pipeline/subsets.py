"""Part of a source: a fixed share of its records, or those whose ids or labels a file lists."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.labels import labels_of, read_labels
from input_pipeline.records import BadRecord
from input_pipeline.shuffle import shuffled
from input_pipeline.sources import Source
from input_pipeline.sources.columns import plain_name
from input_pipeline.sources.paths import find_files
from input_pipeline.tables import hash64, read_parquet

_LOOKED_AT = 64  # records, of which one has to be in a file that is about them
_OWN = ("source", "label", "group")  # of a record, beside its extras
# Settings of an entry that say which records are in use.
PARTS = ("fraction", "keep_ids", "only", "keep_labels", "shots", "shots_seed")
_WHOLE = {"fraction": 1.0, "shots": 0, "shots_seed": 0}  # where all records are in use; '' of the others
_KEY = 0x5EED  # one order for all seeds: a share is a property of the data


def chosen_records(
    source: Source,
    name: str,
    *,
    fraction: float = 1.0,
    keep_ids: str = "",
    only: str = "",
    keep_labels: str = "",
    shots: int = 0,
    shots_seed: int = 0,
) -> Sequence[int]:
    """Returns the numbers of the records to use.

    Args:
      source: all of the records.
      name: of the source, for errors.
      fraction: share of the records, in (0, 1]. A smaller share lies within every larger one, whatever the
        seed; choosing reads nothing.
      keep_ids: a file of the ids to keep, one a line or the parquet column `id`; '' keeps all. Choosing reads
        every record of the source once, unless the source can list its `ids()`.
      only: NAME=VALUE, or NAME=VALUE|VALUE: the records that say so, where the name is source, label, group or one of
        `columns.extras`; '' keeps all. Choosing reads every record of the source once.
      keep_labels: a file of the labels to keep, as `read_labels` reads it; '' keeps all. Choosing reads the labels of
        all records.
      shots: records of each label, the first of a random order of its own, so that fewer shots lie within more; 0 =
        all. Choosing reads the labels of all records; a record without one is left out.
      shots_seed: of these orders.

    Raises:
      ValueError: a fraction out of its range, no record has one of the ids, the labels or what it should say, or
        a label has fewer records than shots.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"source '{name}': fraction {fraction} must be above 0 and at most 1")
    kept: Sequence[int] = range(len(source))
    if keep_ids:
        kept = _with_ids(source, read_ids(keep_ids))
        if not kept:
            raise UserError(f"source '{name}': none of its {len(source)} records has an id of {keep_ids}")
    if only:
        kept = _that_say(source, name, kept, only)
    if keep_labels or shots:
        groups = _by_label(source, kept)
        if keep_labels:
            groups = _of_labels(groups, keep_labels, name)
        kept = _few_of_each(groups, shots, shots_seed, name)
    return kept if fraction == 1 or not kept else Share(kept, max(1, round(fraction * len(kept))))


def entry_records(source: Source, name: str, entry: Mapping[str, Any]) -> Sequence[int]:
    """Returns `chosen_records` as an entry of `data.sources` says."""
    return chosen_records(source, name, **{key: entry[key] for key in PARTS if key in entry})


def part_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what an entry of `data.sources` says about which records are in use; nothing where all of them are."""
    return {key: entry[key] for key in PARTS if key in entry and entry[key] != _WHOLE.get(key, "")}


def spread(count: int, wanted: int) -> list[int]:
    """Returns `wanted` numbers below `count`, evenly spread; all of them if wanted is 0 or more than there are."""
    if not 0 < wanted < count:
        return list(range(count))
    return [place * count // wanted for place in range(wanted)]


def some_ids(source: Source, numbers: Sequence[int]) -> Iterator[str]:
    """Yields the ids of up to 64 of some records, evenly spread, without those that cannot be read."""
    for place in spread(len(numbers), _LOOKED_AT):
        with contextlib.suppress(BadRecord):
            yield source[numbers[place]].id


@dataclass(frozen=True)
class Share(Sequence[int]):
    """The first `size` items of a fixed random order over all."""

    items: Sequence[int]
    size: int

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, place: Any) -> Any:
        return self.items[shuffled(range(self.size)[place], len(self.items), _KEY)]


def sorted_numbers(numbers: Sequence[int]) -> Sequence[int]:
    """Returns the numbers of records in the order of the data, 8 bytes for each of a share."""
    if not isinstance(numbers, Share):
        return numbers  # all others are in order
    return array("q", np.sort(np.fromiter(numbers, np.int64, len(numbers))).tobytes())


def read_ids(path: str) -> frozenset[str]:
    """Returns the ids that a file lists: a line each, or the column `id` of a parquet file.

    Raises:
      ValueError: there is no such file, or it has no column `id`.
    """
    file = find_files(path, ".parquet")[0]
    if file.suffix != ".parquet":
        return frozenset(filter(None, map(str.strip, file.read_text(encoding="utf-8").splitlines())))
    return frozenset(filter(None, map(plain_name, read_parquet(path, "id").column("id").to_pylist())))


def _that_say(source: Source, name: str, kept: Sequence[int], only: str) -> Sequence[int]:
    """The records among those kept that have one of some values under a name."""
    of, equals, values = only.partition("=")
    wanted, said = frozenset(values.split("|")), dict[int, str]()
    for number in kept:
        try:
            record = source[number]
        except BadRecord:
            continue
        said[number] = getattr(record, of) if of in _OWN else plain_name(record.extras.get(of))
    chosen = tuple(number for number, value in said.items() if value in wanted)
    if not equals or not chosen:
        some = ", ".join(sorted({value for value in said.values() if value})[:8]) or "nothing"
        raise UserError(
            f"source '{name}': no record has {only!r}: only is NAME=VALUE, with a name of {', '.join(_OWN)} or of "
            f"columns.extras; under '{of}' they say {some}"
        )
    return chosen


def _by_label(source: Source, kept: Sequence[int]) -> dict[str, list[int]]:
    """The records of each label."""
    wanted, groups = {*kept}, dict[str, list[int]]()
    for number, labels in enumerate(labels_of(source, "label")):
        if labels and number in wanted:
            groups.setdefault(labels[0], []).append(number)
    return groups


def _of_labels(groups: Mapping[str, list[int]], path: str, name: str) -> dict[str, list[int]]:
    listed = read_labels(path)
    kept = {label: groups[label] for label in listed if label in groups}
    if not kept:
        raise UserError(
            f"source '{name}': no record has a label of keep_labels='{path}', such as '{next(iter(listed))}'; "
            f"they have {', '.join(sorted(groups)[:3]) or 'none'}"
        )
    return kept


def _few_of_each(groups: Mapping[str, list[int]], shots: int, seed: int, name: str) -> Sequence[int]:
    if not groups:
        raise UserError(f"source '{name}': shots={shots} needs labels, and no record has one")
    fewest = min(groups, key=lambda label: len(groups[label]))
    if len(groups[fewest]) < shots:
        raise UserError(
            f"source '{name}': shots={shots}, but the label '{fewest}' has {len(groups[fewest])} records: take fewer "
            f"shots, or name in keep_labels a file of labels with enough, as --job=labels writes it with "
            f"--config.labels.least={shots}"
        )
    chosen = []
    for label, own in groups.items():
        key = hash64(f"{seed}/{label}") % 2**32
        chosen += [own[shuffled(place, len(own), key)] for place in range(shots or len(own))]
    return tuple(sorted(chosen))


def ids_of(source: Source) -> Iterator[str]:
    """Returns the id of every record, '' of one that cannot be read; a source that lists its `ids()` reads no other."""
    listed = getattr(source, "ids", None)
    return iter(listed()) if listed else (_id(source, index) for index in range(len(source)))


def _with_ids(source: Source, wanted: frozenset[str]) -> Sequence[int]:
    return tuple(index for index, name in enumerate(ids_of(source)) if name in wanted)


def _id(source: Source, index: int) -> str:
    try:
        return source[index].id
    except BadRecord:
        return ""
