"""A checkpoint for tests that need any."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from configs import quickstart
from input_pipeline.tokenizers import load_tokenizer
from vlp.checkpoint import Checkpointer, Description
from vlp.configuration import to_dict
from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer
from vlp.training.state import split


def saved_model(directory: Path, prefix_tokens: tuple[str, ...] = (), seed: int = 0) -> Path:
    """The workdir of an untrained quickstart model."""
    config = quickstart.get_config("runlocal")
    config.model.image.depth = config.model.text.depth = 1
    config.tokenizer.prefix_tokens, config.seed = prefix_tokens, seed
    tokenizer = load_tokenizer(config.tokenizer)
    build: Callable[[], object] = lambda: split(  # noqa: E731
        Pretrainer(config, vocabulary_size=tokenizer.vocabulary_size, compute=Compute(unroll=True))
    )[1]
    spec = {"resolution": 64, "resize": "pad", "mean": [0.5] * 3, "std": [0.5] * 3}
    checkpointer = Checkpointer(directory / "checkpoints")
    description = Description(to_dict(config), spec, tokenizer.spec, tokenizer.to_bytes(), {"step": 1})
    checkpointer.save(1, {"params": jax.jit(build)()}, {"step": np.int32(1)}, description)
    checkpointer.close()
    return directory
