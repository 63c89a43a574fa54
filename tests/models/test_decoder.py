"""Cross-attention by hand, and decoders that look neither ahead nor where there is nothing."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.models.cross_attention import CrossAttention
from vlp.models.decoder import Decoder
from vlp.models.sizes import TowerSize

SIZE = TowerSize(16, 2, 2, 32)


def dice(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def decoder(compute=Compute(unroll=True), **options):  # noqa: B008
    return Decoder(SIZE, compute=compute, rngs=nnx.Rngs(0), **options)


def test_cross_attention_is_a_softmax_over_the_memory():
    layer = CrossAttention(SIZE, 12, compute=Compute(), rngs=nnx.Rngs(0))
    x, memory, lengths = dice(3, 4, 16), dice(3, 5, 12, seed=1), jnp.asarray([5, 2, 1])
    query = np.asarray(layer.query(x)).reshape(3, 4, 2, 8)
    key, value = np.moveaxis(np.asarray(layer.key_value(memory)).reshape(3, 5, 2, 2, 8), 3, 0)
    scores = np.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(8)
    scores = np.where((np.arange(5) < np.asarray(lengths)[:, None])[:, None, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = np.einsum("bhqk,bkhd->bqhd", weights, value).reshape(3, 4, 16)
    np.testing.assert_allclose(layer(x, memory, lengths), layer.out(jnp.asarray(mixed)), atol=1e-5)


def test_scan_remat_and_unrolling_agree():
    x, memory = dice(2, 4, 16), dice(2, 5, 12, seed=1)
    outputs = [
        decoder(compute, memory_width=12)(x, memory)
        for compute in (Compute(unroll=True), Compute(), Compute(remat="full"))
    ]
    for other in outputs[1:]:
        np.testing.assert_allclose(outputs[0], other, atol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_a_causal_decoder_does_not_look_ahead(causal):
    x = dice(1, 6, 16)
    model = decoder(causal=causal)
    same = np.allclose(model(x)[:, :4], model(x.at[:, 5].add(dice(16, seed=9)))[:, :4], atol=1e-6)
    assert same is causal


def test_queries_without_self_attention_do_not_see_each_other_and_all_see_the_memory():
    model = decoder(memory_width=12, self_attention=False)
    x, memory = dice(1, 3, 16), dice(1, 5, 12, seed=1)
    output = model(x, memory)
    np.testing.assert_allclose(
        output[:, :2], model(x.at[:, 2].add(dice(16, seed=9)), memory)[:, :2], atol=1e-6
    )
    assert np.abs(output - model(x, memory + 1.0)).max() > 1e-3
    hidden = model(x, memory.at[:, 4].add(dice(12, seed=9)), memory_lengths=jnp.asarray([4]))
    np.testing.assert_allclose(hidden, model(x, memory, memory_lengths=jnp.asarray([4])), atol=1e-6)


def test_free_rows_of_a_causal_decoder_look_ahead_and_others_do_not():
    x, free = dice(2, 6, 16), jnp.asarray([True, False])
    causal, open_ = decoder(causal=True), decoder()
    output = causal(x, free=free)
    np.testing.assert_allclose(output[0], open_(x)[0], atol=1e-6)
    np.testing.assert_allclose(output[1], causal(x)[1], atol=1e-6)
