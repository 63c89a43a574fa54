"""Which parts of other runs' checkpoints a fresh state takes over."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import base
from vlp.checkpoint import Checkpointer, Description
from vlp.training.start import start_from
from vlp.training.state import create_state, to_checkpoint

TOWERS = ("image", "image_projection", "text", "text_projection")


def state(value, *, ema=False, width=3, towers=TOWERS, head=True):
    """Every array of towers and objectives is filled with the value, the running mean with its negative."""
    model = {name: {"w": jnp.full(width, value)} for name in towers}
    objective = {"centres": jnp.full(2, value), **({"decoder": {"w": jnp.full(2, value)}} if head else {})}
    params = {"model": {**model, "logit_scale": jnp.float32(value)}, "objectives": {"cap": objective}}
    rest = {
        "model": {"image": {"mean": jnp.full(width, value)}},
        "objectives": {"cap": {"queue": jnp.full(2, value)}},
    }
    made = create_state(params, rest, optax.adam(0.1), ema=ema)
    return dataclasses.replace(made, ema=jax.tree.map(jnp.negative, params)) if ema else made


@pytest.fixture
def saved(tmp_path):
    """Saves a state as the only checkpoint of a run."""

    def save(there, name="run"):
        checkpointer = Checkpointer(tmp_path / name / "checkpoints")
        checkpointer.save(7, *to_checkpoint(there), Description({}, {}, {}, b"", {"step": 7}))
        checkpointer.close()
        return str(tmp_path / name)

    return save


def started(here, parts=("objectives/cap/decoder",), **settings):
    return start_from({**base.get_config().checkpoint, **settings}, here, parts=parts)


def first(tree):
    """The first number of each branch of the model."""
    return {name: float(np.ravel(jax.tree.leaves(branch)[0])[0]) for name, branch in tree["model"].items()}


@pytest.mark.parametrize(("ema", "taken"), [(True, -5.0), (False, 5.0)])
def test_towers_and_named_parts_are_taken_over_and_the_rest_of_objectives_is_not(saved, ema, taken):
    run = started(state(1.0, ema=True), start=saved(state(5.0, ema=ema)))
    for tree in (run.params, run.ema):
        assert set(first(tree).values()) == {taken}
        np.testing.assert_array_equal(tree["objectives"]["cap"]["centres"], np.ones(2))
        np.testing.assert_array_equal(tree["objectives"]["cap"]["decoder"]["w"], np.full(2, taken))
    np.testing.assert_array_equal(run.rest["model"]["image"]["mean"], np.full(3, 5.0))  # has no running mean
    np.testing.assert_array_equal(run.rest["objectives"]["cap"]["queue"], np.ones(2))
    assert int(run.step) == int(run.optimizer[0].count) == 0


def test_towers_come_from_different_checkpoints(saved):
    places = {"start": saved(state(5.0), "a"), "start_image": saved(state(6.0), "b")}
    assert first(started(state(1.0), **places).params) == {
        "image": 6.0, "image_projection": 6.0, "text": 5.0, "text_projection": 5.0, "logit_scale": 5.0,
    }  # fmt: skip
    # What another checkpoint gives may be of any size in the first.
    odd = state(5.0)
    odd.params["model"]["image"]["w"] = jnp.zeros(9)
    assert first(started(state(1.0), **{**places, "start": saved(odd, "d")}).params)["image"] == 6.0
    alone = started(state(1.0), start_text=saved(state(7.0), "c"))
    assert first(alone.params) == {
        "image": 1.0, "image_projection": 1.0, "text": 7.0, "text_projection": 7.0, "logit_scale": 1.0,
    }  # fmt: skip
    assert float(alone.rest["model"]["image"]["mean"][0]) == 1.0


def test_a_tower_that_is_not_built_is_not_asked_for_and_one_that_is_not_there_is_refused(saved):
    both, images = saved(state(5.0), "a"), saved(state(6.0, towers=TOWERS[:2]), "b")
    alone = started(state(1.0, towers=TOWERS[:2]), start=both)
    assert first(alone.params) == {"image": 5.0, "image_projection": 5.0, "logit_scale": 5.0}
    with pytest.raises(ValueError, match=r"differ in model/text/w, model/text_projection/w; start from"):
        started(state(1.0), start=images)
    bare = state(7.0, towers=TOWERS[2:])
    bare.rest["model"] = {}
    with pytest.raises(ValueError, match=r"start_image=.* differ in model/image/w, model/image_projection/w"):
        started(dataclasses.replace(state(1.0), rest={}), start_image=saved(bare, "d"))
    lit = started(state(1.0), start=images, start_new="^model/text")
    assert first(lit.params)["text"] == 1.0 and first(lit.params)["image"] == 6.0


def test_other_shapes_and_names_are_refused_unless_they_may_be_new(saved):
    path = saved(state(5.0))
    with pytest.raises(ValueError, match=r"differ in model/image/mean; start from the config.json"):
        started(state(1.0, width=4), start=path, start_new="/w$")
    with pytest.raises(ValueError, match=r"differ in model/image/w, model/image_projection/w, "):
        started(state(1.0, width=4), start=path)
    wider = started(state(1.0, width=4), start=path, start_new="/(w|mean)$")
    assert first(wider.params) == {**dict.fromkeys(TOWERS, 1.0), "logit_scale": 5.0}


def test_a_part_is_new_where_its_objective_was_not_there(saved):
    other = state(5.0)
    other = dataclasses.replace(other, params={"model": other.params["model"]}, rest={})
    here = dataclasses.replace(state(1.0), rest={})
    assert float(started(here, start=saved(other, "a")).params["objectives"]["cap"]["decoder"]["w"][0]) == 1.0


def test_what_is_trained_alone_gets_a_running_mean(saved):
    here = state(1.0, ema=True)
    held = dataclasses.replace(here, ema={"model": {"text": here.ema["model"]["text"]}})
    run = started(held, start=saved(state(5.0)))
    np.testing.assert_array_equal(run.ema["model"]["text"]["w"], np.full(3, 5.0))
    assert set(run.ema) == {"model"} and set(run.ema["model"]) == {"text"}
