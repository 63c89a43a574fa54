"""The towers by what they promise: shapes, padding that cannot be seen, patch dropout, scan, remat, precision."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict

from vlp.models.compute import Compute, resolve_compute
from vlp.models.families import family
from vlp.models.positions import resampled, rotary2d, sincos2d
from vlp.models.sizes import SIZES, tower_size
from vlp.models.text import TextTransformer
from vlp.models.vision import VisionTransformer, kept_patches, patchify

TINY = {"size": "", "width": 16, "depth": 2, "heads": 2, "mlp_dim": 32}
IMAGE = {
    "patch_size": 4,
    "resolution": 16,
    "position": "learned",
    "pool": "mean",
    "registers": 0,
    "patch_dropout": 0.0,
}


def vision(compute=Compute(unroll=True), **changes):  # noqa: B008
    return VisionTransformer(ConfigDict({**TINY, **IMAGE, **changes}), compute=compute, rngs=nnx.Rngs(0))


def text(compute=Compute(unroll=True), **changes):  # noqa: B008
    config = ConfigDict({**TINY, "causal": True, "pool": "end", **changes})
    return TextTransformer(config, vocabulary_size=40, length=8, compute=compute, rngs=nnx.Rngs(0))


@pytest.fixture
def pixels():
    return jnp.asarray(np.random.default_rng(0).normal(size=(3, 16, 16, 3)), jnp.float32)


@pytest.mark.parametrize(
    ("pool", "position", "registers"),
    [("class", "learned", 0), ("mean", "sincos2d", 3), ("attention", "learned", 3)],
)
def test_image_tower_gives_one_vector_an_image_and_one_a_patch(pixels, pool, position, registers):
    output = vision(pool=pool, position=position, registers=registers)(pixels)
    assert output.pooled.shape == (3, 16) and output.tokens.shape == (3, 16, 16)
    assert np.isfinite(output.pooled).all()


def test_patches_of_a_mean_pool_have_the_pooled_vector_as_their_mean(pixels):
    tower = vision(registers=2)
    np.testing.assert_allclose(tower.patches(pixels).mean(axis=1), tower(pixels).pooled, atol=1e-5)


def test_a_norm_behind_the_pool_is_that_of_the_mean_and_not_of_each_patch(pixels):
    tower = vision(norm_after_pool=True)
    output = tower(pixels)
    mean = np.asarray(output.tokens, np.float64).mean(axis=1)
    expected = (mean - mean.mean(axis=1, keepdims=True)) / mean.std(axis=1, keepdims=True)
    np.testing.assert_allclose(output.pooled, expected, atol=1e-3)
    np.testing.assert_allclose(tower.patches(pixels).mean(axis=-1), 0.0, atol=1e-5)
    assert np.abs(output.tokens.mean(axis=-1)).max() > 1e-2
    assert tower.transformer.norm is None and vision().pooled_norm is None


def test_a_patch_of_an_attention_pool_is_what_the_pool_says_of_that_patch_alone(pixels):
    tower = vision(pool="attention")
    alone = [tower.attention_pool(tower(pixels).tokens[:, [place]]) for place in range(16)]
    np.testing.assert_allclose(tower.patches(pixels), np.stack(alone, axis=1), atol=1e-5)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_patch_of_a_class_token_s_tower_goes_by_itself_through_the_last_block(pixels, depth):
    tower = vision(pool="class", registers=1, depth=depth)
    before, last = tower._embed(pixels), jax.tree.map(lambda leaf: leaf[-1], tower.transformer.blocks)
    if depth == 2:
        before = jax.tree.map(lambda leaf: leaf[0], tower.transformer.blocks)(before, None)
    # A sequence of one token attends to nothing but itself.
    alone = [tower.transformer.norm(last(before[:, [place]], None)) for place in range(2, 18)]
    np.testing.assert_allclose(tower.patches(pixels), np.concatenate(alone, axis=1), atol=1e-5)


@pytest.mark.parametrize(
    "changes", [{"branch_norm": True}, {"gated": True, "sub_norm": "within"}, {"sub_norm": "before"}]
)
def test_other_blocks_let_a_patch_go_by_itself_through_the_last_one_too(pixels, changes):
    tower = vision(pool="class", depth=1, **changes)
    before, last = tower._embed(pixels), jax.tree.map(lambda leaf: leaf[0], tower.transformer.blocks)
    alone = [tower.transformer.norm(last(before[:, [place]], None)) for place in range(1, 17)]
    np.testing.assert_allclose(tower.patches(pixels), np.concatenate(alone, axis=1), atol=1e-5)


def test_attention_pooling_reads_registers_where_it_is_told_to(pixels):
    seen, unseen = (vision(pool="attention", registers=2, pool_prefix=prefix) for prefix in (True, False))
    for tower, moves in ((seen, True), (unseen, False)):
        output = tower(pixels)
        rows = [output.prefix, output.tokens] if moves else [output.tokens]
        pooled = tower.attention_pool(jnp.concatenate(rows, axis=1))
        np.testing.assert_allclose(output.pooled, pooled, atol=1e-6)
    assert not np.allclose(seen(pixels).pooled, unseen(pixels).pooled, atol=1e-4)


def test_rotary_positions_are_counted_by_a_grid_of_another_side():
    stretched, own = rotary2d(8, 16, counted=4), rotary2d(4, 16)
    every_other = np.arange(64).reshape(8, 8)[::2, ::2].ravel()
    np.testing.assert_allclose(stretched.cos[0][every_other], own.cos[0], atol=1e-6)
    shifted = rotary2d(4, 16, first=1, before=1)
    np.testing.assert_allclose(
        shifted.sin[0, 1 + np.arange(3)], rotary2d(5, 16).sin[0, 6 + np.arange(3)], atol=1e-6
    )
    assert not shifted.sin[0, 0].any()


@pytest.mark.parametrize(
    "changes",
    [
        {"gated": True, "pool": "attention", "pool_mlp_dim": 8},
        {"stem": "nested", "stem_width": 8, "patch_size": 16, "resolution": 64},
    ],
)
def test_a_tower_says_of_itself_what_its_family_says_of_its_settings(changes):
    settings = ConfigDict({**TINY, **IMAGE, "kind": "vit", **changes})
    tower = vision(**changes)
    patches = (settings.resolution // settings.patch_size) ** 2
    assert tower.flops(patches) == family("image", settings).forward_flops(settings, settings.resolution, 0)


def test_patches_come_row_by_row():
    image = jnp.arange(8 * 8 * 3).reshape(1, 8, 8, 3)
    patches = patchify(image, 4)
    assert patches.shape == (1, 4, 48)
    np.testing.assert_array_equal(patches[0, 1].reshape(4, 4, 3), image[0, :4, 4:])
    np.testing.assert_array_equal(patches[0, 2].reshape(4, 4, 3), image[0, 4:, :4])


def test_patch_dropout_keeps_a_different_share_each_time_and_nothing_is_dropped_without_a_key(pixels):
    tower = vision(patch_dropout=0.75)
    assert tower(pixels).tokens.shape == (3, 16, 16)
    first, again, other = (tower(pixels, jax.random.key(seed)) for seed in (0, 0, 1))
    assert first.tokens.shape == (3, 4, 16)
    np.testing.assert_array_equal(first.pooled, again.pooled)
    assert not np.allclose(first.pooled, other.pooled)


def test_each_example_of_a_batch_keeps_patches_of_its_own():
    kept = np.asarray(kept_patches(jax.random.key(0), 64, 16, 0.75))
    assert kept.shape == (64, 4) and all(len(set(row)) == 4 for row in kept)
    assert len({tuple(row) for row in kept}) > 50
    # Uniformly: each of 16 patches about 64 * 4 / 16 times.
    assert np.bincount(kept.ravel(), minlength=16).min() > 4


def test_equal_images_of_a_batch_are_seen_through_different_patches():
    tower = vision(patch_dropout=0.75)
    same = jnp.broadcast_to(jax.random.normal(jax.random.key(2), (1, 16, 16, 3)), (4, 16, 16, 3))
    pooled = np.asarray(tower(same, jax.random.key(0)).pooled)
    assert np.abs(pooled[1:] - pooled[0]).max(axis=1).min() > 1e-3
    np.testing.assert_allclose(tower(same).pooled, np.repeat(tower(same[:1]).pooled, 4, axis=0), atol=1e-6)


def test_a_kept_patch_keeps_its_position(pixels):
    # Nothing but the order changes when every patch is kept, and a mean does not see the order.
    tower = vision(patch_dropout=1e-6)
    np.testing.assert_allclose(tower(pixels, jax.random.key(0)).pooled, tower(pixels).pooled, atol=1e-5)


@pytest.mark.parametrize(
    ("causal", "pool"),
    [(True, "end"), *((False, pool) for pool in ("mean", "max", "first", "end", "attention"))],
)
def test_what_stands_in_the_padding_cannot_be_seen(causal, pool):
    tower = text(causal=causal, pool=pool)
    ids = jnp.asarray([[2, 9, 8, 3, 0, 0, 0, 0], [2, 3, 0, 0, 0, 0, 0, 0]])
    mask = ids > 0
    changed = jnp.where(mask, ids, 17)
    np.testing.assert_allclose(tower(ids, mask).pooled, tower(changed, mask).pooled, atol=1e-6)
    assert not np.allclose(tower(ids, mask).pooled[0], tower(ids.at[0, 1].set(11), mask).pooled[0])


def test_a_causal_tower_does_not_look_ahead_and_a_bidirectional_one_does():
    ids, mask = jnp.asarray([[2, 9, 8, 7, 6, 5, 4, 3]]), jnp.ones((1, 8), bool)
    changed = ids.at[0, 6].set(30)
    for causal in (True, False):
        tower = text(causal=causal, pool="last")
        same = np.allclose(tower(ids, mask).tokens[0, :6], tower(changed, mask).tokens[0, :6], atol=1e-6)
        assert same is causal


@pytest.mark.slow
def test_scan_and_unroll_and_every_remat_policy_agree(pixels):
    def value_and_gradient(compute):
        graphdef, params = nnx.split(vision(compute, pool="class"))
        return jax.value_and_grad(lambda p: (nnx.merge(graphdef, p)(pixels).pooled ** 2).sum())(params)

    expected = value_and_gradient(Compute(unroll=True))
    for compute in (Compute(), Compute(remat="light"), Compute(remat="full", unroll=True)):
        for one, other in zip(
            jax.tree.leaves(expected), jax.tree.leaves(value_and_gradient(compute)), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_bfloat16_computes_in_bfloat16_over_float32_parameters(pixels):
    tower = vision(Compute(dtype=jnp.dtype("bfloat16")), pool="class")
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(tower, nnx.Param))} == {jnp.dtype("float32")}
    output = tower(pixels).pooled
    assert output.dtype == jnp.bfloat16
    exact = vision(pool="class")(pixels).pooled
    cosine = (
        (output.astype(jnp.float32) * exact).sum()
        / jnp.linalg.norm(output.astype(jnp.float32))
        / jnp.linalg.norm(exact)
    )
    assert float(cosine) > 0.999


def test_sizes_by_name_and_by_number():
    named = ConfigDict({"size": "B", "width": 0, "depth": 3, "heads": 0, "mlp_dim": 0})
    assert (tower_size(named).width, tower_size(named).depth) == (768, 3)
    assert all(size.width % size.heads == 0 for size in SIZES.values())
    with pytest.raises(ValueError, match="not one of"):
        tower_size(ConfigDict({**named, "size": "XXL"}))
    with pytest.raises(ValueError, match="do not divide"):
        tower_size(ConfigDict({**named, "heads": 7}))
    with pytest.raises(ValueError, match="width"):
        tower_size(ConfigDict({**named, "size": ""}))


def test_sincos_positions_tell_all_places_apart():
    table = np.asarray(sincos2d(4, 16))
    assert table.shape == (16, 16) and len(np.unique(table.round(5), axis=0)) == 16
    with pytest.raises(ValueError, match="divisible by 4"):
        sincos2d(4, 18)


def test_attention_is_chosen_once_and_a_wrong_choice_is_explained():
    config = ConfigDict(
        {"dtype": "float32", "attention": "auto", "scan_blocks": "auto", "remat": "none", "micro_batch": 0}
    )
    assert resolve_compute(config).attention == "xla" and resolve_compute(config).unroll
    with pytest.raises(ValueError, match="needs a GPU"):
        resolve_compute(ConfigDict({**config, "attention": "cudnn"}))


def test_positions_stretch_over_another_resolution(pixels):
    # One axis of PyTorch's interpolate(eye(4), size=3, mode='bicubic'), which is what DINO's local crops see.
    weights = np.array(
        [
            [0.8564815, 0.1608796, -0.0173611, 0.0],
            [-0.09375, 0.59375, 0.59375, -0.09375],
            [0.0, -0.0173611, 0.1608796, 0.8564815],
        ]
    )
    table = np.random.default_rng(0).normal(size=(16, 5)).astype(np.float32)
    expected = np.einsum("ri,cj,ijw->rcw", weights, weights, table.reshape(4, 4, 5)).reshape(9, 5)
    np.testing.assert_allclose(resampled(jnp.asarray(table), 3), expected, atol=1e-6)
    assert vision(pool="class")(pixels[:, :8, :8]).tokens.shape == (3, 4, 16)
