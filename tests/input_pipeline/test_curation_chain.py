"""A chain of steps: how often it reads the data, what later steps see, and what becomes of unreadable records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from input_pipeline.curation import Decision, Item, Step, Written
from input_pipeline.curation.chain import Pass, Row, Slice, Tally, fields_read, passes, run_pass
from input_pipeline.curation.slices import read_slice, read_survey, stored, to_bytes
from input_pipeline.records import BadRecord, Reason, Record


class Plain(Step):
    """Drops ids that end in its setting, and notes what it saw of earlier notes."""

    COLUMNS: ClassVar[Mapping[str, str]] = {"seen": "int32"}

    def __call__(self, item: Item) -> Decision:
        dropped = item.record.id.endswith(self.config["end"])
        detail = "ended" if self.name == "s0" else ""
        return Decision(
            "end" if dropped else "", detail, scores={"seen": 1}, notes={self.name: [*item.notes]}
        )


class Counting(Plain):
    """Does the same, and has counted the records that it sees."""

    surveys = True

    def survey(self, items: Sequence[Item]) -> Any:
        return len(items)

    def settle(self, surveys: Iterator[Any]) -> Any:
        return sum(surveys)


class Records:
    """Records of which every fourth cannot be read."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Record:
        if index % 4 == 3:
            raise BadRecord(Reason.UNREADABLE, "damaged")
        return Record(f"r{index}", None)


def chain(*kinds: type[Step]) -> list[Step]:
    return [kind({"end": str(place)}, name=f"s{place}", seed=0) for place, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((Plain, Plain), [Pass((0, 1), None)]),
        ((Counting,), [Pass((), 0), Pass((0,), None)]),
        ((Plain, Counting, Plain), [Pass((0,), 1), Pass((1, 2), None)]),
        ((Counting, Counting), [Pass((), 0), Pass((0,), 1), Pass((1,), None)]),
    ],
)
def test_the_data_are_read_once_more_for_each_step_that_surveys(
    kinds: tuple[type[Step], ...], expected: list[Pass]
) -> None:
    assert passes(chain(*kinds)) == expected


def test_a_pass_hands_on_notes_surveys_what_is_left_and_counts_what_is_not() -> None:
    steps = chain(Plain, Plain, Counting)
    rows = [(number, Row(10 + number, "", {}, {})) for number in range(8)]
    done = run_pass(steps, passes(steps)[0], ("web", Records()), rows)
    assert done.survey == 4  # of r0, r1, r2, r4, r5 and r6, two are dropped
    assert {row.id: row.reason for row in done.rows if row.id} == {
        **dict.fromkeys(("r0", "r1"), "end"),
        **dict.fromkeys(("r2", "r4", "r5", "r6"), ""),
    }
    kept = next(row for row in done.rows if row.id == "r4")
    assert kept == Row(14, "r4", {"s0": [], "s1": ["s0"]}, {"s0_seen": 1, "s1_seen": 1})
    counts = {name: (tally.seen, tally.dropped) for name, tally in done.tallies.items()}
    assert counts == {"reading": (0, {"unreadable": 2}), "s0": (6, {"end": 1}), "s1": (5, {"end": 1})}
    assert done.tallies["s0"].examples == {"end": ["r0: ended"]}
    assert done.tallies["s1"].examples == {"end": ["r1"]}
    assert done.tallies["reading"].examples["unreadable"][0] == "record 3 of source 'web': damaged"


def kept_on_disk(done: Slice, steps: Sequence[Step], folder: Path, **options: bool) -> str:
    """Writes a slice, and returns its file."""
    path = folder / "slice.arrow"
    path.write_bytes(to_bytes(stored(done, steps, **options), done.survey))
    return str(path)


def test_a_slice_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    steps = chain(Plain, Plain, Counting)
    rows = [(number, Row(10 + number, "", {}, {})) for number in range(8)]
    done = run_pass(steps, passes(steps)[0], ("web", Records()), rows)
    path = kept_on_disk(done, steps, tmp_path)
    found = read_slice(path)
    assert found.left == [row for row in done.rows if not row.reason] and len(found.left) == 4
    assert found.tallies == done.tallies and read_survey(path) == 4
    facts = {name: found.table[name].to_pylist() for name in ("id", "step", "reason", "s0_seen", "s2_seen")}
    assert facts["id"] == [row.id for row in done.rows] and facts["step"] == [row.step for row in done.rows]
    assert facts["s0_seen"] == [row.scores.get("s0_seen") for row in done.rows] and not any(facts["s2_seen"])
    assert read_slice(kept_on_disk(done, steps, tmp_path, last=True)).left[0].notes == {}
    assert read_slice(kept_on_disk(Slice([], {}), steps, tmp_path)).left == []


def test_a_pass_reads_what_its_steps_look_at() -> None:
    steps = chain(Plain, Counting, Plain)
    for step, fields in zip(steps, (("captions",), ("image", "captions"), ()), strict=True):
        step.reads = fields
    assert fields_read(steps, Pass((0,), 1)) == {"captions", "image"}
    assert fields_read(steps, Pass((0, 2), None)) == {"captions"}
    known = [(3, Row(3, "r3", {}, {}))]  # record 3 cannot be read, and nothing of it has to be
    assert run_pass(steps, Pass((2,), None), ("web", Records()), known).rows[0].reason == ""
    assert run_pass(steps, Pass((0,), None), ("web", Records()), known).rows[0].reason == "unreadable"


def test_tallies_keep_the_first_examples() -> None:
    whole = Tally()
    for first in (0, 3, 6):
        part = Tally()
        for number in range(first, first + 3):
            part.drop("end", f"r{number}")
        whole.add(part)
    assert whole.dropped == {"end": 9} and whole.examples == {"end": [f"r{k}" for k in range(5)]}


class Writing(Plain):
    """Writes how many captions it saw, and cannot read what it needs for one record."""

    writes = True

    def __call__(self, item: Item) -> Decision:
        if item.record.id == "r5":
            raise BadRecord(Reason.UNREADABLE, "a file of its own has changed")
        seen = [caption.text for caption in item.record.captions]
        return Decision(written=Written((f"{self.name} saw {len(seen)}", *seen[:1]), self.name, "a test"))


def test_later_steps_see_what_was_written_also_in_another_reading_of_the_data(tmp_path: Path) -> None:
    steps, source = chain(Writing, Counting, Writing), ("web", Records())
    rows = [(place, Row(place, "", {}, {})) for place in range(8)]
    first = read_slice(kept_on_disk(run_pass(steps, Pass((0,), 1), source, rows), steps, tmp_path))
    assert first.tallies["s0"].dropped == {"unreadable": 1}
    assert first.tallies["s0"].examples == {"unreadable": ["r5: a file of its own has changed"]}
    left = [(row.number, row) for row in first.left]
    second = run_pass(steps, Pass((1, 2), None), source, left)
    written = {row.id: [texts for texts, *_ in row.written] for row in second.rows if not row.reason}
    assert [*written] == ["r0", "r2", "r4", "r6"]  # r1 is what the counting step drops
    assert {tuple(map(tuple, own)) for own in written.values()} == {(("s0 saw 0",), ("s2 saw 1", "s0 saw 0"))}
