"""ConvNeXt against timm's own, weights copied."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict

from vlp.models.compute import Compute
from vlp.models.convnext import ConvNeXt
from vlp.models.sizes import convolution_size

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")

DEPTH, WIDTH = 2, 16


def settings(**changes):
    return ConfigDict({"kind": "convnext", "size": "T", "width": WIDTH, "depth": DEPTH, **changes})


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    model = timm.models.convnext.ConvNeXt(
        depths=(DEPTH,) * 4, dims=tuple(WIDTH * 2**stage for stage in range(4)), num_classes=0
    ).eval()
    with torch.no_grad():  # nothing at its special first value
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2 + 0.1)
    return model


def translated(weights):
    """timm's weights under our names."""
    weights = {name: value.numpy() for name, value in weights.items()}

    def norm(name):
        return {"scale": weights[f"{name}.weight"], "bias": weights[f"{name}.bias"]}

    def dense(name):
        return {"kernel": weights[f"{name}.weight"].T, "bias": weights[f"{name}.bias"]}

    def patches(name):
        kernel = weights[f"{name}.weight"].transpose(2, 3, 1, 0)
        return {
            "projection": {
                "kernel": kernel.reshape(-1, kernel.shape[-1]),
                "bias": weights[f"{name}.bias"],
            }
        }

    def block(name):
        return {
            "kernel": weights[f"{name}.conv_dw.weight"].transpose(2, 3, 1, 0),
            "bias": weights[f"{name}.conv_dw.bias"],
            "norm": norm(f"{name}.norm"),
            "up": dense(f"{name}.mlp.fc1"),
            "down": dense(f"{name}.mlp.fc2"),
            "layer_scale": weights[f"{name}.gamma"],
        }

    def stage(number):
        blocks = [block(f"stages.{number}.blocks.{place}") for place in range(DEPTH)]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *blocks)

    places = ["stem"] + [f"stages.{number}.downsample" for number in range(1, 4)]
    return {
        "patches_in": dict(enumerate(patches(f"{place}.{int(place != 'stem')}") for place in places)),
        "norms": dict(enumerate(norm(f"{place}.{int(place == 'stem')}") for place in places)),
        "stages": dict(enumerate(stage(number) for number in range(4))),
        "norm": norm("head.norm"),
    }


@pytest.mark.parametrize("side", [64, 70])
def test_it_computes_what_timm_computes(theirs, side):
    ours = ConvNeXt(settings(), compute=Compute(), rngs=nnx.Rngs(0))
    nnx.update(ours, translated(theirs.state_dict()))
    pixels = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    with torch.no_grad():
        images = torch.from_numpy(pixels.transpose(0, 3, 1, 2))
        expected, pooled = theirs.forward_features(images).numpy(), theirs(images).numpy()
    output = jax.jit(lambda x: ours(x))(jnp.asarray(pixels))
    grid = expected.transpose(0, 2, 3, 1).reshape(output.tokens.shape)
    np.testing.assert_allclose(output.tokens, grid, rtol=1e-4, atol=1e-5 * np.abs(grid).max())
    np.testing.assert_allclose(output.pooled, pooled, rtol=1e-4, atol=1e-5)


def test_sizes_have_as_many_numbers_as_published():
    published = {"T": 28.6e6, "S": 50.2e6, "B": 88.6e6, "L": 197.8e6}  # with a classifier of 1,000 classes
    for size, number in published.items():
        config = settings(size=size, width=0, depth=0)
        shapes = nnx.eval_shape(lambda config=config: ConvNeXt(config, compute=Compute(), rngs=nnx.Rngs(0)))
        count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes)))
        classifier = 1000 * (convolution_size(config).channels[-1] + 1)
        assert count + classifier == pytest.approx(number, rel=0.01)


def test_stochastic_depth_drops_branches_of_examples_and_sleeps_in_evaluation():
    def tower(share, **compute):
        built = ConvNeXt(settings(drop_path=share, depth=1), compute=Compute(**compute), rngs=nnx.Rngs(0))
        for stage in built.stages:
            stage.layer_scale[...] = jnp.ones_like(stage.layer_scale[...])
        return jax.jit(lambda pixels, key=None: built(pixels, key).pooled), jax.jit(built._encode)

    pixels = jnp.asarray(np.random.default_rng(0).normal(size=(4, 32, 32, 3)), jnp.float32)
    (dropping, with_branches), (few, _), (plain, _) = tower(0.8), tower(0.8, micro_batch=2), tower(0.0)
    expected = plain(pixels)
    np.testing.assert_allclose(dropping(pixels), expected, atol=1e-5)
    np.testing.assert_array_equal(plain(pixels, jax.random.key(0)), expected)
    first, again, other = (dropping(pixels, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    np.testing.assert_allclose(few(pixels, jax.random.key(0)), first, atol=1e-5)
    kept = np.ones((4, 4), np.float32)
    np.testing.assert_allclose(with_branches(pixels, kept).pooled, expected, atol=1e-5)
    kept[1, -1] = 0  # the last block adds nothing to the second image, and is as before to the others
    apart = np.abs(with_branches(pixels, kept).pooled - expected).max(axis=1)
    assert (apart < 1e-4).tolist() == [True, False, True, True]


def test_remat_and_unrolling_change_nothing():
    pixels = jnp.asarray(np.random.default_rng(0).normal(size=(2, 32, 32, 3)), jnp.float32)
    outputs = [
        ConvNeXt(settings(), compute=compute, rngs=nnx.Rngs(0))(pixels).pooled
        for compute in (Compute(), Compute(unroll=True, remat="dots"))
    ]
    np.testing.assert_allclose(*outputs, atol=1e-5)
