"""The chunked softmax loss, the dense one and open_clip's ClipLoss, forward and backward, alternated in one run.

Each lives in a process of its own, so that its peak memory (above what the process held before its first step) is its
own; only one works at a time. open_clip is a peer, not a dependency: `pip install torch`, and
`pip install --no-deps --target=DIR open_clip_torch`; where it is absent its row is left out.

    python -m benchmarks.contrastive_loss [--batch=16384] [--chunk=512] [--rounds=3] [--open_clip=DIR]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Times, forget_peak, memory

WIDTH, SCALE = 512, 1 / 0.07
NAMES = ("chunked", "dense", "open_clip")


def unit_vectors(batch: int) -> list[np.ndarray]:
    """The same images and texts for everybody."""
    vectors = np.random.default_rng(0).normal(size=(2, batch, WIDTH)).astype(np.float32)
    return list(vectors / np.linalg.norm(vectors, axis=2, keepdims=True))


def loss_of(batch: int, chunk: int) -> Callable[..., Any]:
    """Returns the loss of images, texts and scale, with the metrics that the objective reports; chunk 0 is dense."""
    import jax.numpy as jnp

    from vlp.kernels.softmax import softmax
    from vlp.objectives.contrastive import match_metrics
    from vlp.objectives.scorers import Scores
    from vlp.objectives.targets import same_id
    from vlp.parallel.contrastive import chunked_softmax

    def dense(images, texts, scale):
        scores, targets = Scores(images, texts, scale, 0.0), same_id(jnp.arange(batch), jnp.arange(batch))
        losses = (softmax(logits, targets).mean() for logits in (scores.logits(), scores.logits().T))
        return sum(losses) / 2, match_metrics(scores, targets)

    def chunked(images, texts, scale):
        contrast = chunked_softmax(images, texts, scale, chunk=chunk)
        return (contrast.rows.mean() + contrast.columns.mean()) / 2, contrast.metrics

    return chunked if chunk else dense


def our_step(name: str, batch: int, chunk: int) -> Callable[[], float]:
    """Loss and gradients for images, texts and scale."""
    import jax
    import jax.numpy as jnp

    loss = loss_of(batch, {"dense": 0, "chunked": chunk}[name])
    arrays = (*map(jnp.asarray, unit_vectors(batch)), jnp.float32(SCALE))
    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)).lower(*arrays).compile()
    return lambda: float(jax.block_until_ready(step(*arrays))[0][0])


def open_clip_step(batch: int) -> Callable[[], float]:
    """Loss and gradients for images, texts and scale."""
    package = types.ModuleType("open_clip")
    package.__path__ = [str(Path(folder) / "open_clip") for folder in sys.path]
    sys.modules["open_clip"] = package  # so that its loss is imported without all that the package imports
    import torch
    from open_clip.loss import ClipLoss

    images, texts = (torch.from_numpy(x).requires_grad_() for x in unit_vectors(batch))
    scale, loss_of = torch.tensor(SCALE, requires_grad=True), ClipLoss()

    def step() -> float:
        for leaf in (images, texts, scale):
            leaf.grad = None
        loss = loss_of(images, texts, scale)
        loss.backward()
        return loss.item()

    return step


def work(options: argparse.Namespace) -> None:
    """A contestant: makes a step for every line it reads, and answers with what it took."""
    if options.open_clip:
        sys.path.insert(0, options.open_clip)
    step = (
        open_clip_step(options.batch)
        if options.worker == "open_clip"
        else our_step(options.worker, options.batch, options.chunk)
    )
    before = forget_peak()
    for _ in sys.stdin:
        times = Times()
        times.run(step)
        answer = [times.result, *times.wall, *times.processor, memory("VmHWM") - before]
        print(json.dumps(answer), flush=True)


def start(name: str, options: argparse.Namespace) -> subprocess.Popen:
    """A contestant's process."""
    flags = [f"--{key}={getattr(options, key)}" for key in ("batch", "chunk", "open_clip")]
    command = [sys.executable, "-m", "benchmarks.contrastive_loss", f"--worker={name}", *flags]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(process: subprocess.Popen) -> list[float] | None:
    """One step of a contestant; None if it is gone."""
    try:
        process.stdin.write("step\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())
    except (BrokenPipeError, json.JSONDecodeError):
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16384, help="4096, 8192, 16384, ...")
    parser.add_argument("--chunk", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestants", default=",".join(NAMES))
    parser.add_argument("--open_clip", default="", help="where open_clip was installed with --target")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return
    processes = {name: start(name, options) for name in options.contestants.split(",")}
    warm = {name: ask(process) for name, process in processes.items()}
    rounds = {name: [] for name, answer in warm.items() if answer is not None}
    for _ in range(options.rounds):
        for name, answers in rounds.items():
            answers.append(ask(processes[name]))
    print(
        f"batch {options.batch}, width {WIDTH}, float32, {options.chunk}-row chunks, {options.rounds} rounds"
    )
    taken = {name: [*zip(*answers, strict=True)] for name, answers in rounds.items()}
    *_, (last, (_, *reference, most)) = taken.items()
    for name, (loss, *seconds, peaks) in taken.items():
        wall, processor = (Times(list(own)) for own in seconds)
        ratios = [one.to(Times(list(other))) for one, other in zip((wall, processor), reference, strict=True)]
        print(
            f"{name:<10} loss {loss[0]:.6f}  wall median {wall.seconds:7.3f} s  min {min(wall.wall):7.3f} s  "
            f"processor {processor.seconds:7.3f} s  peak {max(peaks) / 2**30:6.3f} GiB  "
            f"to {last}: wall {ratios[0]:.2f}  processor {ratios[1]:.2f}  memory 1/{max(most) / max(peaks):.1f}"
        )
    for process in processes.values():
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
