"""Tower sizes by name: transformers for both towers and any patch size, and convolutional image towers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

from input_pipeline.errors import UserError


@dataclasses.dataclass(frozen=True)
class TowerSize:
    """The four numbers that make a transformer tower, and what its blocks compute between products.

    Attributes:
      width: of every token.
      depth: blocks.
      heads: of every attention.
      mlp_dim: width within the MLPs.
      activation: of the MLPs, a key of ACTIVATIONS in transformer.py.
      norm_eps: added to the variance by every norm.
      layer_scale: of both branches of a block at first; 0 = they are not scaled.
      post_norm: whether norms follow the residual sums (BERT) rather than precede the branches.
      last_heads: of the last block's attention, where it has another number of heads; 0 = that of the others.
      gated: whether MLPs have a second layer up, whose activation multiplies what the first gives.
      sub_norm: norms beside those of the block: 'within' = of what attention and MLP project back to tokens, 'before' =
        of what comes into the MLP, behind the block's own; '' = none.
      branch_norm: whether norms follow the branches, within the residual sums, rather than precede them.
    """

    width: int
    depth: int
    heads: int
    mlp_dim: int
    activation: str = "gelu_tanh"
    norm_eps: float = 1e-6
    layer_scale: float = 0.0
    post_norm: bool = False
    last_heads: int = 0
    gated: bool = False
    sub_norm: str = ""
    branch_norm: bool = False


# ViT (arXiv 2010.11929, table 1), DeiT's Ti and S (2012.12877), shape-optimised So400m (2305.13035), H as in OpenCLIP.
SIZES: dict[str, TowerSize] = {
    "Ti": TowerSize(192, 12, 3, 768),
    "S": TowerSize(384, 12, 6, 1536),
    "B": TowerSize(768, 12, 12, 3072),
    "L": TowerSize(1024, 24, 16, 4096),
    "So400m": TowerSize(1152, 27, 16, 4304),
    "H": TowerSize(1280, 32, 16, 5120),
}


# Of TowerSize.
STYLE = (
    "activation",
    "norm_eps",
    "layer_scale",
    "post_norm",
    "last_heads",
    "gated",
    "sub_norm",
    "branch_norm",
)


def tower_size(config: Any) -> TowerSize:
    """Returns the size a tower's config names, with every non-zero explicit number taking precedence.

    Args:
      config: has `size` (a key of SIZES, or '' for none), `width`, `depth`, `heads`, `mlp_dim` (0 = from the size),
        and may have those of STYLE.

    Raises:
      ValueError: the name is unknown, a number is missing, or the heads do not divide the width.
    """
    chosen: dict[str, Any] = _numbers(config, ("width", "depth", "heads", "mlp_dim"))
    style = {name: config[name] for name in STYLE if name in config}
    for heads in (chosen["heads"], style.get("last_heads", 0) or 1):
        if chosen["width"] % heads:
            raise UserError(f"{heads} heads do not divide width {chosen['width']}; change heads or width")
    return TowerSize(**chosen, **style)


def bag_size(config: Any) -> TowerSize:
    """Returns the size of a bag of words: the two numbers of its MLP.

    Raises:
      ValueError: the name is unknown or a number is missing.
    """
    chosen = _numbers(config, ("width", "mlp_dim"))
    return TowerSize(chosen["width"], 1, 1, chosen["mlp_dim"], activation=config.activation)


def _numbers(config: Any, names: Sequence[str]) -> dict[str, int]:
    """The numbers of a tower, explicit ones first.

    Raises:
      ValueError: its size is unknown, or one is missing.
    """
    if config.size and config.size not in SIZES:
        raise UserError(
            f"tower size {config.size!r} is not one of {', '.join(SIZES)} (or '' with explicit numbers)"
        )
    named = dataclasses.asdict(SIZES[config.size]) if config.size else {}
    chosen = {name: config[name] or named.get(name, 0) for name in names}
    missing = [name for name, value in chosen.items() if value <= 0]
    if missing:
        raise UserError(f"tower without a size needs {', '.join(missing)} set to a positive number")
    return chosen


@dataclasses.dataclass(frozen=True)
class ConvolutionSize:
    """Channels after the stem, and channels and blocks of each stage.

    Attributes:
      stem: channels.
      channels: of each stage.
      blocks: of each stage.
      head: channels of a last convolution of single cells; 0 = there is none.
      lite: whether blocks neither squeeze nor excite, and have ReLU6 in the place of SiLU (EfficientNet-Lite).
    """

    stem: int
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    head: int = 0
    lite: bool = False


# Channels after the stem and blocks of each stage: ResNet (arXiv 1512.03385, table 1), its 26 layers as in BiT's
# neighbours, and CLIP's three larger ones (2103.00020, table 19).
RESNETS: dict[str, tuple[int, tuple[int, ...]]] = {
    "R26": (64, (2, 2, 2, 2)),
    "R50": (64, (3, 4, 6, 3)),
    "R101": (64, (3, 4, 23, 3)),
    "R152": (64, (3, 8, 36, 3)),
    "R50x4": (80, (4, 6, 10, 6)),
    "R50x16": (96, (6, 8, 18, 8)),
    "R50x64": (128, (3, 15, 36, 10)),
}

# Multipliers of B0's channels and blocks: EfficientNet (1905.11946), L2 as in noisy student training (1911.04252).
EFFICIENTNETS: dict[str, tuple[float, float]] = {
    "B0": (1.0, 1.0),
    "B1": (1.0, 1.1),
    "B2": (1.1, 1.2),
    "B3": (1.2, 1.4),
    "B4": (1.4, 1.8),
    "B5": (1.6, 2.2),
    "B6": (1.8, 2.6),
    "B7": (2.0, 3.1),
    "L2": (4.3, 5.3),
}

# EfficientNet-Lite (efficientnet/lite of tensorflow/tpu): stem, head, and the depth of the first and the last stage are
# those of Lite0 in all of them.
EFFICIENTNET_LITES: dict[str, tuple[float, float]] = {
    "Lite0": (1.0, 1.0),
    "Lite1": (1.0, 1.1),
    "Lite2": (1.1, 1.2),
    "Lite3": (1.2, 1.4),
    "Lite4": (1.4, 1.8),
}

# EfficientNet's stages (table 1): expansion, side of the depthwise kernel, stride of the first block.
EFFICIENTNET_STAGES = ((1, 3, 1), (6, 3, 2), (6, 5, 2), (6, 3, 2), (6, 5, 1), (6, 5, 2), (6, 3, 1))

# Channels of the first stage, doubled by each that follows, and blocks of each: ConvNeXt (2201.03545, section 2.6).
CONVNEXTS: dict[str, tuple[int, tuple[int, ...]]] = {
    "T": (96, (3, 3, 9, 3)),
    "S": (96, (3, 3, 27, 3)),
    "B": (128, (3, 3, 27, 3)),
    "L": (192, (3, 3, 27, 3)),
    "XL": (256, (3, 3, 27, 3)),
    "XXL": (384, (3, 4, 30, 3)),
}

# Channels of the first stage, doubled by each that follows, and blocks of each: the FastViTs of MobileCLIP (2311.17049,
# section 3.2; 2508.20691, section 4.2), as timm names them.
FASTVITS: dict[str, tuple[int, tuple[int, ...]]] = {
    "MCi0": (64, (2, 6, 10, 2)),
    "MCi1": (64, (4, 12, 20, 4)),
    "MCi2": (80, (4, 12, 24, 4)),
    "MCi3": (96, (2, 12, 24, 4, 2)),
    "MCi4": (128, (2, 12, 24, 4, 4)),
}


def convolution_size(config: Any) -> ConvolutionSize:
    """Returns the size a convolutional tower's config names.

    Args:
      config: has `kind` (a key of CONVOLUTIONS), `size` (of that kind), `width` (channels after the stem, which all
        others follow; 0 = from the size), `depth` (blocks in each stage; 0 = from the size) and perhaps
        `last_convolution`.

    Raises:
      ValueError: the name is not one of the kind's, or the width cannot be normalised in groups.
    """
    known, build = CONVOLUTIONS[config.kind]
    if config.size not in known:
        raise UserError(
            f"size {config.size!r} is not one of {', '.join(known)}, which kind {config.kind!r} has"
        )
    size = build(config.size, config.width)
    if config.get("last_convolution", False) and not size.head:
        size = dataclasses.replace(size, head=4 * size.channels[-1])  # 1280 of 320, and so for all (table 1)
    return dataclasses.replace(size, blocks=(config.depth,) * len(size.blocks)) if config.depth else size


def _resnet_size(name: str, width: int) -> ConvolutionSize:
    stem, blocks = RESNETS[name]
    stem = width or stem
    if stem % 16:
        raise UserError(f"width {stem} is not a multiple of 16: use {stem // 16 * 16 + 16}")
    return ConvolutionSize(stem, tuple(4 * stem * 2**stage for stage in range(4)), blocks)


def _efficientnet_size(name: str, width: int) -> ConvolutionSize:
    wider, deeper = (EFFICIENTNETS | EFFICIENTNET_LITES)[name]
    wider = width / 32 if width else wider
    stem, *channels = (_multiple_of_8(wider * c) for c in (32, 16, 24, 40, 80, 112, 192, 320))
    blocks = tuple(math.ceil(deeper * b) for b in (1, 2, 2, 3, 3, 4, 1))
    if name not in EFFICIENTNET_LITES:
        return ConvolutionSize(stem, tuple(channels), blocks)
    fixed = width / 32 if width else 1.0
    stem, head = _multiple_of_8(32 * fixed), _multiple_of_8(1280 * fixed)
    return ConvolutionSize(stem, tuple(channels), (1, *blocks[1:-1], 1), head, lite=True)


def _multiple_of_8(channels: float) -> int:
    """The nearest one, but never more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _convnext_size(name: str, width: int) -> ConvolutionSize:
    first, blocks = CONVNEXTS[name]
    first = width or first
    return ConvolutionSize(first, tuple(first * 2**stage for stage in range(4)), blocks)


def _fastvit_size(name: str, width: int) -> ConvolutionSize:
    first, blocks = FASTVITS[name]
    first = width or first
    if first % 16:
        raise UserError(f"width {first} is not a multiple of 16: use {first // 16 * 16 + 16}")
    channels = tuple(first * 2**stage for stage in range(len(blocks)))
    return ConvolutionSize(first, channels, blocks, head=2 * channels[-1])


# By kind: the sizes it has, and what makes channels and blocks of one.
CONVOLUTIONS: dict[str, tuple[Collection[str], Callable[[str, int], ConvolutionSize]]] = {
    "resnet": (RESNETS, _resnet_size),
    "efficientnet": (EFFICIENTNETS | EFFICIENTNET_LITES, _efficientnet_size),
    "convnext": (CONVNEXTS, _convnext_size),
    "fastvit": (FASTVITS, _fastvit_size),
}
