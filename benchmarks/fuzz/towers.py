"""Folders of towers by themselves, as transformers saves them, for `benchmarks.fuzz.imports`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Files = dict[str, bytes]
SIZE = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
NAMES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *map(chr, range(97, 123)),
    *(f"##{chr(97 + n)}" for n in range(26)),
]


def bert(folder: Path) -> Files:
    """A BertModel, whose pieces are letters."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(NAMES), max_position_embeddings=16, **SIZE)
    said = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 12}
    return _saved(transformers.BertModel(config), folder) | {
        "vocab.txt": "\n".join([*NAMES, ""]).encode(),
        "tokenizer_config.json": json.dumps(said).encode(),
    }


def dinov2(folder: Path) -> Files:
    """A Dinov2Model, with what its images are prepared by."""
    import torch
    import transformers

    torch.manual_seed(0)
    model = transformers.Dinov2Model(transformers.Dinov2Config(image_size=32, patch_size=8, **SIZE))
    said = {
        "image_processor_type": "BitImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": 24},
        "do_center_crop": True,
        "crop_size": {"height": 24, "width": 24},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return _saved(model, folder) | {"preprocessor_config.json": json.dumps(said).encode()}


def _saved(model: Any, folder: Path) -> Files:
    model.save_pretrained(folder / "theirs")
    files = {path.name: path.read_bytes() for path in (folder / "theirs").iterdir()}
    for path in (folder / "theirs").iterdir():
        path.unlink()
    (folder / "theirs").rmdir()
    return files
