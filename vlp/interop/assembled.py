"""What a checkpoint is made of, of another project's weights as ours: config, arrays, tokenizer and pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.image import EvaluationView
from vlp.configuration import completed, validate
from vlp.interop.images import preprocessing_of
from vlp.interop.mapping import Tensors, flattened, nested
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.families import TOWERS


@dataclasses.dataclass(frozen=True)
class Imported:
    """Holds what a checkpoint is made of.

    Attributes:
      family: which project it is of.
      config: resolved and complete.
      variables: {"params": ..., "rest": ...} of a DualEncoder as nested dicts.
      preprocessing: how images become pixels.
      tokenizer: of the text tower.
      notes: what the other project does otherwise with such a folder: sentences for the user.
    """

    family: str
    config: dict[str, Any]
    variables: dict[str, Any]
    preprocessing: dict[str, Any]
    tokenizer: Tokenizer
    notes: tuple[str, ...] = ()


def model_config(differences: Mapping[str, Any]) -> ConfigDict:
    """Returns our `model` section: the defaults, and what the family's settings say instead."""
    defaults = ConfigDict(completed({})["model"])
    defaults.update(differences)
    return defaults


def preprocessing(folder: Path, family: str, model: Any, asked: int) -> dict[str, Any]:
    """Returns how images become pixels, at the model's resolution.

    Raises:
      ValueError: the files' own resolution is not the model's, and nobody asked for another.
    """
    side = model.image.resolution
    spec = preprocessing_of(folder, family, resolution=side)
    if asked:
        spec = {**spec, "resolution": side}
        spec.pop("shorter_side", None)
    EvaluationView(spec)  # it refuses what it cannot do
    if spec["resolution"] != side:
        raise UserError(
            f"the preprocessor makes images of {spec['resolution']} pixels, but the model has positions for {side}: "
            f"say which with --config.interop.resolution={spec['resolution']} or ={side}"
        )
    return spec


def config_around(source: Path, model: ConfigDict, tokenizer: Tokenizer, pixels: Mapping[str, Any]) -> dict:
    """Returns a whole config around the model: what there is no training recipe for stays at its default, off."""
    config = completed({})
    spec = tokenizer.spec
    config["name"] = source.stem if source.is_file() else source.resolve().name
    config["model"] = model.to_dict()
    config["tokenizer"].update({key: spec[key] for key in config["tokenizer"] if key in spec})
    config["tokenizer"]["vocabulary_size"] = 0
    known = config["data"]["image"]
    known.update({key: pixels[key] for key in ("resize", "mean", "std")})
    known.update({key: value for key, value in pixels.items() if key in known})
    contrastive = config["objectives"]["contrastive"]
    contrastive["weight"] = 1.0
    if model.logit_bias.learn:
        contrastive["kernel"] = "sigmoid"
    validate(ConfigDict(config), needs=())
    return config


def variables_of(
    model: Any, tokenizer: Tokenizer, leaves: Tensors, towers: Collection[str] = TOWERS
) -> dict[str, Any]:
    """Returns the weights in the containers of a checkpoint, checked against the architecture one by one.

    Raises:
      ValueError: a tensor of another shape than the config says, one too many or one too few.
    """
    rows = tokenizer.vocabulary_size
    abstract = nnx.eval_shape(
        lambda: DualEncoder(
            model,
            vocabulary_size=rows,
            length=tokenizer.length,
            compute=Compute(),
            rngs=nnx.Rngs(0),
            towers=towers,
        )
    )
    _, *states = nnx.split(abstract, nnx.Param, ...)
    wanted = [flattened(nnx.to_pure_dict(state)) for state in states]
    _check({**wanted[0], **wanted[1]}, leaves)
    parts = [nested({path: np.array(leaves[path], order="C") for path in part}) for part in wanted]
    return {name: {"model": part} for name, part in zip(("params", "rest"), parts, strict=True) if part}


def _check(wanted: Mapping[str, jax.ShapeDtypeStruct], leaves: Tensors) -> None:
    problems = [f"{path} is not there" for path in sorted(wanted.keys() - leaves.keys())]
    problems += [f"{path} is left over" for path in sorted(leaves.keys() - wanted.keys())]
    problems += [
        f"{path} has shape {list(leaves[path].shape)} instead of {list(wanted[path].shape)}"
        for path in sorted(wanted.keys() & leaves.keys())
        if tuple(wanted[path].shape) != leaves[path].shape
    ]
    if problems:
        raise UserError(f"the weights do not fit their config: {'; '.join(problems[:8])}")
