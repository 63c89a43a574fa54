"""What transformers and open_clip say of a folder, by their ordinary calls."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

Rows = tuple[np.ndarray, ...]


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
            if imported.family == "bert":
                return _text_tower(folder, imported.tokenizer.length, texts)
            if imported.family == "dino":
                return _image_tower(folder, pictures)
            if imported.family.startswith("huggingface"):
                return _transformers(folder, imported.tokenizer.length, texts, pictures)
    except Exception:  # whatever it stumbles over is none of ours
        return None
    finally:
        logging.disable(logging.NOTSET)
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


def _text_tower(folder: Path, length: int, texts: list[str]) -> Rows:
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    options = {"padding": "max_length", "max_length": length, "truncation": True, "return_tensors": "pt"}
    with torch.no_grad():
        return (_unit(model(**tokenizer(texts, **options)).last_hidden_state[:, 0]),)


def _image_tower(folder: Path, pictures: list[Any]) -> Rows:
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    with torch.no_grad():
        return (_unit(model(**processor(images=pictures, return_tensors="pt")).last_hidden_state[:, 0]),)


def _unit(rows: Any) -> np.ndarray:
    rows = rows.double().numpy()
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12))


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
