"""Corrupted files, hostile folders and mistyped command lines neither crash, hang, leak, nor show a traceback.

Some dozen cases here; the programs in benchmarks/fuzz run thousands of each kind.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz import command_lines, imports, mutations


@pytest.mark.parametrize("kind", ["tar", "parquet", "image"])
def test_corrupted_containers_are_read_or_refused(kind: str, repo_root: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz.inputs", "--cases=150", f"--kinds={kind}"]
    done = subprocess.run(command, cwd=repo_root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    name, cases, failed, growth, *_ = done.stdout.splitlines()[1].split()
    assert (name, cases, failed) == (kind, "150", "0") and float(growth) < 50


@pytest.mark.parametrize("kind", ["clip_words", "siglip_pieces", "open_clip", "big_vision"])
def test_mutated_folders_are_imported_as_they_are_or_refused(kind: str, tmp_path: Path) -> None:
    if kind == "open_clip":
        pytest.importorskip("ftfy", reason="its tokenizer mends texts with it")
    originals = imports.KINDS[kind].prepare(tmp_path)
    outcomes = []
    for case in range(12):
        (tmp_path / str(case)).mkdir()
        dice, folder = np.random.default_rng(case), tmp_path / str(case)
        outcomes.append(imports.attempt(originals, case, dice, folder, peers=False))
    assert outcomes[0].startswith("imported") and "refused" in outcomes


def test_mutated_command_lines_are_jobs_or_errors(tmp_path: Path) -> None:
    lines = command_lines.prepare(tmp_path)
    outcomes = []
    for case in range(40):
        (tmp_path / str(case)).mkdir()
        kind = command_lines.KINDS["others" if case % 2 else "train"]
        outcomes.append(kind.attempt(lines, case, np.random.default_rng(case), tmp_path / str(case)))
    assert (
        outcomes[0] == "accepted" and "refused" in outcomes and {*outcomes} <= {"refused", "accepted", "done"}
    )


def test_what_fails_is_told_apart_and_repeatable(repo_root: Path, tmp_path: Path) -> None:
    """A failure is counted, named by its case and the line that raised it, and the cases behind it go on."""
    program = """
from benchmarks.fuzz import harness

def prepare(folder):
    return 3

def attempt(originals, case, dice, folder):
    if case == originals:
        raise RuntimeError("three")
    if case == originals + 1:
        import os
        os._exit(9)
    return "even" if case % 2 == 0 else "odd"

if __name__ == "__main__":
    raise SystemExit(harness.main({"counting": harness.Kind(prepare, attempt)}, None, cases=6))
"""
    (tmp_path / "counting.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(repo_root)}
    command = [sys.executable, "counting.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[1].split()[:3] == ["counting", "6", "2"]
    assert "2 even, 2 odd" in done.stdout
    assert (
        "RuntimeError: three" in done.stdout.splitlines()[2]
        and "case 4: crashed with exit code 9" in done.stdout
    )


def test_originals_that_cannot_be_made_end_the_program(repo_root: Path, tmp_path: Path) -> None:
    program = """
from benchmarks.fuzz import harness

def prepare(folder):
    raise RuntimeError("nothing to damage")

if __name__ == "__main__":
    raise SystemExit(harness.main({"counting": harness.Kind(prepare, print)}, None, cases=6))
"""
    (tmp_path / "counting.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(repo_root)}
    command = [sys.executable, "counting.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (
        done.returncode == 1
        and "nothing to damage" in done.stderr
        and "originals cannot be made" in done.stderr
    )


def test_a_mutation_changes_one_place() -> None:
    content = {"a": [1, {"b": 2}], "c": 3}
    assert mutations.places(content) == [(), ("a",), ("a", 0), ("a", 1), ("a", 1, "b"), ("c",)]
    assert mutations.changed(content, ("a", 1, "b"), lambda value: value + 5) == {"a": [1, {"b": 7}], "c": 3}
    assert content == {"a": [1, {"b": 2}], "c": 3}
