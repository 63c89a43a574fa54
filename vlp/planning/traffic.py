"""Bytes of main memory that a compiled program reads and writes: which work moves them, and by what operations."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from vlp.planning.hlo import Computation, Instruction

# What reads and writes nothing by itself.
FREE = (
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call", "after-all",
    "partition-id", "replica-id", "opt-barrier", "iota",
)  # fmt: skip

NO_KERNELS = ('="AllocateBuffer"', '="ConcatBitcast"')  # calls that only say where something lies
CUBLAS = '="__cublas$'  # products of a library
LIBRARIES = (CUBLAS, '="__cudnn$')  # whose calls are given bytes to work in, as the last of their results
# What computes nothing.
MOVES = {
    *FREE, "broadcast", "concatenate", "convert", "copy", "dynamic-slice", "dynamic-update-slice", "pad", "reshape",
    "slice", "transpose",
}  # fmt: skip
# Names that the model's code gives its parts (`jax.named_scope`), those within others last.
SCOPES = ("image", "text", "attention", "mlp", "norm")


@dataclasses.dataclass(frozen=True)
class Mover:
    """Holds what some work moves by one kind of operation in a run.

    Attributes:
      work: parts of the model, and the pass: 'image attention, backward'.
      kind: 'products' (fused with what surrounds them), 'kernels' (not the compiler's own), 'copies' (into another
        layout, place or dtype), 'collectives', 'other'.
      count: operations.
      bytes: read and written.
    """

    work: str
    kind: str
    count: int
    bytes: float


def gathered(movers: Sequence[Mover]) -> tuple[Mover, ...]:
    """Adds up what is of the same work and kind, the largest first."""
    found: dict[tuple[str, str], Mover] = {}
    for one in movers:
        other = found.get((one.work, one.kind), Mover(one.work, one.kind, 0, 0.0))
        found[one.work, one.kind] = dataclasses.replace(
            one, count=one.count + other.count, bytes=one.bytes + other.bytes
        )
    return tuple(sorted(found.values(), key=lambda one: -one.bytes))


def work_of(instruction: Instruction) -> str:
    """Names the part of the model that an instruction is of, and the pass, by the path that JAX gives it."""
    found = re.search(r'op_name="([^"]*)"', instruction.attributes)
    if not found:
        return "unnamed"
    path, words = found[1], set(re.findall(r"\w+", found[1]))
    if "optimizer" in words:
        return "optimizer"
    # What is computed again stands within the backward pass.
    backward = "backward" if "transpose(" in path else "forward"
    passed = "again" if "rematted_computation" in words else backward
    parts = [name for name in SCOPES if name in words] or ["objectives" if "objectives" in words else "rest"]
    return f"{' '.join(parts)}, {passed}"


def kind_of(instruction: Instruction, computations: Mapping[str, Computation]) -> str:
    """Says what does the moving, as `Mover` has it."""
    operations = set(_operations(instruction, computations))
    if operations & {"dot", "convolution"} or CUBLAS in instruction.attributes:
        return "products"
    if "custom-call" in operations:
        return "kernels"
    if any(name.startswith(("all-", "reduce-scatter", "collective")) for name in operations):
        return "collectives"
    return "copies" if operations <= MOVES else "other"


def _operations(instruction: Instruction, computations: Mapping[str, Computation]) -> Iterator[str]:
    """Those of a fused kernel, of fused kernels within it too; of anything else its own."""
    if instruction.operation != "fusion" or not instruction.called:
        yield instruction.operation
        return
    for one in computations.get(instruction.called[0], {}).values():
        yield from _operations(one, computations)


def moved(instruction: Instruction, body: Computation, computations: Mapping[str, Computation]) -> float:
    """Bytes of main memory that an instruction reads and writes."""
    operation = instruction.operation
    if operation == "copy-start":  # between main memory and the chip: target and source are its results
        return float(sum(array.bytes for array in instruction.results[:2] if array.in_memory))
    if operation == "slice-start":  # the same by parts: source and target are its results
        source, target = instruction.results[:2]
        return float(target.bytes * (source.in_memory + target.in_memory))
    if operation in FREE or operation.endswith(("-start", "-done", "-update")):
        return 0.0
    if operation == "custom-call" and any(name in instruction.attributes for name in NO_KERNELS):
        return 0.0
    inner = (
        computations.get(instruction.called[0], {}) if operation == "fusion" and instruction.called else {}
    )
    passed = _passed(instruction)
    given = instruction.results[: -1 if _has_workspace(instruction) else None]
    written = [array.bytes * array.in_memory for array in given]
    results = float(sum(size for place, size in enumerate(written) if place not in passed))
    if operation in ("slice", "dynamic-slice"):  # reads no more than it gives, wherever that lies
        taken = float(sum(array.bytes for array in instruction.results))
        return results + (taken if _in_memory(instruction.operands[0], body) else 0.0)
    if operation == "dynamic-update-slice":
        return 2.0 * _update(instruction, body)
    read = 0.0
    parameters = [one for one in inner.values() if one.operation == "parameter"]
    numbered = {int(one.arguments): one for one in parameters}
    for number, name in enumerate(instruction.operands):
        if number in passed.values():
            continue
        size = sum(array.bytes for array in body[name].results if array.in_memory) if name in body else 0
        read += min(size, _read(numbered[number], inner, computations)) if number in numbered else size
    updates = _updates(inner, computations)
    return read + (min(float(sum(written)), 2.0 * updates) if updates else results)


def _passed(instruction: Instruction) -> dict[int, int]:
    """Results that are operands as they come, by their places: what a collective that is on its way in the meantime
    will write. Every fused kernel beside it carries that along."""
    if not any(name.startswith("async_collective_fusion") for name in instruction.called):
        return {}
    aliases = re.search(r"output_to_operand_aliasing=\{(.*?\))\}", instruction.attributes)
    pairs = re.findall(r"\{(\d+)\}: \((\d+), \{\}\)", aliases[1]) if aliases else []
    return {int(result): int(operand) for result, operand in pairs}


def _has_workspace(instruction: Instruction) -> bool:
    return len(instruction.results) > 1 and any(name in instruction.attributes for name in LIBRARIES)


def _in_memory(name: str, body: Computation) -> bool:
    return name in body and any(array.in_memory for array in body[name].results)


def _read(value: Instruction, inner: Computation, computations: Mapping[str, Computation]) -> float:
    """What a fused kernel reads of a value: slices of it, where it takes no more."""
    total = 0.0
    for user in inner.values():
        if value.name not in user.operands:
            continue
        if user.operation in ("dynamic-slice", "gather", "slice"):
            total += user.results[0].bytes
        elif user.operation == "dynamic-update-slice" and user.operands[0] == value.name:
            continue
        elif user.operation == "bitcast":
            total += _read(user, inner, computations)
        elif user.operation == "fusion" and user.called:
            nested = computations.get(user.called[0], {})
            total += sum(
                _read(one, nested, computations)
                for one in nested.values()
                if one.operation == "parameter" and user.operands[int(one.arguments)] == value.name
            )
        else:
            return math.inf
    return total


def _updates(body: Computation, computations: Mapping[str, Computation]) -> float:
    """Bytes that dynamic-update-slices write, those of fused kernels within included."""
    total = 0.0
    for one in body.values():
        if one.operation == "dynamic-update-slice":
            total += _update(one, body)
        elif one.operation == "fusion" and one.called:
            total += _updates(computations.get(one.called[0], {}), computations)
    return total


def _update(instruction: Instruction, body: Computation) -> float:
    operand = instruction.operands[1]
    return float(sum(array.bytes for array in body[operand].results)) if operand in body else 0.0
