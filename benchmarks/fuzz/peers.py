"""What transformers and open_clip say of a folder, by their ordinary calls."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

Rows = tuple[np.ndarray, np.ndarray]


def rows_of_peer(folder: Path, imported: Any, texts: list[str], pictures: list[Any]) -> Rows | None:
    """Unit rows of pictures and of texts; None where the peer is not installed, or cannot read the folder itself."""
    logging.disable(logging.WARNING)
    try:
        with (
            open(os.devnull, "w") as nowhere,
            contextlib.redirect_stderr(nowhere),
            contextlib.redirect_stdout(nowhere),
        ):
            if imported.family == "open_clip":
                return _open_clip(folder, texts, pictures)
            if imported.family.startswith("huggingface"):
                return _transformers(folder, imported.tokenizer.length, texts, pictures)
    except Exception:  # whatever it stumbles over is none of ours
        return None
    return None


def _transformers(folder: Path, length: int, texts: list[str], pictures: list[Any]) -> Rows:
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    # As the model cards call it: by the tokenizer's own length where it has one.
    longest = min(processor.tokenizer.model_max_length, length)
    options = {"padding": "max_length", "max_length": longest, "truncation": True}
    inputs = processor(text=texts, images=pictures, **options, return_tensors="pt")
    if model.config.model_type == "siglip":
        inputs.pop(
            "attention_mask", None
        )  # it was trained to read its padding, whatever the tokenizer's defaults are
    with torch.no_grad():
        outputs = model(**inputs)
    return outputs.image_embeds.numpy(), outputs.text_embeds.numpy()


def _open_clip(folder: Path, texts: list[str], pictures: list[Any]) -> Rows:
    import open_clip
    import torch

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    ids = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    model.eval()
    with torch.no_grad():
        rows = model.encode_image(torch.stack([preprocess(picture) for picture in pictures]), normalize=True)
        columns = model.encode_text(ids, normalize=True)
    return rows.numpy(), columns.numpy()
