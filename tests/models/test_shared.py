"""Parameters that all examples share: in bfloat16, too, their gradients are the sums that they should be."""

from __future__ import annotations

import math
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from test_families import KINDS, config_of, images_of

from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.linear import linear
from vlp.models.shared import Embedding, for_all, looked_up

ROOT = Path(__file__).resolve().parents[2]
MANY = 4096  # of which bfloat16 adds up no more than 256
COMPUTE = Compute(dtype=jnp.dtype(jnp.bfloat16), unroll=True)


def test_what_many_tokens_share_has_the_sum_of_their_gradients():
    def total(values):
        return for_all(values, (MANY, 3), jnp.bfloat16).astype(jnp.float32).sum()

    np.testing.assert_array_equal(jax.grad(total)(jnp.ones(3)), [MANY] * 3)


def test_a_token_that_comes_often_has_the_sum_of_its_gradients():
    ids = jnp.asarray([1] * MANY + [3])

    def total(table):
        return looked_up(table, ids, jnp.bfloat16).astype(jnp.float32).sum()

    np.testing.assert_array_equal(jax.grad(total)(jnp.ones((4, 2)))[:, 0], [0, MANY, 0, 1])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_outputs_are_those_of_a_cast_before(dtype):
    compute = Compute(dtype=jnp.dtype(dtype))
    x, ids = jax.random.normal(jax.random.key(0), (5, 7, 8)), jnp.asarray([[2, 0], [2, 2]])
    layer = linear(8, 6, std=0.3, compute=compute, rngs=nnx.Rngs(0))
    layer.bias[...] = jax.random.normal(jax.random.key(1), (6,))
    plain = nnx.Linear(8, 6, dtype=dtype, rngs=nnx.Rngs(0))
    plain.kernel[...], plain.bias[...] = layer.kernel[...], layer.bias[...]
    np.testing.assert_array_equal(layer(x), plain(x))
    table = Embedding(4, 3, dtype=dtype, rngs=nnx.Rngs(0))
    plain_table = nnx.Embed(4, 3, dtype=dtype, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(table(ids), plain_table(ids))
    assert table(ids).dtype == dtype


def small_sums(jaxpr):
    """Where a program adds up many numbers in bfloat16."""
    for equation in jaxpr.eqns:
        name, source = equation.primitive.name, equation.invars[0].aval if equation.invars else None
        if name in ("reduce_sum", "cumsum", "scatter-add") and source.dtype == jnp.bfloat16:
            result = equation.outvars[0].aval
            if name != "reduce_sum" or math.prod(source.shape) > math.prod(result.shape):
                yield name, source.shape, result.shape
        for inner in jax.tree.leaves(list(equation.params.values())):
            if hasattr(inner := getattr(inner, "jaxpr", inner), "eqns"):
                yield from small_sums(inner)


@pytest.mark.parametrize(("tower", "kind"), KINDS)
def test_no_gradient_of_a_tower_is_added_up_in_bfloat16(tower, kind):
    config = config_of(tower, kind)
    config.model.text.pool = (
        "mean"  # at its end one token of each text is taken, whose gradient no other meets
    )

    def build():
        return DualEncoder(config.model, vocabulary_size=50, length=8, compute=COMPUTE, rngs=nnx.Rngs(0))

    graphdef, params, rest = nnx.split(nnx.eval_shape(build), nnx.Param, ...)

    def total(params, rest):
        model = nnx.merge(graphdef, params, rest)
        pixels, beside = images_of(config, 2)
        images = model.encode_pixels(pixels, **beside)
        return (images * model.encode_text(jnp.ones((2, 8), jnp.int32), jnp.ones((2, 8), bool))).sum()

    assert not list(small_sums(jax.make_jaxpr(jax.grad(total))(params, rest).jaxpr))


def test_parameters_are_cast_by_for_all_and_kernels_alone_by_themselves():
    """Of a kernel of products, whose gradient is one, too."""
    cast = re.compile(r"(\w+)\[\.\.\.\]\.astype\((?!jnp\.float32)")
    files = [file for room in ("models", "objectives") for file in (ROOT / "vlp" / room).rglob("*.py")]
    found = {name for file in files for name in cast.findall(file.read_text(encoding="utf-8"))}
    assert found <= {"kernel", "matrix", "query"}  # the pool of attention does so when its query is projected
