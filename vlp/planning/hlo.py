"""Reading the text of a compiled program: computations, instructions, shapes, and how often each computation runs."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

BYTES = {"pred": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f64": 8, "s64": 8, "u64": 8, "c64": 8}
BYTES |= dict.fromkeys(("s8", "u8"), 1) | dict.fromkeys(("f32", "s32", "u32"), 4)

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{\s*$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
_ARRAY = re.compile(r"\b([a-z]+\d*(?:e\d+m\d+\w*)?)\[([\d,]*)\](\{[^}]*\})?")
_CALLED = re.compile(r"(?:calls|to_apply|body|condition|\w+_computations)=\{?((?:%[\w.\-]+(?:, )?)+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclasses.dataclass(frozen=True)
class Array:
    """An array of a program: element type, sizes, and whether it lies in a chip's main memory."""

    kind: str
    shape: tuple[int, ...]
    in_memory: bool

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * BYTES.get(self.kind, 1)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """`name = results operation(arguments), attributes`; `operands` are the names among the arguments."""

    name: str
    results: tuple[Array, ...]
    operation: str
    operands: tuple[str, ...]
    arguments: str
    attributes: str

    @property
    def called(self) -> tuple[str, ...]:
        """Computations that it runs."""
        return tuple(
            name.strip().lstrip("%")
            for found in _CALLED.findall(self.attributes)
            for name in found.split(",")
            if name.strip()
        )


Computation = dict[str, Instruction]


def parse(text: str) -> tuple[dict[str, Computation], str]:
    """Returns the computations of a program by name, their instructions by name, and which of them is the entry."""
    computations: dict[str, Computation] = {}
    entry, current = "", None
    for line in text.splitlines():
        if header := _HEADER.match(line):
            current = computations.setdefault(header[2], {})
            entry = header[2] if header[1] else entry
        elif current is not None and (found := _INSTRUCTION.match(line)):
            instruction = _instruction(found[1], found[2])
            current[instruction.name] = instruction
    return computations, entry


def _instruction(name: str, rest: str) -> Instruction:
    end = _closing(rest, 0) + 1 if rest.startswith("(") else rest.find(" ")
    operation, _, _ = rest[end:].strip().partition("(")
    opening = rest.find("(", end)
    closing = _closing(rest, opening)
    arguments = rest[opening + 1 : closing]
    operands = tuple(re.findall(r"%([\w.\-]+)", arguments))
    return Instruction(name, arrays(rest[:end]), operation, operands, arguments, rest[closing + 1 :])


def _closing(text: str, opening: int) -> int:
    """Place of the parenthesis that closes the one at `opening`."""
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            return place
    return len(text)


def arrays(text: str) -> tuple[Array, ...]:
    """Returns all arrays of a type, such as '(bf16[8,128]{1,0:T(8,128)S(1)}, s32[])'. Memory spaces S(n) are on the
    chip."""
    return tuple(
        Array(kind, tuple(int(n) for n in sizes.split(",") if n), "S(" not in layout)
        for kind, sizes, layout in _ARRAY.findall(text)
        if kind in BYTES or kind.startswith("f8")
    )


def runs(computations: Mapping[str, Computation], entry: str) -> dict[str, int]:
    """Returns how often each computation runs in one run of the program: bodies of loops as often as these turn."""
    times: dict[str, int] = {}

    def visit(name: str, count: int) -> None:
        times[name] = times.get(name, 0) + count
        for instruction in computations[name].values():
            turns = trips(instruction, computations) if instruction.operation == "while" else 1
            for called in instruction.called:
                if called in computations:
                    visit(called, count * turns)

    visit(entry, 1)
    return times


def trips(loop: Instruction, computations: Mapping[str, Computation]) -> int:
    """Turns of a loop: as the compiler says, else by the constant its counter is compared with, and by its steps."""
    known = _TRIPS.search(loop.attributes)
    if known:
        return int(known[1])
    condition, body = (
        computations.get(name[1], {}) if (name := re.search(said, loop.attributes)) else {}
        for said in (r"condition=%?([\w.\-]+)", r"body=%?([\w.\-]+)")
    )
    return math.ceil(max(_constants(condition), default=1) / _counted(condition, body))


def _counted(condition: Computation, body: Computation) -> int:
    """How far a turn moves the counter: two where the compiler has unrolled a loop by two."""
    if not (condition and body):
        return 1
    compared, last = (list(one.values())[-1] for one in (condition, body))
    counter = condition.get(compared.operands[0]) if compared.operands else None
    place = re.search(r"\bindex=(\d+)", counter.attributes) if counter else None
    if place is None or last.operation != "tuple":
        return 1
    moved = body.get(last.operands[int(place[1])])
    steps = [body[name].arguments for name in moved.operands if name in body] if moved else []
    found = [int(one) for one in steps if one.isdecimal() and int(one)]
    return found[0] if moved and moved.operation == "add" and found else 1


def _constants(computation: Computation) -> Iterator[int]:
    for instruction in computation.values():
        scalar = instruction.operation == "constant" and len(instruction.results) == 1
        if scalar and instruction.arguments.isdecimal():
            yield int(instruction.arguments)
