"""The FLOPs of a step, the measured peak, and the split of wall time."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from vlp.training.throughput import (
    StepTimer,
    measured_matmul_peak,
    train_step_flops,
)


def test_a_step_is_three_forwards_of_every_pair() -> None:
    assert train_step_flops(2e9, 256) == 3 * 2e9 * 256


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_peak_is_what_a_matmul_reaches_at_best(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # CPU devices share their process's cores: however many there are, the peak is that of one.
    monkeypatch.setattr(jax, "device_count", lambda: 1000)
    with jax.set_mesh(jax.make_mesh((len(jax.devices()),), ("data",), (jax.sharding.AxisType.Auto,))):
        peak = measured_matmul_peak(dtype, seconds=0.3)
    matmul, matrix = jax.jit(jnp.matmul), jnp.ones((512, 512), dtype)
    matmul(matrix, matrix).block_until_ready()
    timer = StepTimer(1, step_flops=2 * 512**3, peak_flops=peak)
    for _ in range(20):
        matmul(matrix, matrix).block_until_ready()
        timer.step()
    assert 0.02 < timer.report()["mfu"] < 4.0  # wide, for the cores are shared with other work


class FakeClock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def spend(timer: StepTimer, clock: FakeClock, *, data: float, host: float, compute: float) -> None:
    with timer.data():
        clock.now += data
    clock.now += host
    with timer.compute():
        clock.now += compute
    timer.step()


def test_wall_time_is_split_and_pauses_count_for_themselves() -> None:
    clock = FakeClock()
    timer = StepTimer(32, step_flops=6e9, peak_flops=1e10, clock=clock)
    for _ in range(4):
        spend(timer, clock, data=0.25, host=0.5, compute=1.25)
    with timer.paused("checkpoint"):
        clock.now += 1000.0
    assert timer.report(remaining_steps=10) == {
        "step_seconds": 2.0,
        "pairs_per_second": 16.0,
        "data_wait_share": 0.125,
        "compute_share": 0.625,
        "host_share": 0.25,
        "eta_seconds": 20.0,
        "mfu": 0.3,
        "checkpoint_seconds": 1000.0,
    }


def test_each_window_starts_afresh_and_an_empty_one_says_nothing() -> None:
    clock = FakeClock()
    timer = StepTimer(32, clock=clock)
    spend(timer, clock, data=50.0, host=0.0, compute=50.0)
    timer.restart()  # leaves the compiling first step out
    assert timer.report() == {}
    spend(timer, clock, data=0.0, host=0.0, compute=1.0)
    figures = timer.report()
    assert figures["pairs_per_second"] == 32.0 and "mfu" not in figures
    clock.now += 5.0
    assert timer.report() == {}
    timer.step()  # in no time at all
    assert timer.report() == {}


def test_steps_may_cost_different_amounts():
    now = [0.0]
    timer = StepTimer(1, step_flops=lambda before: 1e9 * (before + 1), peak_flops=1e10, clock=lambda: now[0])
    for before in range(3):
        timer.step(before)
    now[0] = 2.0
    assert timer.report()["mfu"] == pytest.approx((1 + 2 + 3) * 1e9 / 2 / 1e10)


@pytest.mark.parametrize("known", [{"step_flops": 1e9}, {"peak_flops": 1e9}])
def test_a_share_of_the_peak_needs_both(known: dict[str, float]) -> None:
    clock = FakeClock()
    timer = StepTimer(32, clock=clock, **known)
    spend(timer, clock, data=0.0, host=0.0, compute=1.0)
    assert "mfu" not in timer.report()


def test_time_is_counted_when_the_body_fails() -> None:
    clock = FakeClock()
    timer = StepTimer(1, clock=clock)
    with pytest.raises(StopIteration), timer.data():
        clock.now += 1.0
        raise StopIteration
    timer.step()
    assert timer.report()["data_wait_share"] == 1.0
