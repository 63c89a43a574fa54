"""What the loop refuses before it makes a step."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from vlp.configuration import ConfigError
from vlp.parallel.mesh import make_mesh
from vlp.training.loop import training_steps
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
