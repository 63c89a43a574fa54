"""What lies in a box, and texts that ask patches: by what is known of simple grids."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.models.label_rows import label_rows
from vlp.models.regions import grid_of, region_samples
from vlp.models.sizes import TowerSize
from vlp.models.text_queries import TextQueryDecoder


def test_samples_of_the_whole_image_have_its_mean():
    grid = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 4, 3)))
    whole = jnp.tile(jnp.array([[[0.0, 0.0, 1.0, 1.0]]]), (2, 1, 1))
    samples = np.asarray(region_samples(grid, whole, 4))
    np.testing.assert_allclose(samples[:, 0], np.asarray(grid).reshape(2, 16, 3), atol=1e-6)
    ramp = jnp.broadcast_to((jnp.arange(8) + 0.5) / 8, (1, 8, 8))[..., None]  # each cell says where it is
    box = jnp.array([[[0.25, 0.5, 0.75, 0.9]]])
    across = np.asarray(region_samples(ramp, box, 2)).reshape(2, 2)
    np.testing.assert_allclose(across, [[0.375, 0.625]] * 2, atol=1e-6)
    with pytest.raises(ValueError, match="patch_dropout"):
        grid_of(jnp.zeros((1, 5, 3)))


def test_queries_are_answered_alone_and_in_chunks():
    size = TowerSize(8, 1, 2, 16)
    decoder = TextQueryDecoder(size, text_width=4, memory_width=4, compute=Compute(), rngs=nnx.Rngs(0))
    dice = np.random.default_rng(0)
    rows, memory = (jnp.asarray(dice.normal(size=shape), jnp.float32) for shape in ((5, 4), (3, 6, 4)))

    @jax.jit
    def answers(rows):
        queries = decoder.queries(rows)[None]
        return decoder.every(queries, memory, 0), decoder.every(queries, memory, 2)

    whole, chunked = map(np.asarray, answers(rows))
    np.testing.assert_allclose(chunked, whole, rtol=1e-5, atol=1e-6)
    other, _ = answers(rows.at[0].add(1.0))
    np.testing.assert_allclose(np.asarray(other)[:, 1:], whole[:, 1:], rtol=1e-5, atol=1e-6)
    assert not np.allclose(np.asarray(other)[:, 0], whole[:, 0])


def test_texts_of_labels_stand_in_front():
    rows = jnp.arange(10.0).reshape(5, 2) + 1
    found = label_rows(rows, jnp.array([0, 0, 0, 1, 2]), jnp.array([0, 3, 4]), 2)
    np.testing.assert_array_equal(found.there, [[1, 1], [1, 0], [1, 0]])
    np.testing.assert_array_equal(found.rows[:, 0], rows[jnp.array([0, 3, 4])])
    assert not np.asarray(found.rows)[~np.asarray(found.there)].any()


def test_chunks_hold_the_memory_of_asking_every_image_for_every_text():
    size = TowerSize(16, 1, 2, 32)
    decoder = TextQueryDecoder(size, text_width=8, memory_width=8, compute=Compute(), rngs=nnx.Rngs(0))
    graphdef, state = nnx.split(decoder)

    def needed(chunk):
        def loss(state, rows, memory):
            module = nnx.merge(graphdef, state)
            return module.every(module.queries(rows)[None], memory, chunk).sum()

        arguments = state, jnp.zeros((64, 8)), jnp.zeros((64, 5, 8))
        compiled = jax.jit(jax.grad(loss)).lower(*arguments).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert needed(8) < 0.3 * needed(0)
