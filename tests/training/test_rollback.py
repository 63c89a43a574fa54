"""A loss spike sets the run back to a checkpoint from before it, and the data between are left behind."""

from __future__ import annotations

import json
import logging

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vlp.configuration import ConfigError
from vlp.training.loop import StepInfo
from vlp.training.optimizer import updates_made
from vlp.training.rollback import Rollback
from vlp.training.state import create_state


def hook(restore=lambda step: fresh(step), **changes):
    return Rollback(**{"factor": 2.0, "window": 3, "most": 2, "save_every": 2, "restore": restore} | changes)


def optimizer():
    return optax.chain(optax.scale_by_adam(), optax.scale_by_learning_rate(lambda count: 0.1 / (1 + count)))


def fresh(step):
    """A state of which every array and count says the step."""
    state = create_state({"w": jnp.zeros(2)}, {"seen": jnp.zeros(1)}, optimizer(), ema=True)
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, step), state)


def watch(rollback, *losses, first=1):
    """The steps at which the state was replaced, and the last state."""
    replaced = []
    for step, loss in enumerate(losses, start=first):
        info = StepInfo(step, fresh(step), {"loss": jnp.float32(loss)}, {}, False)
        before = info.state
        rollback(info)
        replaced += [step] if info.state is not before else []
    return replaced, info.state


def test_the_state_goes_back_and_the_step_and_its_schedules_go_on(caplog):
    rollback = hook()
    with caplog.at_level(logging.WARNING):
        replaced, state = watch(rollback, 9, 8, 7, 6, 5, 4, 3, 11, 12)
    assert replaced == [9]  # one step behind
    assert "step 8: loss 11 is a spike, 2.75 times the usual 4." in caplog.text
    assert "Step 10 goes on from the checkpoint of step 4" in caplog.text  # 6 is too near
    assert "global batches 4 to 8 are left behind" in caplog.text
    moments, schedule = state.optimizer
    assert int(state.step) == int(schedule.count) == 9 and int(moments.count) == 4
    assert (
        int(updates_made(state.optimizer)) == 9
    )  # by which the rate that is logged goes, as does the one applied
    for leaf in jax.tree.leaves((state.params, state.rest, state.ema, moments)):
        np.testing.assert_array_equal(leaf, jnp.full_like(leaf, 4))
    assert rollback.metrics() == {"rollbacks": 1}


def test_a_stage_that_begins_is_judged_by_its_own_losses():
    rollback = hook()
    assert watch(rollback, 9, 8, 7, 6, 5, 4, 3)[0] == []
    rollback.forget()
    assert watch(rollback, 11, 12, 11, 10, 11, 90, 9, first=8)[0] == [14]


def test_the_lost_state_is_freed_before_the_good_one_is_read():
    lost = fresh(9)

    def restore(step):
        assert lost.params["w"].is_deleted() and lost.optimizer[0].mu["w"].is_deleted()
        return fresh(step)

    rollback = hook(restore)
    watch(rollback, 9, 8, 7, 6, 5, 4, 3, 11)
    rollback(StepInfo(9, lost, {"loss": jnp.float32(1)}, {}, False))
    assert rollback.metrics() == {"rollbacks": 1}


@pytest.mark.parametrize(
    "losses",
    [
        (9, 8, 7, 6, 5, 12, 5),  # twice the median of three, and no more
        (1, 1, 1, 1, 1, np.inf, np.nan, 1),
        (0, 0, 0, 0, 0, 0, 1, 1),
        (9, 99, 1, 1, 1, 1),
    ],
    ids=["not above the factor", "not finite", "nothing to compare with", "too few losses"],
)
def test_what_is_no_spike(losses):
    assert watch(hook(), *losses)[0] == []


def test_a_spike_before_any_good_checkpoint_is_named_and_joins_the_usual_losses(caplog):
    rollback = hook(save_every=100)
    with caplog.at_level(logging.WARNING):
        assert watch(rollback, 1, 1, 1, 1, 5, 5, 5, 5)[0] == []
    assert [record.message[:6] for record in caplog.records] == ["step 5", "step 6"]
    assert "no checkpoint is 3 steps older" in caplog.text


def test_a_stretch_that_was_given_up_is_not_gone_back_to_and_too_many_end_the_run():
    rollback = hook()
    calm = [1.0] * 8
    assert watch(rollback, *calm, 5, 5)[0] == [10]  # of checkpoints 2, 4, 6, 8: to 6
    assert rollback.good == [6, 10]
    assert watch(rollback, 1, 5, 5, first=11)[0] == [13]  # to 6 again: 10 is too near
    assert rollback.skipped == [(6, 9), (6, 12)]
    watch(rollback, 1, 5, first=14)
    with pytest.raises(
        ConfigError, match=r"step 15: loss 5 .* times the usual 1, after 2 rollbacks, .*most=2"
    ):
        watch(rollback, 5, first=16)


def test_only_checkpoints_that_may_be_needed_are_kept():
    rollback = hook(window=5)
    watch(rollback, *[1.0] * 20)
    assert rollback.good == [14, 16, 18, 20]  # 14 is the last that is good for a spike at 21


def test_a_checkpoint_at_any_step_changes_nothing():
    losses = [9, 8, 7, 6, 5, 4, 3, 11, 12, 3, 3, 3, 11, 2]
    expected = hook()
    replaced = watch(expected, *losses)[0]
    for stop in range(1, len(losses)):
        first, second = hook(), hook()
        before = watch(first, *losses[:stop])[0]
        second.load(json.loads(json.dumps(first.to_dict())))
        assert before + watch(second, *losses[stop:], first=stop + 1)[0] == replaced == [9, 14]
        assert second.to_dict() == expected.to_dict()
