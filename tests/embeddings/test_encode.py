"""Records of several sources as one sequence, and what of them a feature needs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from input_pipeline.records import Reason
from vlp.embeddings.encode import GivenTexts, Records, Shown, check_same_start, require_rows
from vlp.embeddings.store import Embeddings, Notes, shard_path, write_shard

PREPROCESSING = {"resolution": 8, "resize": "squash"}


def png(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), grey, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def entries(tmp_path: Path) -> dict[str, Any]:
    """Three records and two, of which one has no image and another no text; and a source that is not used."""
    rows = [
        {"id": f"r{n}", "image": None if n == 2 else png(40 * n), "captions": [f"a {n}", f"b {n}", f"a {n}"]}
        for n in range(5)
    ]
    rows[4]["captions"] = []
    for name, own in (("a", rows[:3]), ("b", rows[3:])):
        pq.write_table(pa.Table.from_pylist(own), tmp_path / f"{name}.parquet")
    used = {name: {"format": "parquet", "path": str(tmp_path / f"{name}.parquet")} for name in "ab"}
    return {"a": used["a"], "off": {"path": "nowhere", "weight": 0.0}, "b": {**used["b"], "weight": 2.0}}


def test_sources_follow_each_other_and_what_cannot_be_used_says_why(entries: dict[str, Any]) -> None:
    records = Records(entries, {}, PREPROCESSING, "image")
    assert len(records) == 5 and list(records.sources) == ["a", "b"]
    assert [records.source_of(index) for index in range(5)] == ["a"] * 3 + ["b"] * 2
    shown = [records[index] for index in range(5)]
    assert shown[2] is Reason.MISSING_IMAGE
    assert [one.id for one in shown if not isinstance(one, Reason)] == ["r0", "r1", "r3", "r4"]
    assert [one.image.mean() for one in shown if not isinstance(one, Reason)] == [0, 40, 120, 160]
    assert all(one.texts == () for one in shown if not isinstance(one, Reason))
    assert records.described == [[3, 2], [entries["a"]["path"], entries["b"]["path"]]]


def test_of_a_source_those_in_use_are_its_records(entries: dict[str, Any], tmp_path: Path) -> None:
    def of_a(**part: Any) -> tuple[list[str], list[Any]]:
        one = Records({"a": {**entries["a"], **part}, "b": entries["b"]}, {}, PREPROCESSING, "text")
        return [
            shown.id for shown in (one[n] for n in range(len(one))) if isinstance(shown, Shown)
        ], one.described

    (tmp_path / "kept.txt").write_text("r2\nr0\n")
    whole, _ = of_a()
    assert whole == ["r0", "r1", "r2", "r3"]
    kept, described = of_a(keep_ids=str(tmp_path / "kept.txt"))
    assert kept == ["r0", "r2", "r3"] and described[0] == [2, 2]
    assert described[1][0] == f"{entries['a']['path']} with keep_ids={tmp_path / 'kept.txt'}"
    share, _ = of_a(fraction=0.7)
    assert len(share) == 3 and share == sorted(share)
    assert of_a(fraction=1.0, keep_ids="", shots=0) == of_a()
    with pytest.raises(ValueError, match="source 'a': none of its 3 records has an id of"):
        (tmp_path / "kept.txt").write_text("other\n")
        of_a(keep_ids=str(tmp_path / "kept.txt"))


def test_texts_are_the_first_or_all_that_differ(entries: dict[str, Any]) -> None:
    first = Records(entries, {}, PREPROCESSING, "text")
    assert first[2].image is None and first[2].texts == ("a 2",) and first[4] is Reason.NO_CAPTION
    assert Records(entries, {}, PREPROCESSING, "text", every_text=True)[3].texts == ("a 3", "b 3")
    both = Records(entries, {}, PREPROCESSING, "mean")
    assert both[0].image is not None and both[0].texts == ("a 0",)
    assert both[2] is Reason.MISSING_IMAGE and both[4] is Reason.NO_CAPTION


def test_shards_are_taken_in_turns(entries: dict[str, Any]) -> None:
    records = Records(entries, {}, PREPROCESSING, "text")
    assert records.shards(2) == {0: range(2), 1: range(2, 4), 2: range(4, 5)}
    assert records.shards(2, (1, 2)) == {1: range(2, 4)} and records.shards(5) == {0: range(5)}
    assert len(Records({}, {}, PREPROCESSING, "text")) == 0


def test_given_texts_are_records_once_each() -> None:
    given = GivenTexts(["a", "b", "a"], PREPROCESSING)
    assert len(given) == 2 and [given[place].texts for place in range(2)] == [("a",), ("b",)]
    assert given[1].id == "1" and given[1].image is None
    assert given.described != GivenTexts(["a", "c"], PREPROCESSING).described


def test_a_folder_is_of_one_request(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "one"
    check_same_start(folder, {"checkpoint": "a", "rows": [1]})
    check_same_start(folder, {"checkpoint": "a", "rows": [1]})
    with pytest.raises(ValueError, match="holds embeddings of another rows: remove it or choose another"):
        check_same_start(folder, {"checkpoint": "a", "rows": [2]})
    check_same_start(folder, {"checkpoint": "a", "data.image": "b"}, later=("data.image",))
    (folder / "begun_with.json").write_text('{"data.image": "a"}')
    with pytest.raises(ValueError, match=r"another data\.image"):
        check_same_start(folder, {"data.image": "b"}, later=("data.image",))


def test_no_rows_at_all_are_an_error_that_counts_why(tmp_path: Path) -> None:
    notes = Notes()
    notes.skipped.update(unreadable=3)
    write_shard(shard_path(tmp_path, 0, "npy"), np.zeros((0, 4), np.float32), notes)
    with pytest.raises(ValueError, match="no record can be used: 3 unreadable"):
        require_rows(Embeddings(tmp_path))
