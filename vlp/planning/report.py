"""A plan, for a terminal."""

from __future__ import annotations

import math
import shlex
from typing import Any

from vlp.configuration import stages
from vlp.planning.compile import CompiledStep
from vlp.planning.estimate import Estimate
from vlp.planning.suggest import Trial
from vlp.planning.topology import Topology
from vlp.training.model_flops import forward_flops
from vlp.training.throughput import train_step_flops

GIB = 2**30
LARGEST = 16  # rows of the table of what moves bytes


def plan_report(
    config: Any,
    topology: Topology,
    step: CompiledStep,
    estimate: Estimate,
    limit: int | None,
    price: float = 0.0,
) -> str:
    """Returns what the compiler said, what was counted, and what is an estimate; with a price of an hour, the bill."""
    mesh = ", ".join(f"{axis}={size}" for axis, size in step.mesh.items())
    kind = topology.name.partition(":")[0].upper() if topology.node else topology.devices[0].device_kind
    slices = f"{topology.slices} slices of " * (topology.slices > 1)
    title = (
        f"{config.name} on {slices}{topology.name}: {topology.chips:,} x {kind}, "
        f"{topology.hosts:,} host(s); mesh {mesh}"
    )
    stands = (
        "compiled for as many CPUs: partitioned as for GPUs, but by kernels that hold more (scores of attention)\n"
        "and with sums over fsdp that GPUs only hand on in parts: memory and collectives are upper bounds"
    )
    parts = [title, *((stands,) * topology.stood_for), *_model(config, step, estimate)]
    parts += [*_memory(config, step, limit), *_traffic(topology, step), *_collectives(step)]
    return "\n".join([*parts, *_times(topology, estimate, price), ""])


def _line(left: str, right: str) -> str:
    return f"  {left:<24}{right}".rstrip()


def _size(number: int) -> str:
    return f"{number / GIB:,.2f} GiB" if number >= GIB else f"{number / 2**20:,.1f} MiB"


def _flops(number: float) -> str:
    for factor, unit in ((1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP")):
        if number >= factor:
            return f"{number / factor:,.2f} {unit}"
    return f"{number / 1e9:,.2f} GFLOP"


def _model(config: Any, step: CompiledStep, estimate: Estimate) -> list[str]:
    return [
        "\nmodel (counted)",
        _line("parameters", f"{step.parameters / 1e6:,.1f} million"),
        _line("to train on a pair", f"{_flops(estimate.pair_flops)} (towers, forward and backward)"),
        _line("a step", f"{_flops(estimate.step_flops)} for {config.batch_size:,} pairs"),
        *_schedules(step, estimate),
        *_stages(config, step),
    ]


def _schedules(step: CompiledStep, estimate: Estimate) -> list[str]:
    """What is saved where objectives are not there; nothing of a run whose objectives all are."""
    if not step.scheduled:
        return []
    idle = train_step_flops(sum((1 - share) * flops for share, flops in step.scheduled), 1)
    return [
        _line("schedules", "all figures are those of a step with all objectives;"),
        _line("", f"over the whole run a pair takes {_flops(estimate.pair_flops - idle)} in the mean"),
    ]


def _stages(config: Any, step: CompiledStep) -> list[str]:
    """What smaller stages save; nothing of a run without them."""
    plans = stages(config)
    if len(plans) == 1:
        return []
    flops = [forward_flops(plan.config, step.fields) for plan in plans]
    spent = sum(one * (plan.until - plan.start) for one, plan in zip(flops, plans, strict=True))
    share = f"{spent / flops[-1] / config.steps:.0%}"
    return [
        _line("stages", f"all figures are those of the last of {len(plans)}, the largest;"),
        _line("", f"a pair takes {share} of its FLOPs over the whole run"),
    ]


def misfit(step: CompiledStep, limit: int | None) -> str:
    """Says by how much a step that was refused is too large: 'does not fit: needs 485 of 15.75 GiB per chip'."""
    if step.needed and limit:
        return f"does not fit: needs {step.needed / GIB:,.4g} of {limit / GIB:.4g} GiB per chip"
    return f"does not fit: the compiler says {' '.join(step.refusal.split())[:200]}"


def what_would_fit(config: Any, step: CompiledStep, limit: int | None) -> str:
    """Returns the settings that need less memory and are not in use yet, those that help most first."""
    held = sum(step.held.values())
    split, model = step.mesh["fsdp"], config.model
    if limit and held > limit:
        ways = [f"{_size(held)} are held from step to step alone: more chips"]
        ways += [f"a mesh.fsdp above {split}"] * (step.mesh["data"] > 1)
        ways += ["--config.optimizer.momentum_dtype=bfloat16"]
        return ", ".join(ways)
    ways = ["--config.model.remat=full"] if model.remat != "full" else []
    size = (model.micro_batch or config.batch_size) // 2
    ways += [f"--config.model.micro_batch={size} or less"] if size else []
    ways += [f"a mesh.fsdp above {split}"] * (step.mesh["data"] > 1)
    return ", ".join([*ways, "a smaller batch_size", "more chips"]) + "; --suggest tries them"


def _memory(config: Any, step: CompiledStep, limit: int | None) -> list[str]:
    seconds = f"{step.seconds:,.0f} s"
    if step.refusal or (step.needed or 0) > (limit or math.inf):
        head = [
            f"\nmemory of a device (compiler, after {seconds})",
            f"  {misfit(step, limit)}",
            f"  what would: {what_would_fit(config, step, limit)}",
            "  from step to step, by the arrays' sizes:",
        ]
    else:
        needed, arguments, temporaries = step.needed or 0, step.arguments or 0, step.temporaries or 0
        head = [
            f"\nmemory of a device (compiler, after {seconds})",
            _line("needed", _size(needed) + (f" of {_size(limit)} ({needed / limit:.0%})" if limit else "")),
            _line("  within a step", f"{_size(temporaries)}  activations, gradients, buffers"),
            _line("  the program", _size(needed - arguments - temporaries)),
            _line("  from step to step", f"{_size(arguments)}  by the arrays' sizes:"),
        ]
    return head + [_line(f"    {kind}", _size(size)) for kind, size in step.held.items()]


def _traffic(topology: Topology, step: CompiledStep) -> list[str]:
    """What reads and writes most; nothing of programs of other devices, or that cannot be read."""
    movers = step.program.movers if step.program and not topology.stood_for else ()
    if not movers:
        return []
    whole, rest = sum(one.bytes for one in movers), movers[LARGEST:]
    rows = [(one.work, one.kind, one.count, one.bytes) for one in movers[:LARGEST]]
    if rest:
        rows.append(("others", "", sum(one.count for one in rest), sum(one.bytes for one in rest)))
    return [
        "\nmain memory of a device in a step (compiled program, loops multiplied)",
        f"  {'':<28}{'by':<12}{'count':>9}{'GB moved':>11}{'share':>8}",
        *(
            f"  {work:<28}{kind:<12}{count:>9,}{size / 1e9:>11,.2f}{size / whole:>8.0%}"
            for work, kind, count, size in rows
        ),
    ]


def _collectives(step: CompiledStep) -> list[str]:
    if step.program is None:
        why = "it did not compile" if step.refusal else "jaxlib cannot read the compiled program back"
        return [
            f"\ncollectives: unknown, for {why}",
            *(() if step.refusal else ("  plan for a v5e slice of as many chips to see them",)),
        ]
    if not step.program.collectives:
        return ["\ncollectives: none"]
    return [
        "\ncollectives of a device in a step (compiled program, loops multiplied)",
        f"  {'':<24}{'among':>6}{'count':>9}{'MB sent':>12}",
        *(
            f"  {one.kind:<24}{one.group:>6}{one.count:>9,}{one.bytes / 1e6:>12,.1f}"
            + "  slices, over the data centre's network" * (one.slices > 1)
            for one in step.program.collectives
        ),
    ]


def _times(topology: Topology, estimate: Estimate, price: float) -> list[str]:
    peaks = "the published peaks" if topology.chip else "the measured matmul peak"
    known = "compiled program" if estimate.counted else "remat policy"
    best, worst = (estimate.figures(seconds) for seconds in estimate.step_seconds)
    notes = {"matrix products": f"  {estimate.extra:.2f} times the model's FLOPs, by the {known}"}
    rows = [
        _line(
            kind, f"{1e3 * seconds:,.1f} ms  {notes.get(kind, '')}{' <- binds' * (kind == estimate.binding)}"
        )
        for kind, seconds in estimate.seconds.items()
    ]
    missing = "" if len(estimate.seconds) >= 3 else "; what is not listed is unknown and left out"

    def span(name: str, scale: float = 1.0, form: str = ",.0f") -> str:
        low, high = sorted((best[name] * scale, worst[name] * scale))
        return f"{low:{form}}" if f"{low:{form}}" == f"{high:{form}}" else f"{low:{form}} to {high:{form}}"

    days = worst["days"] >= 1
    length = f"{span('days', form=',.1f')} days" if days else f"{span('days', 24, ',.1f')} hours"
    return [
        f"\nestimate (roofline at {peaks}: if all work overlaps, to if none does{missing})",
        *rows,
        _line("a step", f"{span('step_seconds', 1e3, ',.1f')} ms"),
        _line("MFU", f"{span('mfu', 100, '.0f')} %"),
        _line("pairs a second", span("pairs_per_second")),
        _line("the run", f"{estimate.steps * estimate.batch_size:,} pairs: {length}"),
        _line("", f"{span('chip_hours')} chip-hours"),
        *([_line("", f"{span('chip_hours', price)} at {price:g} an hour")] if price else []),
        _line("each host decodes", f"{span('records_per_second_and_host')} images a second"),
        "  Real steps take longer: the best of public runs reach 40 to 65 % MFU (text), 9 to 39 % (contrastive).",
    ]


def trial_line(trial: Trial) -> str:
    """Returns one row of the table of trials."""
    flags = " ".join(f"--config.{name}={_shown(value)}" for name, value in trial.flags.items())
    if trial.changes:
        flags = f"{trial.changes}: {flags}"
    needed = f"{trial.step.needed / GIB:,.2f} GiB" if trial.step.needed else "?"
    best, worst = trial.estimate.step_seconds
    time = f"{1e3 * best:,.0f} to {1e3 * worst:,.0f} ms" if trial.fits else "does not fit"
    return f"  {needed:>12}  {time:<22} {flags}"


def _shown(value: Any) -> str:
    """A value as a flag takes it, whatever shell reads it."""
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return shlex.quote(text)
