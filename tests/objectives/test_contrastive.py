"""What the contrastive objective returns for a batch, and what it leaves alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import base
from vlp.models.compute import Compute
from vlp.objectives.contrastive import CHUNKED, Contrastive, match_metrics
from vlp.objectives.scorers import Scores
from vlp.pretrainer import Pretrainer
from vlp.training.state import split


def pretrainer_of(config):
    return Pretrainer(config, vocabulary_size=50, compute=Compute(unroll=True))


def gradients_of(config, batch):
    graphdef, params, rest = split(pretrainer_of(config))

    def loss(params):
        return nnx.merge(graphdef, params, rest, copy=True)(batch, jax.random.key(7), jnp.int32(0))

    (value, metrics), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
    return value, metrics, gradients


def logits_of(pretrainer, batch):
    model = pretrainer.model
    pixels = (np.asarray(batch["image"], np.float32) / 255 - 0.5) / 0.5
    image = np.asarray(model.encode_pixels(pixels), np.float64)
    text = np.asarray(model.encode_text(batch["text"], batch["text_mask"]), np.float64)
    return np.exp(float(model.logit_scale[...])) * image @ text.T


def numpy_losses(pretrainer, batch):
    logits = logits_of(pretrainer, batch)
    rows = [np.log(np.exp(z).sum(axis=1)) - np.diag(z) for z in (logits, logits.T)]
    return rows[0].mean(), rows[1].mean()


@pytest.mark.parametrize("direction", [0.0, 0.5, 0.75])
def test_loss_is_the_weighted_mean_of_both_directions(config, batch, direction):
    config.model.image.patch_dropout = 0.0
    config.objectives.contrastive.direction = direction
    pretrainer = pretrainer_of(config)
    image_to_text, text_to_image = numpy_losses(pretrainer, batch)
    loss, metrics = pretrainer(batch, jax.random.key(0), jnp.int32(0))
    assert float(loss) == pytest.approx(direction * image_to_text + (1 - direction) * text_to_image, rel=1e-5)
    assert float(metrics["contrastive/loss"]) == pytest.approx(float(loss))
    assert float(metrics["contrastive/logit_scale"]) == pytest.approx(1 / 0.07, rel=1e-5)


def test_metrics_show_matching_and_collapse(config, batch):
    _, metrics, _ = gradients_of(config, batch)
    assert 0 <= float(metrics["contrastive/accuracy"]) <= 1
    same = {
        **batch,
        "image": batch["image"][:1].repeat(8, axis=0),
        "text": batch["text"][:1].repeat(8, axis=0),
    }
    same["text_mask"] = batch["text_mask"][:1].repeat(8, axis=0)
    config.model.image.patch_dropout = 0.0
    _, collapsed, _ = gradients_of(config, same)
    assert float(collapsed["contrastive/positive_cosine"]) == pytest.approx(
        float(collapsed["contrastive/negative_cosine"]), abs=1e-5
    )


def test_weight_zero_means_absent(config, batch):
    with_zero = gradients_of(config, batch)
    del config.objectives["distraction"]
    without = gradients_of(config, batch)
    assert jax.tree.structure(with_zero) == jax.tree.structure(without)
    for one, other in zip(jax.tree.leaves(with_zero), jax.tree.leaves(without), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_objective_shifts_neither_initial_values_nor_dice(config, batch):
    alone = pretrainer_of(config)
    config.objectives.distraction.weight = 1.0
    both = pretrainer_of(config)
    for one, other in zip(
        jax.tree.leaves(nnx.state(alone.model)), jax.tree.leaves(nnx.state(both.model)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    _, metrics_alone = alone(batch, jax.random.key(3), jnp.int32(0))
    _, metrics_both = both(batch, jax.random.key(3), jnp.int32(0))
    assert float(metrics_alone["contrastive/loss"]) == float(metrics_both["contrastive/loss"])


def test_two_objectives_share_one_encoding_and_add_up(config, batch, monkeypatch):
    config.objectives.distraction.weight = 0.25
    pretrainer = pretrainer_of(config)
    calls = []
    tower = type(pretrainer.model.image)
    monkeypatch.setattr(
        tower, "__call__", lambda self, *a, run=tower.__call__: calls.append(1) or run(self, *a)
    )
    loss, metrics = pretrainer(batch, jax.random.key(0), jnp.int32(0))
    assert calls == [1]
    assert float(loss) == pytest.approx(
        float(metrics["contrastive/loss"]) + 0.25 * float(metrics["distraction/loss"]), rel=1e-6
    )


@pytest.mark.parametrize("chunk", [0, 3])
def test_smoothed_targets_give_every_column_its_part(config, batch, chunk):
    config.model.image.patch_dropout = 0.0
    config.objectives.contrastive.update(label_smoothing=0.2, direction=0.75, chunk=chunk)
    pretrainer = pretrainer_of(config)
    rows = []
    logits = logits_of(pretrainer, batch)
    for one in (logits, logits.T):
        likely = one - np.log(np.exp(one).sum(axis=1, keepdims=True))
        targets = 0.8 * np.eye(8) + 0.2 / 8
        rows.append(-(targets * likely).sum(axis=1).mean())
    loss, _ = pretrainer(batch, jax.random.key(0), jnp.int32(0))
    assert float(loss) == pytest.approx(0.75 * rows[0] + 0.25 * rows[1], rel=1e-5)


@pytest.mark.parametrize("chunk", [0, 2])
def test_accuracy_is_the_share_of_rows_whose_best_column_matches(chunk):
    """Row 1's best column is row 0's: of the rows two are right, of the columns all."""
    rows = jnp.asarray([[1.0, 0, 0], [0.8, 0.6, 0], [0, 0, 1]])
    columns = jnp.eye(3)
    config = base.get_config().objectives.contrastive
    config.unlock()
    config.chunk = chunk
    output = Contrastive(config, model=None, rngs=None)(GivenPairs(rows, columns))
    assert float(output.metrics["accuracy"]) == pytest.approx(2 / 3)
    cosines = np.asarray(rows @ columns.T)
    assert float(output.metrics["positive_cosine"]) == pytest.approx(np.diag(cosines).mean())
    negative = (cosines.sum() - np.trace(cosines)) / 6
    assert float(output.metrics["negative_cosine"]) == pytest.approx(negative)


class GivenPairs:
    """Encodings that are what they are."""

    def __init__(self, images, texts):
        self.image, self.text, self.batch = lambda view: images, lambda view: texts, {}

    def logit_scale(self):
        return jnp.float32(10.0)

    def logit_bias(self):
        return jnp.float32(0.0)


@pytest.mark.parametrize("kernel", ["softmax", "sigmoid"])
@pytest.mark.parametrize("chunk", [0, 2])
def test_the_matrix_is_formed_in_tiles_where_that_is_asked_for(kernel, chunk, monkeypatch):
    asked, tiled = [], CHUNKED[kernel]
    spy = lambda *sides, **options: asked.append(options["chunk"]) or tiled(*sides, **options)  # noqa: E731
    monkeypatch.setitem(CHUNKED, kernel, spy)
    of_pairs(kernel, chunk=chunk)
    assert asked == ([chunk] if chunk else [])


def test_what_is_watched_of_several_captions_is_the_mean_over_them():
    config = base.get_config().objectives.contrastive
    objective = Contrastive(config, model=None, rngs=None)
    dice = np.random.default_rng(5)
    images, texts = dice.normal(size=(4, 6)), dice.normal(size=(4, 2, 6))
    images, texts = (
        jnp.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True), jnp.float32) for x in (images, texts)
    )
    both = objective(GivenPairs(images, texts))
    alone = [objective(GivenPairs(images, texts[:, place])) for place in range(2)]
    assert float(both.loss.weight) == 4
    assert float(both.loss.total) == pytest.approx(sum(float(one.loss.total) for one in alone) / 2, rel=1e-6)
    for name in ("accuracy", "positive_cosine", "negative_cosine", "logit_scale"):
        mean = sum(float(one.metrics[name]) for one in alone) / 2
        assert float(both.metrics[name]) == pytest.approx(mean, abs=1e-6), name


def of_pairs(kernel, **settings):
    config = base.get_config().objectives.contrastive
    config.unlock()
    config.update(kernel=kernel, direction=0.75, **settings)
    dice = np.random.default_rng(3)
    images, texts = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in dice.normal(size=(2, 4, 6)))
    pairs = GivenPairs(jnp.asarray(images, jnp.float32), jnp.asarray(texts, jnp.float32))
    objective = Contrastive(config, model=None, rngs=None)
    output = objective(pairs)
    assert ("logit_bias" in output.metrics) == (kernel == "sigmoid")
    return float(output.loss.mean()), 10 * images @ texts.T, images, texts


def test_every_kernel_is_a_flag_away():
    own = np.eye(4, dtype=bool)

    def both(row_loss):
        return sum(
            share * np.mean([row_loss(row[own[i]], row[~own[i]]) for i, row in enumerate(z)])
            for z, share in ((scores, 0.75), (scores.T, 0.25))
        )

    loss, scores, *_ = of_pairs("softmax_in")
    assert loss == pytest.approx(both(lambda p, n: np.log(np.exp(np.r_[p, n]).sum()) - p[0]), rel=1e-5)
    loss, *_ = of_pairs("joint")
    assert loss == pytest.approx(both(lambda p, n: np.log1p(np.exp(n - p).sum())), rel=1e-5)
    loss, *_ = of_pairs("separated")
    assert loss == pytest.approx(
        both(lambda p, n: np.log1p(np.exp(-p).sum()) + np.log1p(np.exp(n).sum())), rel=1e-5
    )
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    asymmetric = {"positive_focus": 1.0, "negative_focus": 2.0, "clip": 0.1, "focus_gradient": False}
    loss, *_ = of_pairs("asymmetric_sigmoid", asymmetric=asymmetric)

    def focused(p, n):
        q = np.maximum(sigmoid(n) - 0.1, 0)
        return -(sigmoid(-p) * np.log(sigmoid(p))).sum() - (q**2 * np.log(1 - q)).sum()

    assert loss == pytest.approx(both(focused), rel=1e-5)
    loss, *_ = of_pairs("sigmoid")
    assert loss == pytest.approx(
        both(lambda p, n: np.log1p(np.exp(-p)).sum() + np.log1p(np.exp(n)).sum()), rel=1e-5
    )
    loss, *_ = of_pairs("reverse_softmax")

    def reverse(p, n):
        likely = np.exp(np.r_[p, n]) / np.exp(np.r_[p, n]).sum()
        return (likely * np.log(likely / (np.r_[1.0, 0, 0, 0] + 1e-8))).sum()

    assert loss == pytest.approx(both(reverse), rel=1e-5)
    loss, _, images, texts = of_pairs("squared_error")
    assert loss == pytest.approx(((images - texts) ** 2).mean(), rel=1e-5)
    loss, *_ = of_pairs("absolute_error")
    assert loss == pytest.approx(np.abs(images - texts).mean(), rel=1e-5)
    loss, *_ = of_pairs("cosine_distance")
    assert loss == pytest.approx(1 - (images * texts).sum(axis=1).mean(), rel=1e-5)


@pytest.mark.parametrize("kernel", ["softmax", "sigmoid"])
@pytest.mark.parametrize("targets", ["pair", "text"])
def test_tile_by_tile_is_the_same_loss(config, batch, kernel, targets):
    config.model.logit_bias.learn = kernel == "sigmoid"
    config.objectives.contrastive.update(kernel=kernel, targets=targets, direction=0.75)
    if kernel == "softmax":
        config.objectives.contrastive.label_smoothing = 0.1
    batch["text_id"] = jnp.asarray(
        [[0, 1], [0, 1], [1, 1], [0, 2], [0, 2], [0, 2], [3, 3], [4, 4]], jnp.int32
    )
    expected, expected_metrics, expected_gradients = gradients_of(config, batch)
    config.objectives.contrastive.chunk = 3
    value, metrics, gradients = gradients_of(config, batch)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    for name, metric in expected_metrics.items():
        assert float(metrics[name]) == pytest.approx(float(metric), rel=1e-4, abs=1e-6), name
    for one, other in zip(jax.tree.leaves(expected_gradients), jax.tree.leaves(gradients), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_several_captions_are_contrasted_one_by_one(config, batch):
    config.objectives.contrastive.text_view = "captions"
    config.model.image.patch_dropout = 0.0
    ids = jnp.stack([batch["text"], batch["text"][::-1]], axis=1)
    masks = jnp.stack([batch["text_mask"], batch["text_mask"][::-1]], axis=1)
    both, _, _ = gradients_of(config, {"image": batch["image"], "captions": ids, "captions_mask": masks})
    config.objectives.contrastive.text_view = "text"
    alone = [
        gradients_of(config, {"image": batch["image"], "text": ids[:, i], "text_mask": masks[:, i]})[0]
        for i in range(2)
    ]
    assert float(both) == pytest.approx(float(sum(alone)) / 2, rel=1e-5)


def test_several_views_of_an_image_are_contrasted_one_by_one(config, batch):
    config.objectives.contrastive.image_view = "strong"
    config.model.image.patch_dropout = 0.0
    views = jnp.stack([batch["image"], batch["image"][::-1]], axis=1)
    texts = {name: batch[name] for name in ("text", "text_mask")}
    both, _, _ = gradients_of(config, {**texts, "strong": views})
    config.objectives.contrastive.image_view = "image"
    alone = [gradients_of(config, {**texts, "image": views[:, place]})[0] for place in range(2)]
    assert float(both) == pytest.approx(float(sum(alone)) / 2, rel=1e-5)


def test_a_fixed_temperature_gets_no_gradient(config, batch):
    config.model.update(projection="mlp", logit_scale={"init": 10.0, "max": 10.0, "learn": False})
    _, metrics, gradients = gradients_of(config, batch)
    assert float(metrics["contrastive/logit_scale"]) == pytest.approx(10.0)
    assert float(gradients["model"]["logit_scale"]) == 0.0
    assert float(jnp.abs(gradients["model"]["image_projection"]["layers"][0]["kernel"]).max()) > 0


@pytest.mark.parametrize(
    ("targets", "field"), [("pair", ()), ("text", ("text_id",)), ("group", ("group_id",))]
)
def test_it_asks_for_what_its_targets_read(targets, field):
    config = base.get_config().objectives.contrastive
    config.unlock()
    config.targets = targets
    assert Contrastive(config, model=None, rngs=None).fields == ("image", "text", "text_mask", *field)


def test_what_is_watched_has_no_gradient_and_stands_for_one_pair_alone():
    def watched(rows):
        scores = Scores(rows, jnp.eye(2), jnp.float32(1.0), jnp.float32(0.0))
        return match_metrics(scores, jnp.eye(2))["negative_cosine"]

    assert not np.asarray(jax.grad(watched)(jnp.asarray([[0.6, 0.8], [0.8, 0.6]]))).any()
    one = Scores(jnp.ones((1, 1)), jnp.ones((1, 1)), jnp.float32(1.0), jnp.float32(0.0))
    found = {name: float(value) for name, value in match_metrics(one, jnp.ones((1, 1))).items()}
    assert found == {"accuracy": 1.0, "positive_cosine": 1.0, "negative_cosine": 0.0}


def test_a_second_token_of_an_image_meets_texts_of_its_own(config, batch):
    config.model.image.update(pool="class", registers=1, patch_dropout=0.0)
    config.objectives.contrastive.weight = 0.5
    config.objectives.synthetic = {
        **config.objectives.contrastive.to_dict(), "kind": "contrastive", "text_view": "synthetic", "token": 1
    }  # fmt: skip
    pretrainer = pretrainer_of(config)
    batch = {**batch, "synthetic": batch["text"][::-1], "synthetic_mask": batch["text_mask"][::-1]}
    assert set(pretrainer.fields) == set(batch)
    encodings = pretrainer.encodings(batch, key=jax.random.key(0), step=jnp.int32(0))
    first, second = encodings.image(), encodings.image_token("image", 1)
    prefix = encodings.image_tower().prefix
    np.testing.assert_array_equal(prefix[:, 0], encodings.image_tower().pooled)
    assert np.abs(first - second).max() > 1e-3
    expected = []
    for rows, columns in ((first, encodings.text()), (second, encodings.text("synthetic"))):
        logits = np.asarray(rows, np.float64) @ np.asarray(columns, np.float64).T / 0.07
        halves = [np.log(np.exp(z).sum(axis=1)) - np.diag(z) for z in (logits, logits.T)]
        expected.append(np.mean(halves))
    loss, _ = pretrainer(batch, jax.random.key(0), jnp.int32(0))
    assert float(loss) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("image", "token", "tokens"),
    [
        ({"pool": "class"}, 1, 1),
        ({"pool": "mean", "registers": 2}, 2, 2),
        ({"pool": "class_mean", "registers": 2}, 1, 0),
    ],
)
def test_a_token_that_the_tower_does_not_have_is_refused(config, image, token, tokens):
    config.model.image.update(image)
    config.objectives.contrastive.update(weight=1.0, token=token)
    with pytest.raises(ValueError, match=f"token={token} is none of the {tokens} tokens"):
        pretrainer_of(config)
