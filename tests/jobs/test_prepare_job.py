"""`--job=prepare` as a user runs it: killed, started again, and wrong in the usual ways."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import main
from input_pipeline.sources import open_source

RECORDS = 120


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Pictures that take some milliseconds each, so that a kill comes before the end."""
    dice, path = np.random.default_rng(0), tmp_path / "pictures.parquet"
    images = []
    for _ in range(RECORDS):
        coarse, buffer = Image.fromarray(dice.integers(0, 256, (6, 6, 3), np.uint8)), io.BytesIO()
        coarse.resize((500, 500), Image.Resampling.BILINEAR).save(buffer, "JPEG")
        images.append(buffer.getvalue())
    images[9], images[90] = b"", images[0]
    pq.write_table(
        pa.table({"image": images, "captions": [["a picture"]] * RECORDS}), path, row_group_size=10
    )
    return path


def shards(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*")) if file.name != "report.json"}


@pytest.mark.slow
def test_after_kill_9_the_same_command_leaves_the_same_shards(
    source: Path, repo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    common = ["--job=prepare", f"--source={source}", "--config.prepare.max_side=256"]
    common += ["--config.prepare.records_per_shard=10"]
    command = [sys.executable, "main.py", *common, f"--output={killed}", "--config.prepare.processes=2"]
    with subprocess.Popen(
        command, cwd=repo_root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        while not list(killed.glob("00001*")) and time.monotonic() < deadline:
            time.sleep(0.002)
        process.kill()
    assert 2 <= len(list(killed.glob("*.array_record"))) < 12, "the kill came after the end"
    for folder in (killed, whole):
        assert main.main([*common, f"--output={folder}", "--config.prepare.processes=1"]) == 0
    assert shards(killed) == shards(whole) and len(shards(whole)) == 12 + 2
    report = json.loads((killed / "report.json").read_text())
    assert (report["kept"], report["duplicates"], report["dropped"]) == (118, 1, {"missing_image": 1})
    assert report["changes"] == {"resized": 118} and 0 < report["records_now"] < RECORDS
    printed = capsys.readouterr().out
    assert "1 captions of near-duplicates are left out with them" in printed
    assert "near-duplicates" in printed and "record 9 of source 'source'" in printed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "needs --output"),
        (("--output={folder}/out", "--source={folder}/nowhere"), "no folder at"),
        (("--output={folder}/out", "--source={folder}"), "no known data"),
        (("--output={folder}/out", "--config.prepare.quality=0"), "prepare.quality=0 must be in [1, 100]"),
        (
            ("--output={folder}/out", "--config.data.sources={{'mine': {{'format': 'parquet'}}}}"),
            "path is empty",
        ),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.format(folder=tmp_path) for argument in arguments]
    assert main.main(["--job=prepare", *given]) == 2
    error = capsys.readouterr().err
    assert expected in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_several_sources_keep_their_weights_and_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, keep = tmp_path / "few.parquet", tmp_path / "keep.txt"
    dice, images = np.random.default_rng(0), []
    for _ in range(4):
        buffer = io.BytesIO()
        Image.fromarray(dice.integers(0, 256, (30, 30, 3), np.uint8)).save(buffer, "PNG")
        images.append(buffer.getvalue())
    pq.write_table(pa.table({"id": list("abcd"), "image": images, "captions": [["a"]] * 4}), path)
    keep.write_text("b\nd\n")
    entry = {"format": "parquet", "path": str(path)}
    sources = {"one": {**entry, "weight": 3.0}, "two": {**entry, "keep_ids": str(keep), "prefix": "x"}}
    command = ["--job=prepare", f"--output={tmp_path / 'out'}", "--config.prepare.processes=1"]
    assert main.main([*command, f"--config.data.sources={sources}"]) == 0
    flag = capsys.readouterr().out.strip().splitlines()[-1].partition("sources=")[2].strip('"')
    prepared = ast.literal_eval(flag)
    assert {name: len(open_source(entry)) for name, entry in prepared.items()} == {"one": 4, "two": 2}
    assert prepared["one"]["weight"] == 3.0 and prepared["two"]["prefix"] == "x"
