"""SigLIP 2's NaFlex models, as their folders are: a Siglip2Model with Gemma's tokenizer; in and out as transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
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

from input_pipeline.views.frames import NativePatches
from input_pipeline.views.image import EvaluationView
from main import main

__all__ = ["pairs"]

LENGTH = 16


@pytest.fixture(scope="module")
def folder(captions: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("naflex")
    tokenizer = gemma(captions, transformers)
    text = {**VISION, "vocab_size": len(tokenizer), "max_position_embeddings": LENGTH}
    config = transformers.Siglip2Config(
        text_config={**text, "projection_size": VISION["hidden_size"]},
        vision_config={**VISION, "num_patches": 16, "patch_size": 8},
    )
    shaken(transformers.Siglip2Model(config)).save_pretrained(folder)
    save_gemma(tokenizer, folder, padding_side="right")
    transformers.Siglip2ImageProcessorPil(max_num_patches=40, patch_size=8).save_pretrained(folder)
    return folder


def rows_of(folder: Path, images: list[Image.Image], texts: list[str]) -> tuple[Any, Any, Any]:
    """The processor of this model pads texts and cuts patches by its own defaults, where it is not told."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    shown = transformers.Siglip2ImageProcessorPil.from_pretrained(folder)

    def processor(text: list[str], images: list[Image.Image], return_tensors: str, **options: Any) -> Any:
        words = tokenizer(text, return_tensors=return_tensors, return_attention_mask=False, **options)
        return {**words, **shown(images, return_tensors=return_tensors)}

    return peers_rows(folder, images, texts, max_length=LENGTH, processor=processor)


def test_naflex_in_and_out(folder: Path, pairs: Any, tmp_path: Path) -> None:
    wide = [image.resize(size) for image, size in zip(pairs[0], [(90, 30), (17, 80), (64, 48)], strict=False)]
    images, texts = [*wide, *pairs[0][3:]], [text.lower() for text in pairs[1]]
    rows = rows_of(folder, images, texts)
    ours = imported(folder, tmp_path / "ours")
    assert (ours.config.model.image.kind, ours.config.model.image.patches) == ("naflex", 40)
    shown = EvaluationView(ours.preprocessing).load(images)
    theirs = transformers.Siglip2ImageProcessorPil.from_pretrained(folder)(images, return_tensors="np")
    np.testing.assert_array_equal(shown["grid"], theirs["spatial_shapes"])
    assert len({tuple(grid) for grid in shown["grid"].tolist()}) > 3
    same(ours, rows, images, texts)
    back = exported(tmp_path / "ours", "huggingface", tmp_path / "back")
    same_weights(folder / "model.safetensors", back / "model.safetensors")
    for one, other in zip(rows_of(back, images, texts), rows, strict=True):
        np.testing.assert_array_equal(one, other)
    maps = ours.encode_patches(images)
    assert [list(one.shape[:2]) for one in maps] == shown["grid"].tolist()
    assert np.abs(np.linalg.norm(maps[0], axis=-1) - 1).max() < 1e-5
    with pytest.raises(ValueError, match="a gradient by pixels needs square images"):
        ours.pixels()
    probabilities = ours.zero_shot(images, ["a cat", "a dog"])
    assert probabilities.shape == (len(images), 2)


def test_sizes_are_those_of_transformers() -> None:
    from transformers.models.siglip2.image_processing_pil_siglip2 import (
        get_image_size_for_max_num_patches as theirs,
    )

    dice = np.random.default_rng(0)
    for width, height in np.exp(dice.uniform(0, 9, (300, 2))).astype(int).tolist():
        for patch, budget in ((16, 256), (14, 729)):
            expected = theirs(height, width, patch, budget)[::-1]
            assert NativePatches(patch, budget).size(width, height) == expected, (width, height)


def test_what_is_not_supported_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (f"--source={folder}", f"--workdir={tmp_path / 'no'}", "--config.interop.resolution=64")
    assert main(["--job=import", *flags]) == 2
    assert "resamples its positions for each image" in capsys.readouterr().err
