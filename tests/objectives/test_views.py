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
from vlp.training.state import split

HALF = (0.5, 0.5, 0.5)


@pytest.fixture
def evaluate(config):
    """The mean loss and metrics of one objective, and what `read` takes from it and the same encodings."""
    config.objectives.contrastive.weight = 0.0
    config.model.image.patch_dropout = 0.0

    def run(name, batch, read, step=0, **settings):
        config.objectives[name].update(weight=1.0, **settings)
        graphdef, params, rest = split(Pretrainer(config, vocabulary_size=50, compute=Compute()))

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
    centre = 0.1 * whole.reshape(-1, 32).mean(axis=0)
    assert float(metrics["centre_norm"]) == pytest.approx(np.linalg.norm(centre), rel=1e-3)


def test_grouping_contrasts_captions_of_one_image_with_the_patches_they_pick(evaluate):
    def read(objective, encodings):
        return encodings.text("captions"), encodings.patches("image")

    dice = np.random.default_rng(0)
    batch = {
        "image": pixels(4, 16, 16),
        "captions": jnp.asarray(dice.integers(4, 50, (4, 3, 6), np.int32)),
        "captions_mask": jnp.ones((4, 3, 6), bool),
    }
    loss, metrics, (texts, patches) = evaluate("grouping", batch, read)
    losses = []
    for own_texts, own_patches in zip(texts, patches, strict=True):
        for k, text in enumerate(own_texts):
            strengths = own_patches @ text
            strengths = (strengths - strengths.min()) / (strengths.max() - strengths.min())
            strengths[strengths < 1 / 16] = 0.0
            pooled = unit((strengths / strengths.sum()) @ own_patches)
            losses.append(-log_softmax(own_texts @ pooled / 0.07)[k])
    assert loss == pytest.approx(np.mean(losses), rel=1e-4)
    assert 0 <= float(metrics["accuracy"]) <= 1 and float(metrics["logit_scale"]) == pytest.approx(1 / 0.07)


@pytest.mark.parametrize("hardest", [True, False])
def test_ranking_puts_pairs_ahead_by_a_margin(evaluate, batch, hardest):
    def read(objective, encodings):
        return encodings.image(), encodings.text()

    ids = np.array([0, 1, 2, 3, 4, 5, 6, 0])
    batch["text_id"] = jnp.asarray(np.stack([ids, ids], axis=1), jnp.int32)
    loss, _, (images, texts) = evaluate("ranking", batch, read, hardest=hardest, margin=0.3, targets="text")
    same, losses = ids[:, None] == ids[None, :], []
    for cosines in (images @ texts.T, texts @ images.T):
        for row, positive in zip(cosines, same, strict=True):
            short = np.maximum(0.3 - row[positive].min() + row[~positive], 0.0)
            losses.append(short.max() if hardest else short.sum())
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
