"""A look at each source before the first step, so that what no record can give is said at once and in one line."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence

from input_pipeline.dice import Dice
from input_pipeline.errors import UserError
from input_pipeline.examples import Examples
from input_pipeline.fields import TableValue
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.sources import Source
from input_pipeline.subsets import spread
from input_pipeline.tables import Table, ambiguous
from input_pipeline.texts_by_id import WithTexts

_RECORDS = 100  # of each source; the first that can be used ends the look
# Ids of each source that has to be read for them: to find one that a table has, and one that two sources share.
_FITTING, _SHARED = 4096, 512
_LISTED_IDS = 1 << 20  # of each source that lists its ids without its images


def check_examples(examples: Examples, seed: int) -> None:
    """Refuses sources of which no record can be used, and tables and captions by id that do not belong to the sources.

    Reads one record of each source where all is well, and some ids where there are tables.

    Raises:
      ValueError: says which source or table, why, and what to do.
    """
    tables = [field.table for field in examples.fields if isinstance(field, TableValue)]
    for table in tables:
        if table.of_what:
            continue  # a record that has none of its values is one that cannot be used
        _check_numbers(table, examples)
        if table.fill:
            _check_fits(table, examples)
        if not table.by_source and len(examples.sources) > 1:
            _check_unique(table, examples)
    for name, source in examples.sources.items():
        while isinstance(source, WithTexts):  # captions and regions may both be by id, one around the other
            _check_texts(source, examples, name)
            source = source.source
        _check_source(name, examples, Dice(seed), tables)


def _check_source(name: str, examples: Examples, dice: Dice, tables: Sequence[Table]) -> None:
    why: list[BadRecord] = []
    for number in _some(examples, name, _RECORDS):
        try:
            examples.show(name, number, dice)
            return
        except BadRecord as bad:
            why.append(bad)
    counts = Counter(bad.reason.name.lower() for bad in why)
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    (most, _), *_ = Counter(bad.reason for bad in why).most_common()
    first = next(bad.detail for bad in why if bad.reason is most)
    raise UserError(
        f"source '{name}': none of {len(why)} records looked at can be used ({reasons}); the first: {first}"
        f"{advice(most, name, _label(examples, name) if most is Reason.NO_CAPTION else '')}"
        + ("; ids there are such as " + " and ".join(table.example for table in tables))
        * (most is Reason.NOT_IN_TABLE)
    )


def advice(reason: Reason, name: str, label: str) -> str:
    """Returns what to do about a source of which no record can be used, as the end of a sentence; '' where nobody
    knows.

    Args:
      reason: why most of them cannot.
      name: of the source.
      label: of one of its records; '' where they have none.
    """
    if reason is Reason.NO_CAPTION and label:
        return (
            f". They have labels, such as '{label}': to show those as texts, say how in the source's templates, as "
            f"--config.data.sources.{name}.templates='(\"a photo of a {{}}.\",)'"
        )
    if reason is Reason.NO_CAPTION:
        return f": name the column of captions in the source's columns, as columns={{'captions': '...'}} of '{name}'"
    return ""


def _label(examples: Examples, name: str) -> str:
    """A label of the source, if the first of its records have one."""
    labels = (record.label for _, record in _read(examples.sources[name], _some(examples, name, _RECORDS)))
    return next(filter(None, labels), "")


def _check_fits(table: Table, examples: Examples) -> None:
    looked, last = 0, ""
    for name in examples.sources:
        for identifier in _ids(examples, name, _FITTING):
            if table.place(name, identifier) is not None:
                return
            looked, last = looked + 1, f"'{identifier}' of source '{name}'"
    raise UserError(
        f"data.tables.{table.name} has no value for any of {looked} records looked at, such as {last}; it has some for "
        f"{table.example}: use the table that was made for these sources"
    )


def _check_numbers(table: Table, examples: Examples) -> None:
    """Records without ids are numbered from 0: a table that counts otherwise gives each another's value."""
    if not table.by_source and len(examples.sources) > 1:
        return  # whose numbers they are is for `_check_unique`
    for name, source in examples.sources.items():
        least, greatest = table.numbers.get(name if table.by_source else "", (0, 0))
        if greatest < len(source) or not _is_numbered(source):
            continue
        words = (
            f"data.tables.{table.name} has a value for record {greatest} of source '{name}', whose records have no ids "
            f"of their own and are numbered from 0 to {len(source) - 1}"
        )
        if least:
            raise UserError(
                f"{words}, and none for record 0; its first is {least}: count from 0 and without the header, or give "
                "the source ids"
            )
        logging.getLogger(__name__).warning("%s: was it made for other records?", words)


def _is_numbered(source: Source) -> bool:
    """Whether the ids of a source are the numbers of its rows, by the first and the last that can be read."""
    ends = dict.fromkeys((0, 1, len(source) - 2, len(source) - 1))
    read = list(_read(source, [number for number in ends if 0 <= number < len(source)]))
    return bool(read) and all(record.id == str(number) for number, record in read)


def _check_texts(source: WithTexts, examples: Examples, name: str) -> None:
    try:
        source.texts.check_fits(_ids(examples, name, _FITTING))
    except ValueError as error:
        raise UserError(f"data.sources.{name}.{source.setting}: {error}") from None


def _check_unique(table: Table, examples: Examples) -> None:
    of: dict[str, str] = {}
    for name in examples.sources:
        for identifier in _ids(examples, name, _SHARED):
            if of.setdefault(identifier, name) != name and table.place(name, identifier) is not None:
                raise ambiguous(table.name, identifier)


def _ids(examples: Examples, name: str, wanted: int) -> Iterator[str]:
    """Ids of a source's records: of the first million where it lists them, else of as many as wanted."""
    source = examples.sources[name]
    if listed := getattr(source, "ids", None):
        return filter(None, itertools.islice(listed(), _LISTED_IDS))
    # The first ones too, for they are what two sets of one layout share.
    count = len(source)
    numbers = dict.fromkeys([*range(min(count, wanted // 2)), *spread(count, wanted // 2)])
    return (record.id for _, record in _read(source, numbers))


def _some(examples: Examples, name: str, wanted: int) -> list[int]:
    """Numbers of some of the records in use."""
    chosen = examples.mixture.records(name)
    return [chosen[place] for place in spread(len(chosen), wanted)]


def _read(
    source: Source, numbers: Iterator[int] | Sequence[int] | dict[int, None]
) -> Iterator[tuple[int, Record]]:
    for number in numbers:
        try:
            yield number, source[number]
        except BadRecord:
            continue
