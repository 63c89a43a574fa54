"""A model of our own that nobody has trained, as a checkpoint: for fuzzers and for tests of what is written of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict


def saved(
    folder: Path,
    configure: Callable[[ConfigDict], Any],
    noise: float = 0.0,
    towers: Sequence[str] = ("image", "text"),
) -> Path:
    """Writes the towers of a small quickstart as the checkpoint of step 0, and returns `folder`.

    Args:
      folder: the workdir.
      configure: changes the config before anything is built.
      noise: what all weights are moved by, so that none has a special first value.
      towers: those that it has.
    """
    import jax
    from flax import nnx
    from ml_collections import FrozenConfigDict

    from configs import quickstart
    from input_pipeline.tokenizers import load_tokenizer
    from vlp.checkpoint import Checkpointer, Description
    from vlp.configuration import resolve, to_dict
    from vlp.models.compute import Compute
    from vlp.models.dual_encoder import DualEncoder
    from vlp.runs.data import preprocessing_spec

    config = quickstart.get_config("runlocal")
    configure(config)
    config = resolve(config)
    tokenizer = load_tokenizer(config.tokenizer)
    model = DualEncoder(
        FrozenConfigDict(config).model,
        vocabulary_size=tokenizer.vocabulary_size,
        length=tokenizer.length,
        compute=Compute(),
        rngs=nnx.Rngs(0),
        towers=list(towers),
    )
    dice = np.random.default_rng(0)
    params = jax.tree.map(
        lambda x: np.asarray(x + noise * dice.normal(size=x.shape).astype(np.float32)),
        nnx.to_pure_dict(nnx.state(model, nnx.Param)),
    )
    description = Description(
        to_dict(config), preprocessing_spec(config), tokenizer.spec, tokenizer.to_bytes(), {"step": 0}
    )
    checkpointer = Checkpointer(folder / "checkpoints")
    checkpointer.save(0, {"params": {"model": params}}, {}, description)
    checkpointer.close()
    return folder
