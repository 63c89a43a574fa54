"""Hooks alone: what is counted, shown and due; records that could not be used end a run by their share."""

from __future__ import annotations

import contextlib
import dataclasses
import logging

import jax.numpy as jnp
import numpy as np
import pytest

from vlp.configuration import ConfigError
from vlp.training.hooks import (
    Advance,
    Checkpoint,
    CheckpointByTime,
    DataCounters,
    Evaluate,
    Log,
    _of_objectives,
)
from vlp.training.loop import StepInfo

REASONS = {1: "undecodable", 2: "no_caption"}


def info(step=1, batch=None, **metrics):
    return StepInfo(
        step, "state", {name: jnp.float32(value) for name, value in metrics.items()}, batch or {}, False
    )


def counters(share=0.01):
    return DataCounters(share, REASONS, lambda source, record: f"record {record} of source {source}")


def rows(count, replaced=(), truncated=0):
    """A batch of which some rows, (reason, source, record) each, came in the place of others."""
    batch = {"replaced": np.zeros(count, np.int8), "own": np.zeros((count, 2), np.int64)}
    for row, (reason, *own) in enumerate(replaced):
        batch["replaced"][row], batch["own"][row] = reason, own
    return batch | {"truncated": np.arange(count) < truncated}


def test_what_was_replaced_and_cut_is_counted_by_reason_over_all_batches_and_restarts():
    counting = counters()
    counting(info(batch=rows(100, [(1, 0, 7), (2, 1, 3)], truncated=5)))
    counting(info(batch=rows(100, [(1, 0, 8)], truncated=2)))
    expected = {"data/truncated": 7, "data/replaced": 3}
    expected |= {"data/replaced/undecodable": 2, "data/replaced/no_caption": 1}
    assert counting.metrics() == expected
    assert (
        counting.worst()
        == "2 undecodable, such as record 7 of source 0; 1 no_caption, such as record 3 of source 1"
    )
    assert counting.worst(1) == "2 undecodable, such as record 7 of source 0"
    again = counters()
    again.restore(counting.to_dict())
    assert again.metrics() == expected and again.seen == 200
    again.restore({"seen": 4, "replaced": {}})  # as it was before captions were counted
    assert again.metrics() == {"data/truncated": 0, "data/replaced": 0}


def test_padding_of_images_at_their_own_aspect_ratio_is_a_share_of_all_patches_over_restarts():
    counting, batch = counters(), rows(2)
    batch |= {"image": np.zeros((2, 12, 4, 3), np.uint8), "image_grid": np.array([[3, 4], [1, 6]])}
    batch |= {"crops": np.zeros((2, 2, 6, 4, 3), np.uint8), "crops_grid": np.full((2, 2, 2), 2)}
    counting(info(batch=batch))
    again = counters()
    again.restore(counting.to_dict())
    again(info(batch=rows(2)))
    assert again.metrics() == {
        "data/truncated": 0,
        "data/replaced": 0,
        "data/padding": (6 + 4 * 2) / (24 + 24),
    }


@pytest.mark.parametrize(
    ("seen", "bad", "share", "fine"),
    [
        (100, 10, 0.01, True),  # of the first thousand, as many as a thousand may have
        (100, 11, 0.01, False),
        (5000, 50, 0.01, True),
        (5000, 51, 0.01, False),
        (100, 1, 0.0, False),
    ],
)
def test_too_large_a_share_of_replaced_records_ends_the_run(seen, bad, share, fine):
    batch = rows(seen, [(1, 0, 5)] * bad)
    with contextlib.nullcontext() if fine else pytest.raises(ConfigError) as raised:
        counters(share)(info(batch=batch))
    if not fine:
        text = f"{bad} of {seen} records could not be used, more than data.max_bad_share={share}: {bad} undecodable, "
        assert str(raised.value).startswith(f"{text}such as record 5 of source 0")


class Watched:
    """Stands for writer, timer, progress and compilations alike, and tells what it was asked."""

    def __init__(self):
        self.told = []

    def compute(self):
        return contextlib.nullcontext()

    def paused(self, what):
        self.told.append(("paused", what))
        return contextlib.nullcontext()

    def __getattr__(self, name):
        answers = {"report": {"mfu": 0.5}, "logged": {"goodput": 0.9}}
        return lambda *given: self.told.append((name, *given)) or answers.get(name, 3)


def test_a_log_line_is_metrics_counts_and_rates_in_their_places(caplog):
    watched, counting = Watched(), counters()
    counting(info(batch=rows(10, truncated=4)))
    log = Log(10, watched, watched, watched, [counting], watched, watched, steps=40)
    values = {"loss": 2.0, "b/accuracy": 0.25, "a/accuracy": 0.75, "a/loss": 9.0}
    with caplog.at_level(logging.INFO, "vlp"):
        log(info(30, **values))
    told = {name: given for name, *given in watched.told}
    assert told["write_metrics"] == [30, {**values, "data/truncated": 4, "data/replaced": 0}]
    counts = {"compiled_programs": 3, "compiled_steps": 3}
    assert told["write_timings"] == [30, {"mfu": 0.5, "goodput": 0.9, **counts}]
    assert told["logged"] == [30, {"mfu": 0.5}]
    assert told["report"] == [10]  # steps to go
    shown = told["show"][1]
    assert shown["accuracy"] == 0.75 and shown["loss"] == 2.0 and shown["mfu"] == 0.5
    assert caplog.messages == ["step 30/40  loss 2  acc 75%  mfu 50%"]


def test_evaluators_wait_for_their_step_and_leave_the_last_to_others(monkeypatch):
    monkeypatch.setattr(
        "vlp.training.hooks.due", lambda evaluators, step: evaluators if step % 2 == 0 else []
    )
    monkeypatch.setattr(
        "vlp.training.hooks.evaluate", lambda active, model: {"of": model, "count": len(active)}
    )
    watched, kept = Watched(), []
    hook = Evaluate(["one"], lambda state: f"model of {state}", kept.append, watched, watched, steps=4)
    for step in (1, 2, 3, 4):
        hook(info(step))
    assert kept == [{"of": "model of state", "count": 1}]
    assert watched.told == [("paused", "evaluation"), ("write_metrics", 2, kept[0])]


def test_checkpoints_pause_the_clock_and_the_first_step_starts_it():
    watched, saved = Watched(), []
    hook = Checkpoint(5, lambda one: saved.append(one.step), watched)
    hook(info(5))
    assert saved == [5] and watched.told == [("paused", "checkpoint")] and hook.at_end
    watched = Watched()
    advance = Advance(watched, watched, watched)
    for step in (1, 2):
        advance(info(step, loss=1.0))
    assert watched.told == [("advance", 1), ("restart",), ("started",), ("advance", 2)]


def test_of_several_objectives_the_first_by_name_is_shown():
    values = {"b/loss": 1.0, "a/accuracy": 0.5, "a/loss": 2.0, "loss": 3.0, "a/unknown": 4.0, "c/mfu": 0.1}
    assert _of_objectives(values) == {"loss": 2.0, "accuracy": 0.5, "mfu": 0.1}


def test_a_checkpoint_by_the_clock_counts_from_any_save_and_waits_for_the_writer(monkeypatch):
    now, saved, busy = [1000.0], [], [False]
    monkeypatch.setattr("vlp.training.hooks.time.monotonic", lambda: now[0])
    timer = contextlib.nullcontext()
    timer.paused = lambda reason: contextlib.nullcontext()
    by_steps = Checkpoint(100, lambda info: saved.append(info.step), timer)
    by_time = CheckpointByTime(2.0, by_steps, lambda: busy[0], every=1)

    def after(seconds, step, last=False):
        now[0] += seconds
        by_time(dataclasses.replace(info(step), last=last))

    after(119, 1)
    after(1, 2)  # two minutes since the start
    after(119, 3)
    by_steps(info(4))  # by its own period: two minutes begin anew
    after(119, 5)
    busy[0] = True
    after(60, 6)
    busy[0] = False
    after(0, 7)
    after(500, 8, last=True)  # the other hook saves that step
    assert saved == [2, 4, 7]
