"""Joint example selection: the paper's algorithm by brute force, planted noise, the step around it, and any mesh."""

from __future__ import annotations

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType

from configs import base
from vlp import configuration
from vlp.given import FROZEN, TEXTS
from vlp.kernels.unit import unit
from vlp.models.compute import Compute
from vlp.parallel.sharding import global_batch, state_shardings
from vlp.pretrainer import Pretrainer
from vlp.randomness import fold_in_name
from vlp.selection.base import taken
from vlp.selection.learnable import Learnable, Pairs, draw
from vlp.training.state import split

ROWS, KEPT, CHUNKS = 24, 8, 4


def pairs(seed: int, count: int = ROWS, noise: float = 0.6) -> Pairs:
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(count, 8))
    texts = images + noise * rng.normal(size=(count, 8))
    sides = (unit(jnp.asarray(side, jnp.float32)) for side in (images, texts))
    return Pairs(*sides, jnp.float32(8.0), jnp.float32(-3.0))


def sigmoid_losses(seen: Pairs) -> np.ndarray:
    """All pairs in float64: matches on the diagonal."""
    images, texts = np.asarray(seen.images, float), np.asarray(seen.texts, float)
    logits = 8.0 * images @ texts.T - 3.0
    sign = 2 * np.eye(len(logits)) - 1
    return np.log1p(np.exp(-sign * logits))


def test_chunks_are_drawn_as_the_whole_matrix_says() -> None:
    """Algorithm 1 of the paper, with the same noise: logits of what is drawn so far, from whole matrices."""
    learner, reference = pairs(0), pairs(1)
    scores = sigmoid_losses(learner) - sigmoid_losses(reference)
    key = jax.random.key(5)
    drawn: list[int] = []
    for own in jax.random.split(key, CHUNKS):
        logits = scores.diagonal() + scores[drawn].sum(0) + scores[:, drawn].sum(1)
        noisy = logits + np.asarray(jax.random.gumbel(own, (ROWS,)), float)
        noisy[drawn] = -np.inf
        drawn += np.argsort(-noisy)[: KEPT // CHUNKS].tolist()
    found = draw(
        learner.own() - reference.own(),
        lambda places: learner.across(places) - reference.across(places),
        KEPT,
        CHUNKS,
        key,
    )
    assert found.tolist() == sorted(drawn) and len({*drawn}) == KEPT
    drawn_anew = draw(jnp.zeros(ROWS), None, KEPT, CHUNKS, jax.random.key(6))
    assert draw(jnp.zeros(ROWS), None, KEPT, CHUNKS, key).tolist() != drawn_anew.tolist()
    alone = draw(learner.own() - reference.own(), None, KEPT, CHUNKS, key)
    assert alone.tolist() != found.tolist()


def test_the_softmax_loss_of_an_example_is_that_of_the_whole_batch() -> None:
    seen = pairs(3)
    logits = 8.0 * np.asarray(seen.images, float) @ np.asarray(seen.texts, float).T
    expected = [
        np.log(np.exp(logits[k]).sum()) / 2 + np.log(np.exp(logits[:, k]).sum()) / 2 - logits[k, k]
        for k in range(ROWS)
    ]
    for chunks in (1, 4):
        np.testing.assert_allclose(seen.softmax(chunks), expected, rtol=1e-5, atol=1e-5)


def test_pairs_that_do_not_match_are_left_out_where_a_reference_knows() -> None:
    """A quarter of the texts are another image's: both models lose by them, so there is nothing to learn."""
    reference = pairs(7, 64, noise=0.2)
    wrong = np.arange(64) < 16
    texts = jnp.where(wrong[:, None], jnp.roll(reference.texts, 1, axis=0), reference.texts)
    reference = reference._replace(texts=texts, scale=jnp.float32(40.0), bias=jnp.float32(-16.0))
    learner = pairs(8, 64, noise=9.0)  # knows nothing

    def planted(use_reference: bool) -> float:
        keys = jax.random.split(jax.random.key(0), 40)
        own = learner.own() - (reference.own() if use_reference else 0.0)
        found = [draw(own, None, 16, 4, key) for key in keys]
        return float(np.mean(wrong[np.concatenate(found)]))

    assert planted(True) < 0.15 < 0.2 < planted(False)  # a quarter is chance


@pytest.fixture
def config():
    """A pretrainer that compiles at once, and leaves out half of each batch."""
    config = base.get_config()
    config.unlock()
    config.batch_size = 16
    config.model.embed_dim = 16
    tiny = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
    config.model.image.update(tiny, patch_size=8, resolution=16, patch_dropout=0.5)
    config.model.text.update(tiny)
    config.tokenizer.length = 6
    config.objectives.contrastive.weight = 1.0
    config.selection.learnable.update(ratio=0.5, chunks=2)
    return config


def batch(rows=slice(None)):
    rng = np.random.default_rng(0)
    made = {
        "image": rng.integers(0, 256, (16, 16, 16, 3), dtype=np.uint8),
        "text": rng.integers(4, 50, (16, 6), dtype=np.int32),
        "text_mask": np.arange(6) < rng.integers(2, 7, (16, 1)),
    }
    return {name: value[rows] for name, value in made.items()}


def gradient(config, shape, rows=slice(None), step=3):
    """Loss, metrics and gradients on a mesh."""
    devices = jax.devices()[: int(np.prod(shape))]
    mesh = jax.make_mesh(shape, ("data", "fsdp", "model"), (AxisType.Auto,) * 3, devices=devices)
    with jax.set_mesh(mesh):
        pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
        graphdef, params, rest = split(pretrainer)
        params = jax.device_put(params, state_shardings(params, mesh))

        def loss(params, fields):
            key = jax.random.fold_in(jax.random.key(0), step)
            return nnx.merge(graphdef, params, rest, copy=True)(fields, key, jnp.int32(step))

        function = jax.jit(jax.value_and_grad(loss, has_aux=True))
        return jax.device_get(function(params, global_batch(batch(rows), mesh)))


def chosen(config, step=3):
    pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
    key = jax.random.fold_in(jax.random.key(0), step)
    seen = pretrainer.encodings(batch(), key=None, step=jnp.int32(step))
    return pretrainer.selector(seen, fold_in_name(key, "selection")).rows.tolist()


@pytest.mark.slow
def test_the_step_is_that_of_the_rows_that_were_chosen_on_any_mesh(config) -> None:
    """Nothing is differentiated that was only looked at."""
    rows = chosen(config)
    assert len({*rows}) == 8 and rows == chosen(config)
    (loss, metrics), gradients = gradient(config, (1, 1, 1))
    assert metrics.keys() > {"selection/score", "selection/score_of_kept", "contrastive/loss"}
    config.selection.learnable.ratio = 0.0
    (expected, without), plain = gradient(config, (1, 1, 1), rows)
    assert not any(name.startswith("selection/") for name in without)
    config.selection.learnable.ratio = 0.5
    (meshed, _), split_gradients = gradient(config, (2, 2, 2))
    np.testing.assert_allclose([loss, meshed], [expected] * 2, rtol=1e-5)
    for one, other, like in zip(*map(jax.tree.leaves, (gradients, split_gradients, plain)), strict=True):
        np.testing.assert_allclose(one, like, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(other, like, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reference": "teacher"}, "reference='teacher' is not in frozen, which has none"),
        ({"learner": False}, "scores by nothing"),
        ({"ratio": 0.4}, "10 rows of batch_size=16 are left by ratio=0.4, which is no multiple of chunks=4"),
        ({"ratio": 1.0}, "selection.learnable.ratio"),
    ],
)
def test_what_cannot_be_chosen_is_said_in_a_line(config, changes, said) -> None:
    config.selection.learnable.update({"ratio": 0.5, "chunks": 4, **changes})
    with pytest.raises(configuration.ConfigError) as error:
        configuration.validate(configuration.resolve(config), needs=())
    assert said in str(error.value) and "\n" not in str(error.value)


def test_two_that_choose_and_rows_that_no_mesh_divides_are_refused(config) -> None:
    config.selection.learnable.update(ratio=0.75, chunks=4)
    with pytest.raises(
        configuration.ConfigError, match="leaves 4 rows of batch_size=16, which is not a multiple of 8"
    ):
        configuration.validate_devices(configuration.resolve(config), 8)
    config.selection.second = {"kind": "learnable", "ratio": 0.5, "chunks": 4}
    with pytest.raises(configuration.ConfigError, match="both choose rows"):
        configuration.validate(configuration.resolve(config), needs=())


class Seen:
    """What a selector asks of encodings, from two models."""

    def __init__(self, own: Pairs, frozen: Pairs | None = None):
        self.own, self.other = own, frozen

    def frozen(self, name: str):
        assert name == "teacher"
        return Seen(self.other)

    def image(self, view: str):
        return self.own.images.astype(jnp.bfloat16) if view == "seen" else None

    def text(self, view: str):
        return self.own.texts.astype(jnp.bfloat16) if view == "said" else None

    def logit_scale(self):
        return self.own.scale

    def logit_bias(self):
        return self.own.bias


VIEWS = ("seen", "said", "said_mask")


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize(("learner", "reference"), [(True, "teacher"), (True, ""), (False, "teacher")])
def test_scores_are_the_loss_of_one_less_that_of_the_other(joint, learner, reference) -> None:
    settings = {"chunks": 4, "joint": joint, "learner": learner, "reference": reference}
    config = SimpleNamespace(**settings, image_view="seen", text_view="said")
    selector = Learnable(config, name="some", rows=KEPT)
    frozen = tuple(f"teacher/{view}" for view in VIEWS) if reference else ()
    assert selector.fields == (VIEWS if learner else ()) + frozen and selector.rows == KEPT
    assert selector.flops() == 0
    models = [pairs(0), pairs(1)._replace(scale=jnp.float32(5.0))]
    rounded = [
        one._replace(
            images=one.images.astype(jnp.bfloat16).astype("float32"),
            texts=one.texts.astype(jnp.bfloat16).astype("float32"),
        )
        for one in models
    ]
    losses = [one.own() if joint else one.softmax(1) for one in rounded]
    scores = np.asarray(learner * losses[0] - bool(reference) * losses[1])
    chosen = selector(Seen(*models), jax.random.key(2))
    assert len({*chosen.rows.tolist()}) == KEPT
    expected = {"score": scores.mean(), "score_of_kept": scores[np.asarray(chosen.rows)].mean()}
    assert {name: float(value) for name, value in chosen.metrics.items()} == pytest.approx(expected, rel=1e-4)


def test_chosen_rows_are_taken_of_all_fields_and_constants_stay_whole() -> None:
    rows = jnp.asarray([3, 1])
    fields = {
        "image": jnp.arange(8).reshape(4, 2),
        f"{TEXTS}classes": jnp.arange(6),
        f"{FROZEN}teacher": jnp.arange(5),
    }
    found = taken(fields, rows)
    assert found["image"].tolist() == [[6, 7], [2, 3]]
    assert [len(found[name]) for name in fields] == [2, 6, 5]
