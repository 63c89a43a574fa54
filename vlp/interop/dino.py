"""Image towers of Hugging Face's DINOv2 (arXiv 2304.07193), with registers (2309.16588) or without, DINOv3
(2508.10104) and ViT (2010.11929): config.json and the names in their weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from vlp.interop import fields, mapping
from vlp.interop.huggingface import ACTIVATIONS, layer, norm
from vlp.interop.mapping import Entry, Form, Tensors, entry
from vlp.interop.single import Single, beginning

Config = Mapping[str, Any]

KINDS = ("dinov2", "dinov2_with_registers", "dinov3_vit", "vit")
DEFAULTS = {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "hidden_act": "gelu", "num_channels": 3,
    "image_size": 224, "patch_size": 16,
}  # fmt: skip
EPS = {"dinov2": 1e-6, "dinov2_with_registers": 1e-6, "dinov3_vit": 1e-5, "vit": 1e-12}
# Settings that change what is computed, and the only value of each that our towers have.
FIXED = {"num_channels": 3, "use_swiglu_ffn": False, "use_gated_mlp": False, "rope_theta": 100.0}
HEADS = ("pooler.", "classifier.", "embeddings.mask_token")
WHERE = "config.json: "


def single(config: Config, tensors: Tensors, folder: Path) -> Single:
    """Returns what the files say of an image tower, which is read at its class token, behind the last norm.

    Raises:
      ValueError: a value that our towers do not have, by name.
    """
    del folder
    model_type = config["model_type"]
    said = {**DEFAULTS, **{key: value for key, value in config.items() if value is not None}}
    said["layer_norm_eps"] = fields.number(
        said.get("layer_norm_eps", EPS[model_type]), f"{WHERE}layer_norm_eps"
    )
    for key in ("hidden_size", "num_hidden_layers", "num_attention_heads"):
        fields.whole(said[key], f"{WHERE}{key}")
    for key, only in FIXED.items():
        if said.get(key, only) != only:
            raise fields.refused(f"{WHERE}{key}", said[key], str(only))
    tensors = {name.removeprefix("dinov2.").removeprefix("vit."): tensor for name, tensor in tensors.items()}
    registers = fields.whole(said.get("num_register_tokens") or 0, f"{WHERE}num_register_tokens", least=0)
    settings = {
        "kind": "vit",
        "size": "",
        "width": said["hidden_size"],
        "depth": said["num_hidden_layers"],
        "heads": said["num_attention_heads"],
        "mlp_dim": _mlp_dim(said),
        "activation": ACTIVATIONS[fields.words(said["hidden_act"], f"{WHERE}hidden_act", tuple(ACTIVATIONS))],
        "norm_eps": said["layer_norm_eps"],
        "layer_scale": 0.0 if model_type == "vit" else 1.0,  # of which the weights are read
        "patch_size": fields.square(said["patch_size"], f"{WHERE}patch_size"),
        "resolution": fields.square(said["image_size"], f"{WHERE}image_size"),
        "position": "rotary2d_centred" if model_type == "dinov3_vit" else "learned",
        "pool": "class",
        "registers": registers,
        "class_position": model_type != "dinov3_vit",
    }
    settings["drop_rest"] = settings["resolution"] % settings["patch_size"] > 0
    if model_type == "dinov3_vit":
        tensors = _with_biases(tensors, said["num_hidden_layers"], said["hidden_size"])
    entries = _entries(model_type, settings)
    return Single("image", settings, said["hidden_size"], entries, tensors, beginning(tensors, HEADS))


def _mlp_dim(said: Config) -> int:
    if said["model_type"].startswith("dinov2"):
        ratio = fields.number(said.get("mlp_ratio", 4), f"{WHERE}mlp_ratio")
        return int(said["hidden_size"] * ratio)
    return fields.whole(said.get("intermediate_size", 3072), f"{WHERE}intermediate_size")


def _with_biases(tensors: Tensors, depth: int, width: int) -> Tensors:
    """Zeros for projections without a bias, as DINOv3's to keys: ours have one for all three."""
    if depth > len(tensors):
        raise UserError(f"the config has {depth} layers, but the weights only {len(tensors)} tensors")
    names = [
        f"layer.{number}.attention.{part}_proj.bias" for number in range(depth) for part in ("q", "k", "v")
    ]
    return {**{name: np.zeros(width, np.float32) for name in names}, **tensors}


def _prefix(registers: int) -> list[Entry]:
    """Class token and registers as one table, of which the class token alone has a position."""

    def read(table: Any, first: Any, *rest: Any) -> tuple[Any, ...]:
        tokens = np.concatenate([first[0], *(one[0] for one in rest)])
        places = np.zeros_like(tokens)
        places[0] = table[0, 0]
        return tokens, places, table[0, 1:]

    own = "embeddings.position_embeddings embeddings.cls_token"
    theirs = f"{own} embeddings.register_tokens" if registers else own
    ours = "image/class_token image/class_position image/position/embedding"
    return [entry(ours, theirs, Form(read, lambda *ours: ours))]


def _tokens(registers: int) -> list[Entry]:
    """Class token and registers where there are no positions to add."""
    form = Form(lambda *parts: (np.concatenate([part[0] for part in parts]),), lambda ours: (ours,))
    theirs = "embeddings.cls_token embeddings.register_tokens" if registers else "embeddings.cls_token"
    return [entry("image/class_token", theirs, form)]


# By kind of model, how its blocks name their layers: query, key and value; the projection behind them; norms; MLP.
NAMES = {
    "dinov2": (("attention.attention.query", "attention.attention.key", "attention.attention.value"),
               "attention.output.dense", ("norm1", "norm2"), ("mlp.fc1", "mlp.fc2")),
    "dinov3_vit": (("attention.q_proj", "attention.k_proj", "attention.v_proj"),
                   "attention.o_proj", ("norm1", "norm2"), ("mlp.up_proj", "mlp.down_proj")),
    "vit": (("attention.attention.query", "attention.attention.key", "attention.attention.value"),
            "attention.output.dense", ("layernorm_before", "layernorm_after"), ("intermediate.dense", "output.dense")),
}  # fmt: skip


def _entries(model_type: str, image: Config) -> list[Entry]:
    third = model_type == "dinov3_vit"
    projections, out, norms, mlp = NAMES[model_type.removesuffix("_with_registers")]
    block, layers = "image/transformer/blocks", range(image["depth"])
    theirs = "layer.{layer}" if third else "encoder.layer.{layer}"
    weights, biases = (
        " ".join(f"{theirs}.{name}.{part}" for name in projections) for part in ("weight", "bias")
    )
    patches = "embeddings.patch_embeddings" if third else "embeddings.patch_embeddings.projection"
    scales = [
        entry(
            f"{block}/{name}_scale", f"{theirs}.layer_scale{place}.lambda1", _vector(image["width"]), layers
        )
        for place, name in enumerate(("attention", "mlp"), 1)
    ]
    return [
        entry("image/patch_embedding/kernel", f"{patches}.weight", mapping.PATCHES),
        entry("image/patch_embedding/bias", f"{patches}.bias"),
        *(_tokens(image["registers"]) if third else _prefix(image["registers"])),
        entry(
            f"{block}/attention/qkv/kernel",
            weights,
            mapping.interleaved(image["heads"], transposed=True),
            layers,
        ),
        entry(f"{block}/attention/qkv/bias", biases, mapping.interleaved(image["heads"]), layers),
        *layer(f"{block}/attention/out", f"{theirs}.{out}", layers),
        *norm(f"{block}/attention_norm", f"{theirs}.{norms[0]}", layers),
        *norm(f"{block}/mlp_norm", f"{theirs}.{norms[1]}", layers),
        *layer(f"{block}/mlp/up", f"{theirs}.{mlp[0]}", layers),
        *layer(f"{block}/mlp/down", f"{theirs}.{mlp[1]}", layers),
        *(scales if image["layer_scale"] else []),
        *norm("image/transformer/norm", "norm" if third else "layernorm"),
    ]


def _vector(width: int) -> Form:
    """A vector, which some files keep as a table of one row."""
    return Form(lambda x: (x.reshape(width),), lambda x: (x,))
