"""`--job=embed`: rows of images and texts in shards, whole after any interruption, and evaluated without a model."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

import main
import vlp
from vlp.embeddings.store import Embeddings
from vlp.jobs import embed


def embed_job(checkpoint, data, output, *more):
    return main.main(
        [
            "--job=embed",
            f"--checkpoint={checkpoint}",
            f"--output={output}",
            f"--config.data.evaluation.val.path={data}",
            "--config.embed.sets=('val',)",
            "--config.embed.shard_records=16",
            "--config.embed.batch_size=24",
            *more,
        ]
    )


@pytest.fixture(scope="module")
def whole(checkpoint, data, tmp_path_factory):
    output = tmp_path_factory.mktemp("embedded")
    assert embed_job(checkpoint, data, output, "--config.embed.feature=both") == 0
    return output


def test_rows_are_the_models_own_with_what_is_known_of_them(checkpoint, data, whole):
    index = json.loads((whole / "index.json").read_text())
    image, text = index["parts"]["val/image"], index["parts"]["val/text"]
    assert image["records"] == 70 and image["rows"] == 69 and image["skipped"] == {"undecodable": 1}
    assert image["shards"] == [f"val/image/{number:08d}.npy" for number in range(5)]
    usable = [row for number, row in enumerate(pq.read_table(data).to_pylist()) if number != 3]
    model, embeddings = vlp.load(checkpoint), Embeddings(whole / "val" / "image")
    np.testing.assert_allclose(embeddings[:], model.encode_image([row["image"] for row in usable]), atol=1e-5)
    notes = embeddings.notes()
    assert notes.ids == [row["id"] for row in usable] and notes.labels == [row["category"] for row in usable]
    assert notes.tags == [list(row["tags"]) for row in usable]
    assert notes.records == [number for number in range(70) if number != 3]
    texts = Embeddings(whole / "val" / "text")
    assert text["rows"] == texts.shape[0] == len(texts.notes().texts)
    np.testing.assert_allclose(texts[:], model.encode_text(texts.notes().texts), atol=1e-5)
    np.testing.assert_array_equal(np.load(whole / image["shards"][1]), embeddings[15:31])


def test_of_a_set_the_records_in_use_are_there_and_a_folder_of_others_is_not_gone_on_with(
    checkpoint, data, whole, tmp_path, capsys
):
    part = "--config.data.evaluation.val.fraction=0.3"
    assert embed_job(checkpoint, data, tmp_path / "part", part) == 0
    index = json.loads((tmp_path / "part" / "index.json").read_text())["parts"]["val/image"]
    own, every = (Embeddings(folder / "val" / "image").notes().ids for folder in (tmp_path / "part", whole))
    assert index["records"] == 21 and set(own) < set(every)
    places = [every.index(name) for name in own]
    assert places == sorted(places), "not in the order of the data"
    assert embed_job(checkpoint, data, tmp_path / "part") == 2
    assert "holds embeddings of another data" in capsys.readouterr().err


def test_what_a_killed_process_left_of_its_own_files_is_removed(checkpoint, data, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "embedded")
    left = [
        folder / "val" / "image" / f"0000000{number}.{end}.21e294aa.saving"
        for number, end in ((0, "npy"), (1, "json"))
    ]
    left.append(folder / "index.json.21e294aa.saving")
    others = [folder / "val" / "image" / f"{name}.21e294aa.saving" for name in ("00000099.npy", "notes.txt")]
    for path in (*left, *others):
        path.write_bytes(b"half")
    assert embed_job(checkpoint, data, folder, "--config.embed.feature=both") == 0
    assert not any(path.exists() for path in left) and all(path.exists() for path in others)


def test_parquet_holds_the_same(checkpoint, data, whole, tmp_path):
    more = ("--config.embed.feature=both", "--config.embed.format=parquet")
    assert embed_job(checkpoint, data, tmp_path, *more) == 0
    table = pq.read_table(tmp_path / "val" / "image" / "00000000.parquet")
    assert table.column_names == ["record", "id", "label", "group", "tags", "text", "embedding"]
    for part in ("image", "text"):
        ours, theirs = Embeddings(tmp_path / "val" / part), Embeddings(whole / "val" / part)
        np.testing.assert_array_equal(ours[:], theirs[:])
        assert ours.notes() == theirs.notes()


class Stopped(Exception):
    pass


def test_interrupted_it_goes_on_and_leaves_the_same_bytes(
    checkpoint, data, whole, tmp_path, monkeypatch, capsys
):
    start, calls = vlp.model.Model.start, []

    def stopping(self, kind, *inputs, size):
        calls.append(kind)
        if len(calls) == 6:
            raise Stopped
        return start(self, kind, *inputs, size=size)

    with monkeypatch.context() as patch:
        patch.setattr(vlp.model.Model, "start", stopping)
        with pytest.raises(Stopped):
            embed_job(checkpoint, data, tmp_path, "--config.embed.feature=both")
        assert not (tmp_path / "index.json").exists()
        assert len(list((tmp_path / "val" / "image").glob("*.npy"))) == 5
        assert embed_job(checkpoint, data, tmp_path, "--config.embed.feature=both") == 0
    assert "image" not in calls[6:]  # what was encoded is not encoded again
    for name in [
        "index.json",
        *(f"val/{part}/0000000{number}.npy" for part in ("image", "text") for number in range(5)),
    ]:
        assert (whole / name).read_bytes() == (tmp_path / name).read_bytes(), name
    capsys.readouterr()
    assert embed_job(checkpoint, data, tmp_path, "--config.embed.shard_records=8") == 2
    assert "holds embeddings of another" in capsys.readouterr().err


def test_processes_take_turns_at_the_shards_and_the_last_leaves_the_index(
    checkpoint, data, whole, tmp_path, monkeypatch
):
    for process, shards in ((1, [1, 3]), (0, [0, 1, 2, 3, 4])):
        processes = SimpleNamespace(process_count=lambda: 2, process_index=lambda process=process: process)
        monkeypatch.setattr(embed, "jax", processes)
        assert embed_job(checkpoint, data, tmp_path, "--config.embed.feature=image") == 0
        files = sorted(path.name for path in (tmp_path / "val" / "image").glob("*.npy"))
        assert files == [f"{number:08d}.npy" for number in shards]
        assert (tmp_path / "index.json").exists() == (process == 0)
    ours, theirs = Embeddings(tmp_path / "val" / "image"), Embeddings(whole / "val" / "image")
    np.testing.assert_allclose(ours[:], theirs[:], atol=1e-6)


def test_embeddings_are_evaluated_as_their_checkpoint_is(checkpoint, data, whole, tmp_path, capsys):
    def evaluate(*origin):
        arguments = [
            "--job=evaluate",
            *origin,
            f"--output={tmp_path / 'figures.json'}",
            f"--config.data.evaluation.val.path={data}",
            "--config=configs/eval/features.py",
            "--config.evaluators.retrieval.final=true",
            "--config.evaluators.clusters.final=false",
            "--config.evaluators.geometry.sets=('val',)",
            "--config.evaluators.features.sets=('val',)",
            "--config.evaluators.features.train_sets=('val',)",
            "--config.evaluators.features.parts=('knn','few_shot')",
        ]
        assert main.main(arguments) == 0
        figures = json.loads((tmp_path / "figures.json").read_text())
        assert figures.pop("provenance")["images"] == {"val": 69}
        return figures

    assert evaluate(f"--source={whole}") == pytest.approx(evaluate(f"--checkpoint={checkpoint}"), abs=1e-5)
    capsys.readouterr()
    prompts = [f"--config.evaluators.{name}.sets=('val',)" for name in ("zero_shot", "retrieval")]
    assert main.main(["--job=evaluate", f"--source={whole}", *prompts]) == 2
    assert "holds no embedding of the text" in capsys.readouterr().err
    assert main.main(["--job=evaluate", f"--source={tmp_path}", *prompts]) == 2
    assert "no index.json, which --job=embed leaves" in capsys.readouterr().err


def test_what_is_missing_is_one_line(checkpoint, data, tmp_path, capsys):
    assert main.main(["--job=embed", f"--checkpoint={checkpoint}"]) == 2
    assert "and --output=FOLDER" in capsys.readouterr().err
    assert embed_job(checkpoint, data, tmp_path, "--config.embed.sets=('vol',)") == 2
    assert "there is no set or source 'vol'" in capsys.readouterr().err
