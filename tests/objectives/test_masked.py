"""Masked prediction, where the golden vectors do not look: what the student sees, who is asked, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp import configuration
from vlp.encodings import Encodings
from vlp.models.compute import Compute
from vlp.models.teacher import Teacher
from vlp.objectives.self_distillation import spread
from vlp.pretrainer import Pretrainer

HALF = (0.5, 0.5, 0.5)
SMALL = {"hidden_width": 16, "bottleneck_width": 8, "prototypes": 32, "lowest_share": 0.25}


@pytest.fixture
def asked(config):
    """An objective with these settings, and encodings of four examples."""
    config.objectives.contrastive.weight = 0.0
    dice = np.random.default_rng(0)
    batch = {
        "global_crops": jnp.asarray(dice.integers(0, 256, (4, 2, 16, 16, 3), dtype=np.uint8)),
        "local_crops": jnp.asarray(dice.integers(0, 256, (4, 3, 8, 8, 3), dtype=np.uint8)),
    }

    def build(**settings):
        config.objectives.masked_distillation.update(weight=1.0, **SMALL, **settings)
        pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute())
        encodings = Encodings(
            pretrainer.model, batch, key=jax.random.key(3), step=jnp.int32(0), mean=HALF, std=HALF
        )
        return pretrainer.objectives["masked_distillation"], encodings

    return build


def test_half_of_the_crops_hide_between_the_lowest_and_the_highest_share(asked):
    objective, encodings = asked()
    hidden = objective.hidden(encodings)
    counts = np.asarray(hidden.of_all(2).sum(axis=2))
    assert ((counts > 0).sum(axis=1) == 1).all()  # of two crops of an image
    assert counts.max() <= 8 and counts[counts > 0].min() >= 4


def test_the_head_alone_has_a_teacher_where_it_is_asked_for(asked):
    objective, _ = asked(teacher="head")
    assert objective.teacher_tower is None
    assert set(nnx.to_pure_dict(nnx.state(objective, Teacher))) == {"teacher_head"}


def test_collapse_shows_in_deviation_and_rank():
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(4096, 2, 8)), jnp.float32)
    alike, flat = jnp.ones_like(rows), rows.at[..., 2:].set(0.0)
    assert float(spread(rows)["effective_rank"]) == pytest.approx(8, rel=0.05)
    assert float(spread(rows)["feature_deviation"]) == pytest.approx(1, rel=0.05)
    assert float(spread(flat)["effective_rank"]) == pytest.approx(2, rel=0.05)
    assert float(spread(alike)["feature_deviation"]) < 1e-3


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [("lowest_share", 0.9, "above highest_share"), ("koleo_group", 7, "does not divide batch_size")],
)
def test_what_cannot_be_is_one_line(setting, value, said):
    config = configuration.load_config("configs/raddino.py:runlocal")
    config.objectives.masked_distillation[setting] = value
    with pytest.raises(configuration.ConfigError, match=said):
        configuration.validate(config)


def test_a_tower_without_patches_to_hide_is_one_line():
    config = configuration.load_config("configs/raddino.py:runlocal")
    config.model.image.kind = "convnext"
    with pytest.raises(
        configuration.ConfigError, match=r"model\.image\.kind='convnext' gives none: use 'vit'"
    ):
        configuration.validate(config)
