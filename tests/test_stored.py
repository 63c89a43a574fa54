"""Rows of a held tower in the place of running it: the losses and steps of the live tower, on any mesh."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import quickstart
from input_pipeline.errors import UserError
from vlp.interop.mapping import flattened
from vlp.parallel.sharding import global_batch
from vlp.training.build import build_training

pytestmark = pytest.mark.slow

SIDE, LENGTH, ROWS, VOCABULARY = 16, 6, 8, 50
ONE, EIGHT = (1, 1, 1), (2, 2, 2)
# What is stored, whether it stands before a projection that is trained, and where it stands in a batch.
FORMS = [
    ("image", False, "stored_image"),
    ("text", False, "stored_text"),
    ("image", True, "stored_image_tower"),
]


def config_of(form, project, stored):
    config = quickstart.get_config("runlocal")
    tiny = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
    config.model.image.update(tiny, resolution=SIDE, patch_size=8, patch_dropout=0.0)
    config.model.text.update(tiny)
    config.model.embed_dim, config.batch_size, config.tokenizer.length = 24, ROWS, LENGTH
    config.optimizer.learning_rate_rules = f"^model/{form}{'/' if project else ''} = 0"
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    config.data.stored.update({form: "rows" if stored else "", "project": stored and project})
    return config


def examples():
    dice = np.random.default_rng(0)
    return {
        "image": dice.integers(0, 256, (ROWS, SIDE, SIDE, 3), dtype=np.uint8),
        "text": dice.integers(4, VOCABULARY, (ROWS, LENGTH), dtype=np.int32),
        "text_mask": np.arange(LENGTH) < dice.integers(2, LENGTH, (ROWS, 1)),
    }


def rows_of(training, params, config, form, project):
    """What the tower makes of the examples by itself, as --job=embed stores it."""
    model, batch = nnx.merge(training.model_graphdef, params["model"]), examples()
    mean, std = (np.asarray(config.data.image[name], np.float32) for name in ("mean", "std"))
    pixels = (jnp.asarray(batch["image"], jnp.float32) / 255 - mean) / std
    if form == "image":
        return np.asarray(model.image(pixels).pooled if project else model.encode_pixels(pixels))
    ids, mask = batch["text"], batch["text_mask"]
    return np.asarray(model.text(ids, mask).pooled if project else model.encode_text(ids, mask))


def trained(form, project, shape, rows=None):
    """Losses of three steps, and the parameters afterwards; of the live tower, or by rows under a field's name."""
    config = config_of(form, project, rows is not None)
    auto = (jax.sharding.AxisType.Auto,) * 3
    devices = jax.devices()[: int(np.prod(shape))]
    mesh = jax.make_mesh(shape, ("data", "fsdp", "model"), auto, devices=devices)
    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=VOCABULARY, mesh=mesh)
        state = training.initial_state()
        start = jax.device_get(state.params)
        fields = examples() | (rows or {})
        batch = global_batch({name: fields[name] for name in training.fields}, mesh)
        losses = []
        for _ in range(3):
            state, metrics = training.train_step(state, batch)
            losses.append(float(metrics["loss"]))
    made = None if rows else rows_of(training, start, config, form, project)
    return losses, flattened(jax.device_get(state.params)), set(training.fields), made


@pytest.mark.parametrize(("form", "project", "field"), FORMS)
def test_rows_train_as_the_tower_they_are_of_does_on_any_mesh(form, project, field):
    losses, after, _, made = trained(form, project, ONE)
    assert len({*losses}) == 3, "nothing is trained"
    for shape in (ONE, EIGHT):
        found, params, fields, _ = trained(form, project, shape, {field: made})
        assert field in fields and not {form, f"{form}_mask"} & fields
        np.testing.assert_allclose(found, losses, rtol=1e-5, err_msg=str(shape))
        for path, leaf in params.items():
            np.testing.assert_allclose(leaf, after[path], atol=2e-4, err_msg=f"{path} on {shape}")


@pytest.mark.parametrize(
    ("objective", "tower"), [("captioning", "image"), ("colours", "image"), ("masked_pixels", "image")]
)
def test_an_objective_that_reads_more_than_embeddings_is_refused_by_name(objective, tower):
    config = config_of(tower, False, True)
    config.objectives[objective].weight = 1.0
    mesh = jax.make_mesh(ONE, ("data", "fsdp", "model"), (jax.sharding.AxisType.Auto,) * 3)
    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=VOCABULARY, mesh=mesh)
        rows = {f"stored_{tower}": np.zeros((ROWS, 24), np.float32)}
        batch = {name: (examples() | rows)[name] for name in training.fields}
        with pytest.raises(
            UserError, match=f"^data.stored.{tower} holds embeddings, and an active objective"
        ):
            jax.eval_shape(training.train_step, training.abstract_state, batch)
