"""Objectives that look into layers of an image tower: those it does not have are refused in the setting's words."""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

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


def test_prompts_are_for_towers_with_layers(config):
    config.model.image.update(kind="resnet", size="R26", width=16, depth=1, patch_dropout=0.0)
    config.model.image.update(heads=0, mlp_dim=0, patch_size=16, resolution=32)
    with pytest.raises(UserError, match=r"^model.image: semantic proxies .* take one of kind 'vit'"):
        asked(config, "semantic_proxies")
