"""Episodes: what is clustered is what will be trained on, and a run goes on within an episode as if never stopped."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from configs import base
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training
from vlp.training.episodes import Episodes
from vlp.training.loop import run_hooks, training_steps
from vlp.training.throughput import StepTimer

BATCH, EPISODE_STEPS, STEPS, CLUSTERS = 8, 2, 7, 3


def batches(start: int):
    """The global batches from a step on, a pure function of it."""
    for step in range(start, 100):
        generator = np.random.default_rng(step)
        yield {
            "image": generator.integers(0, 256, (BATCH, 16, 16, 3), dtype=np.uint8),
            "text": generator.integers(4, 50, (BATCH, 6), dtype=np.int32),
            "text_mask": np.ones((BATCH, 6), bool),
        }


@pytest.fixture(scope="module")
def mesh():
    auto = (jax.sharding.AxisType.Auto,) * 3
    mesh = jax.make_mesh((2, 1, 1), ("data", "fsdp", "model"), auto, devices=jax.devices()[:2])
    with jax.set_mesh(mesh):
        yield mesh


@pytest.fixture(scope="module")
def training(mesh):
    config = base.get_config()
    config.unlock()
    config.update(steps=STEPS, batch_size=BATCH)
    tiny = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
    config.model.embed_dim = 16
    config.model.image.update(tiny, patch_size=8, resolution=16)
    config.model.text.update(tiny)
    config.tokenizer.length = 6
    config.objectives.contrastive.weight = 1.0
    config.objectives.prototypes.update(weight=1.0, episode_size=BATCH * EPISODE_STEPS, clusters=CLUSTERS)
    config.objectives.prototypes.update(dim=4, head_width=8, stop_step=6)
    config.optimizer.schedule.warmup_steps = 0
    return build_training(config, vocabulary_size=50, mesh=mesh)


def steps(training, mesh, state, start):
    """The steps from `start` on, each after its hooks."""
    timer = StepTimer(BATCH)
    hooks = [
        Episodes(
            name, episode, training.pretrainer_graphdef, batches, mesh,
            seed=0, timer=timer, every=EPISODE_STEPS, steps=STEPS,
        )
        for name, episode in training.episodes.items()
    ]  # fmt: skip
    loop = training_steps(
        training.train_step, state, batches(start), start=start, steps=STEPS, mesh=mesh,
        fields=training.fields, timer=timer,
    )  # fmt: skip
    for info in loop:
        run_hooks(hooks, info)
        yield info


@pytest.mark.slow
def test_an_interrupted_episode_goes_on_to_the_same_bits(training, mesh):
    losses, saved, clustered = [], None, []
    for info in steps(training, mesh, training.initial_state(), 0):
        losses.append(float(info.metrics["prototypes/loss"]))
        memory = info.state.rest["objectives"]["prototypes"]
        clustered.append(int(memory["clusterings"]))
        if info.step == 5:  # within an episode
            saved = jax.device_get(info.state)
        if info.step == 2:
            check_labels(training, info.state, memory)
    uninterrupted = jax.device_get(info.state)
    assert clustered == [0, 1, 1, 2, 2, 3, 3]
    # No clusters in the first episode, no loss from stop_step on.
    assert [loss > 0 for loss in losses] == [False, False, True, True, True, True, False]
    restored = jax.device_put(saved, jax.tree.map(lambda leaf: leaf.sharding, training.abstract_state))
    for info in steps(training, mesh, restored, 5):
        continued = info.state
    for one, other in zip(jax.tree.leaves(uninterrupted), jax.tree.leaves(continued), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def check_labels(training, state, memory):
    """Labels are the nearest centroids of the coming batches' features, prototypes the means over the other's."""
    from flax import nnx

    from vlp.encodings import Encodings

    pretrainer = nnx.merge(training.pretrainer_graphdef, state.params, state.rest, copy=True)
    found = {"image": [], "text": []}
    for batch, _ in zip(batches(2), range(EPISODE_STEPS), strict=False):
        encodings = Encodings(
            pretrainer.model, global_batch(batch, jax.sharding.get_mesh()), key=None, step=state.step,
            mean=pretrainer.mean, std=pretrainer.std,
        )  # fmt: skip
        for name, rows in pretrainer.objectives["prototypes"].episode_features(encodings).items():
            found[name].append(np.asarray(rows))
    for name, other in (("image", "text"), ("text", "image")):
        points, centroids = np.concatenate(found[name]), np.asarray(memory["centroids"][name])
        distances = ((points[:, None] - centroids[None]) ** 2).sum(axis=2)
        labels = np.asarray(memory["labels"][name])
        np.testing.assert_array_equal(labels, distances.argmin(axis=1))
        by_other = np.asarray(memory["labels"][other])
        prototypes = np.asarray(memory["prototypes"][f"{name}_by_{other}"])
        for cluster in range(CLUSTERS):
            rows = points[by_other == cluster]
            expected = rows.mean(axis=0) if len(rows) else np.zeros(4)
            np.testing.assert_allclose(prototypes[cluster], expected, atol=1e-5)


@pytest.mark.slow
def test_an_objective_may_find_its_clusters_in_a_way_of_its_own(training, mesh):
    asked = []

    def halves(features, own_mesh, seed):
        assert own_mesh is mesh and set(features) == {"image", "text"}
        asked.append(seed)
        rows = {name: np.arange(len(points)) % CLUSTERS for name, points in features.items()}
        return {name: points[:CLUSTERS] for name, points in features.items()}, rows

    episodes = {
        name: dataclasses.replace(episode, cluster=halves) for name, episode in training.episodes.items()
    }
    state = training.initial_state()
    for info in steps(dataclasses.replace(training, episodes=episodes), mesh, state, 0):
        if info.step == 2:
            memory = jax.device_get(info.state.rest["objectives"]["prototypes"])
            break
    assert asked == [2] and memory["clusterings"] == 1
    assert memory["labels"]["image"].tolist() == [row % CLUSTERS for row in range(BATCH * EPISODE_STEPS)]
