"""Which chip of a torus stands where in the mesh."""

from __future__ import annotations

import dataclasses
import itertools

from vlp.parallel.mesh import make_mesh


@dataclasses.dataclass(frozen=True)
class Chip:
    """As much of a TPU as placing it takes."""

    id: int
    coords: tuple[int, ...]
    core_on_chip: int = 0
    platform: str = "tpu"
    device_kind: str = "TPU v5"
    process_index: int = 0


def test_an_axis_that_no_dimensions_of_the_torus_make_up_splits_one():
    """16 of 8 x 8 x 8: whole lines of one dimension, pairs of another."""
    chips = [Chip(number, place) for number, place in enumerate(itertools.product(range(8), repeat=3))]
    placed = make_mesh({"data": 32, "fsdp": 16, "model": 1}, chips).devices
    assert placed.shape == (32, 16, 1) and len(set(placed.flat)) == 512
    for group in placed[:, :, 0]:
        assert sorted(len({chip.coords[axis] for chip in group}) for axis in range(3)) == [1, 2, 8]
