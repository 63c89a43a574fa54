"""Hugging Face's CLIPModel, SiglipModel and Siglip2Model: config.json and the names in their weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from input_pipeline.errors import UserError
from vlp.interop import fields, mapping
from vlp.interop.mapping import Entry, entry
from vlp.interop.reading import HIGHEST, Reading
from vlp.models.sizes import tower_size

Config = Mapping[str, Any]

ACTIVATIONS = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh"}
# What a config.json may leave out, by kind of model and tower (transformers' CLIPConfig and SiglipConfig).
CLIP_VISION = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "num_channels": 3, "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
CLIP_TEXT = {
    "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12,
    "num_attention_heads": 8, "max_position_embeddings": 77, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
    "eos_token_id": 49407,
}  # fmt: skip
SIGLIP_VISION = {
    **CLIP_VISION, "patch_size": 16, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
    "vision_use_head": True,
}  # fmt: skip
SIGLIP_TEXT = {
    **CLIP_TEXT, "vocab_size": 32000, "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
    "max_position_embeddings": 64, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
}  # fmt: skip
# Siglip2Config, of the NaFlex models alone: those of a fixed resolution say "siglip".
NAFLEX_VISION = {
    **{key: value for key, value in SIGLIP_VISION.items() if key != "image_size"},
    "num_patches": 256,
}
DEFAULTS = {
    "clip": (CLIP_VISION, CLIP_TEXT),
    "siglip": (SIGLIP_VISION, SIGLIP_TEXT),
    "siglip2": (NAFLEX_VISION, SIGLIP_TEXT),
}
UNUSED = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")


def settings(config: Config, others: Collection[str] = ()) -> dict[str, Any]:
    """Returns our `model` settings for a config.json, as a nested dict of what differs from the defaults.

    Args:
      config: what stands there.
      others: kinds of models that are read elsewhere, for the message.

    Raises:
      ValueError: another kind of model, or a value that our towers do not have, by name.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in DEFAULTS:
        raise UserError(f"config.json: model_type={kind!r} is not one of {_listed(others)}")
    vision, text = (
        _tower(config, name, own) for name, own in zip(("vision", "text"), DEFAULTS[kind], strict=True)
    )
    embed_dim = fields.whole(config.get("projection_dim") or 512, "config.json: projection_dim")
    if vision["num_channels"] != 3 or not vision.get("vision_use_head", True):
        name = "num_channels" if vision["num_channels"] != 3 else "vision_use_head"
        raise UserError(f"config.json: vision_config.{name}={vision[name]} is not supported")
    image = {
        **_size(vision, "vision_config"),
        "patch_size": vision["patch_size"],
        "position": "learned",
        **(_native(vision) if kind == "siglip2" else _square(vision)),
    }
    words = _size(text, "text_config")
    if kind == "clip":
        image |= {"pool": "class", "pre_norm": True, "patch_bias": False, "class_position": True}
        words |= {"causal": True, "pool": "end"}
        return {"embed_dim": embed_dim, "image": image, "text": words}
    image |= {"pool": "attention", "project_query": True, "projection": "none"}
    words |= {"causal": False, "pool": "last", "projection": "biased"}
    width = fields.whole(
        text.get("projection_size") or text["hidden_size"], "config.json: text_config.projection_size"
    )
    if width != vision["hidden_size"]:
        raise UserError(
            f"config.json: text_config.projection_size={width} is not vision_config.hidden_size={vision['hidden_size']}"
        )
    return {"embed_dim": width, "image": image, "text": words, "logit_bias": {"learn": True}}


def _square(vision: Config) -> dict[str, Any]:
    """Of images of one resolution."""
    side = vision["image_size"]
    return {"kind": "vit", "resolution": side, "drop_rest": side % vision["patch_size"] > 0}


def _native(vision: Config) -> dict[str, Any]:
    """Of images at their own aspect ratio, with positions for a square grid."""
    patches = vision["num_patches"]
    if math.isqrt(patches) ** 2 != patches:
        raise UserError(f"config.json: vision_config.num_patches={patches} are no square grid of positions")
    return {"kind": "naflex", "resolution": math.isqrt(patches) * vision["patch_size"], "patches": patches}


def _listed(others: Collection[str]) -> str:
    return ", ".join(map(repr, (*DEFAULTS, *others)))


def reading_of(config: Config) -> Reading:
    """Returns how the text tower of a CLIPModel finds the end of a text, and for how many tokens and ids it is made.

    Raises:
      ValueError: as by `settings`, or `eos_token_id` is no id.
    """
    kind = str(config.get("model_type"))
    text = _tower(config, "text", DEFAULTS[kind][1])
    length, rows = text["max_position_embeddings"], text["vocab_size"]
    if kind != "clip":
        return Reading(length, rows)
    where = "config.json: text_config.eos_token_id"
    end = fields.whole(text["eos_token_id"], where, least=0)
    # Configs from before transformers 4.31 say 2, and mean the highest id of a text.
    return Reading(length, rows, HIGHEST if end == 2 else end, where)


def _tower(config: Config, name: str, defaults: Config) -> dict[str, Any]:
    said = [fields.part(config, f"{name}_{part}", "config.json: ") for part in ("config", "config_dict")]
    given = {key: value for part in said for key, value in part.items() if value is not None}
    for key in sorted(given.keys() & defaults.keys() - {"eos_token_id"}):
        fields.like(given[key], defaults[key], f"config.json: {name}_config.{key}")
    return {**defaults, **given}


def _size(tower: Config, where: str) -> dict[str, Any]:
    if tower["hidden_act"] not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise UserError(f"config.json: {where}.hidden_act={tower['hidden_act']!r} is not one of {known}")
    return {
        "size": "",
        "width": tower["hidden_size"],
        "depth": tower["num_hidden_layers"],
        "heads": tower["num_attention_heads"],
        "mlp_dim": tower["intermediate_size"],
        "activation": ACTIVATIONS[tower["hidden_act"]],
        "norm_eps": tower["layer_norm_eps"],
    }


def config_of(model: Config, *, vocabulary_size: int, length: int, end: int, pad: int) -> dict[str, Any]:
    """Writes the config.json of our `model` settings; the inverse of `settings`.

    Args:
      model: with `image.pool` 'class' for a CLIPModel or 'attention' for a SiglipModel; of kind 'naflex' for a
        Siglip2Model.
      vocabulary_size: of the tokenizer.
      length: of its rows.
      end: its id of the end of a text.
      pad: its id of padding.
    """
    clip, image = model["image"]["pool"] == "class", model["image"]
    said = IMAGES[image["kind"]]
    kind = "clip" if clip else said.siglip
    vision = {
        **_said(image),
        **said.sides(image),
        "patch_size": image["patch_size"],
        "num_channels": 3,
        "model_type": f"{kind}_vision_model",
    }
    text = {
        **_said(model["text"]),
        "vocab_size": vocabulary_size,
        "max_position_embeddings": length,
        "eos_token_id": end,
        "pad_token_id": pad,
        "bos_token_id": None,
        "model_type": f"{kind}_text_model",
    }
    width = {"projection_dim": model["embed_dim"]}
    if clip:
        vision, text = {**vision, **width}, {**text, **width}
    else:
        text["projection_size"] = model["embed_dim"]
    return {
        "architectures": ["CLIPModel" if clip else f"{kind.capitalize()}Model"],
        "model_type": kind,
        **(width if clip else {}),
        "torch_dtype": "float32",
        "vision_config": vision,
        "text_config": text,
    }


def _said(tower: Config) -> dict[str, Any]:
    size = tower_size(tower)
    return {
        "hidden_size": size.width,
        "num_hidden_layers": size.depth,
        "num_attention_heads": size.heads,
        "intermediate_size": size.mlp_dim,
        "hidden_act": next(theirs for theirs, ours in ACTIVATIONS.items() if ours == size.activation),
        "layer_norm_eps": size.norm_eps,
    }


def entries(model: Config) -> list[Entry]:
    """Returns the table of a CLIPModel (`image.pool` 'class') or a SiglipModel ('attention'), or of a Siglip2Model."""
    image, text = model["image"], model["text"]
    patches = IMAGES[image["kind"]].patches
    table = [
        *_blocks("image/transformer", "vision_model.encoder", image),
        *norm("image/transformer/norm", "vision_model.post_layernorm"),
        entry("text/embedding/embedding", "text_model.embeddings.token_embedding.weight"),
        entry("text/position/embedding", "text_model.embeddings.position_embedding.weight"),
        *_blocks("text/transformer", "text_model.encoder", text),
        *norm("text/transformer/norm", "text_model.final_layer_norm"),
        entry("image/patch_embedding/kernel", "vision_model.embeddings.patch_embedding.weight", patches),
    ]
    return table + (_clip() if image["pool"] == "class" else _siglip(image))


def _clip() -> list[Entry]:
    return [
        entry("image/class_token", "vision_model.embeddings.class_embedding", mapping.ROW),
        entry(
            "image/class_position image/position/embedding",
            "vision_model.embeddings.position_embedding.weight",
            mapping.PREFIXED,
        ),
        *norm("image/pre_norm", "vision_model.pre_layrnorm"),
        entry("image_projection/kernel", "visual_projection.weight", mapping.TRANSPOSED),
        entry("text_projection/kernel", "text_projection.weight", mapping.TRANSPOSED),
        entry("logit_scale", "logit_scale", mapping.SCALAR),
    ]


def _siglip(image: Config) -> list[Entry]:
    heads, pool, head = tower_size(image).heads, "image/attention_pool", "vision_model.head"
    return [
        entry("image/patch_embedding/bias", "vision_model.embeddings.patch_embedding.bias"),
        entry("image/position/embedding", "vision_model.embeddings.position_embedding.weight"),
        entry(f"{pool}/query", f"{head}.probe", mapping.QUERY),
        entry(
            f"{pool}/query_projection/kernel {pool}/key_value/kernel",
            f"{head}.attention.in_proj_weight",
            mapping.pooling_projections(heads, transposed=True),
        ),
        entry(
            f"{pool}/query_projection/bias {pool}/key_value/bias",
            f"{head}.attention.in_proj_bias",
            mapping.pooling_projections(heads),
        ),
        *layer(f"{pool}/out", f"{head}.attention.out_proj"),
        *norm(f"{pool}/norm", f"{head}.layernorm"),
        *layer(f"{pool}/mlp/up", f"{head}.mlp.fc1"),
        *layer(f"{pool}/mlp/down", f"{head}.mlp.fc2"),
        *layer("text_projection", "text_model.head"),
        entry("logit_scale", "logit_scale", mapping.SCALAR_OF_ONE),
        entry("logit_bias", "logit_bias", mapping.SCALAR_OF_ONE),
    ]


def _blocks(ours: str, theirs: str, tower: Config) -> list[Entry]:
    size = tower_size(tower)
    block, theirs, layers = f"{ours}/blocks", f"{theirs}.layers.{{layer}}", range(size.depth)
    projections = [f"{theirs}.self_attn.{name}_proj" for name in "qkv"]
    weights, biases = (" ".join(f"{name}.{kind}" for name in projections) for kind in ("weight", "bias"))
    kernel = mapping.interleaved(size.heads, transposed=True)
    return [
        *norm(f"{block}/attention_norm", f"{theirs}.layer_norm1", layers),
        entry(f"{block}/attention/qkv/kernel", weights, kernel, layers),
        entry(f"{block}/attention/qkv/bias", biases, mapping.interleaved(size.heads), layers),
        *layer(f"{block}/attention/out", f"{theirs}.self_attn.out_proj", layers),
        *norm(f"{block}/mlp_norm", f"{theirs}.layer_norm2", layers),
        *layer(f"{block}/mlp/up", f"{theirs}.mlp.fc1", layers),
        *layer(f"{block}/mlp/down", f"{theirs}.mlp.fc2", layers),
    ]


def norm(ours: str, theirs: str, layers: range | None = None) -> list[Entry]:
    """Returns a layer norm of PyTorch's."""
    return [
        entry(f"{ours}/scale", f"{theirs}.weight", layers=layers),
        entry(f"{ours}/bias", f"{theirs}.bias", layers=layers),
    ]


def layer(ours: str, theirs: str, layers: range | None = None) -> list[Entry]:
    """Returns a linear layer of PyTorch's."""
    return [
        entry(f"{ours}/kernel", f"{theirs}.weight", mapping.TRANSPOSED, layers),
        entry(f"{ours}/bias", f"{theirs}.bias", layers=layers),
    ]


def convolution(ours: str, theirs: str, batch_norm: str, layers: range | None = None) -> list[Entry]:
    """Returns a convolution of PyTorch's without a bias, and the batch norm behind it."""
    parts = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
    return [
        entry(f"{ours}/kernel", f"{theirs}.weight", mapping.KERNEL, layers),
        *(
            entry(f"{ours}/norm/{mine}", f"{batch_norm}.{name}", layers=layers)
            for mine, name in parts.items()
        ),
    ]


class Images(NamedTuple):
    """Holds what transformers says of a kind of image tower.

    Attributes:
      siglip: the type of model with such a tower and an attention pool.
      sides: how large images are, in its words.
      patches: the form of the weights that embed them.
    """

    siglip: str
    sides: Callable[[Config], dict[str, int]]
    patches: mapping.Form


IMAGES = {
    "vit": Images("siglip", lambda image: {"image_size": image["resolution"]}, mapping.PATCHES),
    "naflex": Images(
        "siglip2",
        lambda image: {"num_patches": (image["resolution"] // image["patch_size"]) ** 2},
        mapping.TRANSPOSED,
    ),
}
