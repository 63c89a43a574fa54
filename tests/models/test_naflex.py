"""The tower of images at their own aspect ratio: padding, positions, one program for all shapes, what it refuses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType
from ml_collections import ConfigDict

from vlp.encodings import Encodings
from vlp.models.compute import Compute
from vlp.models.families import family
from vlp.models.naflex import NaFlexTransformer, positions_of
from vlp.parallel.sharding import batch_sharding

TINY = {"size": "", "width": 16, "depth": 2, "heads": 2, "mlp_dim": 32}
IMAGE = {"kind": "naflex", "patch_size": 4, "resolution": 16, "patches": 12, "pool": "mean", **TINY}
GRIDS = jnp.asarray([[3, 4], [1, 7], [5, 2]], jnp.int32)


def tower(micro_batch=0, **changes):
    compute = Compute(micro_batch=micro_batch)
    return NaFlexTransformer(ConfigDict({**IMAGE, **changes}), compute=compute, rngs=nnx.Rngs(0))


@pytest.fixture
def pixels():
    return jnp.asarray(np.random.default_rng(0).normal(size=(3, 12, 16, 3)), jnp.float32)


def test_what_stands_in_the_padding_cannot_be_seen_and_all_shapes_are_one_program(pixels):
    compiled = []

    @jax.jit
    def pooled(model, pixels, grid):
        compiled.append(grid.shape)
        return model(pixels, grid=grid)

    for pool in ("mean", "attention"):
        model = tower(pool=pool)
        output = pooled(model, pixels, GRIDS)
        hidden = jnp.arange(12)[:, None, None] >= output.lengths[:, None, None, None]
        spoilt = pooled(model, jnp.where(hidden, 9.0, pixels), GRIDS)
        np.testing.assert_allclose(output.pooled, spoilt.pooled, atol=1e-6)
        assert not np.asarray(output.padded)[np.asarray(hidden[..., 0, 0])].any()
        turned = pooled(model, pixels, GRIDS[:, ::-1])
        assert np.abs(turned.pooled - output.pooled).max() > 1e-3, "positions do not know rows from columns"
        patches = np.asarray(model.patches(pixels, grid=GRIDS))
        if pool == "mean":
            np.testing.assert_allclose(patches[1, :7].mean(axis=0), output.pooled[1], atol=1e-5)
        else:
            alone = model.attention_pool(output.padded[:, 4:5])
            np.testing.assert_allclose(patches[:, 4], alone, atol=1e-5)
        parts = tower(2, pool=pool)(pixels, grid=GRIDS)
        np.testing.assert_allclose(parts.pooled, output.pooled, atol=1e-5)
    assert compiled == [(3, 2)] * 2, "one a tower"


def test_one_device_equals_eight():
    dice = np.random.default_rng(2)
    pixels = jnp.asarray(dice.normal(size=(8, 12, 16, 3)), jnp.float32)
    grid = jnp.asarray(dice.integers(1, 4, (8, 2)), jnp.int32)
    graphdef, state = nnx.split(tower(pool="attention"))

    def loss(state, pixels, grid):
        return (nnx.merge(graphdef, state)(pixels, grid=grid).pooled ** 3).sum()

    found = []
    for shape in ((1, 1, 1), (2, 2, 2)):
        devices = jax.devices()[: int(np.prod(shape))]
        mesh = jax.make_mesh(shape, ("data", "fsdp", "model"), (AxisType.Auto,) * 3, devices=devices)
        with jax.set_mesh(mesh):
            rows = [jax.device_put(one, batch_sharding(mesh)) for one in (pixels, grid)]
            found.append(jax.device_get(jax.jit(jax.value_and_grad(loss))(state, *rows)))
    for one, eight in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(eight, one, rtol=1e-4, atol=1e-4 * np.abs(one).max())


def test_positions_of_the_table_s_own_grid_are_the_table_and_others_are_pytorch_s():
    table = np.random.default_rng(1).normal(size=(16, 5)).astype(np.float32)
    grids = np.array([[4, 4], [2, 9], [7, 3], [1, 1]], np.int32)
    found = np.asarray(positions_of(jnp.asarray(table), jnp.asarray(grids), 21))
    assert np.isfinite(found).all()
    assert positions_of(jnp.asarray(table, jnp.bfloat16), jnp.asarray(grids), 21).dtype == jnp.float32
    np.testing.assert_allclose(found[0, :16], table, atol=1e-6)
    torch = pytest.importorskip("torch", reason="torch is a peer, not a dependency")
    square = torch.from_numpy(table.reshape(1, 4, 4, 5)).permute(0, 3, 1, 2)
    for own, (rows, columns) in zip(found, grids.tolist(), strict=True):
        options = {"size": (rows, columns), "mode": "bilinear", "align_corners": False, "antialias": True}
        theirs = torch.nn.functional.interpolate(square, **options)[0].permute(1, 2, 0).reshape(-1, 5)
        np.testing.assert_allclose(own[: rows * columns], theirs, atol=1e-5)


def test_what_reads_patches_or_tells_the_tower_more_is_refused_in_one_line(pixels):
    class Model:
        image = tower()

    batch = {"image": jnp.zeros((3, 12, 16, 3), jnp.uint8), "image_grid": GRIDS}
    seen = Encodings(Model(), batch, key=None, step=0, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert seen.image_tower().pooled.shape == (3, 16)
    with pytest.raises(ValueError, match="reads what the image tower gives at patches"):
        _ = seen.image_tower().tokens
    with pytest.raises(ValueError, match="tells the image tower masked of 'image'"):
        seen.through(Model.image, "image", masked=None)


def test_pixels_keep_their_variance_and_what_resampling_costs_is_counted():
    kernel = tower(width=256).patch_embedding.kernel[...]
    assert float(kernel.std()) == pytest.approx((3 * 4**2) ** -0.5, rel=0.05)
    own, small = family("image", ConfigDict(IMAGE)), ConfigDict({**IMAGE, "resolution": 8})
    more = own.forward_flops(ConfigDict(IMAGE), 0, 8) - own.forward_flops(small, 0, 8)
    assert more == 2 * 12 * (16 - 4) * 16, "12 patches of as many more places of the table"
    assert [own.rows(small, 0, path) for path in ("patch_embedding", "position/embedding")] == [12, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patches": 0}, "patches=0: kind 'naflex' needs"),
        ({"pool": "class"}, "needs a class token"),
        ({"resolution": 18}, "not a multiple of patch_size=4"),
    ],
)
def test_settings_that_contradict_each_other(change, words):
    settings = ConfigDict({**IMAGE, **change})
    with pytest.raises(ValueError, match=words):
        family("image", settings).check(settings, "model.image")
    with pytest.raises(ValueError, match="leave it at 0"):
        family("image", settings).check_view(settings, 32, "data.image_views.crops.resolution")
