"""timm's vision transformers, EVA's and ViTamin's among them: what their names say, and the names in their weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from vlp.interop import mapping, timm_stems
from vlp.interop.huggingface import layer, norm
from vlp.interop.mapping import Entry, Form, Tensors, count_of, entry, shape_of
from vlp.models.sizes import tower_size
from vlp.models.vision import pool_size

SIGLIP = {"pool": "attention", "project_query": True, "activation": "gelu"}
# timm gives a few of SigLIP's the tanh form of GELU; the others have the exact one.
TANH = r"vit_(base_patch32|so400m_patch16|giantopt_patch16)_siglip_\d+|vit_large_patch16_siglip_512"
ROTARY = {"position": "learned_rotary2d", "rotary_base": 10_000.0}
EVA02 = {**ROTARY, "rotary_grid": 16, "activation": "silu", "gated": True, "sub_norm": "within"}
PERCEPTION = {**ROTARY, "pool": "attention", "project_query": True, "norm_eps": 1e-5, "pool_heads": 8}
# By name: what no shape tells. Where two fit, the later adds to the former.
NAMES: tuple[tuple[str, dict[str, Any]], ...] = (
    (r"(vit|deit3?)_(tiny|small|base|large|huge|giant|medium|little|so150m|so400m)_patch\d+(_reg\d+)?"
     r"(_clip(_quickgelu)?|_dinov2|_in1k|_in21k)?(_\d+)?(_in21k|_in1k|_dino|_mae)?", {}),
    (r"vit_.*_clip(_quickgelu)?_\d+", {"norm_eps": 1e-5}),
    (r"vit_.*_clip_quickgelu_\d+", {"activation": "quick_gelu"}),
    (r"vit_(base|large|so400m|giantopt)_patch\d+_siglip_\d+", SIGLIP),
    (TANH, {"activation": "gelu_tanh"}),
    (r"vit_medium_patch16_gap_\d+", {"pool": "mean"}),
    (r"vit_base_mci_224", {"stem": "nested"}),
    (r"vitamin_(small|base|large2?|xlarge)_\d+",
     {"stem": "mobile", "pool": "mean", "norm_after_pool": True, "gated": True, "sub_norm": "before"}),
    (r"eva_giant_patch14_\d+", {}),
    (r"eva02_(base|large)_patch1[46]_clip_\d+", EVA02),
    (r"eva02_enormous_patch14_clip_\d+", {"branch_norm": True}),
    (r"vit_pe_core_(tiny|small|base|large)_patch\d+_\d+", {**PERCEPTION, "rotary_first": 1, "pool_prefix": True}),
    (r"vit_pe_core_gigantic_patch14_\d+", PERCEPTION),
)  # fmt: skip
HEAD_WIDTH = {
    "so400m": 72, "xlarge": 72, "huge": 80, "giant_": 88, "giantopt": 96, "gigantic": 96, "enormous": 112,
}  # fmt: skip
PLAIN = ("fc1", "fc2", "")
MLPS = (("fc1_x", "fc2", "fc1_g"), ("w1", "w2", "w0"))
SCALES = ("ls{}.gamma", "gamma_{}")


def known(name: str) -> bool:
    """Tells whether a tower of that name is one of ours."""
    return any(re.fullmatch(pattern, name) for pattern, _ in NAMES)


def plain(name: str) -> bool:
    """Tells whether a tower is what its shapes say, but for its activation and the epsilon of its norms."""
    return re.fullmatch(NAMES[0][0], name) is not None


def settings(name: str, side: int, tensors: Tensors, trunk: str = "", heads: int = 0) -> dict[str, Any]:
    """Returns our `model.image` for one of timm's vision transformers.

    Args:
      name: that timm has for it.
      side: of the images that it is made for.
      tensors: all of the file's.
      trunk: what their names begin with.
      heads: of its attention, where somebody says so; 0 = by its name.

    Raises:
      ValueError: the weights are not those of such a tower.
    """
    facts = {
        key: value for pattern, said in NAMES if re.fullmatch(pattern, name) for key, value in said.items()
    }
    width = shape_of(tensors, f"{trunk}blocks.0.norm1.weight", 1)[0]
    head_width = next((size for part, size in HEAD_WIDTH.items() if part in name), 64)
    stem = timm_stems.settings(facts.get("stem", ""), tensors, trunk)
    patch = stem["patch_size"]
    found = {
        "kind": "vit",
        "size": "",
        "width": width,
        "depth": count_of(tensors, f"{trunk}blocks."),
        "heads": heads or width // head_width,
        "mlp_dim": shape_of(tensors, f"{trunk}blocks.0.mlp.{_mlp(tensors, trunk)[0]}.weight", 2)[0],
        "activation": "gelu",
        "norm_eps": 1e-6,
        "layer_scale": 1.0 if _scales(tensors, trunk) else 0.0,
        "resolution": side,
        "drop_rest": side % patch > 0,
        "position": "learned" if f"{trunk}pos_embed" in tensors else "none",
        "pool": "class",
        "registers": shape_of(tensors, f"{trunk}reg_token", 3)[1] if f"{trunk}reg_token" in tensors else 0,
        "pre_norm": f"{trunk}norm_pre.weight" in tensors,
        **stem,
        **facts,
    }
    return _pooled(name, found, tensors, trunk)


def _pooled(name: str, found: dict[str, Any], tensors: Tensors, trunk: str) -> dict[str, Any]:
    """Class token, pool and positions, which have to fit each other."""
    token = f"{trunk}cls_token" in tensors
    if (found["pool"] == "class" and not token) or (found["pool"] == "mean" and token):
        raise UserError(
            f"{name} has {'a' if token else 'no'} class token in these weights, which is not supported"
        )
    if found["pool"] == "attention":
        found["registers"] += int(token)
        hidden = shape_of(tensors, f"{trunk}attn_pool.mlp.fc1.weight", 2)[0]
        found["pool_mlp_dim"] = 0 if hidden == found["mlp_dim"] else hidden
    if "rotary2d" in found["position"]:
        # Counted by the grid that it was trained on, places stay what they are when it is resampled.
        found.setdefault("rotary_grid", found["resolution"] // found["patch_size"])
    found["class_position"] = bool(token or found["registers"])
    return found


def _scales(tensors: Tensors, trunk: str) -> str:
    """What a block's learned sizes of branches are called; '' where there are none."""
    return next((one for one in SCALES if f"{trunk}blocks.0.{one.format(1)}" in tensors), "")


def _mlp(tensors: Tensors, trunk: str) -> tuple[str, str, str]:
    """What the layers of an MLP are called: up, down, and the gate; '' for one that there is not."""
    return next((names for names in MLPS if f"{trunk}blocks.0.mlp.{names[2]}.weight" in tensors), PLAIN)


def entries(image: Mapping[str, Any], tensors: Tensors, trunk: str = "") -> list[Entry]:
    """Returns the table of such a tower, of our settings as `settings` makes them."""
    ours = "image/transformer"
    last = next((name for name in ("norm", "fc_norm") if f"{trunk}{name}.weight" in tensors), "norm")
    after = "image/pooled_norm" if image.get("norm_after_pool") else f"{ours}/norm"
    return [
        *timm_stems.entries(image, tensors, trunk),
        *_tokens(image, tensors, trunk),
        *(norm("image/pre_norm", f"{trunk}norm_pre") if image["pre_norm"] else []),
        *blocks(image, tensors, trunk),
        *norm(after, f"{trunk}{last}"),
        *(_pool(image, f"{trunk}attn_pool") if image["pool"] == "attention" else []),
    ]


def _tokens(image: Mapping[str, Any], tensors: Tensors, trunk: str) -> list[Entry]:
    """Class token, registers and positions; those of the tokens are zeros where the table is of patches alone."""
    theirs = [f"{trunk}{name}" for name in ("cls_token", "reg_token") if f"{trunk}{name}" in tensors]
    table = f"{trunk}pos_embed"
    if not theirs:
        return (
            [] if image["position"] == "none" else [entry("image/position/embedding", table, mapping.FIRST)]
        )
    patches = (image["resolution"] // image["patch_size"]) ** 2

    def read(places: Any, *prefix: Any) -> tuple[Any, ...]:
        tokens = np.concatenate([one[0] for one in prefix])
        before = places.shape[1] - patches
        added = np.zeros_like(tokens)
        added[:before] = places[0, :before]
        return tokens, added, places[0, before:]

    ours = "image/class_token image/class_position image/position/embedding"
    return [entry(ours, " ".join([table, *theirs]), Form(read, lambda *ours: ours))]


def blocks(image: Mapping[str, Any], tensors: Tensors, trunk: str) -> list[Entry]:
    """Returns the blocks of a vision transformer of timm's."""
    size = tower_size(image)
    ours, theirs, layers = "image/transformer/blocks", f"{trunk}blocks.{{layer}}", range(size.depth)
    up, down, gate = _mlp(tensors, trunk)
    scales = _scales(tensors, trunk)
    table = [
        *norm(f"{ours}/attention_norm", f"{theirs}.norm1", layers),
        _projections(image, tensors, trunk),
        *layer(f"{ours}/attention/out", f"{theirs}.attn.proj", layers),
        *norm(f"{ours}/mlp_norm", f"{theirs}.norm2", layers),
        *layer(f"{ours}/mlp/up", f"{theirs}.mlp.{up}", layers),
        *layer(f"{ours}/mlp/down", f"{theirs}.mlp.{down}", layers),
    ]
    if gate:
        table += layer(f"{ours}/mlp/gate", f"{theirs}.mlp.{gate}", layers)
    if size.sub_norm:
        table += norm(f"{ours}/mlp/norm", f"{theirs}.mlp.norm", layers)
    if size.sub_norm == "within":
        table += norm(f"{ours}/attention/norm", f"{theirs}.attn.norm", layers)
    for place, name in enumerate(("attention", "mlp"), 1):
        if scales:
            table.append(entry(f"{ours}/{name}_scale", f"{theirs}.{scales.format(place)}", layers=layers))
    return table


def _projections(image: Mapping[str, Any], tensors: Tensors, trunk: str) -> Entry:
    """Queries, keys and values, together or apart, of which some or all may have no bias."""
    size, attention = tower_size(image), "blocks.{layer}.attn."
    there = [
        name
        for name in ("qkv.weight", "qkv.bias", "q_bias", "v_bias",
                     *(f"{one}_proj.{part}" for one in "qkv" for part in ("weight", "bias")))
        if trunk + attention.format(layer=0) + name in tensors
    ]  # fmt: skip
    turned = _turned(size.width // size.heads, image)

    def read(*parts: Any) -> tuple[Any, ...]:
        found = dict(zip(there, parts, strict=True))
        if "qkv.weight" in found:
            weights = np.split(found["qkv.weight"], 3)
        else:
            weights = [found[f"{one}_proj.weight"] for one in "qkv"]
        none = np.zeros(len(weights[0]), np.float32)
        fused = np.split(found["qkv.bias"], 3) if "qkv.bias" in found else [none] * 3
        biases = [
            found.get(f"{one}_bias", found.get(f"{one}_proj.bias", bias))
            for one, bias in zip("qkv", fused, strict=True)
        ]
        order = (np.arange(size.heads)[:, None] * len(turned) + turned).ravel()
        for rows in (weights, biases):
            rows[:2] = [one[order] for one in rows[:2]]
        kernel = mapping.interleaved(size.heads, transposed=True).read(*weights)
        return *kernel, *mapping.interleaved(size.heads).read(*biases)

    ours = "image/transformer/blocks/attention/qkv"
    theirs = " ".join(trunk + attention + name for name in there)
    return entry(f"{ours}/kernel {ours}/bias", theirs, Form(read, lambda *ours: ours), range(size.depth))


def _turned(head: int, image: Mapping[str, Any]) -> Any:
    """Where each number of a head stands there. Rotations turn neighbours there, and here a number with that half a
    head on; perception encoders, which attention pools, turn first pairs by the column, and here it is the row."""
    if "rotary2d" not in image["position"]:
        return np.arange(head)
    pairs = np.arange(head // 2)
    pairs = np.roll(pairs, head // 4) if image["pool"] == "attention" else pairs
    return np.concatenate([2 * pairs, 2 * pairs + 1])


def _pool(image: Mapping[str, Any], theirs: str) -> list[Entry]:
    ours, heads = "image/attention_pool", pool_size(image).heads
    pair = {kind: mapping.fused(heads, count=2, transposed=kind == "kernel") for kind in ("kernel", "bias")}
    return [
        entry(f"{ours}/query", f"{theirs}.latent", mapping.QUERY),
        *layer(f"{ours}/query_projection", f"{theirs}.q"),
        entry(f"{ours}/key_value/kernel", f"{theirs}.kv.weight", pair["kernel"]),
        entry(f"{ours}/key_value/bias", f"{theirs}.kv.bias", pair["bias"]),
        *layer(f"{ours}/out", f"{theirs}.proj"),
        *norm(f"{ours}/norm", f"{theirs}.norm"),
        *layer(f"{ours}/mlp/up", f"{theirs}.mlp.fc1"),
        *layer(f"{ours}/mlp/down", f"{theirs}.mlp.fc2"),
    ]
