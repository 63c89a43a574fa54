"""Which chip of a torus stands where in the mesh."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools

import numpy as np
import pytest

from vlp.parallel.mesh import make_mesh, slices_of


@dataclasses.dataclass(frozen=True)
class Chip:
    """As much of a TPU as placing it takes."""

    id: int
    coords: tuple[int, ...]
    core_on_chip: int = 0
    platform: str = "tpu"
    device_kind: str = "TPU v5"
    process_index: int = 0
    slice_index: int = 0


def test_an_axis_that_no_dimensions_of_the_torus_make_up_splits_one():
    """16 of 8 x 8 x 8: whole lines of one dimension, pairs of another."""
    chips = [Chip(number, place) for number, place in enumerate(itertools.product(range(8), repeat=3))]
    placed = make_mesh({"data": 32, "fsdp": 16, "model": 1}, chips).devices
    assert placed.shape == (32, 16, 1) and len(set(placed.flat)) == 512
    for group in placed[:, :, 0]:
        assert sorted(len({chip.coords[axis] for chip in group}) for axis in range(3)) == [1, 2, 8]


def test_slices_are_joined_along_the_data_axis():
    """Two tori of 2 x 4, told apart by what chips say, or by their order where they say nothing."""
    places = [(*place, 0) for place in itertools.product(range(2), range(4))]
    chips = [Chip(8 * n + i, place, slice_index=n) for n in (1, 0) for i, place in enumerate(places)]
    placed = make_mesh({"data": 4, "fsdp": 4, "model": 1}, chips).devices
    assert [{chip.slice_index for chip in row.flat} for row in placed] == [{0}, {0}, {1}, {1}]
    alike = [dataclasses.replace(chip, slice_index=0, platform="gpu") for chip in chips]
    assert len(slices_of(alike)) == 1
    assert [[chip.id for chip in group] for group in slices_of(alike, 2)] == [[*range(8, 16)], [*range(8)]]


def test_slices_lie_as_jax_would_lay_them(monkeypatch):
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("libtpu is not installed: pip install -r requirements-tpu-plan.txt")
    from jax.experimental.mesh_utils import create_hybrid_device_mesh

    from vlp.planning.topology import open_topology

    monkeypatch.setenv("XLA_FLAGS", "")  # planning for TPUs drops it, which later tests want
    there = open_topology("v5e:4x4", slices=2)
    placed = make_mesh({"data": 8, "fsdp": 4, "model": 1}, there.devices).devices
    assert there.hosts == 8 and len(slices_of(there.devices)) == 2
    np.testing.assert_array_equal(placed, create_hybrid_device_mesh((4, 4, 1), (2, 1, 1), there.devices))
