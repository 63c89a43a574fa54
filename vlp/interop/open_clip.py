"""OpenCLIP's models: open_clip_config.json, and the names in their weights."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from input_pipeline.errors import UserError
from vlp.interop import fields, mapping, open_clip_text, timm
from vlp.interop.huggingface import convolution, layer, norm
from vlp.interop.mapping import Entry, Tensors, entry
from vlp.interop.reading import HIGHEST, Reading
from vlp.models.sizes import RESNETS, convolution_size, tower_size

Config = Mapping[str, Any]

# What an open_clip_config.json may leave out. Whatever else it says must be one of IGNORED, or what HARMLESS says.
VISION = {
    "layers": 12, "width": 768, "head_width": 64, "mlp_ratio": 4.0, "patch_size": 16, "image_size": 224,
    "no_ln_pre": False, "pool_type": "tok", "final_ln_after_pool": False, "act_kwargs": None, "norm_kwargs": None,
    "ls_init_value": None, "timm_model_name": None,
}  # fmt: skip
TEXT = {
    "context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12, "mlp_ratio": 4.0,
    "eos_id": 2, "no_causal_mask": False, "pool_type": "argmax", "proj_bias": False, "proj_type": "linear",
    "act_kwargs": None, "norm_kwargs": None, "ls_init_value": None, "hf_model_name": None,
}  # fmt: skip
MODEL = {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}
IGNORED = {
    "custom_text", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale", "patch_dropout", "pos_embed_type",
    "attn_pooler_queries", "attn_pooler_heads", "pad_id", "hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs",
    "hf_model_pretrained", "hf_proj_type", "hf_pooler_type", "timm_model_pretrained", "timm_drop", "timm_drop_path",
    "timm_pool", "timm_proj", "timm_proj_bias", "output_tokens",
}  # fmt: skip
HARMLESS = {"block_type": ("default", None)}
CONFIG = "open_clip_config.json"
WHERE = f"{CONFIG}: "
LISTS = ("layers", "image_size", "patch_size")  # a number, or one for each stage or side
UNUSED = (
    "input_resolution",
    "context_length",
    "vocab_size",
    "attn_mask",
    "text.attn_mask",
    "text.transformer.embeddings.position_ids",
)
EPS = 1e-5


def settings(config: Config, tensors: Tensors) -> dict[str, Any]:
    """Returns our `model` settings for the `model_cfg` of an open_clip_config.json and the weights beside it.

    Raises:
      ValueError: a setting that our towers do not have, by name and value.
    """
    _said({key: value for key, value in config.items() if key not in MODEL}, {}, "model_cfg")
    vision = _said(fields.part(config, "vision_cfg", WHERE), VISION, "vision_cfg")
    text = _said(fields.part(config, "text_cfg", WHERE), TEXT, "text_cfg")
    quick = fields.like(config.get("quick_gelu", False), False, f"{WHERE}quick_gelu")
    embed_dim = fields.whole(config.get("embed_dim"), f"{WHERE}embed_dim")
    if vision["timm_model_name"]:
        image = timm.settings(config["vision_cfg"], tensors, embed_dim)
    elif isinstance(vision["layers"], list | tuple):
        image = _resnet(vision)
    else:
        image = _image(vision, quick)
    scalars = {"logit_bias": {"learn": True}} if "logit_bias" in tensors else {}
    if text["hf_model_name"]:
        words = open_clip_text.settings(config["text_cfg"], tensors, embed_dim)
    else:
        words = _text(text, quick)
    return {"embed_dim": embed_dim, "image": image, "text": words, **scalars}


def reading_of(config: Config) -> Reading:
    """Returns how the text tower finds the end of a text, and for how many tokens and ids it is made.

    Raises:
      ValueError: as by `settings`.
    """
    text = _said(fields.part(config, "text_cfg", WHERE), TEXT, "text_cfg")
    length, rows, pool = text["context_length"], text["vocab_size"], text["pool_type"]
    if text["hf_model_name"]:
        return open_clip_text.reading_of(text["hf_model_name"], length)
    if pool == "argmax":
        return Reading(length, rows, HIGHEST, f"{WHERE}text_cfg.pool_type='argmax'")
    if pool == "eos":
        where = f"{WHERE}text_cfg.eos_id"
        return Reading(length, rows, fields.whole(text["eos_id"], where, least=0), where)
    return Reading(length, rows)


def _said(given: Config, known: Config, where: str) -> dict[str, Any]:
    given = {key: value for key, value in given.items() if value is not None}
    for key, value in given.items():
        if key in known:
            lists = LISTS if where == "vision_cfg" else ()
            _check(key, value, known[key], f"{WHERE}{where}.{key}", lists)
        # What is off is not missed.
        elif key not in IGNORED and value and value not in HARMLESS.get(key, ()):
            raise UserError(f"{WHERE}{where}.{key}={reprlib.repr(value)} is not supported")
    return {**known, **given}


def _check(key: str, value: Any, default: Any, where: str, lists: tuple[str, ...]) -> None:
    if key in lists and isinstance(value, list):
        for one in value:
            fields.whole(one, where)
    elif key != "eos_id":  # which may be 0
        fields.like(value, default, where)


def _image(vision: Config, quick: bool) -> dict[str, Any]:
    pools = {"tok": "class", "avg": "mean"}
    side = fields.square(vision["image_size"], f"{WHERE}vision_cfg.image_size")
    patch_size = fields.square(vision["patch_size"], f"{WHERE}vision_cfg.patch_size")
    if vision["pool_type"] not in pools:
        raise UserError(
            f"open_clip_config.json: vision_cfg.pool_type={vision['pool_type']!r} is not supported"
        )
    average = vision["pool_type"] == "avg"
    return {
        "kind": "vit",
        **_size(vision, vision["width"] // vision["head_width"], quick, "vision_cfg"),
        "patch_size": patch_size,
        "resolution": side,
        "drop_rest": side % patch_size > 0,
        "position": "learned",
        "pool": pools[vision["pool_type"]],
        # Of a class token's, both of open_clip's places for the last norm compute the same.
        "norm_after_pool": average and vision["final_ln_after_pool"],
        "registers": int(average),
        "pre_norm": not vision["no_ln_pre"],
        "patch_bias": False,
        "class_position": True,
    }


def _resnet(vision: Config) -> dict[str, Any]:
    where = "open_clip_config.json: vision_cfg.layers"
    layers, width = tuple(fields.whole(one, where) for one in vision["layers"]), vision["width"]
    known = {blocks: name for name, (_, blocks) in RESNETS.items()}
    if layers not in known:
        raise UserError(f"{where}={list(layers)} is none of our resnets' {sorted(known)}")
    return {
        "kind": "resnet",
        "size": known[layers],
        "width": width,
        "depth": 0,
        "heads": width * 32 // vision["head_width"],
        "resolution": fields.square(vision["image_size"], f"{WHERE}vision_cfg.image_size"),
        "pool": "attention",
        "norm": "batch",
        "projection": "biased",
    }


def _text(text: Config, quick: bool) -> dict[str, Any]:
    pools = {"argmax": "end", "eos": "end", "first": "first", "last": "last"}
    for name in ("pool_type", "proj_type"):
        if text[name] not in (pools if name == "pool_type" else ("linear", "none")):
            raise UserError(f"open_clip_config.json: text_cfg.{name}={text[name]!r} is not supported")
    causal = not text["no_causal_mask"]
    pool = pools[text["pool_type"]]
    if causal and pool == "first":
        raise UserError(
            "open_clip_config.json: text_cfg.pool_type='first' with a causal mask reads one token alone"
        )
    kinds = {"none": "none", "linear": "biased" if text["proj_bias"] else "linear"}
    return {
        **_size(text, text["heads"], quick, "text_cfg"),
        "causal": causal,
        "pool": pool,
        "attend_padding": not causal and pool != "last",
        "projection": kinds[text["proj_type"]],
    }


def _size(tower: Config, heads: int, quick: bool, where: str) -> dict[str, Any]:
    act, eps = (dict(fields.part(tower, key, f"{WHERE}{where}.")) for key in ("act_kwargs", "norm_kwargs"))
    approximate = fields.words(
        act.pop("approximate", "none"), f"{WHERE}{where}.act_kwargs.approximate", ("none", "tanh")
    )
    norm_eps = fields.number(eps.pop("eps", EPS), f"{WHERE}{where}.norm_kwargs.eps")
    scale = tower["ls_init_value"]
    for name, rest in (("act_kwargs", act), ("norm_kwargs", eps)):
        if rest:
            raise UserError(f"open_clip_config.json: {where}.{name}={tower[name]} is not supported")
    return {
        "size": "",
        "width": tower["width"],
        "depth": tower["layers"],
        "heads": heads,
        "mlp_dim": int(tower["width"] * tower["mlp_ratio"]),
        "activation": "quick_gelu" if quick else "gelu_tanh" if approximate == "tanh" else "gelu",
        "norm_eps": norm_eps,
        "layer_scale": 0.0 if scale is None else fields.number(scale, f"{WHERE}{where}.ls_init_value"),
    }


def config_of(model: Any, *, vocabulary_size: int, length: int, end: int, pad: int) -> dict[str, Any]:
    """Returns the open_clip_config.json of our `model` settings, but for what tokenizer and preprocessing add."""
    image, text = model.image, model.text
    words = {
        **_cfg(text),
        "context_length": length,
        "vocab_size": vocabulary_size,
        "heads": tower_size(text).heads,
        "no_causal_mask": not text.causal,
        "pool_type": {"end": "eos", "last": "last", "first": "first"}[text.pool],
        "eos_id": end,
        "pad_id": pad,
        "proj_bias": text.projection == "biased",
        "proj_type": "none" if text.projection == "none" else "linear",
    }
    config = {
        "embed_dim": model.embed_dim,
        "quick_gelu": text.activation == "quick_gelu",
        "custom_text": text.projection == "none",
        "text_cfg": words,
    }
    if model.logit_bias.learn:
        config["init_logit_bias"] = 0.0
    config["vision_cfg"] = {**TOWERS[image.kind].said(image), "image_size": image.resolution}
    return {"model_cfg": config}


def _resnet_cfg(image: Any) -> dict[str, Any]:
    stages = convolution_size(image)
    head_width = stages.stem * 32 // image.heads
    return {"layers": list(stages.blocks), "width": stages.stem, "head_width": head_width}


def _vision_cfg(image: Any) -> dict[str, Any]:
    size = tower_size(image)
    return {
        **_cfg(image),
        "head_width": size.width // size.heads,
        "patch_size": image.patch_size,
        "pool_type": {"class": "tok", "mean": "avg"}[image.pool],
        "final_ln_after_pool": image.norm_after_pool,
        "no_ln_pre": not image.pre_norm,
    }


def _cfg(tower: Any) -> dict[str, Any]:
    size = tower_size(tower)
    ratio = size.mlp_dim / size.width
    said: dict[str, Any] = {
        "width": size.width,
        "layers": size.depth,
        # It is read as int(width * ratio), which may fall just below.
        "mlp_ratio": ratio if int(size.width * ratio) == size.mlp_dim else (size.mlp_dim + 0.5) / size.width,
        "norm_kwargs": {"eps": size.norm_eps},
    }
    return {**said, "act_kwargs": {"approximate": "tanh"}} if size.activation == "gelu_tanh" else said


def entries(config: Config, model: Any, tensors: Tensors | None = None) -> list[Entry]:
    """Returns the table of an OpenCLIP model.

    Args:
      config: the `model_cfg` of its open_clip_config.json.
      model: our settings for it.
      tensors: all of its weights, which say better than the config whether its text tower is a module of its own
        (`custom_text`); None where they are to be written.
    """
    if fields.part(config, "vision_cfg", WHERE).get("timm_model_name"):
        image = timm.entries(model.image, tensors or {})
    else:
        image = TOWERS[model.image.kind].entries(model.image)
    words = fields.part(config, "text_cfg", WHERE)
    own = config.get("custom_text") if tensors is None else "text.token_embedding.weight" in tensors
    if name := words.get("hf_model_name"):
        length = _said(words, TEXT, "text_cfg")["context_length"]
        text = open_clip_text.entries(name, model.text, length)
    else:
        text = _text_entries(model.text, "text." if own else "")
    bias = [entry("logit_bias", "logit_bias", mapping.SCALAR)] if model.logit_bias.learn else []
    return [
        *image,
        *text,
        entry("logit_scale", "logit_scale", mapping.SCALAR),
        *bias,
    ]


def _vision_entries(image: Any) -> list[Entry]:
    return [
        entry("image/patch_embedding/kernel", "visual.conv1.weight", mapping.PATCHES),
        entry("image/class_token", "visual.class_embedding", mapping.ROW),
        entry(
            "image/class_position image/position/embedding", "visual.positional_embedding", mapping.PREFIXED
        ),
        *(norm("image/pre_norm", "visual.ln_pre") if image.pre_norm else []),
        *_blocks("image/transformer", "visual.transformer", image),
        *norm("image/pooled_norm" if image.norm_after_pool else "image/transformer/norm", "visual.ln_post"),
        entry("image_projection/kernel", "visual.proj"),
    ]


def _text_entries(text: Any, prefix: str) -> list[Entry]:
    kinds = {
        "linear": [entry("text_projection/kernel", f"{prefix}text_projection")],
        "biased": layer("text_projection", f"{prefix}text_projection"),
        "none": [],
    }
    return [
        entry("text/embedding/embedding", f"{prefix}token_embedding.weight"),
        entry("text/position/embedding", f"{prefix}positional_embedding"),
        *_blocks("text/transformer", f"{prefix}transformer", text),
        *norm("text/transformer/norm", f"{prefix}ln_final"),
        *kinds[text.projection or "linear"],
    ]


def _blocks(ours: str, theirs: str, tower: Any) -> list[Entry]:
    size = tower_size(tower)
    block, theirs, layers = f"{ours}/blocks", f"{theirs}.resblocks.{{layer}}", range(size.depth)
    kernel, bias = mapping.fused(size.heads, transposed=True), mapping.fused(size.heads)
    scales = [
        entry(f"{block}/{name}_scale", f"{theirs}.ls_{place}.gamma", layers=layers)
        for place, name in enumerate(("attention", "mlp"), 1)
    ]
    return [
        *(scales if size.layer_scale else []),
        *norm(f"{block}/attention_norm", f"{theirs}.ln_1", layers),
        entry(f"{block}/attention/qkv/kernel", f"{theirs}.attn.in_proj_weight", kernel, layers),
        entry(f"{block}/attention/qkv/bias", f"{theirs}.attn.in_proj_bias", bias, layers),
        *layer(f"{block}/attention/out", f"{theirs}.attn.out_proj", layers),
        *norm(f"{block}/mlp_norm", f"{theirs}.ln_2", layers),
        *layer(f"{block}/mlp/up", f"{theirs}.mlp.c_fc", layers),
        *layer(f"{block}/mlp/down", f"{theirs}.mlp.c_proj", layers),
    ]


def _resnet_entries(image: Any) -> list[Entry]:
    blocks, pool, theirs = convolution_size(image).blocks, "image/attention_pool", "visual.attnpool"
    table = [
        line
        for place, name in enumerate(("first", "second", "third"), 1)
        for line in convolution(f"image/stages/0/{name}", f"visual.conv{place}", f"visual.bn{place}")
    ]
    for stage, count in enumerate(blocks, 1):
        first, others = f"visual.layer{stage}.0", f"visual.layer{stage}.{{layer}}"
        table += _bottleneck(f"image/stages/{stage}/first", first, None)
        table += convolution(
            f"image/stages/{stage}/first/shortcut", f"{first}.downsample.0", f"{first}.downsample.1"
        )
        if count > 1:
            table += _bottleneck(f"image/stages/{stage}/others", others, range(1, count))
    return [
        *table,
        entry(f"{pool}/position/embedding", f"{theirs}.positional_embedding"),
        *(line for name in ("query", "key", "value") for line in layer(f"{pool}/{name}", f"{theirs}.{name[0]}_proj")),
        *layer("image_projection", f"{theirs}.c_proj"),
    ]  # fmt: skip


def _bottleneck(ours: str, theirs: str, layers: range | None) -> list[Entry]:
    names = {"reduce": 1, "spatial": 2, "expand": 3}
    return [
        line
        for name, place in names.items()
        for line in convolution(f"{ours}/{name}", f"{theirs}.conv{place}", f"{theirs}.bn{place}", layers)
    ]


class Vision(NamedTuple):
    """Holds what OpenCLIP says of a kind of image tower of its own.

    Attributes:
      said: its `vision_cfg` of our settings, but for the side of images.
      entries: the names of its weights.
    """

    said: Callable[[Any], dict[str, Any]]
    entries: Callable[[Any], list[Entry]]


TOWERS = {"vit": Vision(_vision_cfg, _vision_entries), "resnet": Vision(_resnet_cfg, _resnet_entries)}
