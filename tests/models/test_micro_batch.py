"""Encoding by parts: the gradient of the whole batch, the same dice, the memory of a part."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from vlp.kernels.sigmoid import sigmoid
from vlp.kernels.unit import unit
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.micro_batch import micro_batched
from vlp.objectives.targets import same_id

BATCH, LENGTH, RESOLUTION = 24, 5, 8


def config():
    tower = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
    image = {
        "kind": "vit",
        "patch_size": 2,
        "resolution": RESOLUTION,
        "position": "learned",
        "pool": "class",
        "registers": 0,
    }
    return ConfigDict(
        {
            "embed_dim": 8,
            "projection": "linear",
            "logit_scale": {"init": 10.0, "max": 100.0, "learn": True},
            "logit_bias": {"init": -3.0, "learn": True},
            "image": {**tower, **image, "patch_dropout": 0.5},
            "text": {**tower, "causal": True, "pool": "end"},
        }
    )


def batch_of(size):
    generator = np.random.default_rng(0)
    pixels = generator.normal(size=(size, RESOLUTION, RESOLUTION, 3))
    ids = jnp.asarray(generator.integers(4, 50, (size, LENGTH), dtype=np.int32))
    return jnp.asarray(pixels), ids, jnp.asarray(np.arange(LENGTH) < generator.integers(2, 6, (size, 1)))


def gradient(micro_batch, dtype):
    """(parameters, batch) -> loss and its gradient for every parameter, scale and bias among them."""
    compute = Compute(dtype=jnp.dtype(dtype), micro_batch=micro_batch)
    abstract = nnx.eval_shape(
        lambda: DualEncoder(config(), vocabulary_size=50, length=LENGTH, compute=compute, rngs=nnx.Rngs(0))
    )
    graphdef, shapes = nnx.split(abstract)
    generator = np.random.default_rng(1)
    params = jax.tree.map(lambda x: jnp.asarray(generator.normal(0, 0.2, x.shape), dtype), shapes)

    def loss(params, pixels, ids, mask):
        model = nnx.merge(graphdef, params)
        image = unit(model.image_projection(model.image(pixels, jax.random.key(1)).pooled))
        text = unit(model.text_projection(model.text(ids, mask).pooled))
        scores = jnp.exp(model.logit_scale[...]) * image @ text.T + model.logit_bias[...]
        return sigmoid(scores, same_id(jnp.arange(len(ids)), jnp.arange(len(ids)))).mean()

    return jax.jit(jax.value_and_grad(loss)), params


@pytest.mark.parametrize("rows", [8, 11])
def test_what_is_empty_comes_out_empty(rows):
    """Such as the outputs at class token and registers of a tower that has none."""
    x = jnp.arange(rows * 6.0).reshape(rows, 3, 2)
    some, none = micro_batched(lambda x: (2 * x, x[:, :0]), 4, x)
    np.testing.assert_array_equal(some, 2 * x)
    assert none.shape == (rows, 0, 2)


@pytest.mark.slow
def test_gradients_are_those_of_the_whole_batch():
    """On four devices of six examples each, five at a time: a smaller part remains at the end."""
    mesh = jax.make_mesh((2, 2, 2), ("data", "fsdp", "model"), (AxisType.Auto,) * 3)
    with jax.enable_x64(True):
        step, params = gradient(0, "float64")
        expected = step(params, *batch_of(BATCH))
        with jax.set_mesh(mesh):
            step, params = gradient(20, "float64")
            actual = step(params, *batch_of(BATCH))
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert np.abs(np.asarray(other)).max() > 0
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-9, atol=1e-13)


def temporary_memory(micro_batch, size):
    step, params = gradient(micro_batch, "float32")
    batch = (x.astype(jnp.float32) if x.dtype.kind == "f" else x for x in batch_of(size))
    return step.lower(params, *batch).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.slow
def test_activations_are_those_of_one_part():
    assert temporary_memory(16, 256) < temporary_memory(0, 256) / 4


@pytest.mark.slow
def test_nothing_moves_between_devices_to_form_the_parts():
    """Examples are moved by no collective but those that every step has: sums, and the text rows of the scores."""
    mesh = jax.make_mesh((8, 1, 1), ("data", "fsdp", "model"), (AxisType.Auto,) * 3)
    split = NamedSharding(mesh, PartitionSpec(("data", "fsdp")))
    with jax.set_mesh(mesh):
        arrays = (x.astype(jnp.float32) if x.dtype.kind == "f" else x for x in batch_of(64))
        batch = [jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=split) for x in arrays]
        moved = []
        for micro_batch in (0, 16):
            step, params = gradient(micro_batch, "float32")
            text = step.lower(params, *batch).compile().as_text()
            moved.append(
                {name: text.count(f" {name}(") for name in ("all-gather", "all-to-all", "collective-permute")}
            )
    assert moved[0] == moved[1]
