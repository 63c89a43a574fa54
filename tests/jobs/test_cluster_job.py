"""`--job=cluster`: from a checkpoint and sources to a side table, whole after any interruption."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import main
import vlp
from configs import quickstart as quickstart_config
from input_pipeline.tables import load_table
from vlp.configuration import to_dict
from vlp.embeddings import encode
from vlp.embeddings.encode import Records, embed
from vlp.embeddings.store import Embeddings

ROOT = Path(__file__).resolve().parents[2]


def arguments(checkpoint, data, output):
    return [
        "--job=cluster",
        f"--checkpoint={checkpoint}",
        f"--output={output}",
        f"--config.data.sources.quickstart.path={data}",
        "--config.batch_size=8",
        "--config.cluster.k=7",
        "--config.cluster.nearest=3",
        "--config.cluster.iterations=4",
    ]


def cluster_job(checkpoint, data, output, *more):
    return main.main([*arguments(checkpoint, data, output), *more])


def read(path, column):
    table = pq.read_table(path)
    assert table.column_names == ["id", column]
    return table["id"].to_pylist(), np.array(table[column].to_pylist())


def test_two_sources_with_the_same_ids_are_told_apart(checkpoint, data, tmp_path, capsys):
    output, entry = tmp_path / "clusters", {"format": "parquet", "path": str(data)}
    arguments = [
        "--job=cluster",
        f"--checkpoint={checkpoint}",
        f"--output={output}",
        "--config.cluster.k=3",
        "--config.cluster.nearest=2",
    ]
    arguments += [f"--config.data.sources={ {'a': entry, 'b': entry} }", "--config.cluster.iterations=2"]
    assert main.main(arguments) == 0
    assert "3 clusters of 136 records" in capsys.readouterr().out
    table = pq.read_table(output / "clusters.parquet")
    assert table.column_names == ["source", "id", "cluster_ids"]
    assert table["source"].to_pylist() == ["a"] * 68 + ["b"] * 68
    assert table["id"].to_pylist()[:68] == table["id"].to_pylist()[68:]
    found = load_table("cluster_ids", {"path": str(output / "clusters.parquet")})
    one = table["id"][0].as_py()
    assert found.of("a", one).tolist() == found.of("b", one).tolist() == table["cluster_ids"][0].as_py()


def test_the_table_holds_the_nearest_centres_of_every_usable_record(checkpoint, data, tmp_path, capsys):
    output = tmp_path / "clusters"
    more = ("--config.cluster.feature=mean", "--config.cluster.write_embeddings=true")
    assert cluster_job(checkpoint, data, output, *more) == 0
    assert "7 clusters of 68 records" in capsys.readouterr().out
    rows = pq.read_table(data).to_pylist()
    wanted = [row for number, row in enumerate(rows) if number not in (3, 5)]
    ids, clusters = read(output / "clusters.parquet", "cluster_ids")
    assert ids == [row["id"] for row in wanted] and clusters.shape == (68, 3)
    assert pq.read_schema(output / "clusters.parquet").field("cluster_ids").type == pa.list_(pa.int32())
    model = vlp.load(checkpoint)
    texts = [row["captions"] if isinstance(row["captions"], str) else row["captions"][0] for row in wanted]
    both = model.encode_image([row["image"] for row in wanted]) + model.encode_text(texts)
    expected = both / np.linalg.norm(both, axis=1, keepdims=True)
    embedded_ids, embeddings = read(output / "embeddings.parquet", "embedding")
    assert embedded_ids == ids
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
    centres = np.load(output / "centres.npy")
    np.testing.assert_array_equal(clusters, np.argsort(-(embeddings @ centres.T), axis=1)[:, :3])
    summary = json.loads((output / "clusters.json").read_text())
    assert (
        summary["records"] == 68 and summary["skipped"] == {"undecodable": 1} and summary["repeated_ids"] == 1
    )
    assert len(summary["objective"]) == len(summary["empty_clusters"]) <= 4


class Stopped(Exception):
    pass


def test_interrupted_it_leaves_the_bytes_of_an_uninterrupted_run(checkpoint, data, tmp_path, monkeypatch):
    small = {**embed.__kwdefaults__, "shard_records": 16, "batch_rows": 16}
    monkeypatch.setattr(encode.embed, "__kwdefaults__", small)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert cluster_job(checkpoint, data, whole) == 0
    start, calls = vlp.model.Model.start, []

    def stopping(self, kind, images, *, size):
        calls.append(len(images))
        if len(calls) == 5:
            raise Stopped
        return start(self, kind, images, size=size)

    with monkeypatch.context() as patch:
        patch.setattr(vlp.model.Model, "start", stopping)
        with pytest.raises(Stopped):
            cluster_job(checkpoint, data, resumed)
        assert len(list((resumed / "embeddings").glob("*.npy"))) == 2
        assert cluster_job(checkpoint, data, resumed, "--config.cluster.iterations=2") == 0
    assert len(calls) == 5 + 3  # what was encoded is not encoded again
    assert cluster_job(checkpoint, data, resumed) == 0
    for name in ("clusters.parquet", "centres.npy", "clusters.json"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes(), name


def test_shards_are_one_array(tmp_path):
    rows = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    for number, (start, stop) in enumerate([(0, 4), (4, 4), (4, 11)]):
        np.save(tmp_path / f"{number:08d}.npy", rows[start:stop])
        note = {"ids": [str(row) for row in range(start, stop)], "skipped": {"undecodable": number}}
        (tmp_path / f"{number:08d}.json").write_text(json.dumps(note))
    points = Embeddings(tmp_path)
    assert points.shape == (11, 3) and points.skipped == {"undecodable": 3}
    assert list(points.ids()) == [str(row) for row in range(11)]
    for start, stop in [(0, 11), (3, 5), (4, 4), (9, 30)]:
        np.testing.assert_array_equal(points[start:stop], rows[start:stop])


def test_records_of_several_sources_follow_each_other(data):
    config = quickstart_config.get_config("runlocal")
    entry = {**to_dict(config)["data"]["sources"]["quickstart"], "path": str(data)}
    with config.unlocked():
        config.data.sources = {"a": entry, "off": {**entry, "weight": 0.0}, "b": entry}
    records = Records(config.data.sources, config.data.text, {"resolution": 16, "resize": "pad"}, "image")
    assert len(records) == 140
    assert (
        records[69].id == records[139].id and records[3] == records[73] and records[3].name == "UNDECODABLE"
    )
    assert records[0].texts == () and records[0].image.shape == (16, 16, 3)


def test_what_is_wrong_is_one_line(checkpoint, data, tmp_path, capsys):
    def error(*arguments, checkpoint=checkpoint):
        assert cluster_job(checkpoint, data, tmp_path / "out", *arguments) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    assert "needs --checkpoint=PATH" in error(checkpoint="")
    assert "no checkpoint or workdir" in error(checkpoint=tmp_path / "nothing")
    assert "cluster.nearest=9 is more than cluster.k=7" in error("--config.cluster.nearest=9")
    assert "k=500 centres need as many points, and there are 69" in error("--config.cluster.k=500")
    assert "of another feature" in error("--config.cluster.feature=text")


@pytest.mark.slow
def test_two_processes_share_the_work_of_one(checkpoint, data, tmp_path):
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert cluster_job(checkpoint, data, alone) == 0
    command = [
        sys.executable,
        str(ROOT / "launch" / "local"),
        "--processes=2",
        "--",
        *arguments(checkpoint, data, shared),
    ]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (ids, expected), (other_ids, clusters) = (
        read(output / "clusters.parquet", "cluster_ids") for output in (alone, shared)
    )
    assert ids == other_ids
    np.testing.assert_array_equal(clusters, expected)
