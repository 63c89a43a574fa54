"""What the loop refuses before it makes a step."""

from __future__ import annotations

import itertools
import types

import jax
import numpy as np
import pytest

from vlp.configuration import ConfigError
from vlp.parallel.mesh import make_mesh
from vlp.training.loop import run_hooks, training_steps
from vlp.training.throughput import StepTimer

LIMITS = {"cluster_ids": ("objectives.discrimination.classes", 16)}


def steps_over(*rows):
    """Runs a step that only counts over batches of two numbers each; the state afterwards, and the error."""
    made = []

    def step(state, batch):
        made.append(np.asarray(batch["cluster_ids"]).tolist())
        return state, {"loss": 0.0}

    mesh = make_mesh({"data": 1, "fsdp": 1, "model": 1}, jax.devices()[:1])
    batches = iter([{"cluster_ids": np.asarray([row], np.int32)} for row in rows])
    loop = training_steps(
        step, None, batches, start=0, steps=len(rows), mesh=mesh, fields=("cluster_ids",), timer=StepTimer(1),
        limits=LIMITS,
    )  # fmt: skip
    with jax.set_mesh(mesh):
        try:
            for _ in loop:
                pass
        except ConfigError as error:
            return made, str(error)
    return made, ""


def test_numbers_of_classes_up_to_the_last_and_none_are_trained_on():
    assert steps_over([0, 15], [-1, 3]) == ([[[0, 15]], [[-1, 3]]], "")


@pytest.mark.parametrize(
    ("number", "shown"), [(16, "16"), (255, "255"), (-2, "-2"), (2_000_000_000, "2000000000")]
)
def test_a_class_that_is_none_ends_the_run_before_its_step(number, shown):
    made, error = steps_over([0, 1], [3, number])
    assert made == [[[0, 1]]]
    assert error.startswith(
        f"cluster_ids holds {shown}, and objectives.discrimination.classes=16 has classes 0 to 15"
    )
    assert "\n" not in error


@pytest.mark.parametrize(
    ("settings", "made", "last"),
    [
        ({}, [3, 4, 5], [5]),
        ({"until": 4}, [3, 4], []),
        ({"stop_requested": lambda step: step == 3}, [3], [3]),
    ],
)
def test_steps_go_on_from_the_start_to_where_they_are_told(settings, made, last):
    """The state is what a hook leaves; what stands beside the batch is in every step's."""
    mesh = make_mesh({"data": 1, "fsdp": 1, "model": 1}, jax.devices()[:1])
    batches = ({"x": np.asarray([number]), "host": np.asarray([0])} for number in itertools.count())

    def step(state, batch):
        assert set(batch) == {"x", "beside"}
        return state + 1, {"x": batch["x"]}

    with jax.set_mesh(mesh):
        loop = training_steps(
            step, 100, batches, start=2, steps=5, mesh=mesh, fields=("x",), timer=StepTimer(1),
            beside={"beside": 1}, **settings,
        )  # fmt: skip
        seen = []
        for info in loop:
            seen.append((info.step, info.last, info.state, int(info.metrics["x"][0])))
            info.state += 10
    assert [step for step, *_ in seen] == made
    assert [step for step, is_last, *_ in seen if is_last] == last
    assert [rest for *_, rest in seen] == list(range(len(made)))
    assert [state for _, _, state, _ in seen] == [101 + 11 * number for number in range(len(made))]


@pytest.mark.parametrize(("last", "called"), [(False, ["each", "second"]), (True, ["each", "second", "end"])])
def test_hooks_are_called_in_their_period_and_at_the_end(last, called):
    told = []

    def hook(name, every, at_end):
        def call(info):
            told.append(name)

        call.every, call.at_end = every, at_end
        return call

    hooks = [
        hook("each", 1, False),
        hook("second", 2, True),
        hook("third", 3, False),
        hook("never", 0, False),
    ]
    run_hooks([*hooks, hook("end", 0, True)], types.SimpleNamespace(step=4, last=last))
    assert told == called
