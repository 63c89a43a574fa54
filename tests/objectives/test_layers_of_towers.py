"""Objectives that look into layers of an image tower: those it does not have are refused in the setting's words."""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import main
from input_pipeline.errors import UserError
from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer

CASES = Path(__file__).parent / "cases"


def asked(config, name, **settings):
    """What the objective alone says of a batch."""
    case = runpy.run_path(str(CASES / f"{name}.py"))
    config.objectives.contrastive.weight = 0.0
    config.objectives[name].update({**case["SETTINGS"], "weight": 1.0, **settings})
    known = {"context": case.get("CONTEXT"), "frozen": case.get("FROZEN_MODELS")}
    pretrainer = Pretrainer(config, vocabulary_size=50, compute=Compute(), **known)
    fields = case.get("fields", lambda dice, count: {})(np.random.default_rng(2), 8)
    batch = {"image": np.zeros((8, 16, 16, 3), np.uint8), **fields, **case.get("GIVEN", {})}
    graphdef, state = nnx.split(pretrainer)

    def call(state, batch):
        return nnx.merge(graphdef, state, copy=True)(batch, jax.random.key(0), jnp.int32(0))

    return jax.eval_shape(call, state, jax.tree.map(jnp.asarray, batch))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "semantic_proxies",
            {"prompt_layers": 3},
            r"^prompt_layers=3 of semantic_proxies .* image tower, which has 1: use",
        ),
        (
            "attention_maps",
            {"layer": 2},
            r"^layer=2 of attention_maps: the image tower of model.image has layers from -1 to 0",
        ),
        (
            "attention_maps",
            {"teacher_layer": -3},
            r"^teacher_layer=-3 of attention_maps: the image tower of frozen.teacher has layers from -2 to 1",
        ),
    ],
)
def test_layers_that_are_not_there_are_refused(config, name, settings, message):
    asked(config, name)
    with pytest.raises(UserError, match=message):
        asked(config, name, **settings)


@pytest.mark.parametrize("name", ["semantic_proxies", "attention_maps"])
def test_layers_are_asked_of_the_family_before_anything_is_built(name, capsys):
    flags = ("--config.data.labels.classes={'of': 'label'}", f"--config.objectives.{name}.weight=1")
    assert main.main(["--config.model.image.kind=convnext", "--config.model.image.size=T", *flags]) == 2
    said = capsys.readouterr().err
    assert f"objectives.{name} needs an image tower of blocks" in said and "kind='convnext'" in said, said
