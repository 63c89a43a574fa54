"""Which tests run when nothing, or everything, is asked for, in the two processes that they get."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
TESTS = "import pytest\n\n\ndef test_quick(): pass\n\n\n@pytest.mark.slow\ndef test_slow(): pass\n"


def test_slow_tests_run_where_their_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path / "tests")
    (tmp_path / "tests" / "test_both.py").write_text(TESTS)
    settings = f'testpaths = ["tests"]\nmarkers = ["slow: or not"]\npythonpath = ["{ROOT}"]\n'
    (tmp_path / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{settings}")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    for arguments, expected in (([], 1), (["tests"], 2), (["-m", "slow"], 1), (["tests/test_both.py"], 2)):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
        assert re.search(rf"\b{expected} passed", done.stdout), (arguments, done.stdout, done.stderr)
