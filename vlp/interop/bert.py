"""Text towers of Hugging Face's BERT and its descendants: config.json and the names in their weights.

Their blocks put norms behind what they add up (arXiv 1810.04805). RoBERTa's (1907.11692) and XLM-R's (1911.02116)
differ in their tokenizers, and in that their table of positions begins with rows that no token has.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from vlp.interop import fields, mapping
from vlp.interop.huggingface import layer, norm
from vlp.interop.mapping import Entry, Form, Tensors, entry
from vlp.interop.reading import Reading
from vlp.interop.single import Single, beginning
from vlp.interop.tokenizer_files import read_json

Config = Mapping[str, Any]

KINDS = ("bert", "roberta", "xlm-roberta", "camembert")
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}
DEFAULTS = {
    "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "hidden_act": "gelu", "max_position_embeddings": 512, "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute", "is_decoder": False,
}  # fmt: skip
HEADS = ("pooler.", "cls.", "lm_head.", "classifier.", "embeddings.position_ids")
POOLING = "1_Pooling/config.json"  # of sentence-transformers
POOLS = {
    "pooling_mode_cls_token": "first",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
}
WHERE = "config.json: "


def single(config: Config, tensors: Tensors, folder: Path) -> Single:
    """Returns what the files say of a text tower.

    It is read at its first token, or as a pooling of sentence-transformers beside it says.

    Raises:
      ValueError: a value that our towers do not have, by name.
    """
    said = {**DEFAULTS, **{key: value for key, value in config.items() if value is not None}}
    for key, default in DEFAULTS.items():
        fields.like(said[key], default, f"{WHERE}{key}")
    fields.words(said["position_embedding_type"], f"{WHERE}position_embedding_type", ("absolute",))
    if said["is_decoder"]:
        raise UserError(f"{WHERE}is_decoder=True is not supported: its tokens see those before them alone")
    tensors = {_plain(name): tensor for name, tensor in tensors.items()}
    before = _positions_before(config)
    settings = {
        "kind": "transformer",
        "size": "",
        "width": said["hidden_size"],
        "depth": said["num_hidden_layers"],
        "heads": said["num_attention_heads"],
        "mlp_dim": said["intermediate_size"],
        "activation": ACTIVATIONS[fields.words(said["hidden_act"], f"{WHERE}hidden_act", tuple(ACTIVATIONS))],
        "norm_eps": said["layer_norm_eps"],
        "post_norm": True,
        "causal": False,
        "pool": _pool(folder),
    }
    reading = Reading(said["max_position_embeddings"] - before, said["vocab_size"])
    unused = beginning(tensors, HEADS)
    return Single("text", settings, said["hidden_size"], entries(settings, before), tensors, unused, reading)


def _positions_before(config: Config) -> int:
    """Rows of the table of positions before that of the first token: RoBERTa counts from the padding's id."""
    if config["model_type"] == "bert":
        return 0
    return 1 + fields.whole(config.get("pad_token_id", 1), f"{WHERE}pad_token_id", least=0)


def _plain(name: str) -> str:
    """The name in a model by itself, as files of today have it."""
    for front in ("bert.", "roberta."):
        name = name.removeprefix(front)
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _pool(folder: Path) -> str:
    if (folder / "2_Dense").exists():
        raise UserError(f"{folder / '2_Dense'}: a layer behind the pooling is not supported")
    said = read_json(folder / POOLING, {})
    modes = [mode for mode, on in said.items() if mode.startswith("pooling_mode_") and on is True]
    if not modes:
        return "first"
    if len(modes) > 1 or modes[0] not in POOLS:
        raise fields.refused(f"{folder / POOLING}: pooling", modes, f"one of {', '.join(POOLS)}")
    return POOLS[modes[0]]


def entries(text: Config, before: int, *, prefix: str = "", length: int | None = None) -> list[Entry]:
    """Returns the table of such a tower.

    Args:
      text: our settings.
      before: rows of the table of positions that no token has.
      prefix: of all names.
      length: positions that are kept; None = all.
    """
    # Every token is of the first type, whose vector is one with its position then.
    positions = Form(
        lambda position, kind: (position[before:][:length] + kind[0],), lambda position: (position,)
    )
    layers = range(text["depth"])
    block, theirs = "text/transformer/blocks", f"{prefix}encoder.layer.{{layer}}"
    projections = [f"{theirs}.attention.self.{name}" for name in ("query", "key", "value")]
    weights, biases = (" ".join(f"{name}.{kind}" for name in projections) for kind in ("weight", "bias"))
    kernel = mapping.interleaved(text["heads"], transposed=True)
    return [
        entry("text/embedding/embedding", f"{prefix}embeddings.word_embeddings.weight"),
        entry(
            "text/position/embedding",
            f"{prefix}embeddings.position_embeddings.weight {prefix}embeddings.token_type_embeddings.weight",
            positions,
        ),
        *norm("text/embedding_norm", f"{prefix}embeddings.LayerNorm"),
        entry(f"{block}/attention/qkv/kernel", weights, kernel, layers),
        entry(f"{block}/attention/qkv/bias", biases, mapping.interleaved(text["heads"]), layers),
        *layer(f"{block}/attention/out", f"{theirs}.attention.output.dense", layers),
        *norm(f"{block}/attention_norm", f"{theirs}.attention.output.LayerNorm", layers),
        *layer(f"{block}/mlp/up", f"{theirs}.intermediate.dense", layers),
        *layer(f"{block}/mlp/down", f"{theirs}.output.dense", layers),
        *norm(f"{block}/mlp_norm", f"{theirs}.output.LayerNorm", layers),
    ]
