"""`--job=inspect`, with and without `--benchmark`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import main
from benchmarks.object_store import Door
from input_pipeline.buckets import Bucket
from vlp import configuration
from vlp.planning import demand

ROOT = Path(__file__).resolve().parents[2]
FEW = ("--config.inspect.records=20", "--config.inspect.rows=2", "--config.inspect.visits=2")


def test_inspect_writes_figures_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--job=inspect", f"--workdir={tmp_path}", *FEW]) == 0
    printed = capsys.readouterr().out
    for part in ("source 'quickstart'", "a sample of 20", "tokens a caption", "labels"):
        assert part in printed
    figures = json.loads((tmp_path / "inspect" / "inspect.json").read_text(encoding="utf-8"))
    assert figures["quickstart"]["records"] == 3227 and figures["quickstart"]["usable"] == 20
    assert Image.open(tmp_path / "inspect" / "contact_sheet.png").width > 500


def test_data_and_tokenizer_of_a_bucket_are_those_of_the_disk(
    google: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = ROOT / "data" / "quickstart"
    figures: list[list[bytes]] = []
    for place in (str(folder), "gs://bucket/inspected"):
        if place != str(folder):
            for name in ("val.parquet", "tokenizer.model"):
                Bucket(place).write(name, folder / name)
        arguments = [f"--source={place}/val.parquet", f"--config.tokenizer.path={place}/tokenizer.model"]
        output = tmp_path / str(len(figures))
        assert main.main(["--job=inspect", *arguments, f"--output={output}", *FEW]) == 0
        figures.append([(output / name).read_bytes() for name in ("inspect.json", "contact_sheet.png")])
    assert figures[0] == figures[1]


def test_benchmark_says_what_is_delivered_and_what_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--job=inspect",
        "--benchmark",
        "--source=data/quickstart/val.parquet",
        f"--output={tmp_path}",
    ]
    assert main.main([*arguments, "--config.inspect.seconds=0.1", "--config.batch_size=8"]) == 0
    printed = capsys.readouterr().out
    for part in ("images/s delivered", "images/s needed", "assumed MFU of 50%", "decode", "tokenise"):
        assert part in printed
    figures = json.loads((tmp_path / "benchmark.json").read_text())
    assert figures["delivered_images_per_second"] > 0 and figures["needed_images_per_second"] > 0
    assert figures["advice"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--source={folder}/nowhere",), "no folder at"),
        (("--source={folder}",), "no known data"),
        (("--config.tokenizer.path=nowhere.model",), "tokenizer.path"),
        (("--config.inspect.mfu=0",), "inspect.mfu=0"),
        (("--benchmark=perhaps",), "benchmark=perhaps"),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.format(folder=tmp_path) for argument in arguments]
    assert main.main(["--job=inspect", f"--output={tmp_path / 'out'}", *given]) == 2
    error = capsys.readouterr().err
    assert expected in error and len(error.splitlines()) == 1


def test_data_of_which_nothing_can_be_used_is_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.jpg").write_bytes(b"<html>")
    (tmp_path / "mine" / "a.txt").write_text("a caption")
    assert main.main(["--job=inspect", f"--source={tmp_path / 'mine'}", f"--output={tmp_path / 'out'}"]) == 2
    printed = capsys.readouterr()
    assert "bad: undecodable     1 (100.0%)" in printed.out
    assert "source 'source': none of 1 records looked at can be used (1 undecodable)" in printed.err
    assert not (tmp_path / "out" / "contact_sheet.png").exists()


def test_pictures_without_captions_are_described_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        Image.new("RGB", (40, 30), "red").save(tmp_path / f"{name}.png")
    source, output = f"--source={tmp_path}", tmp_path / "out"
    assert main.main(["--job=inspect", source, f"--output={output}", *FEW]) == 2
    printed = capsys.readouterr()
    for part in ("bad: no caption      3 (100.0%)", "PNG 3", "40 to 40 px"):
        assert part in printed.out
    assert "name the column of captions" in printed.err
    assert Image.open(output / "contact_sheet.png").width > 500


def test_class_folders_are_told_of_templates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "set" / "cat").mkdir(parents=True)
    Image.new("RGB", (40, 30), "red").save(tmp_path / "set" / "cat" / "1.png")
    source, run = tmp_path / "set", f"--workdir={tmp_path / 'run'}"
    for arguments in (
        ["--job=inspect", f"--source={source}", f"--output={tmp_path / 'out'}", *FEW],
        ["--config=configs/quickstart.py:runlocal", f"--config.data.sources={{'mine': '{source}'}}", run],
    ):
        assert main.main(arguments) == 2
        error = capsys.readouterr().err
        assert "labels, such as 'cat'" in error and "templates='(\"a photo of a {}.\",)'" in error
        assert len(error.strip().splitlines()) == 1


def test_only_the_part_in_use_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = "--config.data.sources.quickstart.fraction=0.01"
    assert main.main(["--job=inspect", f"--output={tmp_path}", part, *FEW]) == 0
    assert "32 of 3,227 in use" in capsys.readouterr().out


def test_what_a_run_of_this_model_reached_is_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demand, "measured_matmul_peak", lambda dtype: 1e12)
    config = configuration.resolve(configuration.load_config("configs/quickstart.py"))
    assert "assumed MFU" in demand.demand(config, tmp_path).basis
    (tmp_path / "config.json").write_text(json.dumps(configuration.to_dict(config)))
    lines = [
        {"pairs_per_second": 9.0, "data_wait_share": 0.5},
        {"pairs_per_second": 90.0, "data_wait_share": 0.1},
    ]
    (tmp_path / "timings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    needed = demand.demand(config, tmp_path)
    assert needed.images_per_second == pytest.approx(100.0) and str(tmp_path) in needed.basis
    config.batch_size *= 2
    assert "assumed MFU" in demand.demand(config, tmp_path).basis, "a run of another batch says nothing"
