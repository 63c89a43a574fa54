"""Corrupted files neither crash, hang, leak, nor raise what they do not promise.

Some hundred cases here; `python benchmarks/corruption.py` runs ten thousand of each kind.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_corrupted_containers_are_read_or_refused(kind: str, repo_root: Path) -> None:
    command = [sys.executable, "benchmarks/corruption.py", "--cases=150", f"--kinds={kind}"]
    done = subprocess.run(command, cwd=repo_root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    name, cases, failed, growth, *_ = done.stdout.splitlines()[1].split()
    assert (name, cases, failed) == (kind, "150", "0") and float(growth) < 50
