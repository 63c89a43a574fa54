"""Eight CPU devices for every test, and the few things that many tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from absl import flags

# Before anything imports jax. Programs started by tests inherit both.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "8"

# grain reads absl flags of its own, which main.py marks as parsed.
flags.FLAGS.mark_as_parsed()

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def quickstart() -> Path:
    """The bundled data set."""
    return ROOT / "data" / "quickstart"


@pytest.fixture(scope="session")
def run_main() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python main.py ARGUMENTS...` as a user does, in the checkout or in `cwd`."""

    def run(*arguments: str, cwd: Path = ROOT, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "main.py"), *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)

    return run
