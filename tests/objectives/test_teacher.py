"""The teacher of self-distillation: it follows the student through real steps and comes back from a checkpoint."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from vlp.checkpoint.arrays import load_arrays, start_saving, write_listing
from vlp.objectives.self_distillation import cosine_to_one, linear_to
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training
from vlp.training.state import from_checkpoint, to_checkpoint

SETTINGS = {"weight": 1.0, "hidden_width": 16, "bottleneck_width": 8, "prototypes": 32, "momentum": 0.75}


def close(actual, expected):
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_the_teacher_follows_the_student_and_is_restored(config, tmp_path):
    config.steps, config.batch_size = 3, 4
    config.model.scan_blocks = "scan"
    config.objectives.contrastive.weight = 0.0
    config.objectives.self_distillation.update(SETTINGS)
    config.data.image_views = {"global_crops": {"count": 2}, "local_crops": {"count": 2, "resolution": 8}}
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    mesh = jax.make_mesh(
        (1, 1, 1), ("data", "fsdp", "model"), (jax.sharding.AxisType.Auto,) * 3, devices=jax.devices()[:1]
    )
    dice = np.random.default_rng(0)
    batch = {
        "global_crops": dice.integers(0, 256, (4, 2, 16, 16, 3), np.uint8),
        "local_crops": dice.integers(0, 256, (4, 2, 8, 8, 3), np.uint8),
    }

    def parts(state):
        """Tower and head of the student and of the teacher, and the centre."""
        student, teacher = state.params["objectives"], state.rest["objectives"]["self_distillation"]
        return jax.device_get(
            (
                (state.params["model"]["image"], student["self_distillation"]["head"]),
                (teacher["teacher_tower"], teacher["teacher_head"]),
                teacher["centre"],
            )
        )

    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=50, mesh=mesh)
        assert training.fields == ("global_crops", "local_crops")
        state = training.initial_state()
        student, teacher, centre = parts(state)
        close(teacher, student)
        state, _ = training.train_step(state, global_batch(batch, mesh))
        first, teacher, first_centre = parts(state)
        close(teacher, student)
        assert not centre.any() and first_centre.any()
        assert np.abs(first[1]["prototypes"] - student[1]["prototypes"]).max() > 1e-5
        state, _ = training.train_step(state, global_batch(batch, mesh))
        close(parts(state)[1], jax.tree.map(lambda old, new: 0.75 * old + 0.25 * new, student, first))

        saved = dict(zip(("model", "training"), to_checkpoint(state), strict=True))
        start_saving(tmp_path, saved)()
        write_listing(tmp_path, saved)
        abstract = dict(zip(("model", "training"), to_checkpoint(training.abstract_state), strict=True))
        restored = from_checkpoint(**load_arrays(tmp_path, abstract))
        assert jax.tree.structure(restored) == jax.tree.structure(state)
        for one, other in zip(jax.tree.leaves(restored), jax.tree.leaves(state), strict=True):
            np.testing.assert_array_equal(one, other)


def test_momentum_rises_to_one_or_stays():
    assert [float(cosine_to_one(np.int32(step), 0.5, 10)) for step in (0, 5, 10, 20)] == pytest.approx(
        [0.5, 0.75, 1.0, 1.0]
    )
    assert float(cosine_to_one(np.int32(7), 0.5, 0)) == pytest.approx(0.5)


def test_the_temperature_goes_in_a_straight_line_or_at_once():
    def at(step, steps):
        return float(linear_to(np.int32(step), 0.02, 0.06, steps))

    assert [at(step, 4) for step in (0, 1, 4, 9)] == pytest.approx([0.02, 0.03, 0.06, 0.06])
    assert at(0, 0) == pytest.approx(0.06)
