"""timm's ConvNeXts: what shapes say, and the names in their weights."""

from __future__ import annotations

import re
from typing import Any

from input_pipeline.errors import UserError
from vlp.interop import mapping
from vlp.interop.huggingface import layer, norm
from vlp.interop.mapping import Entry, Tensors, entry, shape_of
from vlp.interop.timm_stems import squares, stage_depths
from vlp.models.sizes import CONVNEXTS, convolution_size

NAMES = re.compile(
    r"convnext_(tiny|small|base|large|xlarge|xxlarge)(_in22k|_in22ft1k|_384_in22ft1k)?"
)  # of LayerNorm and GELU
EPSILON = {"xxlarge": 1e-5}


def known(name: str) -> bool:
    """Tells whether a tower of that name is one of ours."""
    return NAMES.fullmatch(name) is not None


def settings(name: str, tensors: Tensors, trunk: str = "") -> dict[str, Any]:
    """Returns our `model.image` for one of timm's ConvNeXts, without its resolution.

    Args:
      name: that timm has for it.
      tensors: all of the file's.
      trunk: what their names begin with.

    Raises:
      ValueError: its stages are of other depths than ours have.
    """
    depths = stage_depths(tensors, trunk, 4)
    width = shape_of(tensors, f"{trunk}stem.0.weight", 4)[0]
    for one in ("head.norm.weight", "stages.0.blocks.0.gamma", "stages.0.blocks.0.mlp.fc1.weight"):
        shape_of(tensors, trunk + one, 2 if "fc1" in one else 1)
    size = next((key for key, (_, own) in CONVNEXTS.items() if own == depths), "")
    if not size and len(set(depths)) > 1:
        raise UserError(
            f"the weights have {list(depths)} blocks in their stages, as none of our ConvNeXts has"
        )
    eps = next((eps for part, eps in EPSILON.items() if part in name), 1e-6)
    blocks = {"size": size or "T", "depth": 0 if size else depths[0]}
    return {"kind": "convnext", **blocks, "width": width, "norm_eps": eps}


def entries(image: Any, tensors: Tensors, trunk: str = "") -> list[Entry]:
    """Returns the table of such a tower."""
    del tensors
    table = [
        *squares("image/patches_in/0", f"{trunk}stem.0"),
        *norm("image/norms/0", f"{trunk}stem.1"),
        *norm("image/norm", f"{trunk}head.norm"),
    ]
    for stage, count in enumerate(convolution_size(image).blocks):
        if stage:
            table += norm(f"image/norms/{stage}", f"{trunk}stages.{stage}.downsample.0")
            table += squares(f"image/patches_in/{stage}", f"{trunk}stages.{stage}.downsample.1")
        table += _blocks(f"image/stages/{stage}", f"{trunk}stages.{stage}.blocks.{{layer}}", range(count))
    return table


def _blocks(ours: str, theirs: str, layers: range) -> list[Entry]:
    return [
        entry(f"{ours}/kernel", f"{theirs}.conv_dw.weight", mapping.KERNEL, layers),
        entry(f"{ours}/bias", f"{theirs}.conv_dw.bias", layers=layers),
        *norm(f"{ours}/norm", f"{theirs}.norm", layers),
        *layer(f"{ours}/up", f"{theirs}.mlp.fc1", layers),
        *layer(f"{ours}/down", f"{theirs}.mlp.fc2", layers),
        entry(f"{ours}/layer_scale", f"{theirs}.gamma", layers=layers),
    ]
