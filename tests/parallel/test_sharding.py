"""Where each part of a state lies: by heads and hidden units over model, by the largest other axis over fsdp."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, PartitionSpec

from configs import base
from vlp.configuration import ConfigError, resolve, validate, validate_devices
from vlp.models.sharding import TABLE_AXES
from vlp.parallel.sharding import (
    batch_sharding,
    fetch,
    global_batch,
    on_mesh,
    parameter_spec,
    replicated,
    state_shardings,
    variable_splits,
)

BLOCK = "model/image/transformer/blocks"


@pytest.mark.parametrize(
    ("path", "shape", "spec"),
    [
        (f"{BLOCK}/attention/qkv/kernel", (24, 1024, 3072), (None, "fsdp", "model")),
        (f"{BLOCK}/attention/qkv/bias", (24, 3072), (None, "model")),
        (f"{BLOCK}/attention/out/kernel", (24, 1024, 1024), (None, "model", "fsdp")),
        (f"{BLOCK}/attention/out/bias", (24, 1024), (None, None)),
        (f"{BLOCK}/mlp/up/kernel", (24, 1024, 4096), (None, "fsdp", "model")),
        (f"{BLOCK}/mlp/gate/kernel", (24, 1024, 4096), (None, "fsdp", "model")),
        (f"{BLOCK}/mlp/down/kernel", (24, 4096, 1024), (None, "model", "fsdp")),
        (f"{BLOCK}/mlp_norm/scale", (24, 1024), (None, None)),
        ("model/image/attention_pool/key_value/kernel", (1024, 2048), ("fsdp", "model")),
        ("model/image/attention_pool/out/kernel", (1024, 1024), ("model", "fsdp")),
        ("model/text/embedding/embedding", (49409, 768), (None, "model")),
        ("model/image_projection/kernel", (1024, 768), ("fsdp", None)),
        # What the model axis does not divide is not split by it, and fsdp takes what it can.
        (f"{BLOCK}/mlp/up/kernel", (24, 1024, 4098), (None, "fsdp", None)),
        (f"{BLOCK}/mlp/up/kernel", (24, 1001, 4096), (None, None, "model")),
    ],
)
def test_parameters_by_path_and_shape(path, shape, spec):
    assert parameter_spec(path, shape, {"data": 2, "fsdp": 16, "model": 4}) == PartitionSpec(*spec)


class Table(nnx.Module):
    """Says itself how it lies."""

    def __init__(self):
        self.rows = nnx.Param(jnp.zeros((64, 128)), split=(TABLE_AXES, None))
        self.others = nnx.List([nnx.Variable(jnp.zeros((64, 128)))])


@pytest.mark.parametrize(
    ("axes", "spec"), [((2, 2, 2), (("model", "fsdp"), None)), ((2, 4, 1), ("fsdp", None))]
)
def test_a_variable_lies_as_its_metadata_say_and_so_do_its_moments(axes, spec):
    module = Table()
    splits = variable_splits(module)
    assert splits == {"rows": (TABLE_AXES, None)}
    values = nnx.to_pure_dict(nnx.state(module))
    mesh = jax.make_mesh(axes, ("data", "fsdp", "model"), (AxisType.Auto,) * 3)
    shardings = state_shardings((values, [{"rows": values["rows"]}]), mesh, splits)
    assert shardings[0]["rows"].spec == shardings[1][0]["rows"].spec == PartitionSpec(*spec)
    assert "fsdp" in shardings[0]["others"][0].spec


def test_what_an_axis_does_not_divide_is_whole_whatever_its_metadata_say():
    axes = {"data": 1, "fsdp": 4, "model": 2}
    for rows, taken in ((64, ("model", "fsdp")), (66, "model"), (63, None)):
        assert parameter_spec("rows", (rows, 128), axes, (TABLE_AXES, None)) == PartitionSpec(taken, None)


def test_one_axis_alone_takes_the_largest_and_never_the_depth():
    axes = {"data": 1, "fsdp": 8, "model": 1}
    assert parameter_spec(f"{BLOCK}/mlp/up/kernel", (64, 16, 32), axes) == PartitionSpec(None, None, "fsdp")


def test_moments_lie_where_their_parameters_do_and_factors_where_their_axes_do():
    mesh = jax.make_mesh((2, 2, 2), ("data", "fsdp", "model"), (AxisType.Auto,) * 3)
    kernel = jnp.zeros((3, 64, 256))
    tree = {"model": {"image": {"transformer": {"blocks": {"mlp": {"up": {"kernel": kernel}}}}}}}
    factors = {"row": kernel[:, :, 0], "column": kernel[:, 0], "none": jnp.zeros(1)}
    state = (tree, [jax.tree.map(lambda _, factor=factor: factor, tree) for factor in factors.values()])
    whole, row, column, none = (sharding.spec for sharding in jax.tree.leaves(state_shardings(state, mesh)))
    assert whole == PartitionSpec(None, "fsdp", "model")
    assert row == PartitionSpec(None, "fsdp") and column == PartitionSpec(None, "model")
    assert none == PartitionSpec()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"model.image.heads": 3, "model.image.width": 192},
            "mesh.model=4 does not divide model.image.heads=3",
        ),
        ({"model.text.mlp_dim": 1538}, "model.text.mlp_dim=1538.*use mesh.model=2"),
        (
            {"objectives.discrimination.weight": 1.0, "objectives.discrimination.classes": 1001},
            "objectives.discrimination.classes=1001",
        ),
    ],
)
def test_what_the_model_axis_does_not_divide_is_refused_by_name(changes, expected):
    config = base.get_config()
    config.model.image.update(heads=4)
    config.model.text.update(heads=4)
    config.mesh.model = 4
    config.objectives.contrastive.weight = 1.0
    validate(resolve(config), needs=())
    config.update_from_flattened_dict(changes)
    with pytest.raises(ConfigError, match=expected):
        validate(resolve(config), needs=())
    config.mesh.update(data=1, model=-1)
    validate(resolve(config), needs=())
    with pytest.raises(ConfigError, match=expected):
        validate_devices(config, device_count=4)


def test_that_is_said_before_any_device_is_touched(run_main, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "no_such_device")
    flags = ["--config.mesh.model=2", "--config.model.image.heads=3", "--config.model.image.width=192"]
    done = run_main(*flags)
    assert done.returncode == 2
    assert done.stderr.startswith("error: mesh.model=2 does not divide model.image.heads=3")


@pytest.mark.parametrize(
    ("path", "shape", "spec"),
    [
        ("model/image_projection/kernel", (64, 64), ("fsdp", None)),  # 4096 numbers are worth gathering
        ("model/image_projection/kernel", (64, 62), (None, None)),
        (f"{BLOCK}/mlp_norm/scale", (64, 4096), (None, None)),  # one axis beside the depth
        ("model/image/patches/kernel", (4, 3, 40, 72), (None, None, None, "fsdp")),
        ("model/text/embedding/embedding", (768,), (None,)),
    ],
)
def test_what_is_small_or_of_one_axis_is_whole(path, shape, spec):
    assert parameter_spec(path, shape, {"data": 1, "fsdp": 2, "model": 1}) == PartitionSpec(*spec)


def test_arrays_are_put_where_they_are_asked_for_and_read_back():
    mesh = jax.make_mesh((2, 2, 2), ("data", "fsdp", "model"), (AxisType.Auto,) * 3)
    rows = np.arange(24, dtype=np.int32).reshape(8, 3)
    for spec in (PartitionSpec(("data", "fsdp")), PartitionSpec("model"), PartitionSpec()):
        placed = on_mesh(rows, mesh, spec)
        assert placed.sharding.spec == spec
        np.testing.assert_array_equal(placed, rows)
    assert on_mesh(np.float32(2.5), mesh, PartitionSpec()) == 2.5
    batch = global_batch({"image": rows}, mesh)["image"]
    assert batch.sharding.spec == batch_sharding(mesh).spec == PartitionSpec(("data", "fsdp"))
    assert [shard.data.shape for shard in batch.addressable_shards] == [(2, 3)] * 8
    assert replicated(mesh).spec == PartitionSpec() and replicated(mesh).mesh == mesh
    assert fetch({"a": jnp.float32(0.5), "b": jnp.int32(3)}) == {"a": 0.5, "b": 3}
