"""Our train step and open_clip's eager one at equal architecture, alternated in one run.

64 px, patch 8, width 192, 12 image and 6 text layers, vocabulary 8,192, 32 tokens, AdamW with clipping. The matmul
peak is measured in the same run. open_clip is a peer, not a dependency: `pip install torch open_clip_torch` beside vlp;
where it is absent its row is left out.

    python benchmarks/train_step.py [--batch=64] [--rounds=7] [--dtype=float32]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import numpy as np

from configs import base
from vlp.jobs._startup import reuse_freed_memory
from vlp.parallel.mesh import make_mesh
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training
from vlp.training.model_flops import forward_flops
from vlp.training.throughput import measured_matmul_peak, train_step_flops

VOCABULARY, LENGTH, RESOLUTION = 8192, 32, 64


def peer_config(batch: int, dtype: str):
    """The architecture every row has."""
    config = base.get_config()
    config.unlock()
    tower = {"size": "", "width": 192, "heads": 3, "mlp_dim": 768}
    config.batch_size = batch
    config.model.update(embed_dim=192, dtype=dtype)
    config.model.image.update(tower, depth=12, patch_size=8, resolution=RESOLUTION, pool="class")
    config.model.text.update(tower, depth=6, causal=True, pool="end")
    config.tokenizer.length = LENGTH
    config.objectives.contrastive.weight = 1.0
    return config


def our_step(config, images: np.ndarray, ids: np.ndarray) -> Callable[[], None]:
    """One update, waited for, each time it is called."""
    mesh = make_mesh({"data": jax.device_count(), "fsdp": 1, "model": 1})
    jax.set_mesh(mesh)
    training = build_training(config, vocabulary_size=VOCABULARY, mesh=mesh)
    state = training.initial_state()
    batch = global_batch({"image": images, "text": ids, "text_mask": ids > 0}, mesh)

    def step() -> None:
        nonlocal state
        state, metrics = training.train_step(state, batch)
        jax.block_until_ready(metrics)

    return step


def open_clip_step(images: np.ndarray, ids: np.ndarray) -> Callable[[], None] | None:
    """The same in PyTorch, eager, as open_clip's trainer does it; None where open_clip is not installed."""
    for name in ("", ".transforms", ".transforms.functional", ".ops", ".ops.misc"):
        sys.modules.setdefault(
            f"torchvision{name}", mock.MagicMock()
        )  # imported for its transforms, unused here
    try:
        import torch
        from open_clip.loss import ClipLoss
        from open_clip.model import CLIP
    except ImportError as error:
        print(f"open_clip is left out: {error}")
        return None
    model = CLIP(
        embed_dim=192,
        vision_cfg={"image_size": RESOLUTION, "layers": 12, "width": 192, "head_width": 64, "patch_size": 8},
        text_cfg={"context_length": LENGTH, "vocab_size": VOCABULARY, "width": 192, "heads": 3, "layers": 6},
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1)
    pixels = torch.from_numpy(((images / 255.0 - 0.5) / 0.5).astype(np.float32).transpose(0, 3, 1, 2).copy())
    texts, loss_of = torch.from_numpy(ids.astype(np.int64)), ClipLoss()

    def step() -> None:
        optimizer.zero_grad()
        image, text, scale = model(pixels, texts)[:3]
        loss_of(image, text, scale).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    reuse_freed_memory()
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (options.batch, RESOLUTION, RESOLUTION, 3), dtype=np.uint8)
    ids = generator.integers(4, VOCABULARY, (options.batch, LENGTH), dtype=np.int32)
    config = peer_config(options.batch, options.dtype)
    steps = {"vlp": our_step(config, images, ids), "open_clip": open_clip_step(images, ids)}
    steps = {name: step for name, step in steps.items() if step is not None}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()  # compiles, or fills caches
    for _ in range(options.rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    peak = measured_matmul_peak(options.dtype)
    flops = train_step_flops(forward_flops(config), options.batch)
    print(
        f"batch {options.batch}, {options.dtype}, {options.rounds} rounds, matmul peak {peak / 1e9:.0f} GFLOP/s"
    )
    for name, seconds in times.items():
        median, best = statistics.median(seconds), min(seconds)
        ratio = statistics.median(a / b for a, b in zip(seconds, times[list(times)[-1]], strict=True))
        print(
            f"{name:<10} median {1e3 * median:7.0f} ms  min {1e3 * best:7.0f} ms  of peak {flops / best / peak:.2f}  "
            f"to {list(times)[-1]} {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
