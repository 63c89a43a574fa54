"""A tower of another project by itself, image or text, as a model of ours that has no other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer, load_tokenizer
from vlp.configuration import completed
from vlp.interop import bert, dino, efficientnet, fields, timm_towers
from vlp.interop.assembled import Imported, config_around, model_config, preprocessing, variables_of
from vlp.interop.images import preprocessing_of
from vlp.interop.mapping import Tensors, read
from vlp.interop.reading import check_sizes, check_tokenizer
from vlp.interop.resample import resampled
from vlp.interop.single import Single
from vlp.interop.text import tokenizer_of
from vlp.interop.tokenizer_files import read_json

FAMILIES = ("bert", "dino", "dino_registers", "timm", "efficientnet")
# What a config.json of Hugging Face's says it is. With registers positions are resampled otherwise.
MODEL_TYPES = {
    **dict.fromkeys(bert.KINDS, "bert"),
    **dict.fromkeys(dino.KINDS, "dino"),
    "dinov2_with_registers": "dino_registers",
}
# Towers that are made for several resolutions: they take that of their preprocessor, which is smaller than the largest.
ANY_SIDE = ("dino", "dino_registers")
CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZÀÉÖΩЖ"


def import_tower(source: Path, family: str, tensors: Tensors, interop: Mapping[str, Any]) -> Imported:
    """Reads a tower from its folder or file.

    Args:
      source: of the files.
      family: one of FAMILIES.
      tensors: all of its weights.
      interop: `interop` of the config.

    Raises:
      ValueError: whatever of it is not supported or does not fit, by name.
    """
    folder = source if source.is_dir() else source.parent
    single = _single(family, folder, tensors)
    leaves = read(single.entries, single.tensors, single.unused)
    model = model_config({"embed_dim": single.width, single.tower: {**single.settings, "projection": "none"}})
    build = _image if single.tower == "image" else _text
    leaves, tokenizer, pixels = build(family, folder, model, leaves, single, interop)
    leaves["logit_scale"] = np.asarray(math.log(model.logit_scale.init), np.float32)
    config = config_around(source, model, tokenizer, pixels)
    variables = variables_of(model, tokenizer, leaves, (single.tower,))
    notes = (f"the {single.tower} tower alone, of {single.width} numbers a row and no projection",)
    return Imported(family, config, variables, pixels, tokenizer, notes)


def _single(family: str, folder: Path, tensors: Tensors) -> Single:
    if family == "efficientnet":
        return efficientnet.single(tensors, timm=False)
    reader = {"bert": bert, "timm": timm_towers}.get(family, dino)
    return reader.single(read_json(folder / "config.json"), tensors, folder)


def _image(
    family: str, folder: Path, model: ConfigDict, leaves: Tensors, single: Single, interop: Mapping[str, Any]
) -> tuple[Tensors, Tokenizer, dict[str, Any]]:
    """Weights at the resolution that images get, any tokenizer, and how images become pixels."""
    side = interop["resolution"]
    if "resolution" not in single.settings or (family in ANY_SIDE and not side):
        own = preprocessing_of(folder, family, resolution=None)["resolution"]
        if "resolution" not in single.settings:
            model.image.resolution = own
        side = side or own
    leaves, image = resampled(leaves, model.image.to_dict(), side, interop["patch_size"], family)
    model.image.update(image)
    pixels = preprocessing(folder, family, model, interop["resolution"])
    return leaves, load_tokenizer(completed({})["tokenizer"]), pixels


def _sentences(folder: Path) -> dict[str, Any]:
    """What sentence-transformers adds to a tower: the longest text, and whether texts are lower-cased."""
    files = (folder / f"sentence_{kind}_config.json" for kind in bert.KINDS)
    return read_json(
        next((file for file in files if file.is_file()), folder / "sentence_bert_config.json"), {}
    )


def _lower(tokenizer: Tokenizer) -> bool:
    """Whether capital letters have the ids of small ones."""
    return bool((tokenizer.encode([*CAPITALS])[0] == tokenizer.encode([*CAPITALS.lower()])[0]).all())


def _text(
    family: str, folder: Path, model: ConfigDict, leaves: Tensors, single: Single, interop: Mapping[str, Any]
) -> tuple[Tensors, Tokenizer, dict[str, Any]]:
    """Weights for as many tokens as asked for, their tokenizer, and how images become pixels by default."""
    check_sizes(single.reading, leaves)
    path = "text/position/embedding"
    there = len(leaves[path])
    said = read_json(folder / "tokenizer_config.json", {}).get("model_max_length")
    most = min(there, said) if isinstance(said, int) and said > 2 else there
    sentences = _sentences(folder)
    if (cut := sentences.get("max_seq_length")) is not None:
        most = min(most, fields.whole(cut, "sentence_bert_config.json: max_seq_length", least=3))
    length = interop["text_length"] or most
    if length > there:
        raise UserError(f"interop.text_length={length} is more than the {there} positions that there are")
    leaves[path] = leaves[path][:length]
    tokenizer = tokenizer_of(folder, family, length=length)
    leaves = check_tokenizer(single.reading, tokenizer, leaves)
    if sentences.get("do_lower_case") and not _lower(tokenizer):
        raise UserError(
            f"{folder}: do_lower_case=True of sentence-transformers is not supported, as the tokenizer tells capital "
            "letters from small ones"
        )
    data = completed({})["data"]["image"]
    pixels = {name: data[name] for name in ("resize", "mean", "std")}
    return leaves, tokenizer, {**pixels, "resolution": model.image.resolution}
