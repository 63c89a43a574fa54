"""One row of gpu.py's table: a training step built, compiled, run and measured in the process that asks for it."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Times
from benchmarks.peers.open_clip_step import Absent, make_update, require_open_clip

MODELS = {"b32": "model=vit_b32", "b16": "model=vit_b16", "l14": "model=vit_l14", "tiny": "runlocal"}
CONTESTANTS = ("vlp", "open_clip")
FMHA = "__cudnn$fmha"  # how XLA calls cuDNN's attention


@dataclasses.dataclass(frozen=True)
class Row:
    """What is measured.

    Attributes:
      model: a key of MODELS.
      batch: pairs.
      contestant: one of CONTESTANTS.
      attention: as `model.attention`; open_clip takes what PyTorch chooses.
      chunk: as `objectives.contrastive.chunk`; 0 = the dense loss.
      remat: as `model.remat`; open_clip has 'none' and 'full'.
      xla_flags: of this row's process, beside those already set.
    """

    model: str
    batch: int
    contestant: str = "vlp"
    attention: str = "auto"
    chunk: int = 0
    remat: str = "none"
    xla_flags: str = ""


def measure(row: Row, seconds: float) -> dict[str, Any]:
    """Builds a row's step and runs it for about so long, in five stretches.

    Returns:
      compile_seconds, step_seconds (median of the stretches), best_step_seconds, pairs_per_second, parameters,
      memory_bytes (the most at a time, by the device, or by the compiler where the device does not say), attention.

    Raises:
      Absent: the peer is not there.
    """
    build = build_open_clip if row.contestant == "open_clip" else build_ours
    first, two, stretches = Times[Any](), Times[None](), Times[None]()

    def start() -> Any:
        steps, facts = build(row)
        steps(1)
        return steps, facts

    first.run(start)
    steps, facts = first.result
    steps(1)
    two.run(lambda: steps(2))
    count = max(1, round(seconds / 5 / (two.seconds / 2)))
    for _ in range(5):
        stretches.run(lambda: steps(count))
    step = stretches.seconds / count
    return {
        "compile_seconds": first.seconds,
        "step_seconds": step,
        "best_step_seconds": min(stretches.wall) / count,
        "pairs_per_second": row.batch / step,
        **facts(),
    }


def vocabulary(row: Row) -> int:
    """CLIP's, or that of toys."""
    return 1024 if row.model == "tiny" else 49_408


def config_of(row: Row) -> Any:
    """The config that main.py would train with."""
    from configs import clip

    config = clip.get_config(MODELS[row.model])
    config.batch_size = row.batch
    config.model.update(attention=row.attention, remat=row.remat)
    if row.model != "tiny":
        config.model.dtype = "bfloat16"
    config.objectives.contrastive.chunk = row.chunk
    return config


def build_ours(row: Row) -> tuple[Callable[[int], None], Callable[[], dict[str, Any]]]:
    """The very step that main.py trains with, on data that lies on the device."""
    import jax

    from vlp.parallel.mesh import make_mesh
    from vlp.planning.compile import abstract_batch
    from vlp.training.build import build_training

    config, mesh = config_of(row), make_mesh({"data": 1, "fsdp": 1, "model": 1}, jax.devices()[:1])
    jax.set_mesh(mesh)
    training = build_training(config, vocabulary_size=vocabulary(row), mesh=mesh)
    batch = jax.tree.map(noise, abstract_batch(config, training.fields, mesh, {}))
    state = training.initial_state()
    step = training.train_step.lower(state, batch).compile()
    needed = step.memory_analysis()
    attention = "cudnn" if FMHA in step.as_text() else "xla"

    def steps(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))

    def facts() -> dict[str, Any]:
        known = jax.devices()[0].memory_stats() or {}
        return {
            "memory_bytes": known.get(
                "peak_bytes_in_use", needed.argument_size_in_bytes + needed.temp_size_in_bytes
            ),
            "attention": attention,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        }

    return steps, facts


def noise(field: Any) -> Any:
    """Pixels of all values, words of many ids, captions that fill their places, states of labels, and boxes."""
    import jax
    import numpy as np

    random = np.random.default_rng(0)
    if field.dtype.kind == "f":
        return jax.device_put(random.random(field.shape).astype(field.dtype), field.sharding)
    low, high = {"uint8": (0, 256), "int32": (0, 1000), "bool": (1, 2), "int8": (-1, 2)}[str(field.dtype)]
    return jax.device_put(random.integers(low, high, field.shape, dtype=field.dtype), field.sharding)


def build_open_clip(row: Row) -> tuple[Callable[[int], None], Callable[[], dict[str, Any]]]:
    """open_clip at the same sizes, as its main script runs with `--precision amp_bf16 --torchcompile`, and
    `--grad-checkpointing` for remat.
    """
    require_open_clip()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and row.model != "tiny":
        raise Absent("this PyTorch sees no GPU: install one that is built for CUDA")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = True
    module = open_clip_model(row).to(device).train()
    if row.remat == "full":
        module.set_grad_checkpointing()
    model = torch.compile(module) if device == "cuda" else module
    images, tokens = (one.to(device) for one in open_clip_batch(row))
    update = make_update(model, images, tokens, learning_rate=5e-4, weight_decay=0.2, autocast=device)

    def steps(count: int) -> None:
        for _ in range(count):
            update()
        if device == "cuda":
            torch.cuda.synchronize()

    def facts() -> dict[str, Any]:
        peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
        parameters = sum(p.numel() for p in module.parameters())
        return {"memory_bytes": peak, "attention": "torch", "parameters": parameters}

    return steps, facts


def open_clip_model(row: Row) -> Any:
    """open_clip's CLIP with the sizes of our config."""
    from open_clip.model import CLIP

    from vlp.models.sizes import tower_size

    config = config_of(row)
    image, text = config.model.image, config.model.text
    vision, words = tower_size(image), tower_size(text)
    return CLIP(
        config.model.embed_dim,
        {
            "image_size": image.resolution,
            "patch_size": image.patch_size,
            "layers": vision.depth,
            "width": vision.width,
            "head_width": vision.width // vision.heads,
            "mlp_ratio": vision.mlp_dim / vision.width,
        },
        {
            "context_length": config.tokenizer.length,
            "vocab_size": vocabulary(row),
            "layers": words.depth,
            "width": words.width,
            "heads": words.heads,
            "mlp_ratio": words.mlp_dim / words.width,
        },
    )


def open_clip_batch(row: Row) -> tuple[Any, Any]:
    """Normalised pixels, and captions that fill their places."""
    import numpy as np
    import torch

    config, random = config_of(row), np.random.default_rng(0)
    side, length = config.model.image.resolution, config.tokenizer.length
    tokens = torch.from_numpy(random.integers(1, 1000, (row.batch, length)))
    tokens[:, -1] = vocabulary(row) - 1  # ends the caption
    return torch.from_numpy(random.standard_normal((row.batch, 3, side, side), np.float32)), tokens


def machine(seconds: float) -> dict[str, Any]:
    """The card, its driver, what is installed, and the FLOP/s of its best bfloat16 matmul (float32's on a CPU)."""
    import jax
    from jax.extend.backend import get_backend

    from vlp.training.throughput import measured_matmul_peak

    device = jax.devices()[0]
    dtype = "bfloat16" if device.platform == "gpu" else "float32"
    return {
        "card": device.device_kind,
        "platform": device.platform,
        "driver": driver(),
        "jax": jax.__version__,
        "platform_version": " ".join(get_backend().platform_version.split()),
        "peak_dtype": dtype,
        "peak_flops": measured_matmul_peak(dtype, seconds) / jax.device_count(),
    }


def driver() -> str:
    """What nvidia-smi says: card, driver, power limit; '' where there is none."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,power.limit", "--format=csv,noheader"]
    try:
        return (
            subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
        )
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def model_flops(row: Row) -> float:
    """Matmul FLOPs of one step, as MFU counts them: the same for both contestants, and without what remat adds."""
    from vlp.training.model_flops import forward_flops
    from vlp.training.throughput import train_step_flops

    return train_step_flops(forward_flops(config_of(row)), row.batch)
