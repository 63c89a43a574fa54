"""What a curation leaves behind: lists of ids by source, scores of every record, and counts that add up."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from input_pipeline.curation.chain import READING, Row, Slice, Tally
from input_pipeline.curation.outcome import KEPT, Outcome
from input_pipeline.curation.slices import Stored, stored


class Step:
    """Has a score, and a list of its own."""

    name, COLUMNS, FILE, writes = "s", {"x": "float32"}, "list.tsv", False

    def line(self, identifier, scores):
        return f"{identifier}\t{scores['x']}"

    def facts(self):
        return {"said": 1}

    def files(self):
        return {"words.txt": "a\n"}


def row(number, identifier, reason="", step="s", score=0.5):
    return Row(number, identifier, {}, {"s_x": score}, step if reason else "", reason)


def made(rows: list[Row], tallies: dict[str, Tally]) -> Stored:
    """What a pass left of a slice."""
    return stored(Slice(rows, tallies), [Step()])


def slices():
    """Of source a in two passes, of which the second drops one more; one of b cannot be read."""
    first = made([row(1, "a1"), row(0, "a0", "bad")], {"s": Tally(2, {"bad": 1}, {"bad": ["a0"]})})
    second = made([row(1, "a1", score=0.75)], {"s": Tally(0)})
    unread = {READING: Tally(0, {"unreadable": 1}, {"unreadable": ["record 1"]}), "s": Tally(2)}
    other = made([row(2, "b0"), row(3, "", "unreadable", READING), row(4, "b0")], unread)
    return [("a", [first, second]), ("b", [other])]


def test_files_and_report_say_what_became_of_every_record(tmp_path: Path) -> None:
    report = Outcome([Step()], {"a": 2, "b": 3}, tmp_path).write(slices())
    assert (tmp_path / "a" / "kept.txt").read_text() == "a1\n"
    assert (tmp_path / "b" / "kept.txt").read_text() == "b0\nb0\n"
    assert (tmp_path / "list.tsv").read_text() == "a1\t0.75\nb0\t0.5\nb0\t0.5\n"
    assert (tmp_path / "words.txt").read_text() == "a\n"
    assert (report["records"], report["kept"], report["repeated_ids"]) == (5, 3, 2)
    assert report["sources"]["b"] == {"records": 3, "kept": 2, "keep_ids": "b/kept.txt"}
    reading, step = report["steps"]
    assert (reading["seen"], reading["kept"], reading["facts"]) == (5, 4, {})
    assert (step["seen"], step["kept"], step["facts"]) == (4, 3, {"said": 1})
    table = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    assert [(one["source"], one["id"], one["kept"], one["reason"]) for one in table] == [
        ("a", "a0", False, "bad"),
        ("a", "a1", True, ""),
        ("b", "b0", True, ""),
        ("b", "", False, "unreadable"),
        ("b", "b0", True, ""),
    ]
    assert table[1]["s_x"] == 0.75


def test_a_single_source_has_its_list_beside_the_report(tmp_path: Path) -> None:
    outcome = Outcome([Step()], {"a": 2}, tmp_path)
    assert outcome.file_of("a", KEPT) == tmp_path / "kept.txt"
    assert outcome.write(slices()[:1])["sources"]["a"]["keep_ids"] == "kept.txt"


@pytest.mark.parametrize("identifier", [" a", "a ", "a\nb", ""])
def test_an_id_that_cannot_stand_in_a_line_is_refused(identifier: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot stand in a line of its own"):
        Outcome([Step()], {"a": 1}, tmp_path).write([("a", [made([row(0, identifier)], {"s": Tally(1)})])])


def test_where_nothing_is_kept_it_says_who_dropped_what(tmp_path: Path) -> None:
    dropped = made([row(0, "a0", "bad")], {"s": Tally(1, {"bad": 1}, {"bad": ["a0"]})})
    with pytest.raises(ValueError, match=r"none of 1 records is kept: s dropped 1 \(bad\)"):
        Outcome([Step()], {"a": 1}, tmp_path).write([("a", [dropped])])
