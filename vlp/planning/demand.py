"""How many images a second the configured model needs on the devices that are here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax

from vlp.configuration import to_dict
from vlp.training.model_flops import forward_flops
from vlp.training.throughput import measured_matmul_peak, train_step_flops

_SAME = ("model", "tokenizer", "objectives", "batch_size", "mesh")  # what decides how long a step takes


class Demand(NamedTuple):
    """Images per second over all devices, and where the figure is from, in words."""

    images_per_second: float
    basis: str


def demand(config: Any, workdir: Path) -> Demand:
    """Returns what a run in the workdir has measured with this model, else an estimate from FLOPs and an assumed
    MFU."""
    measured = _measured(config, workdir)
    if measured:
        return Demand(measured, f"the last run in {workdir}, without its waiting for data")
    peak, mfu = measured_matmul_peak(config.model.dtype), config.inspect.mfu
    flops = train_step_flops(forward_flops(config), 1)
    devices = f"{jax.device_count()} {jax.devices()[0].device_kind} device(s)"
    basis = (
        f"{flops / 1e9:.2f} GFLOP an image to train, matmul peak of {peak / 1e12:.2f} TFLOP/s measured on {devices}, "
        f"and an assumed MFU of {mfu:.0%} (--config.inspect.mfu)"
    )
    return Demand(mfu * peak / flops, basis)


def _measured(config: Any, workdir: Path) -> float:
    """0 where there is no run, or one of another model."""
    try:
        there = json.loads((workdir / "config.json").read_text())
        last = json.loads((workdir / "timings.jsonl").read_text().splitlines()[-1])
        rate, waiting = last["pairs_per_second"], last["data_wait_share"]
    except (OSError, ValueError, IndexError, KeyError):
        return 0.0
    here = json.loads(json.dumps(to_dict(config)))
    same = all(there.get(key) == here[key] for key in _SAME)
    return float(rate / (1 - waiting)) if same and waiting < 1 else 0.0
