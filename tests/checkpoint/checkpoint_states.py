"""States to save, and the folder they make, for the tests of checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from vlp.checkpoint import Description

CONFIG = {"name": "tiny", "steps": 10, "optimizer": {"learning_rate": 0.001, "name": "adamw"}, "k": [1, 5]}


def description(step: int) -> Description:
    return Description(
        config=CONFIG,
        preprocessing={"resolution": 32, "resize": "pad", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
        tokenizer_spec={"kind": "sentencepiece", "length": 16},
        tokenizer=bytes(range(256)),
        progress={"step": step, "samples_seen": 2**40 + step},
    )


def sharding(devices: int) -> NamedSharding:
    """Rows spread over the first devices."""
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices])
    return NamedSharding(mesh, PartitionSpec("data"))


def parts(step: int, devices: int = 8) -> tuple[dict[str, Any], dict[str, Any]]:
    """A model and a training part with every kind of leaf and container, filled according to the step."""
    rows, whole = sharding(devices), NamedSharding(sharding(devices).mesh, PartitionSpec())
    noise = jax.random.normal(jax.random.key(step), (64, 128))
    params = {
        "tower": {"blocks": {0: jax.device_put(noise, rows), 1: jax.device_put(2 * noise, whole)}},
        "half": jax.device_put(noise.astype(jnp.bfloat16), rows),
        "registers": jnp.zeros((0, 128)),
    }
    rest = {"counts": jnp.arange(5, dtype=jnp.int8) + step, "seen": jnp.array([True, False])}
    optimizer = optax.adamw(1e-3).init(params)
    keys = {"key": jax.random.key(step), "keys": jax.random.split(jax.random.key(step, impl="rbg"), 3)}
    model = {"params": params, "rest": rest, "ema": jax.tree.map(lambda leaf: leaf / 2, params)}
    return model, {"step": jnp.asarray(step), "optimizer": optimizer, "random": keys}


def abstract(tree: Any, devices: int = 8) -> Any:
    """What a state is restored into: rows over so many devices, whatever does not divide by them on each."""
    rows = sharding(devices)

    def leaf(value: jax.Array) -> jax.ShapeDtypeStruct:
        even = value.ndim and value.shape[0] and value.shape[0] % devices == 0
        spec = PartitionSpec("data") if even else PartitionSpec()
        return jax.ShapeDtypeStruct(value.shape, value.dtype, sharding=NamedSharding(rows.mesh, spec))

    return jax.tree.map(leaf, tree)


def assert_same(actual: Any, expected: Any) -> None:
    """Same containers, dtypes and bits."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for (path, value), wanted in zip(
        jax.tree_util.tree_leaves_with_path(actual), jax.tree.leaves(expected), strict=True
    ):
        assert value.dtype == wanted.dtype, path
        if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            value, wanted = jax.random.key_data(value), jax.random.key_data(wanted)
        np.testing.assert_array_equal(np.asarray(value), np.asarray(wanted), err_msg=str(path))


def flip_byte(path: Path) -> None:
    """Changes one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def largest_file(folder: Path) -> Path:
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
