"""Image towers of timm by themselves: a folder with its config.json, as its own `save_for_hf` writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from vlp.interop import efficientnet, fields, mapping
from vlp.interop.huggingface import layer, norm
from vlp.interop.mapping import Entry, Form, Tensors, entry, shape_of
from vlp.interop.single import Single, beginning
from vlp.interop.timm import blocks
from vlp.models.sizes import CONVNEXTS

Config = Mapping[str, Any]

WHERE = "config.json: "
# Names whose towers are ours but for what shapes say; others have parts of their own, or another activation.
VIT = re.compile(
    r"(vit|deit3?)_(tiny|small|base|large|huge|giant|medium|little|so150m|so400m)_patch\d+(_reg\d+)?"
    r"(_clip(_quickgelu)?|_dinov2|_in1k|_in21k|_gap)?(_\d+)?(_in21k|_in1k|_dino|_mae)?"
)
# Arguments that no shape tells, and that change what is computed.
STYLES = ("act_layer", "norm_layer", "mlp_layer", "block_fn", "attn_layer", "embed_norm_layer")
HEAD_WIDTH = {"so400m": 72, "huge": 80, "giant": 88}  # elsewhere 64
CONVNEXT = re.compile(r"convnext_(tiny|small|base|large|xlarge)(_in22k|_in22ft1k|_384_in22ft1k)?")


def single(config: Config, tensors: Tensors, folder: Path) -> Single:
    """Returns what the files say of an image tower.

    Raises:
      ValueError: an architecture that our towers do not have, by name.
    """
    del folder
    name = fields.words(config.get("architecture"), f"{WHERE}architecture")
    if CONVNEXT.fullmatch(name):
        return _convnext(tensors)
    if re.fullmatch(r"tf_efficientnet_lite\d", name):
        return efficientnet.single(tensors, timm=True)
    if not VIT.fullmatch(name):
        raise UserError(
            f"{WHERE}architecture={name!r} is not supported, only vit_*, deit_*, convnext_* of LayerNorm and GELU, and "
            "tf_efficientnet_lite*"
        )
    return _vit(name, config, tensors)


def side_of(config: Config) -> int:
    """Returns the side of the images that a tower is made for: its own argument, else what it was trained with.

    Raises:
      ValueError: neither is there.
    """
    own = fields.part(config, "model_args", WHERE).get("img_size")
    cfg = fields.part(config, "pretrained_cfg", WHERE)
    size = own if own is not None else list(cfg.get("input_size") or [])[1:]
    return fields.square(size or None, f"{WHERE}pretrained_cfg.input_size")


def _vit(name: str, config: Config, tensors: Tensors) -> Single:
    width, _, _, patch = shape_of(tensors, "patch_embed.proj.weight", 4)
    arguments = fields.part(config, "model_args", WHERE)
    for style in STYLES:
        if arguments.get(style):
            raise UserError(f"{WHERE}model_args.{style}={arguments[style]!r} is not supported")
    head_width = next((size for part, size in HEAD_WIDTH.items() if f"_{part}_" in name), 64)
    heads = fields.whole(arguments.get("num_heads", width // head_width), f"{WHERE}model_args.num_heads")
    depth = len({key.split(".")[1] for key in tensors if key.startswith("blocks.")})
    pool = arguments.get("global_pool", config.get("global_pool", "token"))
    fields.words(pool, f"{WHERE}global_pool", ("token", ""))
    if "cls_token" not in tensors or "norm.weight" not in tensors:
        raise UserError(f"{WHERE}architecture={name!r} is read without a class token, which is not supported")
    registers = shape_of(tensors, "reg_token", 3)[1] if "reg_token" in tensors else 0
    side = side_of(config)
    quick, clip = "quickgelu" in name, "_clip" in name
    settings = {
        "kind": "vit",
        "size": "",
        "width": width,
        "depth": depth,
        "heads": heads,
        "mlp_dim": shape_of(tensors, "blocks.0.mlp.fc1.weight", 2)[0],
        "activation": "quick_gelu" if quick else "gelu",
        "norm_eps": 1e-5 if clip else 1e-6,
        "layer_scale": 1.0 if "blocks.0.ls1.gamma" in tensors else 0.0,
        "patch_size": patch,
        "resolution": side,
        "drop_rest": side % patch > 0,
        "position": "learned",
        "pool": "class",
        "registers": registers,
        "pre_norm": "norm_pre.weight" in tensors,
        "patch_bias": "patch_embed.proj.bias" in tensors,
        "class_position": True,
    }
    entries = _vit_entries(settings, side // patch)
    return Single("image", settings, width, entries, tensors, beginning(tensors, ("head.", "mask_token")))


def _vit_entries(image: Config, side: int) -> list[Entry]:
    block, theirs, layers = "image/transformer/blocks", "blocks.{layer}", range(image["depth"])
    scales = [
        entry(f"{block}/{name}_scale", f"{theirs}.ls{place}.gamma", layers=layers)
        for place, name in enumerate(("attention", "mlp"), 1)
    ]
    tokens = "pos_embed cls_token reg_token" if image["registers"] else "pos_embed cls_token"
    return [
        entry("image/patch_embedding/kernel", "patch_embed.proj.weight", mapping.PATCHES),
        *([entry("image/patch_embedding/bias", "patch_embed.proj.bias")] if image["patch_bias"] else []),
        entry("image/class_token image/class_position image/position/embedding", tokens, _places(side)),
        *(norm("image/pre_norm", "norm_pre") if image["pre_norm"] else []),
        *blocks(block, theirs, image["heads"], layers),
        *(scales if image["layer_scale"] else []),
        *norm("image/transformer/norm", "norm"),
    ]


def _places(side: int) -> Form:
    """Positions of patches alone, or of tokens before them, too: the table's length says which."""

    def read(table: Any, *prefix: Any) -> tuple[Any, ...]:
        tokens = np.concatenate([one[0] for one in prefix])
        before = table.shape[1] - side**2
        places = np.zeros_like(tokens)
        places[:before] = table[0, :before]
        return tokens, places, table[0, before:]

    return Form(read, lambda *ours: ours)


def _convnext(tensors: Tensors) -> Single:
    depths = tuple(
        len({key.split(".")[3] for key in tensors if key.startswith(f"stages.{stage}.blocks.")})
        for stage in range(4)
    )
    width = shape_of(tensors, "stem.0.weight", 4)[0]
    for name in ("head.norm.weight", "stages.0.blocks.0.gamma", "stages.0.blocks.0.mlp.fc1.weight"):
        shape_of(tensors, name, 2 if "fc1" in name else 1)
    size = next((name for name, (_, own) in CONVNEXTS.items() if own == depths), "")
    alike = len(set(depths)) == 1
    if not size and not alike:
        raise UserError(
            f"the weights have {list(depths)} blocks in their stages, as none of our ConvNeXts has"
        )
    settings = {"kind": "convnext", "size": size or "T", "width": width, "depth": 0 if size else depths[0]}
    table = [
        *_projection("image/patches_in/0", "stem.0"),
        *norm("image/norms/0", "stem.1"),
        *norm("image/norm", "head.norm"),
    ]
    for stage, count in enumerate(depths):
        if stage:
            table += norm(f"image/norms/{stage}", f"stages.{stage}.downsample.0")
            table += _projection(f"image/patches_in/{stage}", f"stages.{stage}.downsample.1")
        table += _convnext_blocks(stage, range(count))
    return Single("image", settings, 8 * width, table, tensors, beginning(tensors, ("head.fc.",)))


def _projection(ours: str, theirs: str) -> list[Entry]:
    """A convolution of squares that do not overlap, as a product."""
    form = Form(lambda x: (x.transpose(2, 3, 1, 0).reshape(-1, x.shape[0]),), lambda x: (x,))
    return [
        entry(f"{ours}/projection/kernel", f"{theirs}.weight", form),
        entry(f"{ours}/projection/bias", f"{theirs}.bias"),
    ]


def _convnext_blocks(stage: int, layers: range) -> list[Entry]:
    ours, theirs = f"image/stages/{stage}", f"stages.{stage}.blocks.{{layer}}"
    return [
        entry(f"{ours}/kernel", f"{theirs}.conv_dw.weight", mapping.KERNEL, layers),
        entry(f"{ours}/bias", f"{theirs}.conv_dw.bias", layers=layers),
        *norm(f"{ours}/norm", f"{theirs}.norm", layers),
        *layer(f"{ours}/up", f"{theirs}.mlp.fc1", layers),
        *layer(f"{ours}/down", f"{theirs}.mlp.fc2", layers),
        entry(f"{ours}/layer_scale", f"{theirs}.gamma", layers=layers),
    ]
