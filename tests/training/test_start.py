"""Which parts of another run's checkpoint a fresh state takes over."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vlp.checkpoint import Checkpointer, Description
from vlp.training.start import start_from
from vlp.training.state import create_state, to_checkpoint


def state(value, *, ema, width=3):
    """Every array of towers and objectives is filled with the value, the running mean with its negative."""
    params = {"model": {"w": jnp.full(width, value)}, "objectives": {"centres": jnp.full(2, value)}}
    rest = {"model": {"mean": jnp.full(width, value)}, "objectives": {"queue": jnp.full(2, value)}}
    made = create_state(params, rest, optax.adam(0.1), ema=ema)
    return dataclasses.replace(made, ema=jax.tree.map(jnp.negative, params)) if ema else made


@pytest.fixture
def saved(tmp_path):
    """Saves a state as the only checkpoint of a run."""

    def save(there):
        checkpointer = Checkpointer(tmp_path / "checkpoints")
        checkpointer.save(7, *to_checkpoint(there), Description({}, {}, {}, b"", {"step": 7}))
        checkpointer.close()
        return str(tmp_path)

    return save


@pytest.mark.parametrize(("ema", "taken"), [(True, -5.0), (False, 5.0)])
def test_towers_are_taken_over_and_objectives_are_not(saved, ema, taken):
    started = start_from(saved(state(5.0, ema=ema)), state(1.0, ema=True))
    for tree in (started.params, started.ema):
        np.testing.assert_array_equal(tree["model"]["w"], np.full(3, taken))
        np.testing.assert_array_equal(tree["objectives"]["centres"], np.ones(2))
    np.testing.assert_array_equal(
        started.rest["model"]["mean"], np.full(3, 5.0)
    )  # statistics have no running mean
    np.testing.assert_array_equal(started.rest["objectives"]["queue"], np.ones(2))
    assert int(started.step) == int(started.optimizer[0].count) == 0


def test_other_shapes_and_names_are_refused(saved):
    path = saved(state(5.0, ema=False))
    with pytest.raises(ValueError, match=r"differ in \['w'\]; start from the config.json"):
        start_from(path, state(1.0, ema=False, width=4))
