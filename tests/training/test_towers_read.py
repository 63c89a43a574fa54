"""A tower that nothing reads is not built; one that evaluators alone read is held; checkpoints from before are read."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from configs import base, mlcd
from configs.common import shrink
from vlp.checkpoint.arrays import load_arrays, start_saving, write_listing
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training
from vlp.training.state import from_checkpoint, to_checkpoint
from vlp.training.towers import check_started


def config_of(**weights):
    config = mlcd.get_config("runlocal")
    config.objectives.discrimination.update(classes=16, rate=1.0)
    for name, weight in weights.items():
        config.objectives[name].weight = weight
    config.batch_size = 4
    return config


def training_of(config):
    mesh = jax.make_mesh((1, 1, 1), ("data", "fsdp", "model"), (jax.sharding.AxisType.Auto,) * 3)
    with jax.set_mesh(mesh):
        return build_training(config, vocabulary_size=64, mesh=mesh), mesh


def batch_of(config):
    dice = np.random.default_rng(0)
    side, length = config.model.image.resolution, config.tokenizer.length
    return {
        "image": dice.integers(0, 256, (4, side, side, 3), dtype=np.uint8),
        "text": dice.integers(4, 60, (4, length), dtype=np.int32),
        "text_mask": np.ones((4, length), bool),
        "cluster_ids": dice.integers(0, 16, (4, 2), dtype=np.int32),
    }


@pytest.fixture(scope="module")
def images_alone():
    return training_of(config_of())


@pytest.fixture(scope="module")
def both():
    """With a contrast that weighs next to nothing."""
    return training_of(config_of(contrastive=1e-30))


def initial(trained):
    training, mesh = trained
    with jax.set_mesh(mesh):
        return training.initial_state()


def test_images_alone_build_no_text_tower_and_the_image_tower_is_the_same(images_alone, both):
    alone, whole = initial(images_alone), initial(both)
    assert images_alone[0].towers[:2] == (("image",), ()) and both[0].towers[:2] == (("image", "text"), ())
    assert set(whole.params["model"]) - set(alone.params["model"]) == {"text", "text_projection"}
    for tower in ("image", "image_projection"):
        jax.tree.map(
            np.testing.assert_array_equal, alone.params["model"][tower], whole.params["model"][tower]
        )


def test_the_first_step_is_that_of_both_towers(images_alone, both):
    losses = []
    for training, mesh in (images_alone, both):
        batch = {name: rows for name, rows in batch_of(config_of()).items() if name in training.fields}
        with jax.set_mesh(mesh):
            _, metrics = training.train_step(training.initial_state(), global_batch(batch, mesh))
        losses.append(float(metrics["discrimination/loss"]))
    assert losses[0] == losses[1] > 0


def test_what_evaluators_alone_read_is_built_and_held_and_has_to_start_from_something():
    config = config_of()
    config.evaluators.zero_shot.final = True
    training, _ = training_of(config)
    assert training.towers[:2] == (("image", "text"), ("text",))
    idle = {path.split("/")[1] for path in training.held}
    assert idle == {"text", "text_projection"}
    with pytest.raises(ValueError, match=r"reads the text tower, which no .* set checkpoint.start_text"):
        check_started(training.towers, config)
    config.checkpoint.start_text = "runs/clip"
    check_started(training.towers, config)
    config.evaluators.zero_shot.final = False
    config.evaluators.image_retrieval.final = True
    assert training_of(config)[0].towers[:2] == (("image",), ())


def test_views_and_words_of_an_objective_s_own_say_which_towers_it_reads():
    config = base.get_config()
    shrink(config)
    config.objectives.view_contrast.weight = 1.0
    config.data.image_views = {"strong": {"count": 2}}
    assert training_of(config)[0].towers.built == ("image",)


def test_a_checkpoint_with_a_tower_that_is_no_longer_read_goes_on(images_alone, both, tmp_path):
    state = initial(both)
    parts = dict(zip(("model", "training"), to_checkpoint(state), strict=True))
    start_saving(tmp_path, parts)()
    write_listing(tmp_path, parts)
    training, _ = images_alone
    abstract = dict(zip(("model", "training"), to_checkpoint(training.abstract_state), strict=True))
    restored = from_checkpoint(**load_arrays(tmp_path, abstract), held=training.held)
    for tower in ("image", "image_projection"):
        there, here = (one.params["model"][tower] for one in (state, restored))
        jax.tree.map(np.testing.assert_array_equal, there, here)
    # The other way about something is missing, and within a tower nothing may be left over.
    parts = dict(zip(("model", "training"), to_checkpoint(restored), strict=True))
    (tmp_path / "alone").mkdir()
    start_saving(tmp_path / "alone", parts)()
    write_listing(tmp_path / "alone", parts)
    whole = dict(zip(("model", "training"), to_checkpoint(both[0].abstract_state), strict=True))
    with pytest.raises(ValueError, match="is not in the checkpoint"):
        load_arrays(tmp_path / "alone", whole)
    del abstract["model"]["params"]["model"]["image"]["position"]
    with pytest.raises(ValueError, match=r"model/image/position/embedding is only in the checkpoint"):
        load_arrays(tmp_path, abstract)
