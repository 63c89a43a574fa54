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


SCHEDULE = optax.linear_schedule(0.0, 1.0, 10)
ADAM = optax.adam(lambda step: 0.1 + 0.0 * step)  # a rate that counts its steps, as every schedule does


@pytest.fixture(scope="module")
def step():
    return jax.jit(make_train_step(gradient, ADAM, schedule=SCHEDULE, bounds={}, ema_decay=0.9))


def fresh():
    return create_state({"w": jnp.ones(2)}, {"seen": jnp.zeros(())}, ADAM, ema=True)


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


def test_a_good_loss_with_a_gradient_that_is_not_finite_is_skipped(step):
    # The loss is the sum of w x: zero weights hide the infinity of x from it, not from the gradient.
    schedule = optax.constant_schedule(0.1)

    def gradient(state, batch):
        return (jnp.float32(1.0), ({}, state.rest)), jax.tree.map(lambda w: w * jnp.inf, state.params)

    update = jax.jit(make_train_step(gradient, ADAM, schedule=schedule, bounds={}))
    start = create_state({"w": jnp.ones(2)}, {}, ADAM, ema=False)
    state, metrics = update(start, {})
    assert float(metrics["skipped"]) == 1.0 and np.isfinite(metrics["loss"]) and int(state.step) == 1
    np.testing.assert_array_equal(state.params["w"], np.ones(2))
    assert int(state.optimizer[0].count) == 0


def test_the_running_mean_keeps_its_share_and_takes_the_rest(step):
    before = fresh()
    state, _ = step(before, {"x": jnp.asarray([1.0, 2.0])})
    expected = optax.incremental_update(state.params, before.params, 1 - 0.9)
    np.testing.assert_allclose(state.ema["w"], expected["w"], rtol=1e-6)
    assert abs(float(state.ema["w"][0]) - 1.0) < abs(float(state.params["w"][0]) - 1.0) / 5


def test_the_learning_rate_that_is_logged_is_the_one_that_is_applied(step):
    """A skipped update moves the step on and the schedule not."""
    state, rates = fresh(), []
    for x in ([1, 2], [np.nan, 1], [1, 1], [2, 1]):
        state, metrics = step(state, {"x": jnp.asarray(x, jnp.float32)})
        rates.append(float(metrics["learning_rate"]))
    assert rates == pytest.approx([0.0, 0.1, 0.1, 0.2])


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


def test_norms_are_of_gradient_update_and_what_the_parameters_have_become(step):
    before = fresh()
    state, metrics = step(before, {"x": jnp.asarray([3.0, 4.0])})
    assert float(metrics["gradient_norm"]) == pytest.approx(5.0)
    moved = np.asarray(state.params["w"]) - np.asarray(before.params["w"])
    assert float(metrics["update_norm"]) == pytest.approx(np.linalg.norm(moved), rel=1e-5)
    assert float(metrics["parameter_norm"]) == pytest.approx(np.linalg.norm(state.params["w"]), rel=1e-6)


def test_the_first_steps_count_like_all_others():
    faults = Faults(most=1)
    watch(faults, [1])
    assert faults.to_dict() == {"skipped": 1, "in_a_row": 1} and faults.every == 1 and not faults.at_end
    with pytest.raises(ValueError, match="2 steps in a row"):
        watch(faults, [1, 0])
