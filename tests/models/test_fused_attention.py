"""The TPU kernel of attention, interpreted: as the compiler's own products and softmax have it, on any mesh."""

from __future__ import annotations

import functools
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType
from ml_collections import ConfigDict

from vlp.models import fused_attention as kernels
from vlp.models.attention import LONGEST, Attention
from vlp.models.compute import Compute, resolve_compute
from vlp.models.fused_attention import fused_attention
from vlp.models.sizes import TowerSize
from vlp.planning.program import read_program
from vlp.planning.topology import open_topology

BATCH, TOKENS, HEADS, SIZE = (
    8,
    5,
    4,
    24,
)  # two heads are less than a register's 128 lanes, and four no multiple


def plain(qkv, lengths, *, heads, causal):
    """Attention by JAX's own function."""
    query, key, value = jnp.moveaxis(qkv.reshape(*qkv.shape[:2], heads, 3, -1), 3, 0)
    mixed = jax.nn.dot_product_attention(
        query, key, value, is_causal=causal, key_value_seq_lengths=lengths, implementation="xla"
    )
    return mixed.reshape(*qkv.shape[:2], -1)


def inputs():
    dice = np.random.default_rng(0)
    qkv, weights = (
        jnp.asarray(dice.normal(size=(BATCH, TOKENS, n * HEADS * SIZE)), jnp.float32) for n in (3, 1)
    )
    return qkv, weights, jnp.asarray(dice.integers(1, TOKENS + 1, BATCH), jnp.int32)


def value_and_gradient(attention, lengths, causal):
    def loss(qkv, weights):
        return (attention(qkv, lengths, heads=HEADS, causal=causal) * weights).sum()

    return jax.jit(jax.value_and_grad(loss))


@pytest.mark.parametrize(("causal", "masked", "mesh"), [(False, True, (2, 2, 2)), (True, False, None)])
def test_values_and_gradients_are_those_of_plain_attention(causal, masked, mesh):
    qkv, weights, lengths = inputs()
    rows = lengths if masked else None
    expected = value_and_gradient(plain, rows, causal)(qkv, weights)
    one = value_and_gradient(functools.partial(fused_attention, interpret=True), rows, causal)
    found = [one(qkv, weights)]
    if mesh:
        with jax.set_mesh(jax.make_mesh(mesh, ("data", "fsdp", "model"), (AxisType.Auto,) * 3)):
            found.append(one(qkv, weights))
    for each in found:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), each, expected)


def test_a_tower_uses_it_where_it_can(monkeypatch):
    """Of a tower's calls those with a rotation, free rows or too many tokens go to the compiler."""
    config = ConfigDict(
        {"dtype": "bfloat16", "attention": "auto", "scan_blocks": "auto", "remat": "none", "micro_batch": 0}
    )
    assert resolve_compute(config, "tpu").attention == "fused"
    assert resolve_compute(ConfigDict({**config, "dtype": "float32"}), "tpu").attention == "xla"
    with pytest.raises(ValueError, match="'fused' needs a TPU"):
        resolve_compute(ConfigDict({**config, "attention": "fused"}), "cpu")
    calls = []
    monkeypatch.setattr(
        kernels, "fused_attention", lambda qkv, *_, **options: calls.append(options) or qkv[..., :96]
    )
    size = TowerSize(width=96, depth=1, heads=4, mlp_dim=8)
    attention = Attention(size, causal=True, compute=Compute(attention="fused"), rngs=nnx.Rngs(0))
    attention(jnp.zeros((2, 3, 96)), None)
    attention(jnp.zeros((2, 3, 96)), None, heads=2)
    assert calls == [{"heads": 4, "causal": True}, {"heads": 2, "causal": True}]
    attention(jnp.zeros((2, 3, 96)), None, free=jnp.ones(2, bool))
    jax.eval_shape(lambda x: attention(x, None), jax.ShapeDtypeStruct((2, LONGEST + 1, 96), jnp.float32))
    assert len(calls) == 2


@pytest.mark.slow
def test_compiled_for_a_tpu_no_score_leaves_the_chip():
    """Queries, keys and values are read and the mixture written once; the gradient reads both and writes one."""
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("libtpu is not installed: pip install -r requirements-tpu-plan.txt")
    chip = jax.sharding.SingleDeviceSharding(open_topology("v5e:2x2").devices[0])
    batch, tokens, heads, size = 16, 196, 12, 64
    qkv, mixed = (
        jax.ShapeDtypeStruct((batch, tokens, n * heads * size), jnp.bfloat16, sharding=chip) for n in (3, 1)
    )

    def gradient(qkv, cotangent):
        return jax.vjp(lambda x: fused_attention(x, None, heads=heads, causal=False), qkv)[1](cotangent)

    compiled = jax.jit(gradient).lower(qkv, mixed).compile()
    program = read_program(compiled.as_text())
    moved = 2 * batch * tokens * heads * size * (3 + 1 + 3)
    assert program.memory_bytes == pytest.approx(moved, rel=0.02)
    assert program.flops == 2 * 5 * batch * heads * tokens * tokens * size
    assert compiled.memory_analysis().temp_size_in_bytes < 2**20
