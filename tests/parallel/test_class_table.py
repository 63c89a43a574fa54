"""Class tables split over the model and fsdp axes: as one device has it, for any mesh, and never gathered."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from vlp.kernels.margins import additive_cosine
from vlp.kernels.separated import separated
from vlp.kernels.sigmoid import sigmoid
from vlp.kernels.softmax import softmax
from vlp.parallel.class_table import class_loss

BATCH, DIM, CLASSES, LABELS = 16, 6, 40, 3


def separated_scores(cosines, targets, mask, axis_name):
    return separated(8.0 * cosines, targets, mask=mask, axis_name=axis_name)


def margin_softmax(cosines, targets, mask, axis_name):
    return softmax(8.0 * additive_cosine(cosines, targets, 0.3), targets, mask=mask, axis_name=axis_name)


def inputs(dtype):
    generator = np.random.default_rng(0)
    embeddings, centres = generator.normal(size=(BATCH, DIM)), generator.normal(size=(CLASSES, DIM))
    labels = generator.integers(-1, CLASSES, (BATCH, LABELS)).astype(np.int32)
    labels[3], labels[5, 1] = -1, labels[5, 0]  # one without any, one with the same twice
    return jnp.asarray(embeddings, dtype), jnp.asarray(centres, dtype), jnp.asarray(labels)


def dense(score_loss, labels, columns=slice(None), dims=slice(None)):
    """The whole matrix on one device, restricted to some columns and dimensions."""

    def loss(embeddings, centres):
        rows, table = (x[:, dims] for x in (embeddings, centres[columns]))
        rows, table = (x / jnp.linalg.norm(x, axis=1, keepdims=True) for x in (rows, table))
        targets = (labels[:, :, None] == jnp.arange(CLASSES)[columns]).any(axis=1)
        return score_loss(rows @ table.T, targets.astype(rows.dtype), None, None).mean()

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))


def sharded(score_loss, labels, **options):
    def loss(embeddings, centres):
        result = class_loss(embeddings, centres, labels, score_loss, key=jax.random.key(3), **options)
        return result.loss.mean(), result.metrics["kept"]

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))


@pytest.mark.parametrize(
    ("score_loss", "shapes"),
    [(separated_scores, [None, (2, 2, 2), (1, 1, 8)]), (margin_softmax, [(8, 1, 1), (2, 4, 1), (1, 4, 2)])],
)
def test_equals_one_device(score_loss, shapes, on_mesh, close):
    with jax.enable_x64(True):
        embeddings, centres, labels = inputs("float64")
        expected = dense(score_loss, labels)(embeddings, centres)
        for shape in shapes:
            with on_mesh(shape):
                (loss, kept), gradients = sharded(score_loss, labels, chunk=3)(embeddings, centres)
            close((loss, gradients), expected, 1e-12)
            assert float(kept) == 1.0


@pytest.mark.parametrize("shape", [(8, 1, 1), (4, 1, 2)])
def test_sampled_classes_hold_all_positives_and_are_the_same_everywhere(shape, on_mesh, close):
    """The classes that get a gradient are the sample; over exactly those the loss is the dense one."""
    with jax.enable_x64(True):
        embeddings, centres, labels = inputs("float64")
        labels = labels[:, :1] % 12 * 3  # at most 12 different labels, on both shards
        with on_mesh(shape):
            (loss, kept), gradients = sharded(separated_scores, labels, chunk=8, rate=0.8)(
                embeddings, centres
            )
        sampled = np.flatnonzero(np.abs(np.asarray(gradients[1])).sum(axis=1))
        assert len(sampled) == 32 and set(np.unique(labels)) <= set(sampled) and float(kept) == 1.0
        expected = dense(separated_scores, labels, columns=sampled)(embeddings, centres)
        close((loss, gradients), expected, 1e-12)


def masked_sigmoid(scores, targets, mask, axis_name):
    return sigmoid(scores, targets, mask=mask, axis_name=axis_name)


@pytest.mark.parametrize("shape", [None, (2, 2, 2)])
def test_states_and_weights_of_classes_lie_where_the_table_does(shape, on_mesh, close):
    """Plain inner products, unknown cells, and weighted targets: as the whole matrix on one device."""
    with jax.enable_x64(True):
        embeddings, centres, _ = inputs("float64")
        dice = np.random.default_rng(1)
        states = jnp.asarray(dice.integers(-1, 2, (BATCH, CLASSES - 3), dtype=np.int8))
        weights = jnp.asarray(dice.random(CLASSES))

        def plain(embeddings, centres):
            known = jnp.pad(states, ((0, 0), (0, 3)), constant_values=-1)  # of three classes nobody speaks
            scores = embeddings @ centres.T
            return masked_sigmoid(scores, (known > 0) * weights, known >= 0, None).mean()

        expected = jax.jit(jax.value_and_grad(plain, argnums=(0, 1)))(embeddings, centres)
        with on_mesh(shape):
            found = sharded(masked_sigmoid, states, chunk=3, cosines=False, weights=weights)
            (loss, kept), gradients = found(embeddings, centres)
        close((loss, gradients), expected, 1e-12)
        assert float(kept) == 1.0 and not np.asarray(gradients[1])[-3:].any()


def test_sampled_dimensions_are_the_same_for_both_sides_and_all_devices(on_mesh, close):
    with jax.enable_x64(True):
        embeddings, centres, labels = inputs("float64")
        with on_mesh((2, 2, 2)):
            (loss, _), gradients = sharded(separated_scores, labels, chunk=8, feature_rate=0.5)(
                embeddings, centres
            )
        dims = np.flatnonzero(np.abs(np.asarray(gradients[0])).sum(axis=0))
        assert len(dims) == DIM // 2
        close((loss, gradients), dense(separated_scores, labels, dims=dims)(embeddings, centres), 1e-12)


@pytest.mark.parametrize("shape", [None, (4, 1, 2), (1, 1, 8)])
def test_more_positives_than_the_share_are_all_kept(shape, on_mesh, close):
    """As in PartialFC: a batch with more different labels than a shard's share takes what it needs of the shard."""
    with jax.enable_x64(True):
        embeddings, centres, _ = inputs("float64")
        labels = jnp.arange(BATCH, dtype=jnp.int32)[:, None]  # all of them on the first shards
        with on_mesh(shape):
            (loss, kept), gradients = sharded(separated_scores, labels, chunk=8, rate=0.1)(
                embeddings, centres
            )
        assert float(kept) == 1.0
        sampled = np.flatnonzero(np.abs(np.asarray(gradients[1])).sum(axis=1))
        shards = 1 if shape is None else shape[2]
        assert set(range(BATCH)) <= set(sampled) and len(sampled) == shards * min(CLASSES // shards, BATCH)
        close((loss, gradients), dense(separated_scores, labels, columns=sampled)(embeddings, centres), 1e-12)


def test_every_shard_draws_its_own_classes(on_mesh):
    embeddings, centres, _ = inputs("float32")
    labels = jnp.zeros((BATCH, 1), jnp.int32)
    with on_mesh((1, 1, 2)):
        _, gradients = sharded(separated_scores, labels, chunk=16, rate=0.8)(embeddings, centres)
    taken = (np.abs(np.asarray(gradients[1])).sum(axis=1) > 0).reshape(2, -1)
    assert taken.sum(axis=1).tolist() == [16, 16] and (taken[0, 1:] != taken[1, 1:]).any()


def test_labels_beyond_the_table_are_counted():
    embeddings, centres, _ = inputs("float32")
    labels = jnp.asarray([[0, 40]] * 4 + [[-1, 3]] * 12, jnp.int32)
    (loss, kept), _ = sharded(separated_scores, labels, chunk=8, rate=0.5)(embeddings, centres)
    assert float(kept) == pytest.approx(16 / 20) and np.isfinite(float(loss))


def test_no_labels_at_all_and_a_single_one_have_their_share_kept():
    embeddings, centres, _ = inputs("float32")
    none = jnp.full((BATCH, 1), -1, jnp.int32)
    (_, kept), _ = sharded(separated_scores, none, chunk=8)(embeddings, centres)
    assert float(kept) == 0.0
    one = none.at[3].set(7)
    (_, kept), gradients = sharded(separated_scores, one, chunk=8, feature_rate=0.01)(embeddings, centres)
    assert float(kept) == 1.0
    assert np.count_nonzero(np.abs(np.asarray(gradients[0])).sum(axis=0)) <= 1, (
        "a step keeps a dimension at least"
    )


def test_no_gather_of_the_size_of_the_table(on_mesh):
    classes, dim = 65_536, 8
    with on_mesh((1, 2, 4)):
        split, whole = (NamedSharding(jax.sharding.get_mesh(), spec) for spec in (P("model"), P()))
        embeddings = jax.ShapeDtypeStruct((BATCH, dim), jnp.float32, sharding=whole)
        centres = jax.ShapeDtypeStruct((classes, dim), jnp.float32, sharding=split)
        step = sharded(separated_scores, jnp.zeros((BATCH, LABELS), jnp.int32), chunk=8, rate=0.1)
        compiled = step.lower(embeddings, centres).compile()
    gathered = re.findall(r"= (?:\()?\w+\[([\d,]*)\][^=]* all-gather(?:-start)?\(", compiled.as_text())
    sizes = [int(np.prod([int(n) for n in shape.split(",") if n] or [1])) for shape in gathered]
    assert max(sizes, default=0) < classes, f"all-gathers of {gathered}"


def test_what_cannot_be_split_or_sampled_is_refused(on_mesh):
    embeddings, centres, labels = inputs("float32")
    with pytest.raises(ValueError, match=r"rate=0.5 and feature_rate=1.0 need a key"):
        class_loss(embeddings, centres, labels, separated_scores, chunk=4, rate=0.5)
    with pytest.raises(ValueError, match=r"rate=1.0 and feature_rate=0.5 need a key"):
        class_loss(embeddings, centres, labels, separated_scores, chunk=4, feature_rate=0.5)
    with pytest.raises(ValueError, match=r"states of 3 classes, for a table of 40 and rate=0\.5"):
        class_loss(embeddings, centres, labels.astype(jnp.int8), separated_scores, chunk=4, rate=0.5)
    with on_mesh((1, 1, 8)), pytest.raises(ValueError, match="39 classes do not split evenly"):
        class_loss(embeddings, centres[1:], labels, separated_scores, chunk=4)


def watched(labels, targets, known, **options):
    """The metrics beside those of the whole matrix in numpy."""
    embeddings, centres, _ = inputs("float32")
    found = jax.jit(lambda *sides: class_loss(*sides, labels, separated_scores, chunk=3, **options).metrics)(
        embeddings, centres
    )
    unit = [np.asarray(side, np.float64) for side in (embeddings, centres)]
    rows, table = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in unit)
    cosines = rows @ table.T
    best = np.where(known, cosines, -np.inf).argmax(axis=1)
    expected = {
        "accuracy": targets[np.arange(BATCH), best].mean(),
        "positive_cosine": cosines[targets].mean(),
        "negative_cosine": cosines[known & ~targets].mean(),
        "kept": 1.0,
    }
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", [None, (2, 2, 2)])
def test_what_is_watched_is_that_of_the_whole_matrix(shape, on_mesh):
    embeddings, centres, _ = inputs("float32")
    nearest = np.asarray((embeddings / 1.0) @ (centres / jnp.linalg.norm(centres, axis=1)[:, None]).T).argmax(
        1
    )
    labels = np.full((BATCH, LABELS), -1, np.int32)
    labels[:9, 0] = nearest[:9]  # found; then some that are not, and some without any
    labels[4:13, 1] = (nearest[4:13] + 1) % CLASSES
    targets = (labels[:, :, None] == np.arange(CLASSES)).any(axis=1)
    with on_mesh(shape):
        watched(jnp.asarray(labels), targets, np.ones_like(targets))
        states = np.random.default_rng(1).integers(-1, 2, (BATCH, CLASSES), dtype=np.int8)
        states[:5, :] = np.maximum(states[:5, :], 0)
        watched(jnp.asarray(states), states > 0, states >= 0, weights=jnp.linspace(0.1, 3.0, CLASSES))


def test_weights_follow_their_classes_into_a_sample():
    """Every other weight is large: that of the wrong class would show."""
    embeddings, centres, _ = inputs("float32")
    labels, weights = jnp.arange(BATCH, dtype=jnp.int32)[:, None], jnp.arange(CLASSES) % 2 * 9 + 1.0

    def weighed(cosines, targets, mask, axis_name):
        return sigmoid(cosines, targets, mask=targets > 0, axis_name=axis_name)

    options = {"chunk": BATCH, "key": jax.random.key(3), "weights": weights}

    @jax.jit
    def both(embeddings, centres):
        losses = (
            class_loss(embeddings, centres, labels, weighed, rate=rate, **options) for rate in (1.0, 0.5)
        )
        return [one.loss.mean() for one in losses]

    whole, some = both(embeddings, centres)
    assert float(some) == pytest.approx(float(whole), rel=1e-5)
