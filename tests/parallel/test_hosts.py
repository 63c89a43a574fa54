"""Which part of a batch a process brings, by the shards that its devices hold."""

from __future__ import annotations

import types

import pytest

from vlp.parallel import hosts


def part_of(monkeypatch, held, data=4, fsdp=2):
    """Of a process whose devices hold these shards."""
    indices = {device: (slice(shard, shard + 1),) for device, shard in enumerate(held)}
    sharding = types.SimpleNamespace(addressable_devices_indices_map=lambda shape: indices)
    monkeypatch.setattr(hosts, "batch_sharding", lambda mesh: sharding)
    return hosts.batch_part(types.SimpleNamespace(shape={"data": data, "fsdp": fsdp, "model": 2}))


@pytest.mark.parametrize(
    ("held", "part"),
    [
        (range(8), (0, 1)),
        ((4, 5), (2, 4)),
        ((6, 6, 7, 7), (3, 4)),  # two devices along the model axis hold the same
        ((5,), (5, 8)),
    ],
)
def test_a_part_is_counted_in_parts_of_its_own_size(monkeypatch, held, part):
    assert part_of(monkeypatch, held) == part


@pytest.mark.parametrize("held", [(1, 2), (0, 1, 2), (0, 2)])
def test_what_is_no_part_in_one_piece_is_refused(monkeypatch, held):
    with pytest.raises(ValueError, match=rf"hold shards \[{', '.join(map(str, held))}\] of 8 of a batch"):
        part_of(monkeypatch, held)
