"""`--job=labels`: a file that numbers labels or tags, and a table of the numbers."""

from __future__ import annotations

import json

import pyarrow.parquet as pq

import main
from input_pipeline.labels import read_labels
from input_pipeline.tables import load_table


def test_tags_of_enough_records_are_numbered_and_a_table_says_which_record_has_which(
    tmp_path, quickstart, capsys
):
    output, table = tmp_path / "tags.json", tmp_path / "table.parquet"
    flags = ("of=tags", "least=5", "most=4", f"table={table}")
    settings = [f"--config.labels.{flag}" for flag in flags]
    source = f"--source={quickstart / 'val.parquet'}"
    assert main.main(["--job=labels", f"--output={output}", source, *settings]) == 0
    content = json.loads(output.read_text())
    rows = pq.read_table(quickstart / "val.parquet").to_pylist()
    counts = {}
    for row in rows:
        for tag in set(row["tags"]):
            counts[tag] = counts.get(tag, 0) + 1
    kept = sorted(tag for tag, count in counts.items() if count >= 5)
    assert content["labels"] == kept and content["counts"] == [counts[tag] for tag in kept]
    assert list(read_labels(str(output))) == kept
    numbers = load_table("label_ids", {"path": str(table)})
    places = {tag: place for place, tag in enumerate(kept)}
    for row in rows[:20]:
        expected = [places[tag] for tag in row["tags"] if tag in places][:4]
        assert numbers.of("source", row["id"]).tolist() == expected + [-1] * (4 - len(expected))
    assert f"{len(kept)} labels" in capsys.readouterr().out


def test_labels_nobody_has_are_refused(tmp_path, quickstart, capsys):
    flags = ("--config.labels.least=100000", f"--source={quickstart / 'val.parquet'}")
    assert main.main(["--job=labels", f"--output={tmp_path / 'labels.json'}", *flags]) == 2
    assert "no label of `label` has 100000 records or more" in capsys.readouterr().err
    assert main.main(["--job=labels", flags[1]]) == 2
    assert "needs --output" in capsys.readouterr().err
    for name in ("labels.txt", "labels"):
        assert main.main(["--job=labels", f"--output={tmp_path / name}", flags[1]]) == 2
        assert f"{name}: name a .json file, such as {tmp_path}/labels.json" in capsys.readouterr().err
        assert not (tmp_path / name).exists()
