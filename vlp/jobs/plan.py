"""Compile the train step for machines that need not be here (--topology), and say what it needs."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from pathlib import Path
from typing import Any

from input_pipeline.catalogue import Catalogue
from input_pipeline.tokenizers import load_tokenizer
from input_pipeline.whole_files import write_whole
from vlp.checkpoint import shown
from vlp.configuration import ConfigError, to_dict
from vlp.jobs import JobOptions
from vlp.planning.compile import CompiledStep, FieldShapes, TracedStep, compile_step, trace_step
from vlp.planning.estimate import Estimate, estimate
from vlp.planning.report import misfit, plan_report, trial_line
from vlp.planning.suggest import Trial, ranked, recipes, trials
from vlp.planning.topology import LOCAL, Topology, open_topology
from vlp.runs.beside import given, open_frozen
from vlp.runs.data import preprocessing_spec
from vlp.runs.startup import configuring, use_compilation_cache
from vlp.runs.stored import data_with_stored
from vlp.training.throughput import measured_matmul_peak

NEEDS = ("objectives", "tokenizer")
WRITES = ("file", "workdir")
OPTIONS = {
    "topology": ("local", "devices to plan for, such as v5e:16x16, v5p:8x8x8, v6e:16x16, h100:8x4 or local"),
    "slices": (1, "TPU slices of that shape, joined along mesh.data over the data centre's network"),
    "price": (0.0, "of a chip for an hour, in any currency: the plan then says what the run costs"),
    "suggest": (
        False,
        "rank what fits of fsdp sizes, remat policies, chunks, momentum in bfloat16 and micro-batches, beside the cost "
        "of held towers and of a small first stage",
    ),
}


def run(options: JobOptions) -> int:
    """Prints the plan and writes its figures; with --suggest, tries what would fit and ranks it.

    Raises:
      ConfigError: the topology is unknown, or the config does not fit it.
    """
    with configuring():
        planner = Planner(options)
        return planner.suggest() if options.own["suggest"] else planner.plan()


class Planner:
    """A topology, and what planning needs to know beside the config."""

    def __init__(self, options: JobOptions):
        """Opens the topology and reads what the batch looks like.

        Raises:
          ValueError: the topology is unknown or its compiler is missing, or a table of the config is.
        """
        self.options, self.config = options, options.config
        if not 0 <= options.own["price"] < math.inf:
            raise ConfigError(
                f"--price={options.own['price']:g} must be at least 0: what a chip costs an hour"
            )
        self.topology: Topology = open_topology(options.own["topology"], options.own["slices"])
        # Programs for machines that are not here jax would keep, but never read again.
        if self.topology.name == LOCAL or self.topology.stood_for:
            use_compilation_cache()
        tokenizer, preprocessing = load_tokenizer(self.config.tokenizer), preprocessing_spec(self.config)
        self.vocabulary_size = tokenizer.vocabulary_size
        platform = self.topology.devices[0].platform
        self.given = given(self.config, preprocessing, tokenizer, open_frozen(self.config), platform)

    @functools.cached_property
    def peak(self) -> float:
        """Returns the FLOP/s that this machine reaches; 0 of machines that are not here."""
        local = self.topology.name == LOCAL
        return measured_matmul_peak(self.config.model.dtype) if local else 0.0

    def shapes(self, config: Any) -> FieldShapes:
        """Returns shapes of the batch fields, as a config's data and the sizes of its stage make them."""
        data = data_with_stored(config)
        places = {name: place for place, name in enumerate(sorted(data.sources))}
        tokenizer = load_tokenizer(config.tokenizer)
        return Catalogue(data, preprocessing_spec(config), tokenizer, places).shapes()

    def trace(self, config: Any) -> TracedStep:
        """Traces one variant at its full size, which neither compiles nor allocates anything."""
        return trace_step(
            config,
            self.topology,
            vocabulary_size=self.vocabulary_size,
            shapes=self.shapes(config),
            given=self.given,
        )

    def attempt(self, config: Any) -> tuple[CompiledStep, Estimate, bool]:
        """Compiles one variant, estimates it, and says whether it fits."""
        step = compile_step(config, self.trace(config))
        limit = self.limit(step)
        fits = not step.refusal and (limit is None or (step.needed or 0) <= limit)
        return step, estimate(config, step, self.topology, self.peak), fits

    def limit(self, step: CompiledStep) -> int | None:
        """Returns bytes of memory a device has, as the compiler or else the table of chips says."""
        chip = self.topology.chip
        return step.limit or (chip.memory // chip.devices if chip else None)

    def report(self, config: Any, step: CompiledStep, figures: Estimate) -> str:
        """Returns the plan of a compiled step, for a terminal."""
        limit, price = self.limit(step), self.options.own["price"]
        return plan_report(config, self.topology, step, figures, limit, price)

    def plan(self) -> int:
        """Plans the config as it is, and prints and writes the plan."""
        step, figures, fits = self.attempt(self.config)
        print(self.report(self.config, step, figures))
        self.write([Trial({}, step, figures, fits)])
        return 0

    def suggest(self) -> int:
        """Plans variants, and prints the best of them in full."""
        print(
            f"{self.config.name} on {self.topology.name}: memory a device, and a step by the estimate",
            flush=True,
        )
        tried: list[Trial] = []
        for trial in trials(self.config, len(self.topology.devices), self.attempt):
            print(trial_line(trial), flush=True)
            tried.append(trial)
        best, *others = ranked(tried)
        if not best.fits:
            least = min(tried, key=lambda one: one.step.needed or math.inf)
            raise ConfigError(
                f"nothing that was tried fits {self.topology.name}. The nearest "
                f"{misfit(least.step, self.limit(least.step))}: use more chips or a smaller batch_size"
            )
        print("\nranked, the fastest first")
        print("\n".join(trial_line(trial) for trial in (best, *others)))
        print("\nother recipes, with its flags", flush=True)
        cheaper = list(recipes(self.config, best.flags, self.attempt))
        print("\n".join(map(trial_line, cheaper)) or "  none")
        print(f"\nthe best\n{self.report(self.config, best.step, best.estimate)}")
        self.write([best, *others, *cheaper])
        return 0

    def write(self, plans: list[Trial]) -> None:
        """Writes all figures as JSON, for scripts."""
        path = Path(self.options.output or self.options.workdir / "plan.json")
        rows = [
            {
                "flags": plan.flags,
                "changes": plan.changes,
                "fits": plan.fits,
                "limit": self.limit(plan.step),
                "compiled": {**dataclasses.asdict(plan.step), "links": None},
                "estimate": dataclasses.asdict(plan.estimate),
                "best": plan.estimate.figures(plan.estimate.step_seconds[0]),
                "worst": plan.estimate.figures(plan.estimate.step_seconds[1]),
            }
            for plan in plans
        ]
        figures = {
            "config": shown(to_dict(self.config)),
            "topology": self.topology.name,
            "slices": self.topology.slices,
            "price": self.options.own["price"],
            "plans": rows,
        }
        write_whole(path, (json.dumps(figures, indent=1) + "\n").encode())
        print(f"figures: {path}")
