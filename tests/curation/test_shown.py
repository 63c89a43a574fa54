"""The page of a curation: histograms that count every record, sheets by reason, and records that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.curation import Request, StepEntry, curate
from vlp.curation import shown
from vlp.curation.shown import histogram, looked_at, page_of

HARM = "<script>alert(1)</script> & a dog"


@pytest.fixture(scope="module")
def curated(quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """Forty pictures, of which those with a person are dropped and one cannot be decoded."""
    folder = tmp_path_factory.mktemp("shown")
    rows = pq.read_table(quickstart / "val.parquet").slice(0, 40).to_pylist()
    rows[3]["image"], rows[4]["captions"] = b"no picture", [HARM]
    rows[3]["tags"], rows[4]["tags"] = ["person"], ["person", "dog"]
    pq.write_table(pa.Table.from_pylist(rows), folder / "some.parquet")
    settings = {"of": "tags", "any_of": (), "none_of": ("person",), "within": ()}
    entry = {"format": "parquet", "path": str(folder / "some.parquet")}
    steps = [StepEntry("people", "input_pipeline.curation.where:Where", settings)]
    curate(Request({"web": entry}, steps, 0, 16), folder / "out", 1)
    return folder / "out", {"web": entry}


def test_a_page_shows_what_went_and_what_stayed(curated: tuple[Path, dict]) -> None:
    output, sources = curated
    page, report = page_of(output, sources), json.loads((output / "report.json").read_text())
    dropped = report["steps"][1]["dropped"]["tags refused"]
    assert dropped >= 2 and f"people: tags refused: {dropped}" in page and f"kept: {report['kept']}" in page
    assert "<script>" not in page and "&lt;script&gt;alert(1)" in page
    assert page.count("<img") == min(12, report["kept"]) + min(12, dropped) - 1  # one cannot be decoded
    assert "words of a caption" in page and "shorter side of an image" in page
    assert page == page_of(output, sources)


def test_a_histogram_counts_every_value_and_those_beyond_in_the_outer_bins() -> None:
    values = np.array([*np.linspace(0, 1, 1000), 50.0, -3.0])
    kept = values > 0.5
    found = histogram("x", values, kept)
    assert found.before.sum() == 1002 and found.after.sum() == kept.sum()
    assert len(found.before) == 24 and (found.after <= found.before).all() and not found.after[:11].any()
    assert -0.1 < found.edges[0] < 0.1 and 0.9 < found.edges[-1] < 1.1
    few = histogram("words", np.array([1.0, 1, 2, 5]), np.array([True, False, True, True]))
    assert few.edges.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert (few.before.tolist(), few.after.tolist()) == ([2, 1, 0, 0, 1], [1, 1, 0, 0, 1])
    assert histogram("x", np.full(3, 0.25), np.ones(3, bool)).before.sum() == 3


def test_of_many_records_stretches_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked_at(2048) == list(range(2048))
    rows = looked_at(10_000_000)
    assert len(rows) == 2048 == len({*rows}) and rows == sorted(rows)
    assert rows[:64] == list(range(64)) and rows[-1] > 9_600_000
    monkeypatch.setattr(shown, "_RUNS", 2)
    monkeypatch.setattr(shown, "_RUN", 3)
    assert looked_at(10) == [0, 1, 2, 3, 4, 5]
