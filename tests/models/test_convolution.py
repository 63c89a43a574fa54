"""Convolutional towers: shapes, examples apart from each other, one device equal to eight, and what they cost."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from configs import base
from vlp.models.compute import Compute
from vlp.models.convolution import MobileBlock, ResNet, Stage, standardised
from vlp.models.families import family
from vlp.models.sizes import EFFICIENTNETS, RESNETS, convolution_size
from vlp.training.model_flops import forward_flops

SMALL = {"resnet": "R26", "efficientnet": "B0"}


def settings(kind, size="", **changes):
    return ConfigDict({"kind": kind, "size": size or SMALL[kind], "width": 0, "depth": 0, **changes})


def tower(kind, compute=Compute(), **changes):  # noqa: B008
    """The structure and shapes of a narrow tower with few blocks."""
    config = settings(kind, **{"width": 16, "depth": 2, **changes})
    return nnx.split(
        nnx.eval_shape(lambda: family("image", config).build(config, compute=compute, rngs=nnx.Rngs(0)))
    )


def random_state(shapes):
    """Nothing at its special first value: neither silent branches nor equal scales."""
    dice = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(dice.normal(0.3, 0.5, leaf.shape), leaf.dtype), shapes)


def pixels(batch, side=32):
    return np.random.default_rng(1).normal(size=(batch, side, side, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", SMALL)
def test_a_tower_gives_its_last_grid_and_the_mean_of_it(kind, side=77):
    graphdef, shapes = tower(kind, Compute(dtype=jnp.dtype("bfloat16")))
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {jnp.dtype("float32")}
    images = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    output = jax.eval_shape(lambda s, x: nnx.merge(graphdef, s)(x), shapes, images)
    # A mean leaves an odd row out, a convolution of stride two does not.
    cells = (side // 32 if kind == "resnet" else -(-side // 32)) ** 2
    width = convolution_size(settings(kind, width=16)).channels[-1]
    assert output.tokens.shape == (2, cells, width) and output.pooled.shape == (2, width)
    assert (output.tokens.dtype, output.pooled.dtype) == (jnp.bfloat16, jnp.float32)


def narrow_resnet(compute):
    config = settings("resnet", width=16, depth=1)
    return ResNet(config, compute=compute, rngs=nnx.Rngs(0))


def mobile_stage(compute):
    block = functools.partial(MobileBlock, expansion=6, side=5)
    return Stage(block, 3, 8, stride=2, count=3, compute=compute, rngs=nnx.Rngs(0))


@pytest.mark.slow
@pytest.mark.parametrize("build", [narrow_resnet, mobile_stage])
def test_one_device_equals_eight_and_computing_again_changes_nothing(build):
    def loss_and_gradient(shape, compute):
        graphdef, shapes = nnx.split(nnx.eval_shape(lambda: build(compute)))
        names = ("data", "fsdp", "model")
        mesh = jax.make_mesh(shape, names, (AxisType.Auto,) * 3, devices=jax.devices()[: np.prod(shape)])

        def loss(state, images):
            outputs = jax.tree.leaves(nnx.merge(graphdef, state)(images))
            return sum(jnp.square(output - 0.5).mean() for output in outputs)

        with jax.set_mesh(mesh):
            images = jax.device_put(pixels(8), NamedSharding(mesh, PartitionSpec(("data", "fsdp"))))
            return jax.jit(jax.value_and_grad(loss))(random_state(shapes), images)

    one = loss_and_gradient((1, 1, 1), Compute(unroll=True, remat="dots"))
    eight = loss_and_gradient((2, 4, 1), Compute())
    for expected, actual in zip(jax.tree.leaves(one), jax.tree.leaves(eight), strict=True):
        expected, actual = np.asarray(expected), np.asarray(actual)
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max() + 1e-7)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(one))


@pytest.mark.parametrize("kind", SMALL)
def test_an_image_is_encoded_the_same_alone_and_among_others(kind):
    graphdef, shapes = tower(kind, depth=1)
    state, images = random_state(shapes), pixels(4)
    encode = jax.jit(lambda state, images: nnx.merge(graphdef, state)(images).pooled)
    among = np.asarray(encode(state, images))
    np.testing.assert_array_equal(among, encode(state, images))
    np.testing.assert_allclose(encode(state, images[2:3])[0], among[2], rtol=1e-4, atol=1e-5)
    assert np.abs(among[0] - among[2]).max() > 1e-2


def test_standardised_weights_keep_the_mean_at_zero_and_the_size_of_their_input():
    dice = np.random.default_rng(0)
    kernel = standardised(jnp.asarray(dice.normal(3.0, 7.0, (3, 3, 16, 8)), jnp.float32)).reshape(-1, 8)
    np.testing.assert_allclose(kernel.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(jnp.square(kernel).sum(axis=0), 1, rtol=1e-5)


def config_of(kind, size, resolution):
    config = base.get_config()
    config.model.image.update(kind=kind, size=size, resolution=resolution)
    return config


def image_flops(kind, size, resolution):
    """Without the text tower."""
    config = config_of(kind, size, resolution)
    both = forward_flops(config)
    config.model.image.resolution *= 2
    twice = forward_flops(config)
    return (twice - both) / 3  # all but what does not depend on the resolution


@pytest.mark.parametrize(
    ("size", "resolution", "multiplications", "head"),
    [("B0", 224, 0.39e9, 7**2 * 320 * 1280), ("B7", 608, 38.0e9, 19**2 * 640 * 2560)],
)
def test_efficientnets_cost_what_their_paper_says(size, resolution, multiplications, head):
    flops = image_flops("efficientnet", size, resolution)
    assert flops == pytest.approx(2 * (multiplications - head), rel=0.03)


def test_a_resnet_costs_what_xla_counts():
    config = settings("resnet", width=128)
    graphdef, shapes = nnx.split(nnx.eval_shape(lambda: ResNet(config, compute=Compute(), rngs=nnx.Rngs(0))))
    images = jax.ShapeDtypeStruct((8, 256, 256, 3), jnp.float32)
    lowered = jax.jit(lambda s, x: nnx.merge(graphdef, s)(x).pooled).lower(shapes, images)
    full = config_of("resnet", "R26", 256)
    full.model.image.width = 128
    without_tower = forward_flops(config_of("resnet", "R26", 32))
    assert lowered.cost_analysis()["flops"] / 8 == pytest.approx(
        forward_flops(full) - without_tower, rel=0.04
    )


def test_sizes_are_the_published_ones():
    b7 = convolution_size(settings("efficientnet", "B7"))
    assert (b7.stem, b7.channels[-1], sum(b7.blocks)) == (64, 640, 55)
    assert convolution_size(settings("efficientnet", "B3")).channels == (24, 32, 48, 96, 136, 232, 384)
    assert 3 * sum(convolution_size(settings("resnet", "R50")).blocks) + 2 == 50
    for size in RESNETS:
        assert convolution_size(settings("resnet", size, depth=1)).blocks == (1, 1, 1, 1)
    with pytest.raises(ValueError, match="'S' is not one of R26"):
        convolution_size(settings("resnet", "S"))
    with pytest.raises(ValueError, match="24 is not a multiple of 16: use 32"):
        convolution_size(settings("resnet", "R50", width=24))
    whole = settings("efficientnet", "B4", last_convolution=True)
    assert convolution_size(whole).head == 1792 and not convolution_size(settings("efficientnet", "B4")).head
    assert not set(RESNETS) & set(EFFICIENTNETS)
