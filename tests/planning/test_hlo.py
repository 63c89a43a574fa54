"""The text of compiled programs: arrays and their bytes, calls, loops; and what chips are published to do."""

from __future__ import annotations

import json

import pytest
from test_program import TPU

from configs import base
from vlp.configuration import resolve, to_dict
from vlp.planning import demand
from vlp.planning.chips import CHIPS, GIB, GPUS
from vlp.planning.hlo import BYTES, arrays, parse, runs, trips
from vlp.planning.topology import Topology


def test_arrays_are_read_with_their_bytes_and_where_they_lie() -> None:
    found = arrays("(bf16[8,128]{1,0:T(8,128)S(1)}, s32[], f8e4m3fn[4]{0}, token[], pred[3,2]{1,0})")
    assert [(one.kind, one.shape, one.in_memory, one.bytes) for one in found] == [
        ("bf16", (8, 128), False, 2048),
        ("s32", (), True, 4),
        ("f8e4m3fn", (4,), True, 4),
        ("pred", (3, 2), True, 6),
    ]
    bits = {kind: int(kind.lstrip("bfsuc")) for kind in BYTES if kind != "pred"}
    assert {kind: 8 * size for kind, size in BYTES.items() if kind != "pred"} == bits


def test_a_loop_s_body_runs_as_often_as_it_turns() -> None:
    computations, entry = parse(TPU)
    assert entry == "main" and set(computations) == {"main", "body", "condition", "fused_slice"}
    assert runs(computations, entry) == {"main": 1, "body": 24, "condition": 24, "fused_slice": 24}
    loop = computations["main"]["loop"]
    assert loop.called == ("condition", "body") and loop.operands == ("start.1",)
    known = TPU.replace("body=%body", 'body=%body, backend_config={"known_trip_count":{"n":"7"}}')
    computations, entry = parse(known)
    assert trips(computations[entry]["loop"], computations) == 7
    assert trips(loop, {}) == 1  # nothing says how often
    text = """\
%less (n: s32[]) -> pred[] {
  %n = s32[] parameter(99)
  %limit = s32[] constant(7)
  ROOT %compared = pred[] compare(%n, %limit), direction=LT
}

ENTRY %main (s: s32[]) -> s32[] {
  %s = s32[] parameter(0)
  ROOT %loop = s32[] while(%s), condition=%less, body=%less
}
"""
    computations, entry = parse(text)
    assert trips(computations[entry]["loop"], computations) == 7  # the number of a parameter is no limit


def test_a_loop_that_counts_by_two_turns_half_as_often() -> None:
    """As the compiler unrolls products whose operand comes around a ring."""
    moved = "%i.2 = s32[] add(%i, %two)\n  %two = s32[] constant(2)\n  ROOT"
    unrolled = TPU.replace("ROOT %next", moved + " %next", 1).replace(
        "tuple(%i, %stack)", "tuple(%i.2, %stack)"
    )
    assert unrolled != TPU
    computations, entry = parse(unrolled)
    assert runs(computations, entry)["body"] == 12


def test_an_instruction_has_results_operation_arguments_and_attributes() -> None:
    gather = parse(TPU)[0]["body"]["start"]
    assert gather.operation == "all-gather-start" and gather.operands == ("weight",)
    assert [one.shape for one in gather.results] == [(128, 256), (512, 256)]
    assert "replica_groups=[4,4]" in gather.attributes and gather.arguments == "%weight"


# docs.cloud.google.com/tpu/docs: bfloat16 FLOP/s, GiB and bytes a second of HBM, bytes a second of links, torus, cores.
PUBLISHED = {
    "v4": (275e12, 32, 1228e9, 300e9, 3, 1),
    "v5e": (197e12, 16, 819e9, 200e9, 2, 1),
    "v5p": (459e12, 95, 2765e9, 600e9, 3, 1),
    "v6e": (918e12, 32, 1638e9, 400e9, 2, 1),
    "tpu7x": (2307e12, 192, 7380e9, 600e9, 3, 2),
}


def test_chips_do_what_is_published() -> None:
    assert GIB == 1024**3 and set(CHIPS) == set(PUBLISHED)
    for name, chip in CHIPS.items():
        flops, memory, *rest = PUBLISHED[name]
        assert (chip.flops, chip.memory) == (flops, memory * GIB)
        assert [chip.bandwidth, chip.interconnect, chip.dimensions, chip.devices] == rest
    # Data centre's network, Gbit/s: of a pod of 256 chips, of a chip, of a pod of 256 chips.
    gigabits = {"v5e": 6400 / 256, "v5p": 50, "v6e": 25600 / 256}
    assert {name: 8e-9 * chip.network for name, chip in CHIPS.items() if chip.network} == gigabits
    # NVIDIA's data sheets: dense bfloat16 FLOP/s, GB, bytes a second of HBM and of NVLink one way, of the adapter.
    published = {
        "a100": (312e12, 80e9, 2039e9, 300e9, 25e9),
        "h100": (989e12, 80e9, 3350e9, 450e9, 50e9),
        "h200": (989e12, 141e9, 4800e9, 450e9, 50e9),
    }
    told = [(one.flops, one.memory, one.bandwidth, one.interconnect, one.network) for one in GPUS.values()]
    assert dict(zip(GPUS, told, strict=True)) == published
    assert {(one.dimensions, one.devices) for one in GPUS.values()} == {(1, 1)}
    assert Topology("x", tuple(range(8)), 2, CHIPS["tpu7x"]).chips == 4
    assert (
        Topology("x", tuple(range(8)), 2, None).chips
        == Topology("x", tuple(range(8)), 2, CHIPS["v4"]).chips
        == 8
    )


@pytest.mark.parametrize(
    ("waiting", "changes", "rate"), [(0.2, {}, 125.0), (1.0, {}, 0.0), (0.2, {"batch_size": 7}, 0.0)]
)
def test_what_a_run_needs_is_what_its_last_window_reached_without_waiting(
    tmp_path, waiting, changes, rate
) -> None:
    config = resolve(base.get_config())
    (tmp_path / "config.json").write_text(json.dumps({**to_dict(config), **changes}))
    lines = [
        {"pairs_per_second": 1.0, "data_wait_share": 0.0},
        {"pairs_per_second": 100.0, "data_wait_share": waiting},
    ]
    (tmp_path / "timings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert demand._measured(config, tmp_path) == pytest.approx(rate)
    assert demand._measured(config, tmp_path / "none") == 0.0


def test_without_a_run_it_is_what_an_assumed_share_of_the_peak_gives(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(demand, "measured_matmul_peak", lambda dtype: 2e12)
    monkeypatch.setattr(demand, "forward_flops", lambda config: 5e9)
    config = resolve(base.get_config())
    config.inspect.mfu = 0.3
    found = demand.demand(config, tmp_path)
    assert found.images_per_second == pytest.approx(0.3 * 2e12 / 15e9)
    assert (
        "15.00 GFLOP an image" in found.basis
        and "2.00 TFLOP/s" in found.basis
        and "MFU of 30%" in found.basis
    )
