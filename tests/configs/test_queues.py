"""Objectives that keep the rows of the last batches: what does not hold whole batches is refused with what would."""

from __future__ import annotations

import pytest

import main


@pytest.mark.parametrize(("recipe", "objective"), [("ins", "instance_labels"), ("look", "neighbour_labels")])
def test_a_queue_takes_whole_batches(recipe: str, objective: str, capsys: pytest.CaptureFixture[str]) -> None:
    size = f"--config.objectives.{objective}.size=100"
    assert main.main([f"--config=configs/{recipe}.py:runlocal", "--config.batch_size=16", size]) == 2
    said = capsys.readouterr().err
    assert f"objectives.{objective}.size=100 must be a multiple of batch_size=16" in said and "use 96" in said
