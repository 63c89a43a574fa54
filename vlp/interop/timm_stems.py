"""What embeds patches in timm's vision transformers: one convolution, or a stem of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vlp.interop import mapping
from vlp.interop.huggingface import norm
from vlp.interop.mapping import Entry, Form, Tensors, count_of, entry, shape_of
from vlp.models.families.stems import BLOCKS, SIDE, SIDES

EPSILON = 1e-5  # of batch norms
PLACE = {"nested": "patch_embed.backbone.0.conv.weight", "mobile": "patch_embed.backbone.stem.conv1.weight"}

# A convolution of single cells, and one of squares that do not overlap, as products.
CELLS = Form(lambda x: (x[:, :, 0, 0].T,), lambda x: (x.T[:, :, None, None],))
SQUARES = Form(lambda x: (_product(x),), lambda x: (x,))


def settings(stem: str, tensors: Tensors, trunk: str) -> dict[str, Any]:
    """Returns the settings of what embeds patches.

    Raises:
      ValueError: the weights have no such stem.
    """
    if not stem:
        patch = shape_of(tensors, f"{trunk}patch_embed.proj.weight", 4)[2]
        return {"patch_size": patch, "patch_bias": f"{trunk}patch_embed.proj.bias" in tensors}
    inner = shape_of(tensors, trunk + PLACE[stem], 4)[0]
    return {"stem": stem, "stem_width": inner, "patch_size": SIDE}


def entries(image: Mapping[str, Any], tensors: Tensors, trunk: str) -> list[Entry]:
    """Returns the table of what embeds patches."""
    stem, theirs = image.get("stem", ""), f"{trunk}patch_embed.backbone"
    if stem:
        return {"nested": _nested, "mobile": _mobile}[stem](theirs)
    ours, theirs = "image/patch_embedding", f"{trunk}patch_embed.proj"
    bias = [entry(f"{ours}/bias", f"{theirs}.bias")] if image["patch_bias"] else []
    return [entry(f"{ours}/kernel", f"{theirs}.weight", mapping.PATCHES), *bias]


def _product(kernel: Any) -> Any:
    return kernel.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])


def folded(form: Form = mapping.KERNEL) -> Form:
    """Returns a convolution without a bias and the batch norm behind it as one with a bias: statistics are constants.

    Args:
      form: of the kernel.
    """

    def read(kernel: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> tuple[Any, ...]:
        factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + EPSILON)
        whole = (kernel * factor[:, None, None, None]).astype(np.float32)
        return *form.read(whole), (bias - mean * factor).astype(np.float32)

    return Form(read, lambda *ours: ours)


def batch_norm(theirs: str) -> str:
    """Returns the names of a batch norm's tensors, in the order that `folded` takes them."""
    return " ".join(f"{theirs}.{name}" for name in ("weight", "bias", "running_mean", "running_var"))


def squares(ours: str, theirs: str) -> list[Entry]:
    """Returns a convolution of squares that do not overlap."""
    return [
        entry(f"{ours}/projection/kernel", f"{theirs}.weight", SQUARES),
        entry(f"{ours}/projection/bias", f"{theirs}.bias"),
    ]


def _nested(theirs: str) -> list[Entry]:
    ours, last = "image/stem/layers", len(SIDES) - 1
    hidden = [
        entry(
            f"{ours}/{place}/projection/kernel {ours}/{place}/projection/bias",
            f"{theirs}.{place}.conv.weight {batch_norm(f'{theirs}.{place}.bn')}",
            folded(SQUARES),
        )
        for place in range(last)
    ]
    return [*hidden, *squares(f"{ours}/{last}", f"{theirs}.{last}.conv")]


def spatial(ours: str, theirs: str) -> list[Entry]:
    """Returns a convolution with a bias."""
    return [
        entry(f"{ours}/kernel", f"{theirs}.weight", mapping.KERNEL),
        entry(f"{ours}/bias", f"{theirs}.bias"),
    ]


def cells(ours: str, theirs: str, layers: range | None = None) -> list[Entry]:
    """Returns a convolution of single cells as a linear layer."""
    return [
        entry(f"{ours}/kernel", f"{theirs}.weight", CELLS, layers),
        entry(f"{ours}/bias", f"{theirs}.bias", layers=layers),
    ]


def _mobile(theirs: str) -> list[Entry]:
    ours = "image/stem"
    table = [
        *spatial(f"{ours}/first", f"{theirs}.stem.conv1"),
        *norm(f"{ours}/first_norm", f"{theirs}.stem.norm1"),
        *spatial(f"{ours}/second", f"{theirs}.stem.conv2"),
        *norm(f"{ours}/last_norm", f"{theirs}.pool.norm"),
        *spatial(f"{ours}/last", f"{theirs}.pool.proj"),
    ]
    for stage, count in enumerate(BLOCKS):
        for place in range(count):
            mine, block = f"{ours}/stages/{stage}/{place}", f"{theirs}.stages.{stage}.{place}"
            table += norm(f"{mine}/norm", f"{block}.pre_norm")
            table += cells(f"{mine}/up", f"{block}.conv1_1x1")
            table += spatial(f"{mine}/spatial", f"{block}.conv2_kxk")
            table += cells(f"{mine}/down", f"{block}.conv3_1x1")
    return [*table, *cells(f"{ours}/stages/1/0/shortcut", f"{theirs}.stages.1.0.shortcut.expand")]


def stage_depths(tensors: Tensors, trunk: str, stages: int) -> tuple[int, ...]:
    """Counts the blocks in each stage of one of timm's towers, by the names of its weights."""
    return tuple(count_of(tensors, f"{trunk}stages.{stage}.blocks.") for stage in range(stages))
