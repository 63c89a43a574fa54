"""Weights of every family's resampling in closed form, against Pillow's filter, and what kernels are made of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vlp.interop.resample import (
    POSITIONS,
    antialiased_weights,
    linear_weights,
    patch_kernel,
    positions,
    resampled,
)


@pytest.mark.parametrize(("old", "new"), [(7, 3), (3, 7), (8, 8), (16, 5), (4, 1)])
def test_the_antialiased_cubic_is_pillow_s(old: int, new: int) -> None:
    rows = np.eye(old, dtype=np.float32)  # each row an impulse
    image = Image.fromarray(rows).resize((new, old), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(antialiased_weights(old, new), np.asarray(image).T, atol=1e-6)


def test_linear_weights_keep_the_outer_points() -> None:
    np.testing.assert_allclose(linear_weights(3, 5) @ [0.0, 1.0, 4.0], [0.0, 0.5, 1.0, 2.5, 4.0])
    np.testing.assert_allclose(linear_weights(4, 2) @ [1.0, 2.0, 3.0, 9.0], [1.0, 9.0])
    np.testing.assert_allclose(linear_weights(3, 1) @ [5.0, 1.0, 4.0], [5.0])


@pytest.mark.parametrize("family", POSITIONS)
def test_positions_are_resampled_along_both_sides(family: str) -> None:
    rows, columns = np.asarray([0.0, 3.0, -1.0]), np.asarray([2.0, 1.0, 5.0])
    table = np.stack([np.outer(rows, columns).ravel(), np.outer(columns, rows).ravel()], axis=1)
    weights = POSITIONS[family](3, 5)
    found = positions(table.astype(np.float32), 5, family)
    assert found.shape == (25, 2) and found.dtype == np.float32
    expected = np.outer(weights @ rows, weights @ columns)
    np.testing.assert_allclose(found, np.stack([expected.ravel(), expected.T.ravel()], axis=1), atol=1e-5)
    assert positions(table, 3, family) is table


@pytest.mark.parametrize("family", ["big_vision", "open_clip"])
def test_larger_patches_give_what_the_old_ones_gave(family: str) -> None:
    """Of pictures that are enlarged as the family does it."""
    from vlp.models.positions import bilinear_weights

    dice = np.random.default_rng(0)
    kernel = dice.normal(size=(2 * 2 * 3, 4)).astype(np.float32)
    patch = dice.normal(size=(2, 2, 3))
    weights = (bilinear_weights if family == "big_vision" else antialiased_weights)(2, 5)
    larger = np.einsum("ri,cj,ijk->rck", weights, weights, patch)
    new = patch_kernel(kernel, 5, family)
    assert new.shape == (75, 4)
    np.testing.assert_allclose(larger.reshape(-1) @ new, patch.reshape(-1) @ kernel, rtol=1e-4)
    assert patch_kernel(kernel, 2, family) is kernel


VIT = {"kind": "vit", "resolution": 32, "patch_size": 16, "drop_rest": True}
LEAVES = {
    "image/position/embedding": np.ones((4, 2), np.float32),
    "image/patch_embedding/kernel": np.ones((16 * 16 * 3, 2), np.float32),
}


@pytest.mark.parametrize(
    ("resolution", "patch_size", "places", "size"), [(64, 0, 16, 16), (0, 8, 16, 8), (24, 8, 9, 8)]
)
def test_either_size_is_left_as_it_is_where_it_is_not_asked_for(
    resolution: int, patch_size: int, places: int, size: int
) -> None:
    leaves, image = resampled(LEAVES, VIT, resolution, patch_size, "open_clip")
    assert len(leaves["image/position/embedding"]) == places
    assert len(leaves["image/patch_embedding/kernel"]) == size * size * 3
    assert image == {**VIT, "resolution": resolution or 32, "patch_size": size, "drop_rest": False}


def test_sizes_that_do_not_fit_are_refused() -> None:
    assert resampled(LEAVES, VIT, 0, 0, "open_clip") == (LEAVES, VIT)
    for resolution, use in ((40, 32), (8, 16)):
        with pytest.raises(ValueError, match=f"resolution={resolution} is no multiple of .* 16: use {use}"):
            resampled(LEAVES, VIT, resolution, 0, "open_clip")
    resnet = {"kind": "resnet", "resolution": 64}
    path = "image/attention_pool/position/embedding"
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    leaves, image = resampled({path: table}, resnet, 96, 0, "openai")
    assert leaves[path].shape == (10, 2) and image["resolution"] == 96
    np.testing.assert_array_equal(leaves[path][0], table[0])
    for resolution, patch_size in ((100, 0), (96, 8)):
        with pytest.raises(
            ValueError, match="a resnet has no patches, and a resolution that is a multiple of 32"
        ):
            resampled({path: table}, resnet, resolution, patch_size, "openai")


def test_a_stem_has_positions_to_resample_and_no_kernel() -> None:
    leaves = {path: table for path, table in LEAVES.items() if "position" in path}
    found, image = resampled(leaves, {**VIT, "stem": "mobile"}, 64, 0, "open_clip")
    assert len(found["image/position/embedding"]) == 16 and image["resolution"] == 64
    assert found.keys() == leaves.keys()
    with pytest.raises(ValueError, match="patch_size=8: a stem of kind 'mobile' has no patch kernel"):
        resampled(leaves, {**VIT, "stem": "mobile"}, 0, 8, "open_clip")
