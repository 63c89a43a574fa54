"""A model of another project as a model of ours: which family it is of, its settings, weights, tokenizer, pixels."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from vlp.interop import big_vision, efficientnet, fields, huggingface, open_clip, openai, towers
from vlp.interop.assembled import Imported, config_around, model_config, preprocessing, variables_of
from vlp.interop.files import read_weights
from vlp.interop.mapping import Entry, Tensors, read
from vlp.interop.reading import Reading, check_sizes, check_tokenizer
from vlp.interop.resample import resampled
from vlp.interop.text import tokenizer_of
from vlp.interop.tokenizer_files import read_json

LARGEST_LOG_SCALE = 13  # of the logit scale: beyond, a softmax of cosines is a maximum


def import_model(source: Path, interop: Mapping[str, Any]) -> Imported:
    """Reads a model from its folder or file.

    Args:
      source: a folder of Hugging Face's or OpenCLIP's, an OpenAI archive as safetensors, big_vision's .npz, or what
        `vlp.interop.towers` reads: a tower by itself.
      interop: `interop` of the config: a resolution or patch size to resample to, and whether to unpickle.

    Raises:
      ValueError: whatever of it is not supported or does not fit, by name; nothing is half read.
    """
    if not source.exists():
        raise UserError(f"there is nothing at {source}")
    folder = source if source.is_dir() else source.parent
    family = family_of(source)
    tensors = read_weights(source, unpickle=interop["unpickle"])
    if family == "openai" and efficientnet.is_one(tensors):
        family = "efficientnet"
    if family in towers.FAMILIES:
        return towers.import_tower(source, family, tensors, interop)
    theirs = _theirs(family, folder, tensors)
    model = model_config(theirs.settings)
    leaves = read(theirs.entries(model), theirs.tensors, theirs.unused)
    check_sizes(theirs.reading, leaves)
    leaves, image = resampled(
        leaves, model.image.to_dict(), interop["resolution"], interop["patch_size"], family
    )
    model.image.update(image)
    length = len(leaves["text/position/embedding"])
    tokenizer = tokenizer_of(folder, family, length=length)
    leaves = check_tokenizer(theirs.reading, tokenizer, leaves)
    _set_limit(model, float(leaves["logit_scale"]))
    pixels = preprocessing(folder, family, model, interop["resolution"])
    model.image.patches = pixels.get("patches", 0)
    config = config_around(source, model, tokenizer, pixels)
    variables = variables_of(model, tokenizer, leaves)
    return Imported(family, config, variables, pixels, tokenizer, _notes(folder, family))


def _notes(folder: Path, family: str) -> tuple[str, ...]:
    """Whether transformers would hide the padding of texts from a SigLIP, which was trained to read it."""
    if not family.startswith(("huggingface_siglip", "huggingface_naflex")):
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
    if "architecture" in config and "model_type" not in config:
        return "timm"
    if alone := towers.MODEL_TYPES.get(str(config.get("model_type"))):
        return alone
    if config.get("model_type") == "siglip2":
        return "huggingface_naflex"
    if config.get("model_type") != "siglip":
        return "huggingface_clip"
    name = str(read_json(folder / "tokenizer_config.json", {}).get("tokenizer_class", ""))
    return "huggingface_siglip2" if name.startswith(("Gemma", "Siglip2")) else "huggingface_siglip"


class _Theirs(NamedTuple):
    """What another project's files say of a model.

    Attributes:
      settings: ours.
      reading: how texts are read.
      tensors: under the names of the table.
      entries: the table, of our whole `model` section.
      unused: names that may be left over.
    """

    settings: dict[str, Any]
    reading: Reading
    tensors: Tensors
    entries: Callable[[Any], list[Entry]]
    unused: tuple[str, ...] = ()


def _theirs(family: str, folder: Path, tensors: Tensors) -> _Theirs:
    if family.startswith("huggingface"):
        config = read_json(folder / "config.json")
        model = huggingface.settings(config, towers.MODEL_TYPES)
        reading = huggingface.reading_of(config)
        return _Theirs(model, reading, tensors, huggingface.entries, huggingface.UNUSED)
    if family == "big_vision":
        tensors = big_vision.unstacked(tensors)
        return _Theirs(big_vision.settings(tensors), Reading(), tensors, big_vision.entries)
    if family == "openai":
        config = openai.config_of(tensors)
    else:
        config = fields.part(read_json(folder / open_clip.CONFIG), "model_cfg", open_clip.WHERE)
    tracked = tuple(name for name in tensors if name.endswith(".num_batches_tracked"))
    table = functools.partial(open_clip.entries, config, tensors=tensors)
    settings, reading = open_clip.settings(config, tensors), open_clip.reading_of(config)
    return _Theirs(settings, reading, tensors, table, (*open_clip.UNUSED, *tracked))


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
