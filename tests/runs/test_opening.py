"""What a machine finds and leaves where a run begins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from benchmarks.object_store import Door
from input_pipeline.buckets import Bucket
from vlp.processes.home import home_of
from vlp.runs.opening import at_home


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Path]:
    """The compilation cache of a machine, empty."""
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "programs"))
    yield tmp_path / "programs"
    jax.config.update("jax_compilation_cache_dir", before)


def test_a_machine_that_has_never_seen_a_run_has_its_programs_and_brings_what_it_compiles(
    google: Door, programs: Path
) -> None:
    bucket = Bucket("gs://bucket/runs/programs")
    bucket.write("compiled/step-cache", b"the step")
    with at_home(home_of(bucket.address)):
        assert (programs / "step-cache").read_bytes() == b"the step"
        time.sleep(0.1)
        (programs / "evaluation-cache").write_bytes(b"another")
        (programs / "evaluation-atime").write_bytes(b"")
    there = {name for name in bucket.versions() if name.startswith("compiled/")}
    assert there == {"compiled/step-cache", "compiled/evaluation-cache"}
