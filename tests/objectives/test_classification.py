"""Classification: the losses in numpy, silence about what nobody knows, and tokens weighed by how rare they are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer

STATES = np.random.default_rng(4).integers(-1, 2, (8, 5), dtype=np.int8)
STATES[:, 3] = -1  # of one class nobody knows anything


@pytest.fixture
def build(config, batch):
    """The objective alone, its batch, and what it gives."""
    config.objectives.contrastive.weight = 0.0
    config.model.image.patch_dropout = 0.0

    def made(given, **settings):
        settings = {"weight": 1.0, "labels": "known", "chunk": 3, **settings}
        config.objectives.classification.update(settings)
        pretrainer = Pretrainer(config, vocabulary_size=56, compute=Compute())
        return pretrainer, {"image": batch["image"], settings["labels"]: jnp.asarray(given)}

    return made


def losses(pretrainer, batch):
    encodings = pretrainer.encodings(batch, key=jax.random.key(0), step=jnp.int32(0))
    output = pretrainer.objectives["classification"](encodings)
    classifier = pretrainer.objectives["classification"].classifier
    return output.loss.mean(), np.asarray(classifier(encodings.image_features()), np.float64)


def test_states_are_asked_as_far_as_they_are_known(build):
    pretrainer, batch = build(STATES, classes=6, bias=-2.0)  # of the sixth class nobody says anything
    loss, logits = losses(pretrainer, batch)
    logits, known = logits[:, :5], STATES >= 0
    cells = np.where(STATES > 0, np.logaddexp(0, -logits), np.logaddexp(0, logits)) * known
    assert float(loss) == pytest.approx(cells.sum() / known.any(1).sum(), rel=1e-5)
    objective = pretrainer.objectives["classification"]
    assert objective.flops() == 2 * 6 * objective.classifier.rows.shape[1]


@pytest.mark.parametrize("kernel", ["sigmoid", "asymmetric_sigmoid"])
def test_unknown_labels_have_no_gradient_at_all(build, kernel):
    pretrainer, batch = build(STATES, classes=6, kernel=kernel)
    graphdef, params, rest = nnx.split(pretrainer, nnx.Param, ...)

    @jax.jit
    def gradients(states):
        def loss(params):
            module = nnx.merge(graphdef, params, rest, copy=True)
            encodings = module.encodings({**batch, "known": states}, key=jax.random.key(0), step=jnp.int32(0))
            return module.objectives["classification"](encodings).loss.mean()

        return jax.grad(loss)(params)

    classifier = gradients(batch["known"])["objectives"]["classification"]["classifier"]
    for name in ("rows", "bias"):
        moved = np.asarray(classifier[name][...]).reshape(6, -1).any(axis=1)
        assert moved.tolist() == [True, True, True, False, True, False]
    nothing = gradients(jnp.full((8, 5), -1, jnp.int8))
    assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(nothing))


def test_rare_tokens_weigh_more_and_what_all_captions_have_nothing(build):
    text = np.random.default_rng(2).integers(4, 20, (8, 6), dtype=np.int32)
    text[:, 0], text[0, 1] = 2, text[0, 2]  # the mark of the beginning; a token twice
    settings = {"labels": "text", "classes": 56, "kernel": "softmax", "rare": "frequency"}
    pretrainer, batch = build(text, **settings)
    has = (text[:, :, None] == np.arange(56)).any(axis=1).astype(float)
    shares = np.zeros(56)
    for step in (1, 2):
        loss, logits = losses(pretrainer, batch)
        shares += has.mean(axis=0)
        targets = has * np.log((step + 1 / 8) / (shares + 1 / 8))
        assert not targets[:, 2].any()
        targets /= targets.sum(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        assert float(loss) == pytest.approx(-(targets * logits).sum(axis=1).mean(), rel=1e-5)
    assert pretrainer.encoded == ("image",)  # no tower reads the captions


def test_more_states_than_classes_and_weights_without_a_softmax_are_refused(build, config):
    pretrainer, batch = build(STATES, classes=4)
    with pytest.raises(ValueError, match="states of 5 classes, for a table of 4"):
        losses(pretrainer, batch)
