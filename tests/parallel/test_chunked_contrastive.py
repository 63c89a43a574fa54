"""The chunked losses against the dense kernels: values, gradients and metrics, for any devices and chunks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vlp.kernels.sigmoid import sigmoid
from vlp.kernels.softmax import softmax
from vlp.objectives.contrastive import match_metrics
from vlp.objectives.scorers import Scores
from vlp.objectives.targets import same_id
from vlp.parallel.contrastive import chunked_sigmoid, chunked_softmax

BATCH, DIM, DIRECTION, SMOOTHING = 48, 8, 0.3, 0.1
# Devices in all shapes, and chunks that divide a device's rows or do not, down to one row and up to all of them.
CASES = [(None, 5), (None, 48), ((2, 1, 1), 7), ((1, 4, 1), 1), ((2, 2, 2), 5), ((8, 1, 1), 4)]


def inputs(dtype):
    generator = np.random.default_rng(0)
    rows, columns = generator.normal(size=(2, BATCH, DIM))
    columns += rows  # so that some pairs match best
    sides = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, columns))
    ids = generator.integers(0, 6, (BATCH, 2)).astype(np.int32)
    return tuple(jnp.asarray(x, dtype) for x in (*sides, 20.0, -5.0)), jnp.asarray(ids)


def both(rows, columns):
    return DIRECTION * rows.mean() + (1 - DIRECTION) * columns.mean()


def dense(kernel, ids):
    def loss(rows, columns, scale, bias):
        cosines, ids_ = rows @ columns.T, jnp.arange(BATCH) if ids is None else ids
        targets = same_id(ids_, ids_)
        if kernel == "softmax":
            logits = scale * cosines
            losses = (softmax(s, targets, label_smoothing=SMOOTHING) for s in (logits, logits.T))
        else:
            logits = scale * cosines + bias
            losses = (sigmoid(s, targets) for s in (logits, logits.T))
        return both(*losses), match_metrics(Scores(rows, columns, scale, bias), targets)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True))


def chunked(kernel, ids, chunk):
    pair = None if ids is None else (ids, ids)

    def loss(rows, columns, scale, bias):
        if kernel == "softmax":
            contrast = chunked_softmax(rows, columns, scale, chunk=chunk, ids=pair, label_smoothing=SMOOTHING)
        else:
            contrast = chunked_sigmoid(rows, columns, scale, bias, chunk=chunk, ids=pair)
        return both(contrast.rows, contrast.columns), contrast.metrics

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True))


@pytest.mark.slow
@pytest.mark.parametrize("with_ids", [False, True], ids=["pairs", "ids"])
@pytest.mark.parametrize("kernel", ["softmax", "sigmoid"])
def test_equals_the_dense_kernel_in_float64(kernel, with_ids, on_mesh, close):
    with jax.enable_x64(True):
        arrays, ids = inputs("float64")
        ids = ids if with_ids else None
        expected = dense(kernel, ids)(*arrays)
        for shape, chunk in CASES if not with_ids else CASES[::3]:
            with on_mesh(shape):
                close(chunked(kernel, ids, chunk)(*arrays), expected, 2e-12)


@pytest.mark.parametrize("kernel", ["softmax", "sigmoid"])
def test_equals_the_dense_kernel_in_float32(kernel, on_mesh, close):
    arrays, _ = inputs("float32")
    with jax.enable_x64(True):
        exact = dense(kernel, None)(*(x.astype("float64") for x in arrays))
    with on_mesh((2, 2, 1)):
        close(chunked(kernel, None, 5)(*arrays), exact, 1e-6)


def test_a_well_trained_batch_keeps_its_digits():
    """At scale 100 scores are near 100 and losses near zero: the difference must not be taken of rounded sums."""
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(BATCH, BATCH)))[0]
    rows = jnp.asarray(vectors, jnp.float32)
    loss = jax.jit(lambda scale: chunked_softmax(rows, rows, scale, chunk=7).rows.mean())
    assert 0 <= float(loss(100.0)) < 1e-6
    assert float(loss(12.0)) == pytest.approx(np.log1p((BATCH - 1) * np.exp(-12.0)), rel=5e-3)


@pytest.mark.parametrize("kernel", ["softmax", "sigmoid"])
def test_a_batch_may_have_more_cells_than_32_bits_count(kernel):
    losses = {
        "softmax": lambda rows, scale, bias: chunked_softmax(rows, rows, scale, chunk=1024),
        "sigmoid": lambda rows, scale, bias: chunked_sigmoid(rows, rows, scale, bias, chunk=1024),
    }
    rows, number = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((2**16, 8), ()))
    found = jax.eval_shape(losses[kernel], rows, number, number)
    assert found.metrics["negative_cosine"].shape == ()


def test_collapsed_embeddings_do_not_look_accurate():
    same = jnp.ones((BATCH, 4)) / 2
    assert float(
        chunked_softmax(same, same, jnp.float32(10.0), chunk=5).metrics["accuracy"]
    ) == pytest.approx(1 / BATCH)


def test_rows_without_a_positive_weigh_nothing():
    arrays, _ = inputs("float32")
    rows, columns, scale, _ = arrays
    row_ids, column_ids = (jnp.arange(start, start + BATCH)[:, None] for start in (0, 10))
    loss = jax.jit(lambda *a: chunked_softmax(*a, chunk=16, ids=(row_ids, column_ids)))(rows, columns, scale)
    expected = softmax(scale * rows @ columns.T, same_id(row_ids, column_ids))
    assert float(loss.rows.weight) == float(loss.columns.weight) == BATCH - 10
    assert float(loss.rows.total) == pytest.approx(float(expected.total), rel=1e-5)


def test_unequal_sides_need_ids():
    with pytest.raises(ValueError, match="4 rows cannot be paired with 6 columns: give ids"):
        chunked_softmax(jnp.ones((4, 2)), jnp.ones((6, 2)), jnp.float32(1.0), chunk=2)


def test_no_buffer_is_larger_than_a_tile():
    batch, chunk = 4096, 64
    vectors = jax.ShapeDtypeStruct((batch, 16), jnp.float32)

    def loss(rows, columns, scale):
        contrast = chunked_softmax(rows, columns, scale, chunk=chunk)
        return both(contrast.rows, contrast.columns), contrast.metrics

    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))
    compiled = step.lower(vectors, vectors, jax.ShapeDtypeStruct((), jnp.float32)).compile()
    tile, sides = 4 * batch * chunk, 4 * batch * 16
    assert compiled.memory_analysis().temp_size_in_bytes < 3 * tile + 8 * sides < 4 * batch**2 / 8


@pytest.mark.parametrize("loss", [chunked_softmax, chunked_sigmoid])
def test_what_is_watched_has_no_gradient_and_stands_where_nothing_matches(loss):
    rest = (jnp.float32(2.0),) if loss is chunked_softmax else (jnp.float32(2.0), jnp.float32(-1.0))
    rows, columns = jnp.asarray([[0.6, 0.8], [0.8, 0.6]]), jnp.eye(2)
    watched = lambda rows: sum(loss(rows, columns, *rest, chunk=1).metrics.values())  # noqa: E731
    assert not np.asarray(jax.grad(watched)(rows)).any()
    ids = jnp.asarray([[0], [1]]), jnp.asarray([[2], [3]])
    metrics = loss(rows, columns, *rest, chunk=1, ids=ids).metrics
    assert float(metrics["positive_cosine"]) == 0 and float(metrics["accuracy"]) == 0
    assert float(metrics["negative_cosine"]) == pytest.approx(0.7)
    alone = loss(rows[:1], columns[:1], *rest, chunk=1).metrics
    assert (
        float(alone["positive_cosine"]) == pytest.approx(0.6) and abs(float(alone["negative_cosine"])) < 1e-6
    )


@pytest.mark.parametrize("loss", [chunked_softmax, chunked_sigmoid])
def test_half_precision_sides_are_scored_in_float32(loss):
    rest = (jnp.float32(9.0),) if loss is chunked_softmax else (jnp.float32(9.0), jnp.float32(-3.0))
    vectors = jnp.asarray(np.random.default_rng(6).normal(size=(2, 40, 16)) / 4, jnp.bfloat16)
    value = lambda rows: loss(rows, vectors[1], *rest, chunk=7).rows.mean()  # noqa: E731
    found, slope = jax.jit(jax.value_and_grad(value))(vectors[0])
    exact = loss(*vectors.astype(jnp.float32), *rest, chunk=40).rows.mean()
    assert found.dtype == jnp.float32 and slope.dtype == jnp.bfloat16
    assert float(found) == pytest.approx(float(exact), rel=1e-5)
