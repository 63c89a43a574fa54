"""timm's SigLIP image towers, which OpenCLIP's SigLIP models have in the place of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from input_pipeline.errors import UserError
from vlp.interop import fields, mapping
from vlp.interop.huggingface import layer, norm
from vlp.interop.mapping import Entry, Tensors, entry
from vlp.models.sizes import tower_size

SIZE = {"base": "B", "large": "L", "so400m": "So400m"}
# timm gives a few of them the tanh form of GELU; the others have the exact one.
TANH = ("vit_base_patch32_siglip", "vit_large_patch16_siglip_512", "vit_so400m_patch16_siglip")


def settings(vision: Mapping[str, Any], tensors: Tensors, embed_dim: int) -> dict[str, Any]:
    """Returns our `model.image` for a `vision_cfg` that names one of timm's towers.

    Args:
      vision: what it says, and open_clip's defaults.
      tensors: all of the weights, under 'visual.'.
      embed_dim: of the joint space.

    Raises:
      ValueError: it is not one of SigLIP's, or is used otherwise than they are.
    """
    del tensors, embed_dim
    name = fields.words(vision["timm_model_name"], "open_clip_config.json: vision_cfg.timm_model_name")
    side = fields.square(vision["image_size"], "open_clip_config.json: vision_cfg.image_size")
    match = re.fullmatch(r"vit_(base|large|so400m)_patch(\d+)_siglip_(\d+)", name)
    if not match:
        raise UserError(f"open_clip_config.json: vision_cfg.timm_model_name={name!r} is not supported")
    for key, wanted in (("timm_pool", ("map",)), ("timm_proj", ("none",))):
        if vision.get(key) not in wanted:
            raise UserError(
                f"open_clip_config.json: vision_cfg.{key}={vision.get(key)!r} is not supported with {name}"
            )
    return {
        "kind": "vit",
        "size": SIZE[match[1]],
        "patch_size": int(match[2]),
        "resolution": side,
        "drop_rest": side % int(match[2]) > 0,
        "position": "learned",
        "pool": "attention",
        "project_query": True,
        "projection": "none",
        "activation": "gelu_tanh" if name.startswith(TANH) else "gelu",
        "norm_eps": 1e-6,
    }


def entries(image: Any) -> list[Entry]:
    """Returns the table of such a tower."""
    size = tower_size(image)
    trunk, pool = "visual.trunk", "image/attention_pool"
    block, theirs, layers = "image/transformer/blocks", f"{trunk}.blocks.{{layer}}", range(size.depth)
    pair = {
        kind: mapping.fused(size.heads, count=2, transposed=kind == "kernel") for kind in ("kernel", "bias")
    }
    return [
        entry("image/patch_embedding/kernel", f"{trunk}.patch_embed.proj.weight", mapping.PATCHES),
        entry("image/patch_embedding/bias", f"{trunk}.patch_embed.proj.bias"),
        entry("image/position/embedding", f"{trunk}.pos_embed", mapping.FIRST),
        *blocks(block, theirs, size.heads, layers),
        *norm("image/transformer/norm", f"{trunk}.norm"),
        entry(f"{pool}/query", f"{trunk}.attn_pool.latent", mapping.QUERY),
        *layer(f"{pool}/query_projection", f"{trunk}.attn_pool.q"),
        entry(f"{pool}/key_value/kernel", f"{trunk}.attn_pool.kv.weight", pair["kernel"]),
        entry(f"{pool}/key_value/bias", f"{trunk}.attn_pool.kv.bias", pair["bias"]),
        *layer(f"{pool}/out", f"{trunk}.attn_pool.proj"),
        *norm(f"{pool}/norm", f"{trunk}.attn_pool.norm"),
        *layer(f"{pool}/mlp/up", f"{trunk}.attn_pool.mlp.fc1"),
        *layer(f"{pool}/mlp/down", f"{trunk}.attn_pool.mlp.fc2"),
    ]


def blocks(ours: str, theirs: str, heads: int, layers: range) -> list[Entry]:
    """Returns the blocks of a vision transformer of timm's."""
    return [
        *norm(f"{ours}/attention_norm", f"{theirs}.norm1", layers),
        entry(
            f"{ours}/attention/qkv/kernel",
            f"{theirs}.attn.qkv.weight",
            mapping.fused(heads, transposed=True),
            layers,
        ),
        entry(f"{ours}/attention/qkv/bias", f"{theirs}.attn.qkv.bias", mapping.fused(heads), layers),
        *layer(f"{ours}/attention/out", f"{theirs}.attn.proj", layers),
        *norm(f"{ours}/mlp_norm", f"{theirs}.norm2", layers),
        *layer(f"{ours}/mlp/up", f"{theirs}.mlp.fc1", layers),
        *layer(f"{ours}/mlp/down", f"{theirs}.mlp.fc2", layers),
    ]
