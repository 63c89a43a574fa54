"""Rerun a step of a run from the checkpoint before it, and print loss and norms of every layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree
from ml_collections import FrozenConfigDict

from vlp.checkpoint import find_checkpoint, read_description, run_of, steps_of
from vlp.configuration import ConfigError, completed
from vlp.jobs import JobOptions
from vlp.parallel.sharding import global_batch
from vlp.path_rules import tree_paths
from vlp.runs.run import Run
from vlp.runs.stage import Stage
from vlp.runs.startup import configuring
from vlp.training.loop import Hook
from vlp.training.state import TrainState, divide
from vlp.training.throughput import StepTimer

NEEDS = ()
TAKES = ("checkpoint",)
OPTIONS = {"step": (0, "the step to look into")}
STACKED = "blocks"  # whose parameters have the layers in front


def run(options: JobOptions) -> int:
    """Goes on from the checkpoint to just before the step, and takes the step apart instead of making it.

    Raises:
      ConfigError: no run or step is named, or no checkpoint is old enough.
    """
    if not options.checkpoint or options.own["step"] < 1:
        raise ConfigError(
            "--job=replay needs --checkpoint=WORKDIR of the run, and --step=N, a step from 1 on"
        )
    workdir, step = options.checkpoint, options.own["step"]
    with configuring():
        earlier = [one for one in steps_of(workdir) if one < step]
        folder = find_checkpoint(workdir, max(earlier)) if earlier else None
        if folder is None:
            raise ConfigError(f"{workdir} has no checkpoint from before step {step}")
        config = FrozenConfigDict(completed(read_description(folder).config))
        if step > config.steps:
            raise ConfigError(f"--step={step}: the run ends with step {config.steps}; name one up to it")
    replayed = Run(config, run_of(folder))
    state, batch = _before(replayed, folder, step)
    training = replayed.stage_of(step).training
    (loss, (metrics, _)), gradients = training.gradient(state, batch)
    trained, _ = divide(state.params, training.held)
    for name, value in {"loss": loss, **metrics}.items():
        print(f"{name:<40} {float(value):12.6g}")
    print(f"\n{'parameter':<64} {'|parameter|':>12} {'|gradient|':>12} {'not finite':>10}")
    for name, *figures in layers(trained, gradients):
        print(f"{name:<64} {figures[0]:12.4g} {figures[1]:12.4g} {figures[2]:10d}")
    return 0


def _before(replayed: Run, folder: Path, step: int) -> tuple[TrainState, dict[str, Any]]:
    """The state before a step, from the checkpoint in the folder, and the step's batch."""
    state, start = replayed.restored(folder)
    print(f"from the checkpoint of step {start}, {step - 1 - start} steps before step {step}")

    def hooks(stage: Stage, _: TrainState, timer: StepTimer) -> list[Hook]:
        return [*replayed.rollbacks, *stage.episodes(timer)]

    for info in replayed.steps(state, start, hooks, step - 1):
        state = info.state
    stage = replayed.stage_of(step)
    with closing(stage.batches(step - 1)) as batches:
        batch = next(batches)
    fields = {name: batch[name] for name in stage.training.fields}
    return stage.carried(state), global_batch(fields, replayed.mesh) | stage.beside


def layers(params: PyTree, gradients: PyTree) -> Iterator[tuple[str, float, float, int]]:
    """Yields parameter and layer with the norm, that of the gradient, and how many of its numbers are not finite."""
    leaves = zip(tree_paths(params), *map(jax.tree.leaves, jax.device_get((params, gradients))), strict=True)
    for path, parameter, gradient in leaves:
        if STACKED not in path.split("/"):
            yield path, *_figures(parameter, gradient)
            continue
        for number, layer in enumerate(zip(parameter, gradient, strict=True)):
            yield f"{path}[{number}]", *_figures(*layer)


def _figures(parameter: Any, gradient: Any) -> tuple[float, float, int]:
    of_parameter, of_gradient = (float(np.linalg.norm(np.ravel(one))) for one in (parameter, gradient))
    return of_parameter, of_gradient, int(np.size(gradient) - np.isfinite(gradient).sum())
