"""A step that is not finite changes nothing; it is counted and named, and too many in a row end the run."""

from __future__ import annotations

import logging

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vlp.training.faults import Faults
from vlp.training.loop import StepInfo
from vlp.training.state import create_state
from vlp.training.step import make_train_step


def gradient(state, batch):
    """Of the sum of weights times data; the second moment of data is remembered."""

    def loss(params):
        return (params["w"] * batch["x"]).sum()

    value, gradients = jax.value_and_grad(loss)(state.params)
    return (value, ({}, {"seen": state.rest["seen"] + batch["x"].sum()})), gradients


@pytest.fixture(scope="module")
def step():
    return jax.jit(make_train_step(gradient, optax.adam(0.1), bounds={}, ema_decay=0.5))


def fresh():
    return create_state({"w": jnp.ones(2)}, {"seen": jnp.zeros(())}, optax.adam(0.1), ema=True)


def after(step, *batches):
    state = fresh()
    for batch in batches:
        state, metrics = step(state, {"x": jnp.asarray(batch, jnp.float32)})
    return state, metrics


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_unusable_step_leaves_everything_but_its_number_as_it_was(step, bad):
    state, metrics = after(step, [1, 2], [bad, 1])
    expected, _ = after(step, [1, 2])
    assert float(metrics["skipped"]) == 1.0
    assert int(state.step) == 2 and int(expected.step) == 1
    for name in ("params", "rest", "optimizer", "ema"):
        for one, other in zip(*(jax.tree.leaves(getattr(s, name)) for s in (state, expected)), strict=True):
            np.testing.assert_array_equal(one, other)


def watch(faults, flags):
    for number, flag in enumerate(flags, start=1):
        metrics = {"skipped": jnp.float32(flag), "loss": jnp.float32(np.nan), "gradient_norm": jnp.float32(1)}
        faults(StepInfo(number, None, metrics, {}, False))


def test_skipped_steps_are_counted_and_named(caplog):
    faults = Faults(most=2)
    with caplog.at_level(logging.WARNING):
        watch(faults, [0, 1, 1, 0, 1, 1])
    assert faults.metrics() == {"skipped": 4}
    assert "step 3 changed nothing: loss nan, gradient norm 1" in caplog.text
    again = Faults(most=2)
    again.restore(faults.to_dict())
    with pytest.raises(ValueError, match=r"3 steps in a row up to step 1 .* more than max_skipped=2"):
        watch(again, [1, 0])
