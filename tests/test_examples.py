"""The examples run from start to end, as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


# What each says first.
BEGINS = {
    "first_steps.py": "the right picture is among the first ten for ",
    "with_a_model.py": "zero-shot: ",
}


@pytest.mark.slow
@pytest.mark.parametrize("example", sorted(file.name for file in (ROOT / "examples").glob("*.py")))
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / example), str(tmp_path / "run")]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert BEGINS[example] in done.stdout
