"""The objectives on several views of an example, against their formulas written out in numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.encodings import Encodings
from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer
from vlp.training.state import parameter_bounds, split

HALF = (0.5, 0.5, 0.5)


@pytest.fixture
def evaluate(config):
    """The mean loss and metrics of one objective, and what `read` takes from it and the same encodings."""
    config.objectives.contrastive.weight = 0.0
    config.model.image.patch_dropout = 0.0

    def run(name, batch, read, step=0, before=lambda objective: None, **settings):
        config.objectives[name].update(weight=1.0, **settings)
        pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
        before(pretrainer.objectives[name])
        graphdef, params, rest = split(pretrainer)

        @jax.jit
        def compute(batch):
            pretrainer = nnx.merge(graphdef, params, rest, copy=True)
            objective = pretrainer.objectives[name]
            key = jax.random.key(0)
            encodings = Encodings(pretrainer.model, batch, key=key, step=jnp.int32(step), mean=HALF, std=HALF)
            seen = read(objective, encodings)
            output = objective(encodings)
            return output.loss.mean(), output.metrics, seen

        loss, metrics, seen = jax.device_get(compute(batch))
        return float(loss), metrics, jax.tree.map(lambda x: np.asarray(x, np.float64), seen)

    return run


def pixels(*shape):
    return jnp.asarray(np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def test_view_contrast_is_nt_xent(evaluate):
    def read(objective, encodings):
        features = encodings.image_tower("strong").pooled
        return objective.head(features[:, 0]), objective.head(features[:, 1])

    batch = {"strong": pixels(4, 2, 16, 16)}
    loss, metrics, views = evaluate("view_contrast", batch, read, hidden_width=16, output_width=8)
    rows = unit(np.concatenate(views))
    losses, hits = [], []
    for i, row in enumerate(rows):
        others = [j for j in range(8) if j != i]
        cosines, positive = rows[others] @ row, others.index((i + 4) % 8)
        losses.append(-log_softmax(cosines / 0.1)[positive])
        hits.append(cosines.argmax() == positive)
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert float(metrics["accuracy"]) == pytest.approx(np.mean(hits))
    cosines = rows @ rows.T
    negatives = (cosines.sum() - 8 - 2 * sum(cosines[i, i + 4] for i in range(4))) / (64 - 8 - 8)
    assert float(metrics["negative_cosine"]) == pytest.approx(negatives, abs=1e-5)


def test_self_distillation_is_cross_entropy_over_pairs_of_different_crops(evaluate):
    def read(objective, encodings):
        crops = [encodings.image_tower(name).pooled for name in ("global_crops", "local_crops")]
        return [objective.head(x) for x in crops]

    batch = {"global_crops": pixels(4, 2, 16, 16), "local_crops": pixels(4, 3, 8, 8)}
    sizes = {"hidden_width": 16, "bottleneck_width": 8, "prototypes": 32}
    warm_up = {"first_temperature": 0.02, "teacher_temperature": 0.06, "temperature_steps": 4}
    warm_up |= {"momentum": 0.5, "momentum_steps": 2}
    # The teacher is still the student, and its centre zero.
    loss, metrics, (whole, parts) = evaluate("self_distillation", batch, read, step=1, **sizes, **warm_up)
    targets = np.exp(log_softmax(whole / 0.03))
    student = log_softmax(np.concatenate([whole, parts], axis=1) / 0.1)
    pairs = [(i, j) for i in range(2) for j in range(5) if i != j]
    expected = np.mean([-(targets[:, i] * student[:, j]).sum(axis=-1) for i, j in pairs])
    entropy = -(targets * np.log(targets + 1e-300)).sum(axis=-1).mean()
    assert loss == pytest.approx(expected, rel=1e-4)
    assert float(metrics["teacher_entropy"]) == pytest.approx(entropy, rel=1e-3)
    assert float(metrics["divergence"]) == pytest.approx(expected - entropy, rel=1e-3)
    assert float(metrics["momentum"]) == pytest.approx(0.75)  # half-way up
    centre = 0.1 * whole.reshape(-1, 32).mean(axis=0)
    assert float(metrics["centre_norm"]) == pytest.approx(np.linalg.norm(centre), rel=1e-3)


def test_self_distillation_takes_the_centre_from_the_teachers_scores(evaluate):
    def read(objective, encodings):
        crops = [encodings.image_tower(name).pooled for name in ("global_crops", "local_crops")]
        return [objective.head(x) for x in crops]

    def set_centre(objective):
        objective.centre[...] = jnp.asarray(centre, jnp.float32)

    centre = 0.05 * np.random.default_rng(8).normal(size=32)
    batch = {"global_crops": pixels(4, 2, 16, 16), "local_crops": pixels(4, 3, 8, 8)}
    sizes = {"hidden_width": 16, "bottleneck_width": 8, "prototypes": 32, "centre_momentum": 0.8}
    loss, metrics, (whole, parts) = evaluate(
        "self_distillation", batch, read, before=set_centre, temperature=0.2, **sizes
    )
    targets = np.exp(log_softmax((whole - centre) / 0.04))
    student = log_softmax(np.concatenate([whole, parts], axis=1) / 0.2)
    pairs = [(i, j) for i in range(2) for j in range(5) if i != j]
    expected = np.mean([-(targets[:, i] * student[:, j]).sum(axis=-1) for i, j in pairs])
    assert loss == pytest.approx(expected, rel=1e-4)
    moved = 0.8 * centre + 0.2 * whole.reshape(-1, 32).mean(axis=0)
    assert float(metrics["centre_norm"]) == pytest.approx(np.linalg.norm(moved), rel=1e-4)
    assert float(metrics["momentum"]) == pytest.approx(0.996)


@pytest.mark.slow
def test_prototypes_of_the_head_learn_nothing_in_the_frozen_steps(config):
    config.objectives.contrastive.weight = 0.0
    sizes = {"hidden_width": 16, "bottleneck_width": 8, "prototypes": 32, "frozen_steps": 2}
    config.objectives.self_distillation.update(weight=1.0, **sizes)
    graphdef, params, rest = split(Pretrainer(config, vocabulary_size=50, compute=Compute()))
    batch = {"global_crops": pixels(4, 2, 16, 16), "local_crops": pixels(4, 2, 8, 8)}

    @jax.jit
    def gradient(step):
        def loss(params):
            return nnx.merge(graphdef, params, rest, copy=True)(batch, jax.random.key(0), step)[0]

        return jax.value_and_grad(loss)(params)

    found = [jax.device_get(gradient(jnp.int32(step))) for step in (1, 2)]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    heads = [gradients["objectives"]["self_distillation"]["head"] for _, gradients in found]
    assert [bool(np.abs(head["prototypes"]).max() > 0) for head in heads] == [False, True]
    assert all(np.abs(head["mlp"]["layers"][0]["kernel"]).max() > 0 for head in heads)


def test_grouping_contrasts_captions_of_one_image_with_the_patches_they_pick(evaluate):
    def read(objective, encodings):
        return encodings.text("captions"), encodings.patches("image")

    dice = np.random.default_rng(0)
    batch = {
        "image": pixels(4, 16, 16),
        "captions": jnp.asarray(dice.integers(4, 50, (4, 12, 6), np.int32)),
        "captions_mask": jnp.ones((4, 12, 6), bool),
    }
    loss, metrics, (texts, patches) = evaluate("grouping", batch, read)
    losses, left_out, watched = [], 0, []
    for own_texts, own_patches in zip(texts, patches, strict=True):
        for k, text in enumerate(own_texts):
            strengths = own_patches @ text
            strengths = (strengths - strengths.min()) / (strengths.max() - strengths.min())
            left_out += ((strengths < 1 / 16) & (strengths > 0)).sum()
            strengths[strengths < 1 / 16] = 0.0
            pooled = unit((strengths / strengths.sum()) @ own_patches)
            cosines = own_texts @ pooled
            losses.append(-log_softmax(cosines / 0.07)[k])
            watched.append((cosines.argmax() == k, cosines[k], np.delete(cosines, k).mean()))
    assert left_out  # or any threshold up to 1/16 would do
    assert loss == pytest.approx(np.mean(losses), rel=1e-4)
    assert float(metrics["logit_scale"]) == pytest.approx(1 / 0.07)
    names = ("accuracy", "positive_cosine", "negative_cosine")
    assert [float(metrics[name]) for name in names] == pytest.approx(np.mean(watched, axis=0), abs=1e-5)


def test_grouping_keeps_its_own_scale_between_its_limits(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.grouping.update(weight=1.0, logit_scale={"init": 20.0, "min": 2.0, "max": 50.0})
    pretrainer = nnx.eval_shape(lambda: Pretrainer(config, vocabulary_size=50, compute=Compute()))
    bounds = parameter_bounds(pretrainer)[("objectives", "grouping", "logit_scale")]
    assert bounds == pytest.approx((np.log(2.0), np.log(50.0)))


@pytest.mark.parametrize(
    ("hardest", "direction", "positives"),
    [(True, 0.5, "lowest"), (False, 0.5, "lowest"), (False, 1.0, "sum"), (True, 0.25, "sum")],
)
def test_ranking_puts_pairs_ahead_by_a_margin(evaluate, batch, hardest, direction, positives):
    def read(objective, encodings):
        return encodings.image(), encodings.text()

    ids = np.array([0, 1, 2, 3, 4, 5, 6, 0])
    batch["text_id"] = jnp.asarray(np.stack([ids, ids], axis=1), jnp.int32)
    settings = {"hardest": hardest, "direction": direction, "positives": positives}
    loss, _, (images, texts) = evaluate("ranking", batch, read, margin=0.3, targets="text", **settings)
    same, expected = ids[:, None] == ids[None, :], 0.0
    for cosines, share in ((images @ texts.T, direction), (texts @ images.T, 1 - direction)):
        for row, positive in zip(cosines, same, strict=True):
            wanted = row[positive] if positives == "sum" else [row[positive].min()]
            behind = [np.maximum(0.3 - one + row[~positive], 0.0) for one in wanted]
            expected += share * sum(one.max() if hardest else one.sum() for one in behind) / 8
    assert loss == pytest.approx(expected, rel=1e-5)
