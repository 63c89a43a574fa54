"""A step compiled twice is a warning with its reason; traces are left where they are looked for."""

from __future__ import annotations

import gc
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.training.loop import StepInfo
from vlp.training.observing import Compilations, FreezeGarbage, Profile


def info(step, batch=None, last=False):
    return StepInfo(step, None, {"loss": jnp.float32(1)}, batch or {}, last)


def test_a_step_that_is_compiled_anew_is_told_with_what_changed(caplog):
    @jax.jit
    def train_step(x):
        return x + 1

    caplog.set_level(logging.WARNING)
    with Compilations() as compilations:
        for step, size in enumerate([2, 2, 3, 3], start=1):
            text = np.zeros((4, size), np.int32)
            train_step(text)
            compilations(info(step, {"text": text, "image": np.zeros(4)}))
            assert bool(caplog.records) == (step > 2)
    assert caplog.messages == ["step 3 was compiled anew: text is int32[4, 3], was int32[4, 2]"]
    counted = compilations.total()
    train_step(np.zeros((4, 9), np.int32))
    assert compilations.total() == counted >= 2


def test_a_stage_is_expected_to_compile_a_step_of_its_own_and_no_more(caplog):
    def train_step(x):
        return x + 1

    caplog.set_level(logging.WARNING)
    with Compilations() as compilations:
        step = 0
        for sizes in ([2, 2], [5, 5, 6]):
            compilations.expect()
            compiled = jax.jit(train_step)
            for size in sizes:
                step += 1
                text = np.zeros((4, size), np.int32)
                compiled(text)
                compilations(info(step, {"text": text}))
                assert bool(caplog.records) == (step > 4)
    assert caplog.messages == ["step 5 was compiled anew: text is int32[4, 6], was int32[4, 5]"]
    assert compilations.of_the_step() == 3


def test_what_is_there_after_two_steps_is_no_longer_looked_for_garbage():
    hook = FreezeGarbage()
    before = gc.get_freeze_count()
    try:
        hook(info(1))
        assert gc.get_freeze_count() == before
        hook(info(2))
        frozen = gc.get_freeze_count()
        assert frozen > before + 1000
        later = [[] for _ in range(100)]
        hook(info(3))
        assert gc.get_freeze_count() <= frozen and len(later) == 100
    finally:
        gc.unfreeze()


@pytest.mark.slow
@pytest.mark.parametrize("stopped_at", [4, 6])
def test_a_trace_of_the_wanted_steps_is_left(tmp_path, stopped_at):
    profile = Profile(3, 3, tmp_path)
    for step in range(1, stopped_at + 1):
        jax.block_until_ready(jnp.ones(3) * step)
        profile(info(step, last=step == stopped_at))
        assert bool(list(tmp_path.rglob("*.xplane.pb"))) == (step >= min(5, stopped_at))
