"""`--job=watch`: a page of a run that is under way, from its files alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import main
from benchmarks.object_store import Door
from configs import quickstart
from vlp.checkpoint import shown
from vlp.configuration import resolve, to_dict
from vlp.evaluation.page.watch import duration


def write_run(folder: Path, steps: int = 60) -> Path:
    """What a run of 100 steps in two stages has logged so far, the last line torn."""
    folder.mkdir()
    config = resolve(quickstart.get_config())
    config.steps, config.stages.until, config.stages.resolution = 100, (40,), (32,)
    (folder / "config.json").write_text(json.dumps(shown(to_dict(config))))
    logged = [
        {"step": step, "loss": 4 - step / 50, "contrastive/loss": 4 - step / 50, "contrastive/accuracy": 0.3,
         "learning_rate": 1e-3, "data/replaced": step // 20}
        for step in range(10, steps + 1, 10)
    ]  # fmt: skip
    logged += [{"step": step, "zero_shot/val/top1": step / 1000} for step in (20, 40) if step <= steps]
    lines = [json.dumps(one) for one in logged]
    (folder / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 61, "lo']))
    timings = [
        {"step": one["step"], "mfu": 0.4, "pairs_per_second": 1234.5, "eta_seconds": 90} for one in logged[:2]
    ]
    (folder / "timings.jsonl").write_text("\n".join(map(json.dumps, timings)) + "\n")
    return folder


def test_the_page_tells_how_far_the_run_is_and_draws_what_it_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = write_run(tmp_path / "run")
    assert main.main(["--job=watch", f"--workdir={workdir}", "--seconds=0"]) == 0
    assert str(workdir / "watch.html") in capsys.readouterr().out
    page = (workdir / "watch.html").read_text()
    for part in (
        "60 of 100",
        "2 min",
        "1,234",
        "40.0%",
        ">3</dd>",
        "Losses",
        "Evaluations",
        "Optimisation",
        "Speed",
    ):
        assert part in page, part
    assert 'aria-label="zero_shot/val/top1 by step: ends at 4%"' in page
    assert page.count('class="chance"') == page.count("<figure") - 3  # timings end before the second stage
    assert "refresh" not in page and "<script" not in page


def test_it_looks_again_until_the_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir, looks = write_run(tmp_path / "run"), []

    def pause(seconds: float) -> None:
        looks.append((seconds, 'content="7"' in (tmp_path / "page.html").read_text()))
        shutil.rmtree(workdir)
        write_run(workdir, steps=100 if len(looks) == 2 else 80)

    monkeypatch.setattr("vlp.jobs.watch.time.sleep", pause)
    flags = [f"--workdir={workdir}", "--seconds=7", f"--output={tmp_path / 'page.html'}"]
    assert main.main(["--job=watch", *flags]) == 0
    assert looks == [(7, True), (7, True)] and "anew every 7 s" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text()
    assert "100 of 100" in page and 'content="7"' not in page


@pytest.mark.parametrize(
    ("flags", "words"), [(("--workdir=nowhere",), "is no run"), (("--seconds=-1",), "at least 0")]
)
def test_mistakes_are_one_line(
    flags: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["--job=watch", *flags]) == 2
    assert words in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("content", ["{", "[]", '{"step": 3}', '{"step": "x", "samples": []}'])
def test_samples_that_are_none_are_one_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = write_run(tmp_path / "run")
    (workdir / "samples.json").write_text(content)
    assert main.main(["--job=watch", f"--workdir={workdir}", "--seconds=0"]) == 2
    assert "does not hold the samples of a run" in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_bucket_without_a_run_is_named_by_its_address(
    google: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main.main(["--job=watch", "--workdir=gs://bucket/nobody"]) == 2
    assert "error: gs://bucket/nobody is no run" in capsys.readouterr().err


def test_times_are_written_as_people_do() -> None:
    assert [duration(x) for x in (0, 59.4, 60, 3599, 3600, 86400 * 2.14)] == [
        "0 s", "59 s", "1 min", "60 min", "1.0 hours", "2.1 days"
    ]  # fmt: skip
