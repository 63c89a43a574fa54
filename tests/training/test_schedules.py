"""Schedules against closed forms in numpy and against recorded values of published trainers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from vlp.training.schedules import make_schedule

GOLDEN = Path(__file__).parents[1] / "golden" / "lr_schedules_seed0.npz"
PEAK, STEPS, WARMUP, COOLDOWN, FINAL = 3e-3, 100, 10, 20, 0.1


def schedule_values(name: str, peak: float = PEAK, steps: int = STEPS, **fields: Any) -> np.ndarray:
    """The learning rate at 0 ... steps (inclusive), computed as in training: traced."""
    config = SimpleNamespace(**{"name": name, "warmup_steps": 0, "cooldown_steps": 0, "final": 0.0, **fields})
    return np.asarray(jax.jit(jax.vmap(make_schedule(config, peak, steps)))(np.arange(steps + 1)))


def test_cosine_is_the_closed_form() -> None:
    n = np.arange(STEPS + 1)
    progress = (n - WARMUP) / (STEPS - WARMUP)
    cosine = PEAK * (FINAL + (1 - FINAL) * 0.5 * (1 + np.cos(np.pi * progress)))
    expected = np.where(n < WARMUP, PEAK * n / WARMUP, cosine)
    values = schedule_values("cosine", warmup_steps=WARMUP, final=FINAL)
    np.testing.assert_allclose(values, expected, rtol=2e-6)
    assert values[0] == 0 and values[WARMUP] == np.float32(PEAK) and values[-1] == np.float32(FINAL * PEAK)


def test_reciprocal_sqrt_is_the_closed_form_and_cools_down_in_a_line() -> None:
    n = np.arange(STEPS + 1)
    middle = PEAK * np.sqrt(WARMUP / np.maximum(n, WARMUP))
    start = PEAK * np.sqrt(WARMUP / (STEPS - COOLDOWN))
    line = start + (FINAL * PEAK - start) * (n - (STEPS - COOLDOWN)) / COOLDOWN
    expected = np.where(n < WARMUP, PEAK * n / WARMUP, np.where(n < STEPS - COOLDOWN, middle, line))
    values = schedule_values("reciprocal_sqrt", warmup_steps=WARMUP, cooldown_steps=COOLDOWN, final=FINAL)
    np.testing.assert_allclose(values, expected, rtol=2e-6)
    assert values[WARMUP] == np.float32(PEAK) and values[-1] == np.float32(FINAL * PEAK)


def test_constant_with_and_without_cooldown() -> None:
    flat = schedule_values("constant")
    assert (flat == np.float32(PEAK)).all()
    values = schedule_values("constant", warmup_steps=WARMUP, cooldown_steps=COOLDOWN)
    assert (values[WARMUP : STEPS - COOLDOWN + 1] == np.float32(PEAK)).all()
    np.testing.assert_allclose(
        values[-COOLDOWN - 1 :], PEAK * np.linspace(1, 0, COOLDOWN + 1), rtol=2e-6, atol=1e-10
    )


def test_cosine_agrees_with_open_clip() -> None:
    """OpenCLIP's warm-up is one step ahead (it starts at peak / warmup, not 0); its cosine is ours."""
    golden = np.load(GOLDEN)
    warmup, steps = int(golden["protoclip_warmup"]), int(golden["protoclip_total_steps"])
    values = schedule_values(
        "cosine", peak=float(golden["protoclip_base_lr"]), steps=steps, warmup_steps=warmup
    )
    for recorded in (golden["openclip_cosine_lr"], golden["protoclip_lr_text"]):
        np.testing.assert_allclose(values[1 : warmup + 1], recorded[:warmup], rtol=2e-6)
        np.testing.assert_allclose(values[warmup:-1], recorded[warmup:], rtol=2e-6, atol=1e-9)


def test_cosine_agrees_with_slip_after_its_warmup() -> None:
    golden = np.load(GOLDEN)
    per_epoch, base = int(golden["slip_iters_per_epoch"]), float(golden["slip_base"])
    warmup, steps = per_epoch * int(golden["slip_warmup_epochs"]), per_epoch * int(golden["slip_epochs"])
    values = schedule_values(
        "cosine", base, steps, warmup_steps=warmup, final=float(golden["slip_final"]) / base
    )
    np.testing.assert_allclose(values[warmup:-1], golden["slip_lr"][warmup:], rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["cosine", "constant", "reciprocal_sqrt"])
def test_a_warmup_as_long_as_the_run_is_allowed(name: str) -> None:
    np.testing.assert_allclose(
        schedule_values(name, steps=4, warmup_steps=4), PEAK * np.arange(5) / 4, rtol=1e-6
    )


@pytest.mark.parametrize("final", [0.0, 1.0])
def test_a_run_may_end_at_nothing_or_at_the_peak_and_cool_down_all_along(final: float) -> None:
    values = schedule_values("constant", steps=4, cooldown_steps=4, final=final)
    np.testing.assert_allclose(values, PEAK * np.linspace(1, final, 5), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "linear"}, "name='linear'.*cosine"),
        ({"warmup_steps": 90, "cooldown_steps": 20, "name": "constant"}, "fit into steps=100 together"),
        ({"warmup_steps": -1}, ">= 0"),
        ({"cooldown_steps": -1, "name": "constant"}, ">= 0"),
        ({"final": -0.1}, r"final=-0.1 must lie in \[0, 1\]"),
        ({"final": 1.5}, r"final=1.5 must lie in \[0, 1\]"),
        ({"cooldown_steps": 5}, "no meaning for 'cosine'"),
        ({"name": "reciprocal_sqrt"}, "warmup_steps > 0"),
    ],
)
def test_mistakes_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schedule_values(**{"name": "cosine", **fields})
