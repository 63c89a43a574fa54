"""What one run of a compiled program costs a chip: products, bytes of main memory, collectives."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable

import numpy as np
from jaxtyping import Int

from vlp.planning.hlo import Array, Computation, Instruction, parse, runs
from vlp.planning.traffic import CUBLAS, Mover, gathered, kind_of, moved, work_of

COLLECTIVES = ("all-gather", "reduce-scatter", "all-reduce", "all-to-all", "collective-permute")

CUDNN_ATTENTION = "__cudnn$fmhaSoftmax"


@dataclasses.dataclass(frozen=True)
class Collective:
    """All collectives of a kind among as many devices.

    Attributes:
      kind: one of COLLECTIVES.
      group: devices that take part in each.
      members: of one group, by number.
      count: in a run.
      bytes: that a device sends in a run, by the best algorithm on a ring.
      slices: among which it goes, over the data centre's network; 1 = it stays within one.
    """

    kind: str
    group: int
    members: tuple[int, ...]
    count: int
    bytes: float
    slices: int = 1


@dataclasses.dataclass(frozen=True)
class Program:
    """A run's costs, on one device.

    Attributes:
      flops: of matrix products and convolutions.
      memory_bytes: read from and written to main memory, each fused kernel reading its operands once.
      collectives: by kind and group.
      movers: what the bytes are made of, by work and kind, the largest first.
    """

    flops: float
    memory_bytes: float
    collectives: tuple[Collective, ...]
    movers: tuple[Mover, ...] = ()


def read_program(text: str) -> Program:
    """Counts the costs in a compiled program's text (`Compiled.as_text()`)."""
    computations, entry = parse(text)
    flops, movers = 0.0, list[Mover]()
    everything = [one for body in computations.values() for one in body.values()]
    fused = {name for one in everything if one.operation == "fusion" for name in one.called}
    # By channel: start, middle and end of an asynchronous collective show it each, and it happens as often as it
    # starts: the middle may be a loop that has nothing to do with it.
    channels: dict[str, tuple[bool, Collective]] = {}
    for name, times in runs(computations, entry).items():
        body = computations[name]
        starts = any('"AsyncCollectiveStart"' in one.attributes for one in body.values())
        for instruction in body.values():
            flops += times * _flops(instruction, body)
            kind = instruction.operation.removesuffix("-start")
            if kind in COLLECTIVES:
                if name.startswith("all-reduce-scatter"):  # libtpu's name of a sum of which each keeps a part
                    kind = "reduce-scatter"
                members = group_of(instruction.attributes)
                channel = re.search(r"channel_id=\d+", instruction.attributes)
                sent = _sent(kind, instruction, body, len(members))
                # Those that the compiler has combined share a channel's number, and differ in what they send.
                key = f"{kind} {channel[0]} {sent}" if channel else f"{name}/{instruction.name}"
                before = channels.get(key, (False, None))
                if (starts, times) >= (before[0], before[1].count if before[1] else 0):
                    channels[key] = starts, Collective(kind, len(members), members, times, times * sent)
            elif kind == "send" and (between := _between_slices(instruction, times)):
                channels[f"{name}/{instruction.name}"] = True, between
            if name not in fused and (size := times * moved(instruction, body, computations)):
                movers.append(Mover(work_of(instruction), kind_of(instruction, computations), times, size))
    memory = sum(one.bytes for one in movers)
    return Program(flops, memory, _gathered(one for _, one in channels.values()), gathered(movers))


def _gathered(channels: Iterable[Collective]) -> tuple[Collective, ...]:
    """Channels of the same kind and group, added up."""
    found: dict[tuple[str, tuple[int, ...], int], Collective] = {}
    for one in channels:
        key = (one.kind, one.members, one.slices)
        other = found.get(key, dataclasses.replace(one, count=0, bytes=0.0))
        found[key] = dataclasses.replace(one, count=one.count + other.count, bytes=one.bytes + other.bytes)
    return tuple(found[key] for key in sorted(found))


def _between_slices(instruction: Instruction, times: int) -> Collective | None:
    """What a chip hands to its host, for the hosts of several slices to exchange; None for other sends."""
    found = re.search(r'_xla_megascale_transfer_type="(\w+)"', instruction.attributes)
    if not found:
        return None
    kind = found[1].lower().replace("_", "-")
    target = re.search(r'_xla_megascale_target="\{([\d,]*)\}', instruction.attributes)
    slices = len(target[1].split(",")) if target else 2
    sent = _around(kind, instruction.results[0].bytes, slices)
    return Collective(kind, slices, (), times, times * sent, slices)


def _operands(instruction: Instruction, body: Computation) -> list[Array]:
    return [array for name in instruction.operands if name in body for array in body[name].results]


def _flops(instruction: Instruction, body: Computation) -> float:
    if instruction.operation == "dot":
        left = _operands(instruction, body)[0].shape
        axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", instruction.attributes)
        inner = math.prod(left[int(axis)] for axis in axes[1].split(",") if axis) if axes else 1
        return 2.0 * math.prod(instruction.results[0].shape) * inner
    if instruction.operation == "convolution":
        return _convolution_flops(instruction, body)
    if instruction.operation == "custom-call":
        return _call_flops(instruction, body)
    return 0.0


def _call_flops(instruction: Instruction, body: Computation) -> float:
    """Of libraries for GPUs by what they are given; other kernels say themselves what they cost."""
    operands = _operands(instruction, body)
    if CUBLAS in instruction.attributes:
        axes = re.search(r'"lhs_contracting_dimensions":\s*\[([^\]]*)\]', instruction.attributes)
        inner = [operands[0].shape[int(axis)] for axis in re.findall(r"\d+", axes[1])] if axes else []
        return 2.0 * math.prod(instruction.results[0].shape) * math.prod(inner)
    scores = re.search(r'"intermediate_tensor_shape":.*?"dimensions":\s*\[([^\]]*)\]', instruction.attributes)
    if CUDNN_ATTENTION in instruction.attributes and scores:
        # Two products, of which the second pass makes the first again and four for the gradients.
        products = 5 if f"{CUDNN_ATTENTION}Backward" in instruction.attributes else 2
        heads = math.prod(int(size) for size in re.findall(r"\d+", scores[1]))
        return 2.0 * products * heads * operands[0].shape[-1]
    said = re.search(r'"flops":"?(\d+)', instruction.attributes)
    return float(said[1]) if said else 0.0


def _convolution_flops(instruction: Instruction, body: Computation) -> float:
    """Only products of numbers that are there: batched matrix products come as convolutions full of holes."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", instruction.attributes)
    left, right = (array.shape for array in _operands(instruction, body)[:2])
    if labels is None:
        return 0.0
    outputs, flops = instruction.results[0].shape, 2.0 * right[labels[2].index("i")]
    flops *= math.prod(outputs[labels[3].index(axis)] for axis in "bf")
    spatial = sorted(label for label in labels[2] if label.isdigit())
    for place, label in enumerate(spatial):
        inputs, kernel, output = (
            shape[text.index(label)]
            for shape, text in ((left, labels[1]), (right, labels[2]), (outputs, labels[3]))
        )
        flops *= _valid(inputs, kernel, output, *_window(instruction.attributes, place))
    return flops


def _window(attributes: str, place: int) -> tuple[int, int, int, int]:
    """Stride, padding in front, and both dilations of one spatial axis."""
    window = re.search(r"window=\{([^}]*)\}", attributes)
    fields = dict(field.split("=") for field in window[1].split()) if window else {}

    def of(name: str, default: str) -> str:
        return fields[name].split("x")[place] if name in fields else default

    padding = int(of("pad", "0_0").split("_")[0])
    return int(of("stride", "1")), padding, int(of("lhs_dilate", "1")), int(of("rhs_dilate", "1"))


def _valid(inputs: int, kernel: int, outputs: int, stride: int, pad: int, hole: int, spread: int) -> int:
    """How many pairs of output and kernel position meet an input."""
    places = np.arange(outputs)[:, None] * stride + np.arange(kernel)[None] * spread - pad
    return int(((places >= 0) & (places % hole == 0) & (places // hole < inputs)).sum())


def group_of(attributes: str) -> tuple[int, ...]:
    """Returns the first group of devices of a collective; (0, 1) for a permutation, which has none."""
    listed = re.search(r"replica_groups=\{\{([\d,]*)\}", attributes)
    if listed:
        return tuple(int(number) for number in listed[1].split(","))
    mesh = re.search(r"replica_groups=mesh\[([^\]]*)\](?:, device_ids=\(([^{]*)\))? \{([^}]*)\}", attributes)
    if mesh:
        sizes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", mesh[1])}
        order = re.match(r"\[([\d,]+)\](?:T\(([\d,]+)\))?", mesh[2] or "")
        numbers = _numbered(order[1], order[2]) if order else np.arange(math.prod(sizes.values()))
        named = re.findall(r"'(\w+)'", mesh[3])
        one = numbers.reshape(tuple(sizes.values()))[
            tuple(slice(None) if name in named else 0 for name in sizes)
        ]
        return tuple(int(number) for number in one.ravel())
    iota = re.search(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", attributes)
    if not iota:
        return (0, 1)
    first = _numbered(iota[2], iota[3]).reshape([int(n) for n in iota[1].split(",")])[0]
    return tuple(int(number) for number in first)


def _numbered(shape: str, order: str | None) -> Int[np.ndarray, ...]:
    """Devices by number, '2,4' of them, axes transposed as '1,0' says."""
    sizes = [int(size) for size in shape.split(",")]
    numbers = np.arange(math.prod(sizes)).reshape(sizes)
    return numbers.transpose([int(axis) for axis in order.split(",")]) if order else numbers


def _sent(kind: str, instruction: Instruction, body: Computation, group: int) -> float:
    """Bytes a device sends: n - 1 of n parts once around a ring, twice where a sum is to be everywhere."""
    return _around(kind, sum(array.bytes for array in _operands(instruction, body)), group)


def _around(kind: str, size: int, group: int) -> float:
    if kind == "all-gather":
        return float(size * (group - 1))
    if kind == "collective-permute":
        return float(size)
    return size * (2 if kind == "all-reduce" else 1) * (group - 1) / group
