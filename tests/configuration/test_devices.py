"""Which meshes and batches fit how many devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ml_collections import ConfigDict
from test_validation import config

from vlp.configuration import ConfigError, validate_devices

__all__ = ["config"]


@pytest.mark.parametrize(
    ("mesh", "devices", "expected"),
    [
        ((-1, 1, 1), 8, (8, 1, 1)),
        ((-1, 4, 1), 8, (2, 4, 1)),
        ((2, 2, -1), 8, (2, 2, 2)),
        ((1, 8, 1), 8, (1, 8, 1)),
    ],
)
def test_the_mesh_fits_the_devices(
    config: ConfigDict, mesh: tuple[int, ...], devices: int, expected: tuple[int, ...]
) -> None:
    config.mesh.update(dict(zip(("data", "fsdp", "model"), mesh, strict=True)))
    axes = validate_devices(config, devices)
    assert tuple(axes[name] for name in ("data", "fsdp", "model")) == expected


@pytest.mark.parametrize(
    ("change", "devices", "message"),
    [
        (lambda c: c.mesh.update(data=3), 8, r"needs 3 devices, and there are 8: set one axis to -1"),
        (lambda c: c.mesh.update(data=-1, model=3), 8, r"multiple of 3 devices, and there are 8"),
        (lambda c: c.update(batch_size=100), 8, r"batch_size=100 is not a multiple of 8 .*use 96 or 104"),
        (lambda c: c.update(batch_size=4), 8, r"batch_size=4 is not a multiple of 8 .*use 8 or 8"),
        (
            lambda c: (c.mesh.update(data=2, fsdp=4), c.update(batch_size=100)),
            8,
            r"batch_size=100 is not a multiple of 8 \(mesh.data \* mesh.fsdp\)",
        ),
        (
            lambda c: (c.update(batch_size=16), c.selection.learnable.update(ratio=0.25)),
            8,
            r"selection leaves 12 rows of batch_size=16, which is not a multiple of 8 .*another ratio",
        ),
    ],
)
def test_what_does_not_fit_the_devices(
    config: ConfigDict, change: Callable[[ConfigDict], Any], devices: int, message: str
) -> None:
    change(config)
    with pytest.raises(ConfigError, match=message):
        validate_devices(config, devices)
