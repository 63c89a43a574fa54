"""SigLIP 2 of a fixed resolution, as its folders are: a SiglipModel with Gemma's tokenizer and bilinear images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_import_and_export import (
    VISION,
    exported,
    imported,
    pairs,
    peers_rows,
    same,
    same_weights,
    shaken,
    transformers,
)
from test_interop_text import gemma, save_gemma

__all__ = ["pairs"]

LENGTH = 16


@pytest.fixture(scope="module")
def folder(captions: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny one. Its config says "siglip", as those of the Hub do: "siglip2" are the NaFlex models."""
    folder = tmp_path_factory.mktemp("siglip2")
    tokenizer = gemma(captions, transformers)
    text = {**VISION, "vocab_size": len(tokenizer), "max_position_embeddings": LENGTH}
    config = transformers.SiglipConfig(
        text_config={**text, "projection_size": VISION["hidden_size"]},
        vision_config={**VISION, "image_size": 32, "patch_size": 16},
    )
    shaken(transformers.SiglipModel(config)).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "siglip"
    save_gemma(tokenizer, folder)
    processor = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}, resample=2)
    processor.save_pretrained(folder)
    return folder


def ids_of(folder: Path, texts: list[str]) -> np.ndarray:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    inputs = tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="np")
    return inputs["input_ids"]


def test_siglip2_in_and_out(folder: Path, captions: list[str], pairs: Any, tmp_path: Path) -> None:
    pairs = pairs[0], [text.lower() for text in pairs[1]]
    rows = peers_rows(folder, *pairs, max_length=LENGTH)
    ours = imported(folder, tmp_path / "ours")
    assert ours.preprocessing["interpolation"] == "bilinear"
    same(ours, rows, *pairs)
    back = exported(tmp_path / "ours", "huggingface", tmp_path / "back")
    same_weights(folder / "model.safetensors", back / "model.safetensors")
    for one, other in zip(peers_rows(back, *pairs, max_length=LENGTH), rows, strict=True):
        np.testing.assert_array_equal(one, other)
    again = imported(back, tmp_path / "again")
    np.testing.assert_array_equal(again.tokenizer.encode(captions)[0], ours.tokenizer.encode(captions)[0])


def test_its_texts_are_lower_case_as_they_were_in_training(
    folder: Path, captions: list[str], tmp_path: Path
) -> None:
    """transformers forgets it where config.json says "siglip" (its Siglip2Tokenizer does not): a folder that we
    write reminds it."""
    ours, _ = imported(folder, tmp_path / "ours").tokenizer.encode(captions)
    np.testing.assert_array_equal(ours, ids_of(folder, [text.lower() for text in captions]))
    back = exported(tmp_path / "ours", "huggingface", tmp_path / "back")
    np.testing.assert_array_equal(ours, ids_of(back, captions))
