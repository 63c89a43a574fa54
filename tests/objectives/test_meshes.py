"""Every objective on one device and on eight: the same loss, metrics, gradients and state afterwards; saved and
restored it goes on to the same bits; with weight zero it is not there.

What one device finds is also on record (`figures.json`), as the checks against papers and peers go through parts of an
objective more often than through its whole call. Where a figure moves, say why, and take it anew:
`PYTHONPATH=. python tests/objectives/test_meshes.py NAME ...` (all without a name).

What a case may say is in `alone.py`.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from alone import CASES, alone, loss_of, pretrainer, rows
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from small_inputs import tiny_config

from vlp.checkpoint import Checkpointer, Description
from vlp.models.compute import Compute
from vlp.parallel.sharding import global_batch, state_shardings, variable_splits
from vlp.pretrainer import Pretrainer
from vlp.training.state import split

RECORD = Path(__file__).parent / "figures.json"


class Step:
    """An objective's gradients and the state after them, compiled once for a mesh of the given shape."""

    def __init__(self, config, shape, name):
        devices = jax.devices()[: int(np.prod(shape))]
        self.mesh = jax.make_mesh(shape, ("data", "fsdp", "model"), (AxisType.Auto,) * 3, devices=devices)
        with jax.set_mesh(self.mesh):
            made = pretrainer(config, name)
            self.flops = sum(objective.flops() for objective in made.objectives.values())
            graphdef, *state = split(made)
            self.shardings = state_shardings(tuple(state), self.mesh, variable_splits(made))
            self.state = jax.device_put(tuple(state), self.shardings)
            beside = jax.device_put(CASES[name].get("GIVEN", {}), NamedSharding(self.mesh, PartitionSpec()))
            self.batch = global_batch(rows(made, name), self.mesh) | beside

        there = ((None, (None, self.shardings[1])), self.shardings[0])
        self.function = jax.jit(jax.value_and_grad(loss_of(graphdef), has_aux=True), out_shardings=there)

    def __call__(self, state):
        """((loss, (metrics, other state afterwards)), gradients) of the parameters and the other state."""
        with jax.set_mesh(self.mesh):
            return self.function(*state, self.batch)


def moved(step, state, outcome):
    """The state after an update down the gradients, where it was."""
    (_, (_, rest)), gradients = outcome
    params = jax.tree.map(lambda old, slope: np.asarray(old) - np.float32(0.1) * slope, state[0], gradients)
    return jax.device_put(params, step.shardings[0]), rest


def restored(state, folder):
    """A state that was on the disk in between."""
    checkpointer, beside = Checkpointer(folder), {"step": jnp.int32(1)}
    checkpointer.save(1, named(state), beside, Description({}, {}, {}, b"", {"step": 1}))
    wanted = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), state
    )
    model, _, _ = checkpointer.restore(checkpointer.newest(), named(wanted), beside)
    checkpointer.close()
    return model["params"], model["rest"]


def named(state):
    return dict(zip(("params", "rest"), state, strict=True))


def figures(step, outcome):
    """The loss, every metric, the lengths of the gradients and of what is remembered, and what an example costs."""
    (loss, (metrics, rest)), gradients = outcome
    own = {"gradients": norm(gradients), "remembered": norm(rest), "flops": step.flops}
    shown = {"loss": loss, **own, **metrics}
    return {name: float(f"{float(value):.6g}") for name, value in sorted(shown.items())}


def norm(tree):
    """The length of all that is a number in a tree; what was never seen may be infinite."""
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree) if leaf.dtype.kind in "fiub"]
    return sum(float((leaf[np.isfinite(leaf)] ** 2).sum()) for leaf in leaves) ** 0.5


def versions():
    """Of what draws initial values: another may draw others."""
    return {
        package: ".".join(importlib.metadata.version(package).split(".")[:2]) for package in ("jax", "flax")
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_one_device_equals_eight_and_what_was_saved_goes_on_to_the_same_bits(config, name, tmp_path):
    config = alone(config, name)
    one, eight = (Step(config, shape, name) for shape in ((1, 1, 1), (2, 2, 2)))
    first = eight(eight.state)
    (expected, expected_aux), expected_gradients = jax.device_get(one(one.state))
    (value, aux), gradients = jax.device_get(first)
    assert np.isfinite(expected) and expected > 0
    record = json.loads(RECORD.read_text())
    if record["versions"] == versions() and name in record:  # what is new is welcome
        found = figures(one, ((expected, expected_aux), expected_gradients))
        assert found == pytest.approx(record[name], rel=2e-3, abs=1e-5), "see the head of this file"
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for leaf, other in zip(jax.tree.leaves(expected_aux), jax.tree.leaves(aux), strict=True):
        np.testing.assert_allclose(other, leaf, rtol=1e-4, atol=1e-5)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected_gradients))
    assert largest > 0
    for leaf, other in zip(jax.tree.leaves(expected_gradients), jax.tree.leaves(gradients), strict=True):
        np.testing.assert_allclose(other, leaf, rtol=1e-3, atol=1e-5 * largest)
    after = moved(eight, eight.state, first)
    outcomes = [jax.device_get(eight(state)) for state in (after, restored(after, tmp_path))]
    assert eight.function._cache_size() == 1, "the state afterwards is of another type than before"
    for leaf, other in zip(*map(jax.tree.leaves, outcomes), strict=True):
        assert np.asarray(leaf).tobytes() == np.asarray(other).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_with_weight_zero_nothing_of_it_is_built_or_read(config, name):
    def built(config):
        made = nnx.eval_shape(lambda: Pretrainer(config, vocabulary_size=50, compute=Compute()))
        return made.fields, made.encoded, jax.tree.map(str, split(made)[1:])

    plain = built(config)
    if name != "contrastive":
        config.objectives[name].update(CASES[name]["SETTINGS"], weight=0.0)
        assert built(config) == plain


def record(names):
    """Takes figures anew, all of them where none is named."""
    own = json.loads(RECORD.read_text()) if names else {}
    own["versions"] = versions()
    for name in names or sorted(CASES):
        step = Step(alone(tiny_config(), name), (1, 1, 1), name)
        own[name] = figures(step, jax.device_get(step(step.state)))
        print(name, own[name]["loss"])
    RECORD.write_text(json.dumps(own, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    record(sys.argv[1:])
