"""FLOPs against published figures and XLA's count; the measured peak; the split of wall time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from vlp.training.throughput import (
    StepTimer,
    attention_pool_flops,
    image_tower_flops,
    measured_matmul_peak,
    text_tower_flops,
    train_step_flops,
    transformer_flops,
)


@pytest.mark.parametrize(("patch_size", "published"), [(32, 14.78e9), (16, 41.09e9)])
def test_clip_vit_b_costs_what_open_clip_lists(patch_size: int, published: float) -> None:
    patches = (224 // patch_size) ** 2
    image = image_tower_flops(
        patches=patches, patch_dim=3 * patch_size**2, tokens=patches + 1,
        width=768, depth=12, mlp_dim=3072, embed_dim=512,
    )  # fmt: skip
    text = text_tower_flops(tokens=77, width=512, depth=12, mlp_dim=2048, embed_dim=512)
    assert image + text == pytest.approx(published, rel=0.02)


def xla_flops(function: Callable[..., Any], *shapes: tuple[int, ...]) -> float:
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    costs = jax.jit(function).lower(*arrays).compile().cost_analysis()
    assert costs is not None
    return costs["flops"]


def test_a_block_costs_what_xla_counts() -> None:
    tokens, width, mlp_dim = 10, 24, 40

    def block(*arrays: jax.Array) -> jax.Array:
        x, query, key, value, out, up, down = arrays
        x = ((x @ query) @ (x @ key).T) @ (x @ value) @ out
        return x @ up @ down

    shapes = [(tokens, width), *[(width, width)] * 4, (width, mlp_dim), (mlp_dim, width)]
    assert transformer_flops(tokens=tokens, width=width, depth=1, mlp_dim=mlp_dim) == xla_flops(
        block, *shapes
    )
    assert transformer_flops(tokens=tokens, width=width, depth=3, mlp_dim=mlp_dim) == 3 * xla_flops(
        block, *shapes
    )


def test_attention_pooling_costs_what_xla_counts() -> None:
    tokens, width, mlp_dim = 10, 24, 40

    def pool(*arrays: jax.Array) -> jax.Array:
        x, probe, query, key, value, out, up, down = arrays
        x = ((probe @ query) @ (x @ key).T) @ (x @ value) @ out
        return x @ up @ down

    shapes = [(tokens, width), (1, width), *[(width, width)] * 4, (width, mlp_dim), (mlp_dim, width)]
    pooling = attention_pool_flops(tokens=tokens, width=width, mlp_dim=mlp_dim)
    assert pooling == xla_flops(pool, *shapes)
    without, with_pool = (
        text_tower_flops(
            tokens=tokens, width=width, depth=2, mlp_dim=mlp_dim, embed_dim=8, attention_pool=attention_pool
        )
        for attention_pool in (False, True)
    )
    assert with_pool - without == pooling


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


def test_time_is_counted_when_the_body_fails() -> None:
    clock = FakeClock()
    timer = StepTimer(1, clock=clock)
    with pytest.raises(StopIteration), timer.data():
        clock.now += 1.0
        raise StopIteration
    timer.step()
    assert timer.report()["data_wait_share"] == 1.0
