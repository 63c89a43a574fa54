"""The very train step of a config, compiled for devices that need not be here, and what the compiler says of it."""

from __future__ import annotations

import dataclasses
import math
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import PyTree

from input_pipeline.errors import UserError
from vlp.configuration import validate_devices
from vlp.given import Given
from vlp.models.families import family
from vlp.parallel.mesh import make_mesh, slices_of
from vlp.parallel.sharding import batch_sharding
from vlp.planning.program import Program, read_program
from vlp.planning.topology import Topology
from vlp.training.build import Training, build_training

# Shape and dtype of a batch field by name, without the batch axis: of those that only its data knows.
FieldShapes = Mapping[str, tuple[tuple[int, ...], Any]]

# What libtpu calls the text of a finished program, among what it leaves where it is told to. jaxlib 0.10 cannot read
# back every program that libtpu makes (`as_text`): of large slices of v5p and v6e none.
PROGRAM_TEXT = "*after_codegen.txt"

# How compilers say that a program needs more memory than there is, by their age.
TOO_LARGE = re.compile(r"\bhbm|HbmOom|out of memory|RESOURCE_EXHAUSTED", re.I)
_SIZE = r"([\d.]+[KMGT]?B?)"
NEEDED_OF = (
    re.compile(rf"Used {_SIZE} of {_SIZE} hbm", re.I),
    re.compile(rf"required for HLO temporaries \({_SIZE}\) exceeds available HBM \({_SIZE}\)", re.I),
)


@dataclasses.dataclass(frozen=True)
class CompiledStep:
    """Holds what is known of a step. Memory in bytes a device; what the compiler did not say is None.

    Attributes:
      mesh: sizes of its axes.
      fields: batch fields that towers encode.
      step_shares: of the step's passes that a tower costs of which something is held.
      other_flops: forward FLOPs of one example outside the towers.
      parameters: numbers that are learned.
      held: what stays from step to step, by kind, as the arrays' sizes say.
      arguments: what the compiler allots for it and the batch.
      temporaries: activations, gradients and what else lives within a step.
      needed: arguments, temporaries and program together, at the worst moment; where it was refused, what the compiler
        names of them.
      limit: what the compiler may use, where it refused to go beyond.
      program: costs of a run; None where it did not compile or cannot be read.
      links: of each collective's group, over how many dimensions of the torus it reaches; by its members.
      seconds: that compiling took.
      refusal: what the compiler said instead of compiling.
      scheduled: of each objective that comes and goes, the share of updates it is there, and its forward FLOPs.
    """

    mesh: dict[str, int]
    fields: tuple[str, ...]
    step_shares: Mapping[str, float]
    other_flops: float
    parameters: int
    held: dict[str, int]
    arguments: int | None
    temporaries: int | None
    needed: int | None
    limit: int | None
    program: Program | None
    links: dict[tuple[int, ...], int]
    seconds: float
    refusal: str
    scheduled: tuple[tuple[float, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class TracedStep:
    """Holds a step that is traced and not compiled, with the mesh and the batch that it was traced for."""

    training: Training
    mesh: Mesh
    batch: PyTree
    traced: jax.stages.Traced


def trace_step(
    config: Any, topology: Topology, *, vocabulary_size: int, shapes: FieldShapes, given: Given | None = None
) -> TracedStep:
    """Traces the train step of a config for a topology. Nothing is allocated on any device, and nothing compiled.

    Args:
      config: the whole resolved config.
      topology: devices to trace for.
      vocabulary_size: of the tokenizer.
      shapes: of batch fields that neither the model nor `data.image_views` and `data.text_views` decide.
      given: what there is beside the batches; None = nothing.

    Raises:
      ConfigError: mesh or batch do not fit the devices.
      ValueError: the model cannot be built.
    """
    slices = config.distributed.slices
    joined = len(slices_of(topology.devices, slices))
    sizes = validate_devices(config, len(topology.devices), joined)
    mesh = make_mesh(sizes, topology.devices, slices)
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        training = build_training(config, vocabulary_size=vocabulary_size, mesh=mesh, given=given)
        batch = abstract_batch(config, training.fields, mesh, {**_frozen_shapes(given), **shapes})
        traced = training.train_step.trace(training.abstract_state, batch | training.beside)
    return TracedStep(training, mesh, batch, traced)


def compile_step(config: Any, step: TracedStep) -> CompiledStep:
    """Compiles a step that was traced. Nothing is allocated on any device.

    Args:
      config: the whole resolved config.
      step: as `trace_step` has it.
    """
    training, mesh = step.training, step.mesh
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        lowered = step.traced.lower()
        start = time.perf_counter()
        compiled, program, refusal = compile_and_read(lowered, mesh.devices.flat[0].platform)
        seconds = time.perf_counter() - start
    groups = {one.members for one in program.collectives} if program else set()
    return CompiledStep(
        mesh=dict(mesh.shape),
        fields=training.encoded,
        step_shares=training.step_shares,
        other_flops=training.other_flops,
        scheduled=tuple((weight.share(config.steps), flops) for weight, flops in training.scheduled),
        parameters=sum(leaf.size for leaf in jax.tree.leaves(training.abstract_state.params)),
        held=held_bytes(training, step.batch),
        **(_memory(compiled) if compiled else refused_memory(refusal)),
        program=program,
        links={members: _dimensions(members, mesh) for members in groups},
        seconds=seconds,
        refusal=refusal,
    )


def abstract_batch(config: Any, fields: tuple[str, ...], mesh: Mesh, shapes: FieldShapes) -> PyTree:
    """Returns a batch as the step sees it, without its numbers."""
    known = {**_view_shapes(config), **shapes}
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise UserError(f"no shape is known for the batch fields {', '.join(unknown)}")
    sampler = config.data.sampler
    rows = (config.batch_size, sampler.each) if sampler.kind == "bags" else (config.batch_size,)
    return {
        name: jax.ShapeDtypeStruct((*rows, *shape), dtype, sharding=batch_sharding(mesh))
        for name, (shape, dtype) in ((name, known[name]) for name in fields)
    }


def _view_shapes(config: Any) -> dict[str, tuple[tuple[int, ...], Any]]:
    image, length = config.model.image, config.tokenizer.length
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {}
    for name, view in {"image": {}, **config.data.image_views}.items():
        count = () if name == "image" else (view.get("count", 1),)
        arrays = family("image", image).arrays(image, view.get("resolution", 0) or image.resolution)
        shapes |= {
            f"{name}{end}": ((*count, *shape), jnp.dtype(dtype)) for end, (shape, dtype) in arrays.items()
        }
    texts = {"text": (), **{name: (view.get("count", 1),) for name, view in config.data.text_views.items()}}
    for name, count in texts.items():
        shapes |= {name: ((*count, length), jnp.int32), f"{name}_mask": ((*count, length), jnp.bool_)}
    identities, numbers = ("text_id", "label_id", "record_id", "group_id"), ("source_id", "record_number")
    shapes |= dict.fromkeys(identities, ((2,), jnp.int32))
    return shapes | dict.fromkeys(numbers, ((), jnp.int32))


def _frozen_shapes(given: Given | None) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Of fields that frozen models read in a form of their own."""
    models = given.frozen.values() if given else ()
    return {f"{one.name}/{name}": shape for one in models for name, shape in _view_shapes(one.config).items()}


def held_bytes(training: Training, batch: PyTree) -> dict[str, int]:
    """Returns bytes a device of what a step is given, by kind."""
    state = training.abstract_state
    kinds = {
        "parameters": state.params,
        "optimiser": state.optimizer,
        "running mean": state.ema,
        "other state": state.rest,
        "batch": batch,
        "beside the batch": training.beside,
    }
    return {kind: size for kind, tree in kinds.items() if (size := _bytes(tree))}


def _bytes(tree: PyTree) -> int:
    leaves = jax.tree.leaves(tree)
    return sum(math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize for x in leaves)


def _memory(compiled: Any) -> dict[str, Any]:
    memory = compiled.memory_analysis()
    arguments, temporaries = memory.argument_size_in_bytes, memory.temp_size_in_bytes
    beside = memory.output_size_in_bytes - memory.alias_size_in_bytes + memory.generated_code_size_in_bytes
    return {
        "arguments": arguments,
        "temporaries": temporaries,
        "needed": arguments + temporaries + beside,
        "limit": None,
    }


def refused_memory(refusal: str) -> dict[str, Any]:
    """Returns needed and available memory, as the compiler's words have it."""
    found = next((match for form in NEEDED_OF if (match := form.search(refusal))), None)
    needed, limit = map(_bytes_of, found.groups()) if found else (None, None)
    return {"arguments": None, "temporaries": None, "needed": needed, "limit": limit}


def _bytes_of(size: str) -> int:
    """From '30.90G'."""
    return int(
        float(size.rstrip("KMGTB")) * 2 ** (10 * "BKMGT".index(size[-1] if size[-1] in "KMGT" else "B"))
    )


def compile_and_read(
    lowered: jax.stages.Lowered, platform: str
) -> tuple[jax.stages.Compiled | None, Program | None, str]:
    """Returns a compiled program, what a run of it costs, and what the compiler says where it refuses it for its size.

    Args:
      lowered: what to compile.
      platform: of its devices. The compiler for "tpu" is told to leave the text of what it has made.

    Raises:
      JaxRuntimeError: it cannot be compiled for another reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, dict[str, str | bool]] = {
            "tpu": {"xla_dump_to": folder, "xla_dump_hlo_as_text": True},
            # Without a card nothing can be tried out; of large products the library's are what is found faster.
            "gpu": {} if jax.default_backend() == "gpu" else {"xla_gpu_enable_triton_gemm": False},
        }
        try:
            compiled = lowered.compile(compiler_options=options.get(platform))
        except jax.errors.JaxRuntimeError as error:
            if not TOO_LARGE.search(str(error)):
                raise
            return None, None, str(error)
        return compiled, _costs(compiled, Path(folder)), ""


def _costs(compiled: jax.stages.Compiled, folder: Path) -> Program | None:
    """As the compiler's own text has them, else what jaxlib makes of the program; None where that cannot be read."""
    for text in folder.glob(PROGRAM_TEXT):
        return read_program(text.read_text(encoding="utf-8"))
    try:
        return read_program(compiled.as_text() or "")
    except jax.errors.JaxRuntimeError:
        return None


def _dimensions(members: tuple[int, ...], mesh: Mesh) -> int:
    """Over how many dimensions of the torus a group of devices reaches, at least one."""
    places = [getattr(mesh.devices.flat[member], "coords", (member,)) for member in members]
    return max(1, sum(len(set(axis)) > 1 for axis in zip(*places, strict=True)))
