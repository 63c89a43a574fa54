"""How fast a run is: analytic FLOPs, the machine's measured matmul peak, and where the wall time goes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from vlp.models.flops import FORWARDS_PER_STEP


def train_step_flops(forward_flops: float, batch_size: int) -> float:
    """Returns the model FLOPs of a training step: three forwards an example, without what remat computes again."""
    return float(FORWARDS_PER_STEP * forward_flops * batch_size)


@functools.cache
def measured_matmul_peak(dtype: Any = jnp.float32, seconds: float = 0.1) -> float:
    """Returns the FLOP/s of the best square matmul that all devices of the run together would reach.

    Measured once in a process, on one local device: a few sizes, the fastest of several runs each. CPU devices
    share the cores of their process, so there one device stands for the whole process; accelerators count one by
    one. The precision is jax's default, as in the towers (float32 may mean TF32 on a GPU, bfloat16 passes on a TPU).

    Args:
        dtype: compute dtype, float32 or bfloat16.
        seconds: time to spend on timing; compilation comes on top.
    """
    device = jax.local_devices()[0]
    is_cpu = device.platform == "cpu"
    sizes = (512, 1024) if is_cpu else (4096, 8192)
    count = jax.process_count() if is_cpu else jax.device_count()
    # The run's mesh may be set already, and jit takes its devices from it.
    with jax.set_mesh(jax.make_mesh((1,), ("data",), (jax.sharding.AxisType.Auto,), devices=[device])):
        return count * max(_matmul_speed(size, dtype, seconds / len(sizes)) for size in sizes)


def _matmul_speed(size: int, dtype: Any, seconds: float) -> float:
    """FLOP/s of a [size, size] matmul on the mesh's device: its fastest run in the time, of two or more."""
    # Numbers of all magnitudes rather than ones: GPUs are faster on constant data than they will ever be.
    matrix = jax.jit(lambda: jnp.sin(jnp.arange(size * size).reshape(size, size)).astype(dtype))()
    matmul = jax.jit(jnp.matmul)
    jax.block_until_ready(matmul(matrix, matrix))
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < 2 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        jax.block_until_ready(matmul(matrix, matrix))
        times.append(time.perf_counter() - begin)
    return 2 * size**3 / min(times)


class StepTimer:
    """Splits the loop's wall time into waiting for data, for the device ("compute") and the host's own.

    Time in `paused(what)` (evaluation, checkpoints) counts for itself alone. A window reaches from one `report`
    to the next; call `restart` after the first step, which compiles.

    Args:
        batch_size: pairs of a global batch.
        step_flops: model FLOPs of a step (`train_step_flops`), or a function of the updates before it; 0 = no MFU.
        peak_flops: FLOP/s of the whole machine (`measured_matmul_peak`).
    """

    def __init__(
        self,
        batch_size: int,
        *,
        step_flops: float | Callable[[int], float] = 0.0,
        peak_flops: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._batch_size, self._step_flops, self._peak_flops = batch_size, step_flops, peak_flops
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Begins a new window now."""
        self._start = self._clock()
        self._steps, self._flops = 0, 0.0
        self._spent = {"data": 0.0, "compute": 0.0}
        self._paused: dict[str, float] = {}

    @contextmanager
    def data(self) -> Iterator[None]:
        """Counts the time inside as waiting for the next batch."""
        with self._measure("data"):
            yield

    @contextmanager
    def compute(self) -> Iterator[None]:
        """Counts the time inside as what blocks on the device: fetching metrics, `block_until_ready`."""
        with self._measure("compute"):
            yield

    @contextmanager
    def paused(self, what: str) -> Iterator[None]:
        """Counts the time inside as what is no training step: 'evaluation', 'checkpoint', 'clustering'."""
        begin = self._clock()
        try:
            yield
        finally:
            self._paused[what] = self._paused.get(what, 0.0) + self._clock() - begin

    def step(self, before: int = 0) -> None:
        """Counts a finished step, with so many updates before it."""
        self._steps += 1
        self._flops += self._step_flops(before) if callable(self._step_flops) else self._step_flops

    def report(self, remaining_steps: int = 0) -> dict[str, float]:
        """Returns the window's figures, and begin the next; empty if it holds no step.

        Returns:
            step_seconds, pairs_per_second, data_wait_share, compute_share and host_share (of 1), eta_seconds,
            mfu (model FLOP/s as a share of the peak) where both FLOP figures are known, and <what>_seconds of pauses.
        """
        spent, paused, steps, flops = self._spent, self._paused, self._steps, self._flops
        seconds = self._clock() - self._start - sum(paused.values())
        self.restart()
        if not steps or seconds <= 0:
            return {}
        figures = {
            "step_seconds": seconds / steps,
            "pairs_per_second": steps * self._batch_size / seconds,
            "data_wait_share": spent["data"] / seconds,
            "compute_share": spent["compute"] / seconds,
            "host_share": 1.0 - (spent["data"] + spent["compute"]) / seconds,
            "eta_seconds": remaining_steps * seconds / steps,
            **{f"{what}_seconds": pause for what, pause in paused.items()},
        }
        if flops and self._peak_flops:
            figures["mfu"] = flops / seconds / self._peak_flops
        return figures

    @contextmanager
    def _measure(self, part: str) -> Iterator[None]:
        begin = self._clock()
        try:
            yield
        finally:
            self._spent[part] += self._clock() - begin
