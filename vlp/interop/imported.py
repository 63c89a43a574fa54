"""A model of another project as a model of ours: which family it is of, its settings, weights, tokenizer, pixels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
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
from vlp.interop import big_vision, fields, huggingface, open_clip
from vlp.interop.files import read_weights
from vlp.interop.images import preprocessing_of
from vlp.interop.mapping import Entry, Tensors, flattened, nested, read
from vlp.interop.reading import Reading, check_sizes, check_tokenizer
from vlp.interop.resample import resampled
from vlp.interop.text import tokenizer_of
from vlp.interop.tokenizer_files import read_json
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder

LARGEST_LOG_SCALE = 13  # of the logit scale: beyond, a softmax of cosines is a maximum


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


def import_model(source: Path, interop: Mapping[str, Any]) -> Imported:
    """Reads a model from its folder or file.

    Args:
      source: a folder of Hugging Face's or OpenCLIP's, an OpenAI archive as safetensors, or big_vision's .npz.
      interop: `interop` of the config: a resolution or patch size to resample to, and whether to unpickle.

    Raises:
      ValueError: whatever of it is not supported or does not fit, by name; nothing is half read.
    """
    if not source.exists():
        raise UserError(f"there is nothing at {source}")
    folder = source if source.is_dir() else source.parent
    family = family_of(source)
    tensors = read_weights(source, unpickle=interop["unpickle"])
    differences, reading, tensors, unused = _settings(family, folder, tensors)
    model = _model_config(differences)
    leaves = read(_entries(family, model, tensors), tensors, unused)
    check_sizes(reading, leaves)
    leaves, image = resampled(
        leaves, model.image.to_dict(), interop["resolution"], interop["patch_size"], family
    )
    model.image.update(image)
    length = len(leaves["text/position/embedding"])
    tokenizer = tokenizer_of(folder, family, length=length)
    check_tokenizer(reading, tokenizer, leaves)
    _set_limit(model, float(leaves["logit_scale"]))
    preprocessing = _preprocessing(folder, family, model, interop["resolution"])
    config = _config(source, model, tokenizer, preprocessing)
    variables = _variables(model, tokenizer, leaves)
    return Imported(family, config, variables, preprocessing, tokenizer, _notes(folder, family))


def _notes(folder: Path, family: str) -> tuple[str, ...]:
    """Whether transformers would hide the padding of texts from a SigLIP, which was trained to read it."""
    if not family.startswith("huggingface_siglip"):
        return ()
    names = read_json(folder / "tokenizer_config.json", {}).get("model_input_names")
    if names == ["input_ids"]:
        return ()
    return (
        "tokenizer_config.json does not say model_input_names=['input_ids'], without which transformers hides the "
        "padding of texts by an attention mask: SigLIP was trained to read it, and here it is read",
    )


def family_of(source: Path) -> str:
    """Finds out which project's files these are, by the names of files and what config.json says.

    Raises:
      ValueError: none that is known.
    """
    folder = source if source.is_dir() else source.parent
    if source.suffix == ".npz" or (source.is_dir() and list(source.glob("*.npz"))):
        return "big_vision"
    if (folder / "open_clip_config.json").is_file():
        return "open_clip"
    if not (folder / "config.json").is_file():
        return "openai"
    config = read_json(folder / "config.json")
    if config.get("model_type") != "siglip":
        return "huggingface_clip"
    name = str(read_json(folder / "tokenizer_config.json", {}).get("tokenizer_class", ""))
    return "huggingface_siglip2" if name.startswith(("Gemma", "Siglip2")) else "huggingface_siglip"


def _settings(
    family: str, folder: Path, tensors: Tensors
) -> tuple[dict[str, Any], Reading, Tensors, tuple[str, ...]]:
    """Our settings, how texts are read, the tensors under the names of the table, and names that may be left over."""
    if family.startswith("huggingface"):
        config = read_json(folder / "config.json")
        return huggingface.settings(config), huggingface.reading_of(config), tensors, huggingface.UNUSED
    if family == "big_vision":
        tensors = big_vision.unstacked(tensors)
        return big_vision.settings(tensors), Reading(), tensors, ()
    if family == "openai":
        config = open_clip.openai_config(tensors)
    else:
        config = fields.part(read_json(folder / open_clip.CONFIG), "model_cfg", open_clip.WHERE)
    tracked = tuple(name for name in tensors if name.endswith(".num_batches_tracked"))
    unused = (*open_clip.UNUSED, *tracked)
    return open_clip.settings(config, tensors), open_clip.reading_of(config), tensors, unused


def _entries(family: str, model: Any, tensors: Tensors) -> list[Entry]:
    if family.startswith("huggingface"):
        return huggingface.entries(model)
    if family == "big_vision":
        return big_vision.entries(model)
    own = "text." if "text.token_embedding.weight" in tensors else ""
    return open_clip.entries(model, text_prefix=own, trunk="visual.trunk.pos_embed" in tensors)


def _model_config(differences: Mapping[str, Any]) -> ConfigDict:
    """Our `model` section: the defaults, and what the family's settings say instead."""
    defaults = ConfigDict(completed({})["model"])
    defaults.update(differences)
    return defaults


def _set_limit(model: ConfigDict, log_scale: float) -> None:
    """Keeps the model's own logit scale from being cut: a step clamps it to `logit_scale.max`, learned or not.

    A model whose scale lies above CLIP's limit was trained without one (SigLIP's So400m: 112); its limit here is the
    next power of ten, far from what it learns.

    Raises:
      ValueError: e to that power is no scale of cosines.
    """
    if not -LARGEST_LOG_SCALE <= log_scale <= LARGEST_LOG_SCALE:
        raise UserError(
            f"logit_scale={log_scale:g} is the logarithm of no scale that cosines are multiplied by: it lies outside "
            f"-{LARGEST_LOG_SCALE} to {LARGEST_LOG_SCALE}"
        )
    if log_scale > np.float32(math.log(model.logit_scale.max)):
        model.logit_scale.max = 10.0 ** math.ceil(log_scale / math.log(10))


def _preprocessing(folder: Path, family: str, model: Any, asked: int) -> dict[str, Any]:
    """How images become pixels, at the model's resolution.

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


def _config(source: Path, model: ConfigDict, tokenizer: Tokenizer, preprocessing: Mapping[str, Any]) -> dict:
    """A whole config around the model: what there is no training recipe for stays at its default, off."""
    config = completed({})
    spec = tokenizer.spec
    config["name"] = source.stem if source.is_file() else source.resolve().name
    config["model"] = model.to_dict()
    config["tokenizer"].update({key: spec[key] for key in config["tokenizer"] if key in spec})
    config["tokenizer"]["vocabulary_size"] = 0
    known = config["data"]["image"]
    known.update({key: preprocessing[key] for key in ("resize", "mean", "std")})
    known.update({key: value for key, value in preprocessing.items() if key in known})
    contrastive = config["objectives"]["contrastive"]
    contrastive["weight"] = 1.0
    if model.logit_bias.learn:
        contrastive["kernel"] = "sigmoid"
    validate(ConfigDict(config), needs=())
    return config


def _variables(model: Any, tokenizer: Tokenizer, leaves: Tensors) -> dict[str, Any]:
    """The weights in the containers of a checkpoint, checked against the architecture one by one.

    Raises:
      ValueError: a tensor of another shape than the config says, one too many or one too few.
    """
    rows = tokenizer.vocabulary_size
    abstract = nnx.eval_shape(
        lambda: DualEncoder(
            model, vocabulary_size=rows, length=tokenizer.length, compute=Compute(), rngs=nnx.Rngs(0)
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
