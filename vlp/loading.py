"""From a checkpoint to a model: `vlp.load`."""

from __future__ import annotations

import functools
from pathlib import Path

import jax
from flax import nnx
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from input_pipeline.tokenizers import tokenizer_from_bytes
from vlp.checkpoint import check_shapes, find_checkpoint, load_model_arrays, read_description
from vlp.configuration import completed, stage_config
from vlp.model import Model
from vlp.models.compute import cast, in_precision, resolve_compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.families import TOWERS
from vlp.models.variables import merged
from vlp.parallel.sharding import replicated
from vlp.parts import saved_parts


def load(
    path: str | Path,
    *,
    step: int | None = None,
    batch_size: int = 256,
    mesh: Mesh | None = None,
    dtype: str = "",
) -> Model:
    """Loads a checkpoint, a folder of checkpoints or a run's workdir; needs nothing else.

    The running mean of the weights is taken where the run kept one.

    Args:
      path: a workdir, its `checkpoints`, or one step's folder, or the address of one; ~ is the home folder.
      step: which step of a run; None takes the newest intact one.
      batch_size: rows encoded at once.
      mesh: devices to spread each batch over, which all get the weights; None takes the default device.
      dtype: of weights and sums, as a frozen model's; '' = float32, and sums as the model was trained.

    Raises:
      ValueError: there is no intact checkpoint at the path, or its arrays are not those of its config.
    """
    folder = find_checkpoint(path, step)
    description = read_description(folder)
    config = stage_config(FrozenConfigDict(completed(description.config)), description.progress["step"])
    tokenizer = tokenizer_from_bytes(description.tokenizer, description.tokenizer_spec)
    arrays = load_model_arrays(folder)
    abstract = nnx.eval_shape(
        lambda: DualEncoder(
            config.model,
            vocabulary_size=tokenizer.vocabulary_size,
            length=tokenizer.length,
            compute=resolve_compute(in_precision(config.model, dtype)),
            rngs=nnx.Rngs(0),
            towers=[tower for tower in TOWERS if tower in arrays["params"]["model"]],
        )
    )
    variables = merged(arrays.get("ema", arrays["params"])["model"], arrays.get("rest", {}).get("model", {}))
    check_shapes(folder, variables, nnx.to_pure_dict(nnx.state(abstract)))
    variables = cast(variables, dtype)
    return Model(
        nnx.graphdef(abstract),
        jax.device_put(variables) if mesh is None else jax.device_put(variables, replicated(mesh)),
        config=config,
        preprocessing=dict(description.preprocessing),
        tokenizer=tokenizer,
        batch_size=batch_size,
        mesh=mesh,
        parts=functools.partial(saved_parts, folder, config, tokenizer.vocabulary_size),
    )
