"""Positions and patch kernels for another resolution are those that each peer makes."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_import_and_export import clip_folder, imported, open_clip, pairs, torch, transformers

from vlp.interop.resample import patch_kernel, positions

__all__ = ["clip_folder", "open_clip", "pairs"]


def test_another_resolution_is_the_one_that_transformers_interpolates(
    clip_folder: Path, pairs: Any, tmp_path: Path
) -> None:
    ours = imported(clip_folder, tmp_path / "ours", "--config.interop.resolution=48")
    pixels = ours._view.load(pairs[0]).astype(np.float32) / 127.5 - 1
    model = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    with torch.no_grad():
        seen = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
        pooled = model.vision_model(pixel_values=seen, interpolate_pos_encoding=True).pooler_output
        rows = model.visual_projection(pooled)
    rows = (rows / rows.norm(dim=-1, keepdim=True)).numpy()
    np.testing.assert_allclose(ours.encode_image(pairs[0]), rows, atol=1e-5)


@pytest.mark.parametrize(("old", "new"), [(4, 7), (7, 4), (5, 10)])
def test_positions_are_resampled_as_open_clip_does(old: int, new: int, open_clip: Any) -> None:
    table = np.random.default_rng(0).normal(size=(old * old + 1, 6)).astype(np.float32)
    state = {"visual.positional_embedding": torch.from_numpy(table)}
    visual = types.SimpleNamespace(grid_size=(new, new))
    open_clip.model.resize_pos_embed(state, types.SimpleNamespace(visual=visual))
    theirs = state["visual.positional_embedding"][1:].numpy()
    np.testing.assert_allclose(positions(table[1:], new, "open_clip"), theirs, atol=1e-5)


@pytest.mark.parametrize(("old", "new"), [(4, 7), (7, 4), (5, 10)])
def test_positions_are_resampled_as_big_vision_does(old: int, new: int) -> None:
    """By `resample_posemb` of its models/vit.py."""
    from scipy.ndimage import zoom

    grid = np.random.default_rng(0).normal(size=(old, old, 6)).astype(np.float32)
    theirs = zoom(grid, (new / old, new / old, 1), order=1).reshape(new * new, 6)
    np.testing.assert_allclose(positions(grid.reshape(-1, 6), new, "big_vision"), theirs, atol=1e-5)


def test_a_patch_kernel_says_of_larger_patches_what_it_said_before() -> None:
    """Of 4 x 4 patches blown up to 8 x 8 by the resizing itself (FlexiViT, section 3.4)."""
    dice = np.random.default_rng(0)
    kernel = dice.normal(size=(4 * 4 * 3, 5)).astype(np.float32)
    patches = dice.normal(size=(2, 3, 4, 4)).astype(np.float32)
    larger = torch.nn.functional.interpolate(
        torch.from_numpy(patches), size=(8, 8), mode="bicubic", antialias=True
    ).numpy()
    before = patches.transpose(0, 2, 3, 1).reshape(2, -1) @ kernel
    after = larger.transpose(0, 2, 3, 1).reshape(2, -1) @ patch_kernel(kernel, 8, "open_clip")
    np.testing.assert_allclose(after, before, atol=1e-4)
