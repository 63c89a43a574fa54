"""One training step of each codebase, at equal architecture, batch and optimiser: what train_step.py times.

Every builder returns a function that makes one update and waits for its end. None of them has a data pipeline.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.open_clip_step import Absent, make_update, require_open_clip, stub

WIDTH, HEADS, IMAGE_DEPTH, TEXT_DEPTH = 192, 3, 12, 6
RESOLUTION, PATCH_SIZE, LENGTH, VOCABULARY = 64, 8, 32, 8192
LEARNING_RATE, WEIGHT_DECAY, CLIP_NORM = 1e-3, 0.1, 1.0
STEPS = 10_000  # of the schedule

Step = Callable[[], None]


def step_flops(batch_size: int) -> float:
    """Matmul FLOPs of one update of the contested architecture."""
    from vlp.training.model_flops import forward_flops
    from vlp.training.throughput import train_step_flops

    return train_step_flops(forward_flops(our_config("float32")), batch_size)


def matmul_peak() -> float:
    """FLOP/s of the machine's best float32 matmul."""
    from vlp.training.throughput import measured_matmul_peak

    return measured_matmul_peak("float32")


def random_batch(batch_size: int) -> dict[str, np.ndarray]:
    """Noise of the right shapes; the largest id ends every caption, as CLIP's end-of-text token does."""
    random = np.random.default_rng(0)
    text = random.integers(1, VOCABULARY - 1, (batch_size, LENGTH), dtype=np.int32)
    text[:, -1] = VOCABULARY - 1
    return {
        "image": random.integers(0, 256, (batch_size, RESOLUTION, RESOLUTION, 3), dtype=np.uint8),
        "text": text,
        "text_mask": np.ones_like(text, dtype=bool),
    }


def our_config(dtype: str) -> Any:
    """The contested architecture in our terms."""
    from configs import base

    config = base.get_config()
    tower = {"size": "", "width": WIDTH, "heads": HEADS, "mlp_dim": 4 * WIDTH}
    config.steps, config.tokenizer.length = STEPS, LENGTH
    config.model.update(embed_dim=WIDTH, dtype=dtype)
    config.model.image.update(
        tower, depth=IMAGE_DEPTH, patch_size=PATCH_SIZE, resolution=RESOLUTION, pool="class"
    )
    config.model.text.update(tower, depth=TEXT_DEPTH)
    config.objectives.contrastive.weight = 1.0
    config.optimizer.update(learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, clip_norm=CLIP_NORM)
    return config


def build_ours(batch_size: int, dtype: str) -> Step:
    """The step that main.py trains with, started as it starts it."""
    import jax
    from ml_collections import ConfigDict

    from vlp.parallel.mesh import make_mesh
    from vlp.parallel.sharding import global_batch
    from vlp.training.build import build_training

    mesh = make_mesh(ConfigDict({"data": 1, "fsdp": 1, "model": 1}))
    jax.set_mesh(mesh)
    training = build_training(our_config(dtype), vocabulary_size=VOCABULARY, mesh=mesh)
    batch = global_batch(random_batch(batch_size), mesh)
    state = training.initial_state()

    def step() -> None:
        nonlocal state
        state, metrics = training.train_step(state, batch)
        jax.block_until_ready((state, metrics))

    return step


# The optimiser in big_vision's words.
BIG_VISION = {
    "optax_name": "scale_by_adam",
    "optax": {"b1": 0.9, "b2": 0.98},
    "lr": LEARNING_RATE,
    "wd": WEIGHT_DECAY,
    "grad_clip_norm": CLIP_NORM,
    "schedule": {"decay_type": "cosine", "warmup_steps": 500},
}


def build_big_vision(batch_size: int, checkout: str) -> Step:
    """big_vision's two-tower model and optimiser, with CLIP's loss in an update that reports the norms its own does.

    Its text tower is not causal, and its tower heads start at zero by default, whose norm has no gradient: off here.
    """
    if not (Path(checkout) / "big_vision" / "models").is_dir():
        raise Absent("no checkout of google-research/big_vision: give --big_vision=DIR")
    sys.path.insert(0, checkout)
    stub("tensorflow", "tensorflow.io", "tensorflow.io.gfile")
    import jax
    import jax.numpy as jnp
    import ml_collections
    import optax
    from big_vision import optax as big_vision_optax
    from big_vision.models.proj.image_text import two_towers

    tower = {"width": WIDTH, "num_heads": HEADS, "mlp_dim": 4 * WIDTH}
    image_tower = {**tower, "depth": IMAGE_DEPTH, "patch_size": (PATCH_SIZE, PATCH_SIZE)}
    model = two_towers.Model(
        image={**image_tower, "pool_type": "tok", "head_zeroinit": False},
        text={**tower, "depth": TEXT_DEPTH, "vocab_size": VOCABULARY},
        out_dim=(WIDTH, WIDTH),
        temperature_init=1 / 0.07,
    )
    batch = random_batch(batch_size)
    images, text = jnp.asarray(batch["image"] / 127.5 - 1.0, jnp.float32), jnp.asarray(batch["text"])
    params = jax.jit(model.init)(jax.random.key(0), images[:2], text[:2])["params"]
    recipe = ml_collections.ConfigDict(BIG_VISION)
    totals = {"total_steps": STEPS, "batch_size": batch_size, "data_size": STEPS * batch_size}
    optimizer, _ = big_vision_optax.make(recipe, params, sched_kw=totals)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(params, state):
        def loss_fn(params):
            image_rows, text_rows, extra = model.apply({"params": params}, images, text, train=True)
            logits = image_rows @ text_rows.T * extra["t"]
            pairs = jnp.arange(batch_size)
            both = [optax.softmax_cross_entropy_with_integer_labels(m, pairs) for m in (logits, logits.T)]
            return (both[0].mean() + both[1].mean()) / 2

        loss, gradients = jax.value_and_grad(loss_fn)(params)
        updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        return params, state, [loss, *map(optax.global_norm, (gradients, params, updates))]

    state = jax.jit(optimizer.init)(params)

    def step() -> None:
        nonlocal params, state
        params, state, metrics = update(params, state)
        jax.block_until_ready((params, state, metrics))

    return step


def build_open_clip(batch_size: int, threads: int) -> Step:
    """open_clip's model, loss and optimiser settings, run eagerly as its main script does by default."""
    require_open_clip()
    import torch
    from open_clip.model import CLIP

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    vision = {"image_size": RESOLUTION, "layers": IMAGE_DEPTH, "patch_size": PATCH_SIZE}
    text = {"context_length": LENGTH, "vocab_size": VOCABULARY, "heads": HEADS, "layers": TEXT_DEPTH}
    model = CLIP(
        WIDTH, {**vision, "width": WIDTH, "head_width": WIDTH // HEADS}, {**text, "width": WIDTH}
    ).train()
    batch = random_batch(batch_size)
    images = torch.from_numpy(batch["image"].transpose(0, 3, 1, 2) / 127.5 - 1.0).float().contiguous()
    tokens = torch.from_numpy(batch["text"].astype(np.int64))

    return make_update(
        model, images, tokens, learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, clip_norm=CLIP_NORM
    )


def build(name: str, batch_size: int, *, big_vision: str, threads: int) -> Step:
    """Builds a step by its name in the table.

    Raises:
      Absent: the peer is not there.
    """
    builders: dict[str, Callable[[], Step]] = {
        "vlp": lambda: build_ours(batch_size, "float32"),
        "vlp bfloat16": lambda: build_ours(batch_size, "bfloat16"),
        "big_vision": lambda: build_big_vision(batch_size, big_vision),
        "open_clip": lambda: build_open_clip(batch_size, threads),
    }
    return builders[name]()


NAMES = ("vlp", "vlp bfloat16", "big_vision", "open_clip")
