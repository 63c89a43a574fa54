"""A run of version 0.1, before kinds, held parameters and bounds from below: it loads, and goes on.

runs/version_0_1.zip was written by that version: CLIP and ProtoCLIP's prototypes on the bundled pairs, a frozen patch
embedding and a running mean; stopped after 2 of 4 steps. What it computed and logged lies beside its checkpoint.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import vlp


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with zipfile.ZipFile(Path(__file__).parent / "runs" / "version_0_1.zip") as archive:
        archive.extractall(tmp_path / "run")
    return tmp_path / "run"


NOW_OF_WHAT_IS_TRAINED = {"parameter_norm", "gradient_norm"}


def logged(run: Path) -> dict[int, dict[str, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if "loss" in line}


def test_its_model_gives_the_rows_it_gave(run: Path) -> None:
    model = vlp.load(run)
    expected = np.load(run / "expected.npz")
    image = np.full((16, 16, 3), (200, 30, 30), np.uint8)
    np.testing.assert_allclose(model.encode_image([image]), expected["images"], atol=1e-5)
    np.testing.assert_allclose(model.encode_text(["a red flower", "two dogs"]), expected["texts"], atol=1e-5)


@pytest.mark.slow
def test_it_goes_on_as_it_would_have(run: Path, run_main: Callable) -> None:
    before = logged(run)
    done = run_main(f"--config={run / 'config.json'}", f"--workdir={run}")
    assert done.returncode == 0, done.stderr
    after = logged(run)
    assert list(after) == [1, 2, 3, 4] and (after[1], after[2]) == (before[1], before[2])
    # Its pictures are shrunk up to four times, and since then are decoded at a half from 2.5 times on: a grey level.
    for step in (3, 4):
        for name in (before[step].keys() & after[step].keys()) - NOW_OF_WHAT_IS_TRAINED:
            assert after[step][name] == pytest.approx(before[step][name], rel=1e-2, abs=3e-3), name
