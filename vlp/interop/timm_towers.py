"""Image towers of timm by themselves: a folder with its config.json, as its own `save_for_hf` writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from vlp.interop import efficientnet, fields, timm_convnext, timm_vit
from vlp.interop.mapping import Tensors
from vlp.interop.single import Single, beginning

Config = Mapping[str, Any]

WHERE = "config.json: "
# Arguments that no shape tells, and that change what is computed.
STYLES = ("act_layer", "norm_layer", "mlp_layer", "block_fn", "attn_layer", "embed_norm_layer")
# Those of towers whose names say more than shapes do: what they change shows in shapes, or changes nothing here.
ARGUMENTS = {
    "img_size", "depth", "embed_dim", "num_heads", "mlp_ratio", "patch_size", "num_classes", "in_chans", "global_pool",
    "drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate",
}  # fmt: skip
# What timm reads for each of our pools, '' being the tower's tokens, of which ours is the first.
POOLS = {"class": ("token", ""), "mean": ("avg",), "attention": ("map",)}


def single(config: Config, tensors: Tensors, folder: Path) -> Single:
    """Returns what the files say of an image tower.

    Raises:
      ValueError: an architecture that our towers do not have, by name.
    """
    del folder
    name = fields.words(config.get("architecture"), f"{WHERE}architecture")
    if timm_convnext.known(name):
        settings = timm_convnext.settings(name, tensors)
        entries = timm_convnext.entries(ConfigDict(settings), tensors)
        width = 8 * settings["width"]
        return Single("image", settings, width, entries, tensors, beginning(tensors, ("head.fc.",)))
    if re.fullmatch(r"tf_efficientnet_(lite\d|b[0-7]|l2)", name):
        return efficientnet.single(tensors, timm=True)
    if not timm_vit.known(name):
        raise UserError(
            f"{WHERE}architecture={name!r} is not supported, only vit_*, deit_*, eva*, vitamin_*, convnext_* of "
            "LayerNorm and GELU, and tf_efficientnet_* of Lite0 to Lite4, B0 to B7 and L2"
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
    arguments = fields.part(config, "model_args", WHERE)
    for style in STYLES:
        if arguments.get(style):
            raise UserError(f"{WHERE}model_args.{style}={arguments[style]!r} is not supported")
    for key in arguments.keys() - ARGUMENTS:
        if not timm_vit.plain(name):
            raise UserError(f"{WHERE}model_args.{key}={arguments[key]!r} is not supported with {name}")
    heads = 0
    if "num_heads" in arguments:
        heads = fields.whole(arguments["num_heads"], f"{WHERE}model_args.num_heads")
    settings = timm_vit.settings(name, side_of(config), tensors, heads=heads)
    pools = POOLS[settings["pool"]]
    fields.words(
        arguments.get("global_pool", config.get("global_pool", pools[0])), f"{WHERE}global_pool", pools
    )
    entries = timm_vit.entries(ConfigDict(settings), tensors)
    unused = beginning(tensors, ("head.", "mask_token"))
    unused += tuple(key for key in tensors if key.endswith("num_batches_tracked"))
    return Single("image", settings, settings["width"], entries, tensors, unused)
