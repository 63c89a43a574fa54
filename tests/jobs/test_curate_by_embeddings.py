"""Embeddings of a curation's config serve its steps: from a checkpoint to captions that a source shows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import main
from input_pipeline.sources import open_source
from vlp.embeddings.store import Embeddings

CONFIG = "--config=configs/curate/gist.py"
# A look at all records behind a step that writes: captions cross from one reading of the data to the next.
STEPS = ("--config.curate.steps=('match_captions','clip_score')", "--config.curation.clip_score.keep=0.5")


@pytest.fixture(scope="module")
def flags(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """What all commands say: where the records and the descriptions of their labels are."""
    path = tmp_path_factory.mktemp("described") / "descriptions.json"
    labels = sorted({row["category"] for row in pq.read_table(data).to_pylist()})
    path.write_text(json.dumps({label: [f"{label} one", "the same"] for label in labels[1:]}))
    return (
        CONFIG,
        f"--config.data.sources.quickstart.path={data}",
        f"--config.curation.match_captions.descriptions={path}",
        "--config.curate.processes=1",
    )


@pytest.fixture(scope="module")
def embedded(checkpoint: Path, flags: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("embedded") / "of"
    assert main.main(["--job=embed", f"--checkpoint={checkpoint}", f"--output={output}", *flags]) == 0
    return output


def run(embedded: Path, output: Path, flags: tuple[str, ...], *more: str) -> int:
    own = (f"--config.curate.embeddings={embedded}", f"--output={output}")
    return main.main(["--job=curate", *flags, *STEPS, *own, *more])


@pytest.fixture(scope="module")
def whole(embedded: Path, flags: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "of"
    assert run(embedded, output, flags) == 0
    return output


def same(one: Path, other: Path) -> bool:
    names = ("kept.txt", "texts.jsonl", "scores.parquet", "report.json")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_the_texts_that_steps_ask_for_are_embedded_with_the_sources(embedded: Path) -> None:
    parts = json.loads((embedded / "index.json").read_text())["parts"]
    assert [*parts] == ["quickstart/image", "quickstart/text", "curation/text"]
    texts = Embeddings(embedded / "curation" / "text").notes().texts
    assert len(set(texts)) == len(texts) == parts["curation/text"]["rows"] and "the same" in texts


def test_a_source_shows_what_was_written_for_records_that_are_kept(whole: Path, data: Path) -> None:
    kept = (whole / "kept.txt").read_text(encoding="utf-8").splitlines()
    lines = [json.loads(line) for line in (whole / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == kept and 20 < len(kept) < 36
    rows = pq.read_table(data).to_pylist()
    names = {"the same", *(f"{row['category']} one" for row in rows)}
    for line in lines:
        assert {*line} == {"id", "texts", "kind", "by", "prompt"} and line["kind"] == "gist"
        assert len(line["texts"]) == 2 and {text.partition(": ")[2] for text in line["texts"]} <= names
    report = json.loads((whole / "report.json").read_text(encoding="utf-8"))
    assert report["sources"]["quickstart"]["captions_by_id"] == "texts.jsonl"
    source = open_source({"path": str(data), "captions_by_id": str(whole / "texts.jsonl")})
    first = source[[row["id"] for row in rows].index(kept[0])].captions
    assert [caption.kind for caption in first[:2]] == ["gist"] * 2 and first[2].kind != "gist"
    dropped = next(step["dropped"] for step in report["steps"] if step["name"] == "match_captions")
    assert dropped["id of several images"] == 2 == report["repeated_ids"]


def test_slices_do_not_change_a_byte(
    embedded: Path, whole: Path, flags: tuple[str, ...], tmp_path: Path
) -> None:
    assert run(embedded, tmp_path, flags, "--config.curate.slice=16") == 0
    assert same(tmp_path, whole)


@pytest.mark.slow
def test_processes_do_not_change_a_byte_of_what_is_written(
    embedded: Path, whole: Path, flags: tuple[str, ...], tmp_path: Path
) -> None:
    assert run(embedded, tmp_path, flags, "--config.curate.slice=16", "--config.curate.processes=2") == 0
    assert same(tmp_path, whole)


def test_embeddings_that_do_not_fit_are_said_in_a_line(
    checkpoint: Path,
    embedded: Path,
    data: Path,
    flags: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = pq.read_table(data)
    other = other.set_column(0, "id", [[f"x{number}" for number in range(len(other))]])
    pq.write_table(other, tmp_path / "other.parquet")
    for more, said in (
        (
            (f"--config.data.sources.quickstart.path={tmp_path / 'other.parquet'}",),
            "of another source 'quickstart'",
        ),
        (("--config.curate.embeddings=",), "goes by embeddings: run --job=embed with this config"),
        ((f"--config.curate.embeddings={tmp_path}",), "has no index.json"),
        (("--config.curation.match_captions.descriptions=nowhere.json",), "nowhere.json"),
    ):
        assert run(embedded, tmp_path / "output", flags, *more) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert run(embedded, tmp_path / "good", flags, f"--checkpoint={checkpoint}") == 0
    index = json.loads((embedded / "index.json").read_text())
    (tmp_path / "embedded").mkdir()
    (tmp_path / "embedded" / "index.json").write_text(json.dumps({**index, "checkpoint": "decaf"}))
    more = (f"--checkpoint={checkpoint}", f"--config.curate.embeddings={tmp_path / 'embedded'}")
    assert run(embedded, tmp_path / "output", flags, *more) == 2
    assert "embeddings of another checkpoint than --checkpoint=" in capsys.readouterr().err
