"""Prototypes of an episode's clusters, written out in numpy: its place in the episode, translation, teacher, scale."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.encodings import Encodings
from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer
from vlp.training.state import clamp, parameter_bounds, split

SIZE, CLUSTERS, DIM, TEACHER_DIM = 24, 5, 4, 3
HALF = (0.5, 0.5, 0.5)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def episode():
    """Features, centroids and labels of all kinds; cluster 4 of the texts is empty."""
    dice = np.random.default_rng(2)
    dims = {"image": DIM, "text": DIM, "teacher": TEACHER_DIM}
    features = {name: unit(dice.normal(size=(SIZE, dim))) for name, dim in dims.items()}
    centroids = {name: 0.8 * unit(dice.normal(size=(CLUSTERS, dim))) for name, dim in dims.items()}
    labels = {name: dice.integers(0, CLUSTERS - (name == "text"), SIZE) for name in dims}
    return features, centroids, labels


@pytest.fixture
def run(config, batch):
    """The loss, metrics, bounds and training features of the batch, by settings and steps."""
    config.objectives.contrastive.weight = 0.0
    config.model.image.patch_dropout = 0.0
    config.objectives.prototypes.update(
        weight=1.0, episode_size=SIZE, clusters=CLUSTERS, dim=DIM, head_width=8, temperature=0.1,
        teacher="teacher", teacher_dim=TEACHER_DIM, teacher_weight=0.6,
    )  # fmt: skip
    batch = {
        **batch,
        "teacher": jnp.asarray(np.random.default_rng(3).normal(size=(8, TEACHER_DIM)), jnp.float32),
    }

    def outcomes(*steps, remember=True, **settings):
        config.objectives.prototypes.update(settings)
        pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute(unroll=True))
        objective = pretrainer.objectives["prototypes"]
        kinds = set(objective.labels)
        if remember:
            found = [
                {name: jnp.asarray(rows, jnp.int32 if rows.dtype == np.int64 else jnp.float32)
                 for name, rows in part.items() if name in kinds}
                for part in episode()
            ]  # fmt: skip
            objective.remember(*found)
        graphdef, params, rest = split(pretrainer)

        @jax.jit
        def compute(step):
            module = nnx.merge(graphdef, params, rest, copy=True)
            encodings = Encodings(module.model, batch, key=jax.random.key(0), step=step, mean=HALF, std=HALF)
            objective = module.objectives["prototypes"]
            features = objective.episode_features(encodings, training=True)
            output = objective(encodings)
            return output.loss.mean(), output.metrics, features

        found = [jax.device_get(compute(jnp.int32(step))) for step in steps]
        return [(float(loss), metrics, features) for loss, metrics, features in found], pretrainer

    return outcomes


def expected(features, first, *, temperature=0.1, translate=True, teacher=0.6):
    """The loss of the eight examples from a place of the episode on, and what is watched of each term."""
    seen, centroids, labels = episode()
    total, watched = 0.0, {}
    for student, by, weight, soft in (
        ("image", "text", 0.5, temperature),
        ("text", "image", 0.5, temperature),
        ("image", "teacher", 0.5 * teacher, 0.0),
        ("text", "teacher", 0.5 * teacher, 0.0),
    ):
        if not weight:
            continue
        prototypes = np.zeros((CLUSTERS, DIM))
        for cluster in range(CLUSTERS):
            rows = seen[student][labels[by] == cluster]
            if len(rows):
                prototypes[cluster] = rows.mean(axis=0)
        if not translate:
            prototypes = centroids[by]
        own = labels[by][first : first + 8]
        targets = np.eye(CLUSTERS)[own]
        if soft:
            targets = np.exp(log_softmax(centroids[by][own] @ centroids[by].T / soft))
        likely = log_softmax(np.asarray(features[student], np.float64) @ prototypes.T / 0.07)
        total += -weight * (targets * likely).sum(axis=1).mean()
        watched[f"{student}_by_{by}/accuracy"] = (likely.argmax(axis=1) == own).mean()
        watched[f"{student}_by_{by}/entropy"] = -(np.exp(likely) * likely).sum(axis=1).mean()
    return total, watched


@pytest.mark.slow
def test_each_step_reads_the_labels_of_its_own_batch(run):
    """Also where the number of pairs seen no longer fits into 32 bits."""
    beyond = 2**31 // 8 + 1  # times 8 is 2^31 + 8
    found, _ = run(0, 1, 5, beyond, 2**31 - 2)
    for (loss, metrics, features), place in zip(found, (0, 1, 2, beyond % 3, (2**31 - 2) % 3), strict=True):
        value, watched = expected(features, 8 * place)
        assert loss == pytest.approx(value, rel=1e-5)
        for name, figure in watched.items():
            assert float(metrics[name]) == pytest.approx(figure, rel=1e-5)
        assert float(metrics["empty"]) == pytest.approx(1 / 15)
        assert float(metrics["logit_scale"]) == pytest.approx(1 / 0.07, rel=1e-6)
    assert len({round(loss, 4) for loss, *_ in found[:3]}) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "formula"),
    [
        ({"teacher_weight": 0.0}, {"teacher": 0.0}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"back_translation": False, "teacher": ""}, {"translate": False, "teacher": 0.0}),
        ({"teacher_weight": 2.0, "last_bias": True}, {"teacher": 2.0}),
    ],
    ids=["no_teacher", "hard", "no_translation", "teacher"],
)
def test_settings_are_what_they_say(run, settings, formula):
    ((loss, _, features),), pretrainer = run(1, **settings)
    assert loss == pytest.approx(expected(features, 8, **formula)[0], rel=1e-5)
    last = pretrainer.objectives["prototypes"].heads["image"].layers[-1]
    assert (last.bias is not None) == settings.get("last_bias", False)


@pytest.mark.slow
def test_there_is_no_loss_before_the_first_clusters_and_from_the_last_stretch_on(run):
    found, _ = run(0, 2, remember=False)
    assert [loss for loss, *_ in found] == [0.0, 0.0]
    found, pretrainer = run(1, 2, 3, stop_step=2)
    assert [loss > 0 for loss, *_ in found] == [True, False, False]
    bounds = {path: limit for path, limit in parameter_bounds(pretrainer).items() if "log_scale" in path}
    ((path, limits),) = bounds.items()
    assert limits == (0.0, pytest.approx(math.log(100.0)))
    held = clamp({"objectives": {"prototypes": {"log_scale": jnp.float32(-3.0)}}}, {path: limits})
    assert float(held["objectives"]["prototypes"]["log_scale"]) == 0.0


def test_heads_start_alike_and_read_running_statistics_ahead_of_an_episode(config):
    sizes = {"episode_size": SIZE, "clusters": CLUSTERS, "dim": DIM, "head_width": 8}
    config.objectives.prototypes.update(weight=1.0, **sizes)
    objective = Pretrainer(config, vocabulary_size=50, compute=Compute()).objectives["prototypes"]
    heads = [jax.tree.leaves(nnx.state(objective.heads[name], nnx.Param)) for name in ("image", "text")]
    for one, other in zip(*heads, strict=True):
        np.testing.assert_array_equal(one, other)
    rows = jnp.asarray(np.random.default_rng(4).normal(size=(6, 16)), jnp.float32)

    class Given:
        image_features = text_features = staticmethod(lambda: rows)

    def features(**training):
        return np.asarray(objective.episode_features(Given, **training)["image"])

    ahead, alone = features(), unit(np.asarray(objective.heads["image"](rows, training=False)))
    np.testing.assert_allclose(ahead, alone, rtol=1e-6)
    assert np.abs(features(training=True) - ahead).max() > 0.01, "in training a batch norm reads the batch"
