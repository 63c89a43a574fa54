"""Text towers of Hugging Face in OpenCLIP's models, which name them and leave their configs on the Hub."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from vlp.interop import bert, fields, mapping
from vlp.interop.huggingface import layer, norm
from vlp.interop.mapping import Entry, Form, Tensors, entry, shape_of
from vlp.interop.reading import Reading

Config = Mapping[str, Any]

WHERE = "open_clip_config.json: text_cfg."
TRUNK = "text.transformer."


class Tower(NamedTuple):
    """Holds what no shape tells of a text tower on the Hub.

    Attributes:
      kind: 'bert', or 'm2m' of M2M-100's encoder, which NLLB has.
      pad: the id of padding, behind which positions are counted, but for BERT's.
      norm_eps: of its norms.
      pooler: that open_clip takes where a config says null.
    """

    kind: str
    pad: int = 1
    norm_eps: float = 1e-5
    pooler: str = "mean_pooler"

    @property
    def before(self) -> int:
        """Rows of the table of positions before that of the first token."""
        return self.pad + 1 if self.pad else 0


ROBERTA, NLLB = Tower("bert"), Tower("m2m", pooler="cls_pooler")
BERT = Tower("bert", pad=0, norm_eps=1e-12, pooler="cls_pooler")
BIOMED = "microsoft/BiomedNLP-{}-base-uncased-abstract{}"
TOWERS: Mapping[str, Tower] = {
    **{f"{kind}roberta-{size}": ROBERTA for kind in ("", "xlm-") for size in ("base", "large")},
    **{f"FacebookAI/{kind}roberta-{size}": ROBERTA for kind in ("", "xlm-") for size in ("base", "large")},
    **{f"facebook/nllb-200-distilled-{size}": NLLB for size in ("600M", "1.3B")},
    **{f"bert-{size}-uncased": BERT for size in ("base", "large")},
    **{
        BIOMED.format(name, text): BERT for name in ("BiomedBERT", "PubMedBERT") for text in ("", "-fulltext")
    },
}
POOLS = {"mean_pooler": "mean", "cls_last_hidden_state_pooler": "first", "cls_pooler": "first"}
HEAD_WIDTH = 64  # of all of them
LONGEST = 1024  # tokens that NLLB is made for; the others' tables say fewer


def tower_of(name: Any) -> Tower:
    """Returns the tower of that name.

    Raises:
      ValueError: it is none whose config is known here.
    """
    return TOWERS[fields.words(name, f"{WHERE}hf_model_name", tuple(TOWERS))]


def reading_of(name: Any, length: int) -> Reading:
    """Returns how texts of so many tokens are read.

    Raises:
      ValueError: as by `tower_of`.
    """
    fields.whole(length, f"{WHERE}context_length", most=LONGEST)
    return Reading(length, where=f"{WHERE}hf_model_name", pad=tower_of(name).pad, spare=True)


def settings(text: Config, tensors: Tensors, embed_dim: int) -> dict[str, Any]:
    """Returns our `model.text` for a `text_cfg` that names such a tower.

    Args:
      text: what it says.
      tensors: all of the weights.
      embed_dim: of the joint space.

    Raises:
      ValueError: it is none that is known, or is read in a way that our towers are not.
    """
    tower = tower_of(text["hf_model_name"])
    said = text.get("hf_pooler_type", "mean_pooler")
    pooler = tower.pooler if said is None else said
    # BERT's own pooler is a layer with a tanh behind its first token.
    allowed = [name for name in POOLS if name != "cls_pooler" or tower.kind != "bert"]
    fields.words(pooler, f"{WHERE}hf_pooler_type", allowed)
    names = {
        "bert": ("embeddings.word_embeddings.weight", "encoder.layer.", "intermediate.dense.weight"),
        "m2m": ("embed_tokens.weight", "layers.", "fc1.weight"),
    }
    embedding, blocks, up = names[tower.kind]
    width = shape_of(tensors, f"{TRUNK}{embedding}", 2)[1]
    start = f"{TRUNK}{blocks}"
    return {
        "kind": "transformer",
        "size": "",
        "width": width,
        "depth": len({name[len(start) :].split(".")[0] for name in tensors if name.startswith(start)}),
        "heads": width // HEAD_WIDTH,
        "mlp_dim": shape_of(tensors, f"{start}0.{up}", 2)[0],
        "activation": "relu" if tower.kind == "m2m" else "gelu",
        "norm_eps": tower.norm_eps,
        "post_norm": tower.kind == "bert",
        "causal": False,
        "pool": POOLS[pooler],
        **_projection(text.get("hf_proj_type", "mlp"), width, embed_dim),
    }


def _projection(kind: Any, width: int, embed_dim: int) -> dict[str, Any]:
    if kind is None and width == embed_dim:
        return {"projection": "none"}
    if kind not in ("linear", "mlp"):
        raise fields.refused(f"{WHERE}hf_proj_type", kind, "'linear' or 'mlp', or null between equal widths")
    hidden = {"projection": "gelu", "projection_dim": (width + embed_dim) // 2}
    return {"projection": "linear"} if kind == "linear" else hidden


def entries(name: Any, text: Any, length: int) -> list[Entry]:
    """Returns the table of such a tower and its projection.

    Args:
      name: of the tower.
      text: our settings.
      length: tokens in a text.
    """
    tower = tower_of(name)
    if tower.kind == "bert":
        trunk = bert.entries(text, tower.before, prefix=TRUNK, length=length)
    else:
        trunk = _m2m(text, tower.before, length)
    return [*trunk, *_projections(text.projection)]


def _projections(kind: str) -> list[Entry]:
    if kind == "linear":
        return [entry("text_projection/kernel", "text.proj.weight", mapping.TRANSPOSED)]
    # Their first layer has no bias.
    first = Form(lambda x: (x.T, np.zeros(len(x), x.dtype)), lambda kernel, bias: (kernel.T,))
    layers = "text_projection/layers"
    both = [
        entry(f"{layers}/0/kernel {layers}/0/bias", "text.proj.0.weight", first),
        entry(f"{layers}/1/kernel", "text.proj.2.weight", mapping.TRANSPOSED),
    ]
    return both if kind == "gelu" else []


def _m2m(text: Any, before: int, length: int) -> list[Entry]:
    """The table of M2M-100's encoder (arXiv 2010.11125), whose positions are fixed, and whose embeddings are scaled."""
    block, theirs, layers = "text/transformer/blocks", f"{TRUNK}layers.{{layer}}", range(text.depth)
    projections = [f"{theirs}.self_attn.{name}_proj" for name in "qkv"]
    weights, biases = (" ".join(f"{name}.{kind}" for name in projections) for kind in ("weight", "bias"))
    places = _sinusoids(before, length, text.width)
    scale = np.float32(math.sqrt(text.width))
    embedded = Form(lambda x: (x * scale, places), lambda embedding, _: (embedding / scale,))
    return [
        entry("text/embedding/embedding text/position/embedding", f"{TRUNK}embed_tokens.weight", embedded),
        *norm(f"{block}/attention_norm", f"{theirs}.self_attn_layer_norm", layers),
        entry(
            f"{block}/attention/qkv/kernel", weights, mapping.interleaved(text.heads, transposed=True), layers
        ),
        entry(f"{block}/attention/qkv/bias", biases, mapping.interleaved(text.heads), layers),
        *layer(f"{block}/attention/out", f"{theirs}.self_attn.out_proj", layers),
        *norm(f"{block}/mlp_norm", f"{theirs}.final_layer_norm", layers),
        *layer(f"{block}/mlp/up", f"{theirs}.fc1", layers),
        *layer(f"{block}/mlp/down", f"{theirs}.fc2", layers),
        *norm("text/transformer/norm", f"{TRUNK}layer_norm"),
    ]


def _sinusoids(first: int, length: int, width: int) -> Float32[np.ndarray, "length width"]:
    """Sines of a row's places in its first half, cosines in its second, counted from `first` (fairseq's positions)."""
    half = width // 2
    rate = np.float32(math.log(10_000) / (half - 1))
    frequencies = np.exp(np.arange(half, dtype=np.float32) * -rate)
    angles = np.outer(np.arange(first, first + length, dtype=np.float32), frequencies)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
