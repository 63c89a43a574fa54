"""From what a compiled step costs to how long it takes: the slowest of three kinds of work, or their sum."""

from __future__ import annotations

import dataclasses
from typing import Any

from vlp.planning.chips import Chip
from vlp.planning.compile import CompiledStep
from vlp.planning.program import Collective
from vlp.planning.topology import Topology
from vlp.training.model_flops import forward_flops
from vlp.training.throughput import train_step_flops

# What the backward pass computes once more, in forward passes: of a block, never its last product.
RECOMPUTED = {"none": 0.0, "light": 0.0, "dots": 0.0, "mlp": 1 / 3, "full": 2 / 3}


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Holds what a step takes at published peaks.

    Attributes:
      pair_flops: to train on one pair, in the towers.
      step_flops: of the model for a whole batch; what MFU counts.
      extra: what the hardware multiplies for each model FLOP: recomputed activations, scores, class tables.
      counted: whether `extra` is from the compiled program, rather than from the remat policy.
      seconds: of each kind of work in a step; kinds that nothing is known of are left out.
      chips: that take part.
      peak_flops: of all of them.
      batch_size: pairs.
      steps: of the run.
      hosts: that feed them.
    """

    pair_flops: float
    step_flops: float
    extra: float
    counted: bool
    seconds: dict[str, float]
    chips: int
    peak_flops: float
    batch_size: int
    steps: int
    hosts: int

    @property
    def binding(self) -> str:
        """The kind of work that takes longest."""
        return max(self.seconds, key=lambda kind: self.seconds[kind])

    @property
    def step_seconds(self) -> tuple[float, float]:
        """Returns where everything overlaps, and where nothing does."""
        return max(self.seconds.values()), sum(self.seconds.values())

    def mfu(self, seconds: float) -> float:
        """Returns model FLOP/s as a share of the peak."""
        return self.step_flops / seconds / self.peak_flops

    def figures(self, seconds: float) -> dict[str, float]:
        """Returns what a step time means for the run."""
        hours = seconds * self.steps / 3600
        return {
            "step_seconds": seconds,
            "mfu": self.mfu(seconds),
            "pairs_per_second": self.batch_size / seconds,
            "days": hours / 24,
            "chip_hours": hours * self.chips,
            "records_per_second_and_host": self.batch_size / seconds / self.hosts,
        }


def estimate(config: Any, step: CompiledStep, topology: Topology, peak_flops: float = 0.0) -> Estimate:
    """Estimates a step.

    Args:
      config: the whole resolved config.
      step: compiled for the topology.
      topology: whose chip, where it is known, says what the hardware can do.
      peak_flops: of all devices, where no chip says so.
    """
    chip, devices = topology.chip, len(topology.devices)
    towers = forward_flops(config, step.fields, shares=step.step_shares)
    pair = train_step_flops(towers + step.other_flops, 1)
    whole = pair * config.batch_size
    peak = chip.flops * topology.chips if chip else peak_flops
    if step.program:
        products = step.program.flops * devices
    else:
        # The pass that micro-batches encode once more stands in the place of what a policy recomputes.
        again = 1.0 if config.model.micro_batch else RECOMPUTED[config.model.remat]
        products = whole * (1 + again / 3)
    seconds = {"matrix products": products / peak}
    if chip and step.program:
        if not topology.stood_for:  # CPUs that stand for GPUs run other kernels
            seconds["main memory"] = step.program.memory_bytes / (chip.bandwidth / chip.devices)
        within = [one for one in step.program.collectives if one.slices == 1]
        seconds["collectives"] = sum(one.bytes / _speed(one, step, topology, chip) for one in within)
        between = sum(one.bytes for one in step.program.collectives if one.slices > 1)
        if between and chip.network:
            seconds["between slices"] = between / (chip.network / chip.devices)
    return Estimate(
        pair_flops=pair,
        step_flops=whole,
        extra=products / whole,
        counted=step.program is not None,
        seconds=seconds,
        chips=topology.chips,
        peak_flops=peak,
        batch_size=config.batch_size,
        steps=config.steps,
        hosts=topology.hosts,
    )


def _speed(one: Collective, step: CompiledStep, topology: Topology, chip: Chip) -> float:
    """Bytes a second that a device sends in a collective: by the links of a torus, or by switch and network."""
    if not topology.node:
        link = chip.interconnect / chip.devices / chip.dimensions
        return link * min(step.links[one.members], chip.dimensions)
    nodes = len({member // topology.node for member in one.members})
    if nodes == 1:
        return chip.interconnect
    # Rings leave a node by as many adapters as the group has GPUs there.
    return min(chip.interconnect, chip.network * len(one.members) / nodes)
