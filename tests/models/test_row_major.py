"""Where tokens lie between blocks changes nothing of what comes out, on one device and on eight."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from configs import base
from vlp.models.compute import Compute
from vlp.models.sharding import BATCH_AXES, row_major
from vlp.models.vision import VisionTransformer
from vlp.parallel.mesh import make_mesh
from vlp.training.state import split

MESHES = [{"data": 1, "fsdp": 1, "model": 1}, {"data": 2, "fsdp": 2, "model": 2}]


def loss_and_gradient(compute, images):
    config = base.get_config().unlock().model.image
    config.update(
        {"size": "", "width": 16, "depth": 2, "heads": 2, "mlp_dim": 32}, patch_size=8, resolution=16
    )
    graphdef, params, rest = split(VisionTransformer(config, compute=compute, rngs=nnx.Rngs(0)))

    def loss(params):
        return (nnx.merge(graphdef, params, rest, copy=True)(images).pooled ** 2).sum()

    return jax.jit(jax.value_and_grad(loss))(params)


@pytest.mark.parametrize("sizes", MESHES, ids=lambda sizes: str(sum(sizes.values())))
def test_blocks_whose_tokens_are_pinned_compute_the_same(sizes):
    devices = jax.devices()[: int(np.prod(list(sizes.values())))]
    mesh = make_mesh(sizes, devices)
    images = jax.device_put(
        jax.random.normal(jax.random.key(0), (8, 16, 16, 3)), NamedSharding(mesh, PartitionSpec(BATCH_AXES))
    )
    with jax.set_mesh(mesh):
        free, pinned = (loss_and_gradient(Compute(unroll=True, pinned=one), images) for one in (False, True))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), free, pinned)


def test_examples_that_are_pinned_stay_on_their_devices():
    mesh = make_mesh(MESHES[1], jax.devices()[:8])
    x = jax.ShapeDtypeStruct((8, 6, 4), jnp.float32, sharding=NamedSharding(mesh, PartitionSpec(BATCH_AXES)))
    with jax.set_mesh(mesh):
        text = jax.jit(lambda x: jnp.sin(row_major(jnp.cos(x)))).lower(x).compile().as_text()
        odd = jax.jit(row_major)(jnp.ones((3, 2)))
    assert "all-gather" not in text and odd.shape == (3, 2)
