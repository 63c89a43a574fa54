"""Weights of objectives over a run: given as data, part of the one compiled step, and logged."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs.settings.kinds import kinds
from vlp.configuration import ConfigError
from vlp.configuration.parts import find_part
from vlp.configuration.schema import check_parts
from vlp.models.compute import Compute
from vlp.models.teacher import Teacher
from vlp.objectives.base import Objective
from vlp.objectives.weights import Weight
from vlp.pretrainer import Pretrainer


def settings(**schedule):
    return {"schedule": {"begin": 0.0, "warmup": 0, "end": 1.0} | schedule}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({}, [2.0] * 10),
        ({"warmup": 4}, [0.0, 0.5, 1.0, 1.5, *[2.0] * 6]),
        ({"begin": 0.8}, [*[0.0] * 8, 2.0, 2.0]),
        ({"begin": 0.4, "warmup": 2, "end": 0.8}, [*[0.0] * 5, 1.0, 2.0, 2.0, 0.0, 0.0]),
    ],
)
def test_the_weight_of_every_step(config, schedule, expected):
    config.objectives.contrastive.update(weight=2.0, **settings(**schedule))
    weight = Weight.of(config.objectives.contrastive, 10)
    np.testing.assert_allclose([weight.at(jnp.int32(step)) for step in range(10)], expected)
    assert weight.constant is (not schedule)
    there = [weight.covers(step) for step in range(10)]
    assert there == [bool(weight.there(step)) for step in range(10)]
    assert weight.share(10) == np.mean(there) and not any(np.array(expected)[~np.array(there)])


def test_one_compiled_step_sees_its_weight_and_says_it(config, batch):
    config.steps = 10
    config.objectives.contrastive.update(weight=2.0, **settings(begin=0.5, warmup=2))
    graphdef, state = nnx.split(Pretrainer(config, vocabulary_size=50, compute=Compute()))

    @jax.jit
    def loss(step):
        return nnx.merge(graphdef, state, copy=True)(batch, jax.random.key(0), step)

    for step, expected in ((3, 0.0), (6, 1.0), (9, 2.0)):
        total, metrics = loss(jnp.int32(step))
        assert float(metrics["contrastive/weight"]) == expected
        assert float(total) == pytest.approx(expected * float(metrics["contrastive/loss"]))
    assert loss._cache_size() == 1
    config.objectives.contrastive.update(settings())
    assert "contrastive/weight" not in jax.eval_shape(
        Pretrainer(config, vocabulary_size=50, compute=Compute()), batch, jax.random.key(0), jnp.int32(0)
    )[1]  # fmt: skip


def test_what_is_not_there_is_not_computed_and_its_teacher_follows(config, batch):
    config.steps = 10
    settled = {"hidden_width": 16, "bottleneck_width": 8, "prototypes": 32, "momentum": 0.5}
    config.objectives.self_distillation.update(weight=0.5, **settled, **settings(begin=0.5))
    views = np.random.default_rng(0).integers(0, 256, (8, 2, 16, 16, 3), dtype=np.uint8)
    batch = {**batch, "global_crops": jnp.asarray(views), "local_crops": jnp.asarray(views[:, :, :8, :8])}
    graphdef, params, rest = nnx.split(
        Pretrainer(config, vocabulary_size=50, compute=Compute()), nnx.Param, ...
    )
    params = jax.tree.map(lambda one: one + 1.0, params)  # the student has moved on

    def loss(params, step, batch):
        module = nnx.merge(graphdef, params, rest, copy=True)
        total, metrics = module(batch, jax.random.key(0), step)
        return total, (metrics, nnx.state(module.objectives["self_distillation"], Teacher))

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    outcomes = {at: step(params, jnp.int32(at), batch) for at in (3, 6)}
    assert step._cache_size() == 1
    (_, (before, teacher)), (_, (after, _)) = outcomes[3][0], outcomes[6][0]
    assert before["self_distillation/loss"] == 0 < after["self_distillation/loss"]
    assert before["contrastive/loss"] == after["contrastive/loss"]
    for at, quiet in ((3, True), (6, False)):
        own = jax.tree.leaves(outcomes[at][1]["objectives"]["self_distillation"])
        assert all((np.asarray(one) == 0).all() for one in own) is quiet
    old = nnx.to_pure_dict(
        nnx.state(nnx.merge(graphdef, params, rest).objectives["self_distillation"], Teacher)
    )
    for one, other in zip(jax.tree.leaves(old), jax.tree.leaves(nnx.to_pure_dict(teacher)), strict=True):
        np.testing.assert_allclose(other, one + 0.5, atol=1e-5)


@pytest.mark.parametrize("schedule", [{"begin": 0.9, "warmup": 5}, {"begin": 0.5, "end": 0.5}])
def test_a_weight_that_is_never_whole_is_refused(config, schedule):
    config.steps, config.optimizer.schedule.warmup_steps = 20, 0
    del config.objectives["distraction"]
    config.objectives.contrastive.update(settings(**schedule))
    with pytest.raises(
        ConfigError, match=r"objectives\.contrastive\.schedule: of 20 steps the weight grows from"
    ):
        check_parts(config)


def test_whatever_moves_a_teacher_moves_it_while_its_schedule_leaves_it_out():
    classes = [find_part("objectives", kind, kind).load() for kind in kinds("objectives")]
    following = [one for one in classes if "follow(" in inspect.getsource(inspect.getmodule(one))]
    assert len(following) > 4
    assert not [one.__name__ for one in following if one.idle is Objective.idle]
