"""Every job that writes says in one line, before its work, that a place cannot be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import main
from vlp.jobs import available

JOBS = available()
OF_FILES = sorted(name for name, job in JOBS.items() if "file" in job.writes)
OF_FOLDERS = sorted(name for name, job in JOBS.items() if "folder" in job.writes)
IN_WORKDIRS = sorted(name for name, job in JOBS.items() if "workdir" in job.writes)
WRITERS = [*OF_FILES, *OF_FOLDERS]
SYSTEMS = [
    place
    for place in ("/proc/made/out.json", "/proc/out.json", "/sys/out.json", "/sys/kernel/made/out.json")
    if Path(place).parents[-2].exists()
]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Gives a command in an empty folder, where it ends with code 2, one line of error and nothing written."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)

    def give(job: str, *arguments: str) -> str:
        assert main.main([f"--job={job}", *arguments]) == 2
        printed = capsys.readouterr()
        assert printed.err.count("\n") == 1 and printed.err.startswith("error: ") and not printed.out
        assert not [*home.iterdir()]
        return printed.err

    return give


def test_the_jobs_that_write_say_so() -> None:
    """One that is forgotten is not held by what follows: it names `options.output` without saying what it writes."""
    folder = Path(__file__).resolve().parents[2] / "vlp" / "jobs"
    naming = {name for name in JOBS if "options.output" in (folder / f"{name}.py").read_text()}
    assert naming == {*WRITERS}
    assert {*IN_WORKDIRS} >= {"cluster", "evaluate", "import", "inspect", "plan", "suite", "watch"}


@pytest.mark.parametrize("place", SYSTEMS)
@pytest.mark.parametrize("job", WRITERS)
def test_places_of_the_system_are_refused(job: str, place: str, refused: Callable) -> None:
    error = refused(job, f"--output={place}")
    assert f"--output={place} cannot be written (" in error and "take another place" in error


@pytest.mark.parametrize("job", WRITERS)
def test_a_place_below_a_file_is_refused(job: str, refused: Callable, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert f"{file} is a file, where a folder would have to be" in refused(
        job, f"--output={file}/more/a.json"
    )


@pytest.mark.parametrize("job", OF_FILES)
def test_a_folder_is_no_file(job: str, refused: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "folder.json"
    folder.mkdir()
    assert f"--output={folder} is a folder: name the file" in refused(job, f"--output={folder}")


@pytest.mark.parametrize("job", OF_FILES)
def test_a_device_is_not_replaced(job: str, refused: Callable, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    assert f"--output={pipe} is a device or a pipe" in refused(job, f"--output={pipe}")
    assert pipe.is_fifo()


@pytest.mark.parametrize("job", OF_FOLDERS)
def test_a_file_is_no_folder(job: str, refused: Callable, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert f"--output={file} is a file, and a folder is written" in refused(job, f"--output={file}")
    assert file.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
@pytest.mark.parametrize("job", WRITERS)
def test_a_folder_of_others_is_refused(job: str, refused: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o500)
    assert "cannot be written (Permission denied)" in refused(job, f"--output={folder}/a.json")


@pytest.mark.parametrize("job", WRITERS)
def test_an_address_is_no_place_to_write(job: str, refused: Callable) -> None:
    assert "of this machine, and copy it there" in refused(job, "--output=gs://bucket/a.json")


@pytest.mark.parametrize("job", IN_WORKDIRS)
def test_a_workdir_that_cannot_be_written_is_refused(job: str, refused: Callable) -> None:
    assert "--workdir=/sys/run cannot be written (" in refused(job, "--workdir=/sys/run")


@pytest.mark.parametrize("job", sorted({*JOBS} - {*WRITERS}))
def test_an_output_that_nobody_writes_is_refused(job: str, refused: Callable) -> None:
    assert f"--job={job} writes no --output: leave it out" in refused(job, "--output=out.json")


def test_a_table_of_labels_is_tried_as_well(refused: Callable) -> None:
    error = refused("labels", "--output=labels.json", "--config.labels.table=/sys/t.parquet")
    assert "--config.labels.table=/sys/t.parquet cannot be written" in error
    error = refused("labels", "--output=labels.json", "--config.labels.table=gs://bucket/t.parquet")
    assert "--config.labels.table=gs://bucket/t.parquet: name a file of this machine" in error
