"""RS5M's ranking of candidates, and its chain of steps as what its steps are one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chosen_embeddings import item, step_of, write_folder

import main
from input_pipeline.sources import open_source
from vlp.curation.best_captions import BestCaptions

IMAGES = {"r0": (1, 0, 0), "r1": (0, 1, 0), "r2": (0, 1, 0.2), "r3": (1, 1, 0)}
TEXTS = {"a field": (1, 0, 0), "a river": (0, 1, 0), "a road": (0, 0, 1)}


def test_the_nearest_candidates_are_written_first(embedded: Callable[..., str]) -> None:
    step = step_of(BestCaptions, embeddings=embedded(IMAGES, TEXTS), top=2)
    made = step(item("r2", "a field", "a road", "a river", "a town"))
    assert made.written.texts == ("a river", "a road") and made.scores["candidates"] == 3
    assert made.written.kind == "ranked" and made.written.by == "best_captions by c0ffee"
    assert [step(item(*one)).reason for one in (("r9", "a field"), ("r0", "a town"))] == [
        "no image embedding",
        "no text embedding",
    ]


@pytest.fixture
def web(tmp_path: Path) -> Path:
    rows = [
        {"id": name, "image": b"x", "captions": ["a road", "a field", "a river"], "tags": [tag]}
        for name, tag in zip(IMAGES, ("land", "water", "people", "land"), strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "web.parquet")
    return tmp_path / "web.parquet"


def curated(source: Path, output: Path, folder: str, steps: str, *flags: str) -> list[str]:
    sources = {"web": {"path": str(source), "format": "parquet"}}
    arguments = [
        *("--job=curate", "--config=configs/curate/rs5m.py", "--config.curate.processes=1"),
        f"--config.data.sources={sources}",
        f"--config.curate.embeddings={folder}",
        f"--config.curate.steps={steps}",
        "--config.curation.keywords.any_of=('land','water')",
        f"--output={output}",
        *flags,
    ]
    assert main.main(arguments) == 0
    return (output / "kept.txt").read_text(encoding="utf-8").splitlines()


def test_the_chain_is_the_composition_of_its_steps(web: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "embedded", IMAGES, TEXTS)
    whole = curated(web, tmp_path / "whole", folder, "('keywords','clip_score','best_captions')")
    before: tuple[str, ...] = ()
    for name in ("keywords", "clip_score", "best_captions"):
        output = tmp_path / name
        kept = curated(web, output, folder, f"('{name}',)", *before)
        before = (f"--config.data.sources.web.keep_ids={output / 'kept.txt'}",)
    assert whole == kept == ["r0", "r1"]  # of three with a keyword, four fifths by score
    texts = (tmp_path / "whole" / "texts.jsonl").read_bytes()
    assert texts == (tmp_path / "best_captions" / "texts.jsonl").read_bytes()
    assert [json.loads(line)["texts"] for line in texts.splitlines()] == [["a field"], ["a river"]]
    report = json.loads((tmp_path / "whole" / "report.json").read_text(encoding="utf-8"))
    assert {step["name"]: step["dropped"] for step in report["steps"]} == {
        "reading": {},
        "keywords": {"tags not wanted": 1},
        "clip_score": {"low score": 1},
        "best_captions": {},
    }
    entry = {"format": "parquet", "path": str(web)}
    entry |= {"captions_by_id": str(tmp_path / "whole" / report["sources"]["web"]["captions_by_id"])}
    first = open_source(entry)[1].captions[0]
    assert (first.text, first.kind) == ("a river", "ranked")
