"""Goodput: where a run's time went, over launches that were killed, stopped and started again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from vlp.training.goodput import FILE, Goodput, goodput_in_words, process_age
from vlp.training.writers import MetricsWriter


@dataclasses.dataclass
class Clock:
    """A clock that goes on when it is told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def launch(folder: Path, clock: Clock, step: int = 0, age: float = 0.0, undone: int = 0) -> Goodput:
    return Goodput(folder, step=step, undone=lambda: undone, age=age, clock=clock, wall=clock)


def log(goodput: Goodput, folder: Path, step: int, clock: Clock, seconds: float, **rates: float) -> None:
    clock.now += seconds
    with MetricsWriter(folder, tensorboard=False) as writer:
        writer.write_timings(step, goodput.logged(step, rates))


def test_time_is_divided_by_what_it_went_into(tmp_path):
    clock = Clock()
    goodput = launch(tmp_path, clock, age=3.0)
    clock.now += 5
    goodput.started()
    log(goodput, tmp_path, 10, clock, 20, data_wait_share=0.25, evaluation_seconds=4.0, step_seconds=1.6)
    assert goodput.spent == {"starting": 8.0, "evaluation": 4.0, "data": 4.0, "steps": 12.0}
    clock.now += 2
    goodput.ended(10)
    assert goodput.share == pytest.approx(12 / 30)
    left = json.loads((tmp_path / FILE).read_text())
    assert left["goodput"] == goodput.share and left["step"] == 10
    assert goodput_in_words(tmp_path) == (
        "goodput: 40.0% of 30 s made steps that count; 26.7% starting, restoring and compiling, 13.3% waiting for "
        "data, 13.3% evaluation, 6.7% the last save and evaluation"
    )


def test_after_a_kill_what_was_made_since_the_checkpoint_does_not_count(tmp_path):
    clock = Clock()
    goodput = launch(tmp_path, clock)
    goodput.started()
    for step in (10, 20, 30):
        log(goodput, tmp_path, step, clock, 10)
    clock.now += 7  # the last steps, of which nothing is known, then nobody
    again = launch(tmp_path, clock, step=20, age=3.0)
    assert again.spent == {"steps": 20.0, "again": 10.0, "down": 4.0}
    clock.now += 1
    again.started()
    log(again, tmp_path, 30, clock, 10)
    assert again.spent == {"steps": 30.0, "again": 10.0, "down": 4.0, "starting": 4.0}
    assert sum(again.spent.values()) == clock.now - 1000


def test_after_a_stop_all_counts_that_the_launch_had(tmp_path):
    clock = Clock()
    goodput = launch(tmp_path, clock)
    goodput.started()
    log(goodput, tmp_path, 10, clock, 10)
    clock.now += 2
    goodput.ended(13)
    clock.now += 5
    again = launch(tmp_path, clock, step=13)
    assert again.spent == {"steps": 10.0, "ending": 2.0, "down": 5.0}
    again.ended(13)  # all steps were made: the run was over
    assert "12 s" in goodput_in_words(tmp_path)


def test_a_run_without_a_checkpoint_begins_its_steps_but_not_its_time_again(tmp_path):
    clock = Clock()
    log(launch(tmp_path, clock), tmp_path, 10, clock, 10)
    assert launch(tmp_path, clock, step=0).spent == {"again": 10.0}


def test_updates_that_came_to_nothing_are_none_that_count(tmp_path):
    clock, undone = Clock(), [4]  # of an earlier launch
    goodput = Goodput(tmp_path, step=0, undone=lambda: undone[0], age=0.0, clock=clock, wall=clock)
    undone[0] += 3
    log(goodput, tmp_path, 10, clock, 10, step_seconds=1.0)
    assert goodput.spent == {"undone": 3.0, "steps": 7.0}
    undone[0] += 40  # rolled back to before all that was made here
    log(goodput, tmp_path, 20, clock, 10, step_seconds=1.0)
    assert goodput.spent == {"undone": 20.0, "steps": 0.0}


def test_what_another_hand_wrote_is_none_and_other_processes_leave_nothing(tmp_path):
    (tmp_path / FILE).write_text("{}")
    clock = Clock()
    assert launch(tmp_path, clock).spent == {} and goodput_in_words(tmp_path) == ""
    other = Goodput(tmp_path / "other", step=0, undone=lambda: 0, enabled=False)
    other.ended(0)
    assert not (tmp_path / "other").exists()


def test_a_process_knows_how_long_it_has_been_there():
    assert 0.0 <= process_age() < 24 * 3600
