"""The command: started again before anything heavy is imported, and seldom held up by a look for garbage."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vlp.command import OBJECTS
from vlp.huge_pages import HUGE_PAGES, TUNABLES

TELLING = """
import gc, os, sys

def told(*arguments):
    print("again", sorted({"vlp.cli", "numpy", "absl"} & sys.modules.keys()), flush=True)
    sys.exit(0)

os.execv = told
from vlp import command
sys.argv = ["vlp", "--job=nothing"]
try:
    command.run()
finally:
    print(gc.get_threshold()[0])
"""


def told(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != TUNABLES}
    return subprocess.run(
        [sys.executable, "-c", TELLING],
        env=kept | {"JAX_PLATFORMS": "cpu"} | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has huge pages to ask for")
def test_nothing_is_imported_before_the_process_is_started_again() -> None:
    assert told().stdout.splitlines()[0] == "again []"


def test_the_process_that_stays_runs_its_arguments() -> None:
    done = told(**{TUNABLES: HUGE_PAGES})
    assert done.returncode == 2 and "nothing" in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout.splitlines() == [str(OBJECTS)]
