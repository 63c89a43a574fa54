"""A run in this process: what it refuses before the first step, and what it leaves when it is cut off at the end."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import main
import vlp.runs.run as run_module
from vlp.checkpoint import complete_steps
from vlp.processes.claim import claimed

pytestmark = pytest.mark.slow

SMALL = (
    "--config=configs/quickstart.py:runlocal",
    "--config.steps=4",
    "--config.batch_size=16",
    "--config.log.every=3",
    "--config.log.tensorboard=false",
    "--config.checkpoint.every=3",
    "--config.model.image.depth=1",
    "--config.model.text.depth=1",
    "--config.evaluators.zero_shot.every=3",
    "--config.evaluators.zero_shot.sets=val",
    "--config.evaluators.zero_shot.final=false",
    "--config.evaluators.retrieval.every=2",
    "--config.evaluators.retrieval.sets=val",
)
FIGURE = "retrieval/val/text_to_image/recall@1"


def train(workdir: Path, *more: str) -> int:
    return main.main([*SMALL, f"--workdir={workdir}", *more])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    assert train(workdir) == 0
    return workdir


def left(workdir: Path) -> dict[str, bytes]:
    names = ("metrics.jsonl", "results.json", "results.html", "results.npz", "config.json")
    return {name: (workdir / name).read_bytes() for name in names}


def lines(workdir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_cut_off_in_the_last_evaluation_it_has_its_last_checkpoint_and_ends_alike(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures and page are there, the line of metrics is not yet; zero_shot's turn does not come again."""
    workdir, original = tmp_path / "cut", run_module.write_page

    def cut(*arguments: Any) -> None:
        original(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vlp.runs.run.write_page", cut)
        with pytest.raises(KeyboardInterrupt):
            train(workdir)
    assert complete_steps(workdir / "checkpoints") == [3, 4]
    assert [line["step"] for line in lines(workdir)] == [2, 3, 3]
    (workdir / "results.json").unlink()
    for _ in range(2):
        assert train(workdir) == 0
        assert left(workdir) == left(finished)
    assert [line["step"] for line in lines(workdir) if FIGURE in line] == [2, 4]
    assert any(name.startswith("zero_shot/") for name in json.loads((workdir / "results.json").read_text()))


def refusal(capsys: pytest.CaptureFixture[str], workdir: Path, *more: str) -> str:
    """The one line that a start ends with, at status 2."""
    capsys.readouterr()
    assert train(workdir, *more) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and len(errors[0]) < 700
    return errors[0]


def test_a_second_run_in_a_workdir_is_refused_and_touches_nothing(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = left(finished)
    (finished / "checkpoints" / "9.saving").mkdir()  # what the first one is writing
    with claimed(finished, 0):
        assert "another run is in the workdir" in refusal(capsys, finished)
    assert (finished / "checkpoints" / "9.saving").is_dir() and left(finished) == before
    (finished / "checkpoints" / "9.saving").rmdir()


def test_a_checkpoint_that_is_of_another_step_than_its_name_is_not_gone_on_from(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = tmp_path / "renamed"
    shutil.copytree(finished, workdir)
    (workdir / "checkpoints" / "4").rename(workdir / "checkpoints" / "9")
    said = refusal(capsys, workdir)
    assert "checkpoints/9 is of step 4" in said and said.endswith("name it 4")


def test_a_run_that_has_made_more_steps_than_it_is_asked_for_says_so(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = left(finished)
    said = refusal(capsys, finished, "--config.steps=3", "--allow_config_change=steps")
    assert "has made 4 steps already, and steps=3" in said and left(finished) == before


def test_looking_into_a_step_leaves_a_run_that_is_under_way_alone(finished: Path) -> None:
    saving = finished / "checkpoints" / "9.saving"
    saving.mkdir()
    with claimed(finished, 0):
        assert main.main(["--job=replay", f"--checkpoint={finished}", "--step=4"]) == 0
    assert saving.is_dir()
    saving.rmdir()


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that takes nothing."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here, which takes root: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_workdir_that_cannot_be_written_is_one_line(
    tmp_path: Path, read_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    places = {read_only / "run": "Read-only file system", tmp_path / "file" / "run": "Not a directory"}
    for workdir, why in {**places, Path("/proc/vlp"): "No such file"}.items():
        line = refusal(capsys, workdir)
        assert str(workdir) in line and why in line and "--workdir" in line


def test_a_disk_that_fills_is_one_line_and_the_last_checkpoint_stays(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, *_: Any) -> Callable[[], None]:
        raise OSError(28, "No space left on device", str(folder))

    workdir = shutil.copytree(finished, tmp_path / "run")
    monkeypatch.setattr("vlp.checkpoint.saving.start_saving", full)
    line = refusal(capsys, workdir, "--config.steps=5", "--allow_config_change=steps,optimizer")
    assert "could not be written" in line and "No space left on device" in line and "make room" in line
    assert complete_steps(workdir / "checkpoints") == [3, 4]


def test_an_evaluator_that_does_not_fit_its_set_is_found_before_the_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, tmp_path / "run", "--config.data.evaluation.val.columns.label=''")
    assert "val" in line and not (tmp_path / "run").exists()


def test_a_broken_line_of_metrics_is_one_line(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = finished / "metrics.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"5\n" + whole)
    assert "metrics.jsonl:1 is not a JSON line with a step" in refusal(capsys, finished)
    path.write_bytes(whole)


SECRETS = ("--config.data.evaluation.test.path=https://me:SECRETPW@host/x.parquet?sig=SECRETSIG",)


def test_what_a_run_leaves_shows_no_secrets_and_it_goes_on_with_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = tmp_path / "run"
    assert train(workdir, "--config.steps=1", *SECRETS) == 0
    assert train(workdir, "--config.steps=1", SECRETS[0].replace("SECRETPW", "SECRET2")) == 0
    printed = "".join(capsys.readouterr())
    files = [path for path in workdir.rglob("*") if path.is_file()]
    assert "SECRET" not in printed and not [path for path in files if b"SECRET" in path.read_bytes()]
    config = json.loads((workdir / "config.json").read_text())
    assert config["data"]["evaluation"]["test"]["path"] == "https://***@host/x.parquet?***"
    assert "SECRET" not in refusal(capsys, workdir, SECRETS[0].replace("x.parquet", "y.parquet"))
