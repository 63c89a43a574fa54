"""From a checkpoint to a model: `vlp.load`."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import tokenizer_from_bytes
from vlp.checkpoint import Description, check_shapes, find_checkpoint, load_model_arrays, read_description
from vlp.checkpoint.names import DESCRIPTION
from vlp.configuration import ConfigError, check_model, completed, stage_config
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
      ValueError: there is no intact checkpoint at the path, its description says what cannot be, or its arrays are not
        those of its config.
    """
    folder = find_checkpoint(path, step)
    description = read_description(folder)
    config = _checked_config(folder, description)
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


def _checked_config(folder: Path, description: Description) -> FrozenConfigDict:
    """The config of the stage that a checkpoint is of; what another hand has written into it is refused by name."""
    try:
        whole = FrozenConfigDict(completed(description.config))
        config: FrozenConfigDict = stage_config(whole, description.progress["step"])
        check_model(config)
        _check_preprocessing(description.preprocessing)
    except ConfigError as error:
        raise UserError(f"{folder / DESCRIPTION}: {error}") from error
    return config


def _check_preprocessing(settings: Mapping[str, Any]) -> None:
    resolution = settings.get("resolution")
    if type(resolution) is not int or resolution < 1:
        raise ConfigError(f"preprocessing.resolution={resolution!r} is no side of an image, a number from 1")
    for name in ("mean", "std"):
        values: Any = settings.get(name)
        numbers = isinstance(values, list | tuple) and all(type(one) in (int, float) for one in values)
        if not numbers or len(values) != 3 or not all(map(math.isfinite, values)):
            raise ConfigError(f"preprocessing.{name}={values!r} are no three numbers, of red, green and blue")
        if name == "std" and min(values) <= 0:
            raise ConfigError(
                f"preprocessing.std={values!r}: pixels are divided by it, so it has to be above 0"
            )
