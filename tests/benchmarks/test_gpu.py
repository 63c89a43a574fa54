"""The GPU benchmark where no GPU is: rows run at toy sizes, steps are lowered for CUDA, and failures are rows."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from benchmarks import gpu, gpu_rows
from benchmarks.gpu_rows import Row
from vlp.parallel.mesh import make_mesh
from vlp.planning.compile import abstract_batch
from vlp.training import build


def test_every_question_is_asked_once_and_of_every_model():
    asked = list(gpu.rows(["b32", "b16", "l14"], list(gpu.BATCHES)))
    assert len(set(asked)) == len(asked)
    for model in ("b32", "b16", "l14"):
        mine = [row for row in asked if row.model == model]
        for contestant in gpu_rows.CONTESTANTS:
            found = {row.batch for row in mine if row.contestant == contestant}
            assert found == {256, 512, 1024, 2048, 4096}
        assert {row.remat for row in mine} == {"none", "dots", "full"}
        dense = [row for row in mine if row.contestant == "vlp" and not row.chunk]
        pairs = [
            (row, other) for row in dense for other in mine if other == dataclasses.replace(row, chunk=512)
        ]
        assert pairs, "the dense loss and the one in chunks are to be compared at equal settings"


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (1, "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate", "out of memory"),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", "out of memory"),
        (1, "Traceback\n  line\nValueError: no such thing\n\nwarning", "ValueError: no such thing"),
        (3, "", "exit status 3"),
    ],
)
def test_a_failure_is_told_in_a_row(status, words, expected):
    error = gpu.what_went_wrong(status, words)
    assert error == expected
    assert f"| {expected} | - | - | - |" in gpu.line(Row("b16", 4096), {"error": error}, 1e15)


def test_what_did_not_fit_is_not_tried_with_more_pairs():
    done = {Row("l14", 512): {"error": "out of memory"}, Row("l14", 256): {"step_seconds": 1.0}}
    assert gpu.smaller_did_not_fit(Row("l14", 1024), done)
    assert not gpu.smaller_did_not_fit(Row("l14", 256), done)
    assert not gpu.smaller_did_not_fit(Row("l14", 1024, remat="full"), done)


def test_a_second_call_completes_the_first(tmp_path):
    output = tmp_path / "rows.jsonl"
    results = [
        {"step_seconds": 1.0},
        {"error": "out of memory"},
        {"error": "left out: torch is not installed"},
    ]
    rows = [Row("b16", batch) for batch in (256, 512, 1024)]
    entries = [
        {"row": dataclasses.asdict(row), "result": result} for row, result in zip(rows, results, strict=True)
    ]
    output.write_text("\n".join(json.dumps(entry) for entry in [{"machine": {}}, *entries]))
    assert list(gpu.read(output)) == rows[:2]


def test_mfu_counts_the_model_alone():
    # FLOPs of a forward pass as OpenCLIP's model profile has them.
    assert gpu_rows.model_flops(Row("b16", 10)) == pytest.approx(3 * 10 * 41.09e9, rel=0.02)
    result = {"step_seconds": 0.1, "pairs_per_second": 100.0, "memory_bytes": 2**31}
    peak = gpu_rows.model_flops(Row("b16", 10)) / 0.1 / 0.5
    assert "| 100.0 | 100 | 50.0 | 2.0 |" in gpu.line(Row("b16", 10, remat="full"), result, peak)


# 50, 197 and 257 tokens with their class tokens, and 77 causal ones: see tests/models/test_cudnn_attention.py.
@pytest.mark.parametrize("model", ["b32", "b16", "l14"])
def test_the_measured_step_calls_cudnn_for_images_and_texts(monkeypatch, model):
    module = pytest.importorskip("jax._src.cudnn.fused_attention_stablehlo", reason="JAX has moved its cuDNN")
    monkeypatch.setattr(module, "check_cudnn_version", lambda: 91000)
    resolve = build.resolve_compute
    monkeypatch.setattr(build, "resolve_compute", lambda config, _: resolve(config, "gpu"))
    config = gpu_rows.config_of(Row(model, 4, remat="full", chunk=2))
    mesh = make_mesh({"data": 1, "fsdp": 1, "model": 1}, jax.devices()[:1])
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        training = build.build_training(config, vocabulary_size=1000, mesh=mesh)
        batch = abstract_batch(config, training.fields, mesh, {})
        traced = training.train_step.trace(training.abstract_state, batch)
        program = traced.lower(lowering_platforms=("cuda",)).as_text()
    masks = set(re.findall(r"@__cudnn\$fmhaSoftmaxBackward\(.*?mask_type[^A-Z]*([A-Z_]+)", program))
    assert masks == {"CAUSAL", "NO_MASK" if model == "b32" else "PADDING"}


@pytest.mark.slow
def test_a_tiny_run_measures_rows_and_keeps_them(tmp_path):
    output = tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", "benchmarks.gpu", "--tiny", "--seconds=0.05", f"--output={output}"]
    done = subprocess.run(
        [*command, "--contestants=vlp", "--remat=none"],
        capture_output=True, text=True, check=False, cwd=Path(gpu.ROOT),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"^cpu; jax .* TFLOP/s in float32 matmuls, measured$", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^\| tiny \| \d+ \| vlp \| xla \|", done.stdout, re.MULTILINE)) == 2
    entries = [json.loads(line) for line in output.read_text().splitlines()]
    assert all(entry["result"]["step_seconds"] > 0 for entry in entries[1:])


def test_where_no_gpu_is_it_says_what_to_do():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--seconds=0.01"],
        capture_output=True, text=True, check=False, cwd=Path(gpu.ROOT),
    )  # fmt: skip
    assert done.returncode == 1 and "JAX sees no GPU here" in done.stderr and "--tiny" in done.stderr


@pytest.mark.slow
def test_both_contestants_have_the_same_model():
    pytest.importorskip("torch", reason="pip install -r requirements-peers.txt")
    pytest.importorskip("open_clip", reason="pip install -r requirements-peers.txt")
    counts = [
        build_step(Row("tiny", 2))[1]()["parameters"]
        for build_step in (gpu_rows.build_ours, gpu_rows.build_open_clip)
    ]
    # Ours has a bias where patches are embedded; theirs has norms before the first block.
    assert counts[0] == pytest.approx(counts[1], rel=0.01)
