"""`--job=plan` as a user runs it: for the devices at hand, for a TPU that is not here, and refusals."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import jax
import pytest

import main
from vlp.planning import topology


@pytest.fixture(autouse=True)
def flags_for_cpus_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning for TPUs drops XLA_FLAGS, which later tests want; for GPUs it asks for CPUs where there are none yet."""
    jax.devices()
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))


TINY = (
    "--config=configs/clip.py:runlocal",
    "--config.tokenizer.kind=clip",
    "--config.tokenizer.path=data/tokenizers/clip",
    "--config.batch_size=64",
)


def test_a_plan_for_the_devices_at_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mesh = ("--config.mesh.fsdp=4", "--config.optimizer.ema_decay=0.9")
    stages = ("--config.stages.until=4", "--config.stages.resolution=32")  # of 8 steps and 64 pixels
    assert main.main(["--job=plan", f"--output={tmp_path / 'plan.json'}", *TINY, *mesh, *stages]) == 0
    printed = capsys.readouterr().out
    assert "those of the last of 2, the largest;" in printed
    for part in ("data=2, fsdp=4", "running mean", "all-gather", "matrix products", "<- binds", "chip-hours"):
        assert part in printed
    (plan,) = json.loads((tmp_path / "plan.json").read_text())["plans"]
    compiled, held = plan["compiled"], plan["compiled"]["held"]
    assert plan["fits"] and compiled["needed"] >= compiled["arguments"] >= sum(held.values())
    assert held["running mean"] == held["parameters"] < held["optimiser"] < 2.1 * held["parameters"]
    assert held["parameters"] < 4 * compiled["parameters"] / 2  # the large ones are split over four devices
    # Forward and backward passes of the towers, and the scores.
    assert 0.9 < plan["estimate"]["extra"] < 1.5
    assert {one["kind"] for one in compiled["program"]["collectives"]} >= {"all-gather", "all-reduce"}


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPUs stand for GPUs, as where XLA's compiler for them is not installed."""
    monkeypatch.setattr(topology, "CUDA", ())


def test_a_plan_for_gpus_that_are_not_here_with_a_bill(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], no_cuda: None
) -> None:
    flags = ("--topology=h100:4x2", "--config.mesh.fsdp=4", "--price=2.5")
    assert main.main(["--job=plan", f"--output={tmp_path / 'plan.json'}", *TINY, *flags]) == 0
    printed = capsys.readouterr().out
    assert "8 x H100, 2 host(s); mesh data=2, fsdp=4" in printed and "of 74.51 GiB" in printed
    assert "compiled for as many CPUs" in printed and "at 2.5 an hour" in printed
    (plan,) = json.loads((tmp_path / "plan.json").read_text())["plans"]
    assert set(plan["estimate"]["seconds"]) == {"matrix products", "collectives"}


def test_a_plan_for_gpus_by_their_own_compiler(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not topology.compiles_for_gpus():
        pytest.skip("XLA's compiler for GPUs is not installed: pip install -r requirements-gpu-plan.txt")
    flags = ("--topology=h100:4x2", "--config.mesh.fsdp=4", "--config.model.dtype=bfloat16")
    heads = [f"--config.model.{tower}.heads=1" for tower in ("image", "text")]  # of 32 numbers
    assert main.main(["--job=plan", f"--output={tmp_path / 'plan.json'}", *TINY, *flags, *heads]) == 0
    printed = capsys.readouterr().out
    assert "8 x H100, 2 host(s); mesh data=2, fsdp=4" in printed and "CPUs" not in printed
    (plan,) = json.loads((tmp_path / "plan.json").read_text())["plans"]
    assert set(plan["estimate"]["seconds"]) == {"matrix products", "main memory", "collectives"}
    program = plan["compiled"]["program"]
    assert {one["kind"] for one in program["collectives"]} >= {"all-gather", "all-reduce"}
    # cuDNN's attention forwards and backwards, of both towers, and no score of all pairs of tokens beside it.
    kernels = {one["work"] for one in program["movers"] if one["kind"] == "kernels"}
    assert kernels >= {
        f"{tower} attention, {way}" for tower in ("image", "text") for way in ("forward", "backward")
    }
    assert 0.95 < plan["estimate"]["extra"] < 1.6
    # What is measured stands here with a tenth to spare.
    figures = {
        "MiB": plan["compiled"]["needed"] / 2**20,
        "kernels": sum(one["count"] for one in program["movers"]),
        "MB gathered": sum(one["bytes"] for one in program["collectives"] if one["kind"] == "all-gather")
        / 1e6,
        "MB moved": program["memory_bytes"] / 1e6,
    }
    limits = {"MiB": 20, "kernels": 870, "MB gathered": 0.6, "MB moved": 85}
    assert all(figures[name] <= limits[name] for name in figures), figures


def test_suggestions_are_ranked_beside_held_towers_and_a_small_first_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = [f"--config.model.{tower}.{one}" for tower in ("image", "text") for one in ("depth=1", "heads=8")]
    flags = ("--suggest", f"--output={tmp_path / 'plan.json'}", "--config.mesh.model=8")  # one mesh alone
    assert main.main(["--job=plan", *flags, *TINY, *tiny]) == 0
    printed = capsys.readouterr().out
    assert "ranked, the fastest first" in printed and "the text tower held: " in printed
    best, image, text, small = json.loads((tmp_path / "plan.json").read_text())["plans"]
    assert best["changes"] == "" and small["changes"] == "stage 1 of 2, 88% of the run"  # 7 of 8 steps
    assert small["flags"]["stages.until"] and "stages.until=" in printed
    whole = best["estimate"]["step_flops"]
    for other in (image, text):
        assert other["compiled"]["held"]["optimiser"] < best["compiled"]["held"]["optimiser"]
        assert other["estimate"]["step_flops"] < whole
    assert small["estimate"]["step_flops"] < 0.5 * whole


V5E = ("--job=plan", "--topology=v5e:4x4", "--config.model.dtype=bfloat16", "--config.batch_size=4096")
SMALL = [
    f"--config.model.{tower}.{name}={value}"
    for tower in ("image", "text")
    for name, value in {"width": 256, "heads": 4, "mlp_dim": 1024, "depth": 4}.items()
]


@pytest.mark.slow
def test_memory_and_gathers_on_sixteen_chips_do_not_grow(tmp_path: Path) -> None:
    """Compiled for TPU v5e without one. What is measured stands here with a tenth to spare."""
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("libtpu is not installed: pip install -r requirements-tpu-plan.txt")
    output = tmp_path / "plan.json"
    flags = ("--config.mesh.fsdp=4", "--config.mesh.model=2", "--config.model.remat=light")
    assert main.main([*TINY, *V5E, *SMALL, *flags, f"--output={output}"]) == 0
    (plan,) = json.loads(output.read_text())["plans"]
    compiled = plan["compiled"]
    gathers = [one for one in compiled["program"]["collectives"] if one["kind"] == "all-gather"]
    figures = {
        "MiB": compiled["needed"] / 2**20,
        "all-gathers": sum(one["count"] for one in gathers),
        "MB gathered": sum(one["bytes"] for one in gathers) / 1e6,
        "FLOPs to the model's": plan["estimate"]["extra"],
        "GB moved": compiled["program"]["memory_bytes"] / 1e9,
    }
    limits = {
        "MiB": 937,
        "all-gathers": 88,
        "MB gathered": 33,
        "FLOPs to the model's": 1.05,
        "GB moved": 4.65,
    }
    assert all(figures[name] <= limits[name] for name in figures), figures


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--topology=v5e",), "v5e:16x16"),
        (("--topology=v9:2x2",), "v9:2x2 is unknown to libtpu"),
        (("--topology=h100:8x64",), "needs 512 CPUs to stand for it"),
        (("--topology=h100:8",), "h100:8x4"),
        (("--topology=h100:4x2", "--slices=2"), "--slices=2 is for TPUs"),
        (("--slices=0",), "--slices=0 must be at least 1"),
        (("--price=-2",), "--price=-2 must be at least 0"),
        (("--price=nan",), "--price=nan must be at least 0"),
        (("--config.distributed.slices=3",), "mesh.data"),
        (("--config.mesh.model=3",), "mesh.model=3 does not divide model.image.heads=2"),
        (("--config.mesh.data=3",), "needs 3 devices, and there are 8"),
        (("--config.batch_size=12",), "batch_size=12 is not a multiple of 8"),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str], no_cuda: None
) -> None:
    if "v9" in arguments[0] and importlib.util.find_spec("libtpu") is None:
        expected = "pip install -r requirements-tpu-plan.txt"
    assert main.main(["--job=plan", *TINY, *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert expected in error[-1]
