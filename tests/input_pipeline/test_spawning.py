"""Scripts that start processes: what would run itself again is refused in a line, before anything is spawned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CALL = "from input_pipeline.spawning import check_guarded\n"


def said(tmp_path: Path, repo_root: Path, script: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(CALL + script)
    command = [sys.executable, "-c", f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"]
    return subprocess.run(command, cwd=repo_root, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize(
    "script",
    [
        "check_guarded('data.workers=2')",
        "def main():\n    check_guarded('data.workers=2')\n\nmain()",
        "if __name__ == '__main__':\n    pass\nfor _ in (1,):\n    check_guarded('data.workers=2')",
    ],
)
def test_an_unguarded_script_is_refused(tmp_path: Path, repo_root: Path, script: str) -> None:
    line = len(script.splitlines()) + 1
    assert f"mine.py, line {line}: data.workers=2 starts processes that read this script again" in said(
        tmp_path, repo_root, script
    )


def test_a_guarded_one_and_a_notebook_are_not(tmp_path: Path, repo_root: Path) -> None:
    guarded = "if __name__ == '__main__':\n    check_guarded('data.workers=2')"
    assert said(tmp_path, repo_root, guarded) == ""
    command = [sys.executable, "-c", f"{CALL}check_guarded('data.workers=2')"]
    assert subprocess.run(command, cwd=repo_root, capture_output=True, check=False).stderr == b""


def test_a_script_that_trains_with_workers_gets_one_line(tmp_path: Path, repo_root: Path) -> None:
    """It was told nothing, and waited for processes that had died."""
    script = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.input_pipeline.test_spawning import small_stream\n"
        "next(small_stream().batches(workers=1))\n"
    )
    path = tmp_path / "mine.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, str(path)], cwd=repo_root, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode and "mine.py, line 3: data.workers=1 starts processes" in done.stderr


def small_stream() -> object:
    from configs import quickstart
    from input_pipeline.stream import make_stream
    from input_pipeline.tokenizers import load_tokenizer

    config = quickstart.get_config("runlocal")
    spec = {"resolution": 8, "resize": "pad"}
    tokenizer = load_tokenizer(config.tokenizer)
    return make_stream(config.data, preprocessing=spec, tokenizer=tokenizer, batch_size=2, seed=0)
