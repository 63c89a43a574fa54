"""Compiled for 16 TPU v5e chips without having any: chunked losses at a batch of 32,768 need less than 1 MiB a chip."""

from __future__ import annotations

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from vlp.parallel.contrastive import chunked_sigmoid, chunked_softmax

BATCH, WIDTH, CHUNK = 32_768, 512, 512
MIB = 2**20


@pytest.fixture
def v5e(monkeypatch):
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("libtpu is not installed: pip install -r requirements-tpu-plan.txt")
    for name, value in {"TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # libtpu refuses to start with a flag for CPUs
    chips = topologies.get_topology_desc(platform="tpu", topology_name="v5e:4x4").devices
    return Mesh(np.array(chips).reshape(4, 4, 1), ("data", "fsdp", "model"), axis_types=(AxisType.Auto,) * 3)


def softmax(rows, columns, scale, bias, ids):
    return chunked_softmax(rows, columns, scale, chunk=CHUNK, ids=ids)


def sigmoid(rows, columns, scale, bias, ids):
    return chunked_sigmoid(rows, columns, scale, bias, chunk=CHUNK, ids=ids)


@pytest.mark.slow
@pytest.mark.parametrize("with_ids", [False, True], ids=["pairs", "ids"])
@pytest.mark.parametrize("kernel", [softmax, sigmoid])
def test_temporary_memory_a_chip(v5e, kernel, with_ids):
    split, whole = (NamedSharding(v5e, PartitionSpec(*axes)) for axes in ((("data", "fsdp"),), ()))
    rows = jax.ShapeDtypeStruct((BATCH, WIDTH), jnp.float32, sharding=split)
    scalar = jax.ShapeDtypeStruct((), jnp.float32, sharding=whole)
    ids = jax.ShapeDtypeStruct((BATCH, 2), jnp.int32, sharding=split)

    def loss(rows, columns, scale, bias, ids):
        contrast = kernel(rows, columns, scale, bias, (ids, ids) if with_ids else None)
        return (contrast.rows.mean() + contrast.columns.mean()) / 2, contrast.metrics

    with jax.sharding.use_abstract_mesh(v5e.abstract_mesh):
        step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True))
        compiled = step.lower(rows, rows, scalar, scalar, ids).compile()
    temporary = compiled.memory_analysis().temp_size_in_bytes
    # The dense softmax takes 801 MiB.
    assert temporary < MIB, f"{temporary / MIB:.2f} MiB"
