"""big_vision's SigLIP and SigLIP 2 weights (.npz), whose shapes alone say the architecture."""

from __future__ import annotations

import math
from typing import Any

from input_pipeline.errors import UserError
from vlp.interop import mapping
from vlp.interop.mapping import Entry, Form, Tensors, entry, shape_of
from vlp.models.sizes import tower_size

ATTENTION = "MultiHeadDotProductAttention_0"


def unstacked(tensors: Tensors) -> Tensors:
    """Returns one tensor a layer, also where a scan over layers has saved one for all; names without `params/`."""
    result: Tensors = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("params/")
        before, stacked, after = name.partition("/encoderblock/")
        if stacked and tensor.ndim:
            result |= {f"{before}/encoderblock_{layer}/{after}": part for layer, part in enumerate(tensor)}
        else:
            result[name] = tensor
    return result


def settings(tensors: Tensors) -> dict[str, Any]:
    """Returns our `model` settings for weights as `unstacked` names them.

    The text tower is read at its last position, as in every published SigLIP: the weights do not say it.

    Raises:
      ValueError: these are no weights of two such towers.
    """
    needed = ("img/embedding/kernel", "txt/Embed_0/embedding", "txt/pos_embedding", "t")
    if missing := [name for name in needed if name not in tensors]:
        raise UserError(f"the .npz holds no SigLIP of big_vision: it has no {', '.join(missing)}")
    if tensors[needed[0]].ndim != 4:
        raise UserError("the .npz is a NaFlex model, of any resolution: only those of a fixed one are read")
    patch_size, _, _, width = shape_of(tensors, "img/embedding/kernel", 4)
    learned = "img/pos_embedding" in tensors
    if not learned:
        raise UserError("the .npz has no img/pos_embedding: towers with fixed positions are not read")
    side = math.isqrt(shape_of(tensors, "img/pos_embedding", 3)[1])
    pool = "attention" if "img/MAPHead_0/probe" in tensors else "class" if "img/cls" in tensors else "mean"
    image = {
        "kind": "vit",
        **_size(tensors, "img/Transformer"),
        "patch_size": patch_size,
        "resolution": side * patch_size,
        "position": "learned",
        "pool": pool,
        "project_query": pool == "attention",
        "projection": "biased" if "img/head/kernel" in tensors else "none",
    }
    text = {
        **_size(tensors, "txt/Encoder_0"),
        "causal": False,
        "pool": "last",
        "projection": "biased" if "txt/head/kernel" in tensors else "none",
    }
    embed_dim = shape_of(tensors, "img/head/kernel", 2)[1] if "img/head/kernel" in tensors else width
    return {"embed_dim": embed_dim, "image": image, "text": text, "logit_bias": {"learn": "b" in tensors}}


def _size(tensors: Tensors, encoder: str) -> dict[str, Any]:
    layers = {name.split("/")[2] for name in tensors if name.startswith(f"{encoder}/encoderblock_")}
    width, heads, _ = shape_of(tensors, f"{encoder}/encoderblock_0/{ATTENTION}/query/kernel", 3)
    mlp_dim = shape_of(tensors, f"{encoder}/encoderblock_0/MlpBlock_0/Dense_0/kernel", 2)[1]
    return {"size": "", "width": width, "depth": len(layers), "heads": heads, "mlp_dim": mlp_dim}


def entries(model: Any) -> list[Entry]:
    """Returns the table of such a model; it is only ever read."""
    image, text = model.image, model.text
    pools = {
        "attention": _pool(tower_size(image).heads),
        "class": [entry("image/class_token", "img/cls", mapping.FIRST)],
        "mean": [],
    }
    bias = [entry("logit_bias", "b", mapping.SCALAR_OF_ONE)] if model.logit_bias.learn else []
    return [
        entry("image/patch_embedding/kernel", "img/embedding/kernel", FLAT),
        entry("image/patch_embedding/bias", "img/embedding/bias"),
        entry("image/position/embedding", "img/pos_embedding", mapping.FIRST),
        *_encoder("image/transformer", "img/Transformer", image),
        *pools[image.pool],
        *(_layer("image_projection", "img/head") if image.projection == "biased" else []),
        entry("text/embedding/embedding", "txt/Embed_0/embedding"),
        entry("text/position/embedding", "txt/pos_embedding", mapping.FIRST),
        *_encoder("text/transformer", "txt/Encoder_0", text),
        *(_layer("text_projection", "txt/head") if text.projection == "biased" else []),
        entry("logit_scale", "t", mapping.SCALAR_OF_ONE),
        *bias,
    ]


# Kernels whose first axes are patches' pixels, or whose outputs or inputs are cut into heads.
FLAT = Form(lambda x: (x.reshape(-1, x.shape[-1]),), lambda x: (x,))
FROM_HEADS = FLAT
TO_HEADS = Form(lambda x: (x.reshape(x.shape[0], -1),), lambda x: (x,))


def _heads(heads: int, *, kernel: bool) -> Form:
    """Separate projections whose outputs are cut into heads, as one that comes head by head."""
    form = mapping.interleaved(heads)

    def read(*theirs: Any) -> tuple[Any, ...]:
        return form.read(*(x.reshape(x.shape[0], -1) if kernel else x.reshape(-1) for x in theirs))

    return Form(read, form.write)


def _encoder(ours: str, theirs: str, tower: Any) -> list[Entry]:
    size = tower_size(tower)
    block, theirs_block, layers = f"{ours}/blocks", f"{theirs}/encoderblock_{{layer}}", range(size.depth)
    attention = f"{theirs_block}/{ATTENTION}"
    kernels, biases = (
        " ".join(f"{attention}/{part}/{kind}" for part in ("query", "key", "value"))
        for kind in ("kernel", "bias")
    )
    return [
        *_norm(f"{block}/attention_norm", f"{theirs_block}/LayerNorm_0", layers),
        entry(f"{block}/attention/qkv/kernel", kernels, _heads(size.heads, kernel=True), layers),
        entry(f"{block}/attention/qkv/bias", biases, _heads(size.heads, kernel=False), layers),
        *_layer(f"{block}/attention/out", f"{attention}/out", layers, FROM_HEADS),
        *_norm(f"{block}/mlp_norm", f"{theirs_block}/LayerNorm_1", layers),
        *_layer(f"{block}/mlp/up", f"{theirs_block}/MlpBlock_0/Dense_0", layers),
        *_layer(f"{block}/mlp/down", f"{theirs_block}/MlpBlock_0/Dense_1", layers),
        *_norm(f"{ours}/norm", f"{theirs}/encoder_norm"),
    ]


def _pool(heads: int) -> list[Entry]:
    ours, theirs = "image/attention_pool", "img/MAPHead_0"
    attention = f"{theirs}/{ATTENTION}"
    pair = {
        kind: " ".join(f"{attention}/{part}/{kind}" for part in ("key", "value"))
        for kind in ("kernel", "bias")
    }
    return [
        entry(f"{ours}/query", f"{theirs}/probe", mapping.QUERY),
        entry(f"{ours}/query_projection/kernel", f"{attention}/query/kernel", TO_HEADS),
        entry(f"{ours}/query_projection/bias", f"{attention}/query/bias", FLATTENED),
        entry(f"{ours}/key_value/kernel", pair["kernel"], _heads(heads, kernel=True)),
        entry(f"{ours}/key_value/bias", pair["bias"], _heads(heads, kernel=False)),
        *_layer(f"{ours}/out", f"{attention}/out", form=FROM_HEADS),
        *_norm(f"{ours}/norm", f"{theirs}/LayerNorm_0"),
        *_layer(f"{ours}/mlp/up", f"{theirs}/MlpBlock_0/Dense_0"),
        *_layer(f"{ours}/mlp/down", f"{theirs}/MlpBlock_0/Dense_1"),
    ]  # fmt: skip


FLATTENED = Form(lambda x: (x.reshape(-1),), lambda x: (x,))


def _norm(ours: str, theirs: str, layers: range | None = None) -> list[Entry]:
    return [entry(f"{ours}/{kind}", f"{theirs}/{kind}", layers=layers) for kind in ("scale", "bias")]


def _layer(ours: str, theirs: str, layers: range | None = None, form: Form | None = None) -> list[Entry]:
    return [
        entry(f"{ours}/kernel", f"{theirs}/kernel", form, layers),
        entry(f"{ours}/bias", f"{theirs}/bias", layers=layers),
    ]
