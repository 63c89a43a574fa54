"""An objective alone on tiny towers, as its file in `cases` makes it: its pretrainer, a batch, and its loss.

A case has the name of its kind: SETTINGS make it small; `fields(dice, count)` has the batch fields that `examples`
lacks, IMAGE settings of the tower, CONTEXT what stands beside batches, FROZEN_MODELS the models there, and GIVEN their
arrays; `before(objective)` makes an initial state that has a loss.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from configs.settings.kinds import kinds
from vlp.models.compute import Compute
from vlp.pretrainer import Pretrainer
from vlp.training.state import split

CASES = {
    kind: runpy.run_path(str(Path(__file__).parent / "cases" / f"{kind}.py")) for kind in kinds("objectives")
}
BATCH = 8


def examples():
    """All fields that any objective reads, of eight random examples."""
    dice = np.random.default_rng(0)

    def pixels(*shape):
        return dice.integers(0, 256, (BATCH, *shape, 3), dtype=np.uint8)

    def captions(*shape):
        return dice.integers(4, 50, (BATCH, *shape, 6), dtype=np.int32)

    def mask(*shape):
        return np.arange(6) < dice.integers(2, 7, (BATCH, *shape, 1))

    return {
        "image": pixels(16, 16),
        "strong": pixels(2, 16, 16),
        "global_crops": pixels(2, 16, 16),
        "local_crops": pixels(3, 8, 8),
        "text": captions(),
        "text_mask": mask(),
        "captions": captions(3),
        "captions_mask": mask(3),
        "label_id": dice.integers(0, 3, (BATCH, 2), dtype=np.int32),
        "cluster_ids": dice.integers(0, 16, (BATCH, 2), dtype=np.int32),
    }


def alone(config, name, **settings):
    """The config of a case."""
    config.objectives.contrastive.weight = 0.0
    config.objectives[name].weight = 1.0
    config.objectives[name].update(CASES[name]["SETTINGS"] | settings)
    config.model.image.update(CASES[name].get("IMAGE", {}))
    return config


def pretrainer(config, name, compute=None):
    """Tiny towers and the objective."""
    case = CASES[name]
    made = Pretrainer(
        config,
        vocabulary_size=50,
        compute=compute or Compute(),
        context=case.get("CONTEXT"),
        frozen=case.get("FROZEN_MODELS"),
    )
    for objective in made.objectives.values():
        case.get("before", lambda objective: None)(objective)
    return made


def rows(made, name):
    """The fields of eight examples that a pretrainer reads."""
    own = CASES[name].get("fields", lambda dice, count: {})(np.random.default_rng(2), BATCH)
    batch = {field: array for field, array in (examples() | own).items() if field in made.fields}
    assert set(batch) == set(made.fields), "a field is missing in `examples`"
    return batch


def loss_of(graphdef):
    """The loss of a step with its metrics and the state afterwards, of parameters, other state and a batch."""

    def loss(params, rest, batch):
        module = nnx.merge(graphdef, params, rest, copy=True)
        value, metrics = module(batch, jax.random.key(7), jnp.int32(3))
        return value, (metrics, split(module)[2])

    return loss


def shapes(tree, change=lambda shape: shape):
    """Arrays that are not there, of the same or of changed shapes."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(change(np.shape(x)), x.dtype), tree)
