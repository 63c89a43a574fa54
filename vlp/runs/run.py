"""One run: resolves, restores or initialises, trains and evaluates."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from input_pipeline.records import Reason
from vlp.checkpoint import Checkpointer, Description, check_same_config, read_description
from vlp.configuration import completed, to_dict
from vlp.evaluation import find
from vlp.evaluation.page.files import write_page
from vlp.evaluation.provenance import in_words, provenance
from vlp.processes.heartbeat import Heartbeat
from vlp.processes.log import logging_to
from vlp.runs.stage import Stage, open_stages
from vlp.runs.startup import configuring, start_devices
from vlp.training.build import model_variables
from vlp.training.faults import Faults
from vlp.training.hooks import Advance, Checkpoint, DataCounters, Evaluate, FinalRound, Log
from vlp.training.loop import Hook, StepInfo, run_hooks, training_steps
from vlp.training.observing import Compilations, FreezeGarbage, Profile
from vlp.training.progress import Progress
from vlp.training.rollback import Rollback
from vlp.training.signals import StopSignal
from vlp.training.start import ORIGINS, check_bounds, start_from
from vlp.training.state import TrainState, from_checkpoint, to_checkpoint
from vlp.training.throughput import StepTimer, measured_matmul_peak
from vlp.training.writers import MetricsWriter, write_results

ELSEWHERE = ("mesh", "distributed")  # settings of the machines: a run may go on on others
HooksOf = Callable[[Stage, TrainState, StepTimer], Sequence[Hook]]


class Run:
    """One run: what is fixed before the first step, and the hooks around the steps of each stage.

    Attributes:
      stage: the one that is under way.
      evaluate: its evaluators, once it is.
    """

    def __init__(self, config: Any, workdir: Path, allowed_changes: Sequence[str] = ()):
        """Builds everything; whatever contradicts itself is found here, before any step.

        Args:
          config: resolved, validated and frozen.
          workdir: where the run lives; a run that is there goes on.
          allowed_changes: config paths that may differ from those of the run that is there.

        Raises:
          ConfigError: the config, the data or the workdir do not fit together.
        """
        self.config, self.workdir = config, workdir
        with configuring():
            self.mesh: Mesh = start_devices(self.config)
            self.stages: list[Stage] = open_stages(self.config, self.mesh)
            self.checkpointer = Checkpointer(
                workdir / "checkpoints",
                keep_last=self.config.checkpoint.keep_last,
                keep_every=self.config.checkpoint.keep_every,
            )
            self.newest = self.checkpointer.newest()
            if self.newest is not None:
                there = completed(read_description(self.newest).config)
                check_same_config(there, to_dict(self.config), (*ELSEWHERE, *allowed_changes))
        self.stage = self.stages[0]
        self.primary = jax.process_index() == 0
        self.counters = DataCounters(
            self.config.data.max_bad_share,
            {code.value: code.name.lower() for code in Reason},
            self.stage.stream.describe,
        )
        self.faults = Faults(self.config.max_skipped)
        settings = self.config.rollback
        self.rollbacks = (
            [Rollback(**settings, save_every=self.config.checkpoint.every, restore=self.state_of)]
            if settings.factor
            else []
        )
        self.evaluate: Evaluate | None = None

    def train(self) -> str:
        """Runs the steps that are left. Returns the name of the signal that stopped it before the last, or ''."""
        config, workdir = self.config, self.workdir
        state, start = self.starting_state()
        process, processes = jax.process_index(), jax.process_count()
        with ExitStack() as stack:
            log = stack.enter_context(logging_to(workdir, process))
            devices = (
                f"{jax.local_device_count()} of {jax.device_count()} {jax.devices()[0].device_kind} devices"
            )
            log.info(
                "process %d of %d, %s, mesh %s, from step %d",
                process,
                processes,
                devices,
                dict(self.mesh.shape),
                start,
            )
            writer = stack.enter_context(
                MetricsWriter(workdir, enabled=self.primary, tensorboard=config.log.tensorboard)
            )
            writer.truncate_to(start if self.newest is not None else -1)
            if self.primary:
                (workdir / "config.json").write_text(
                    json.dumps(to_dict(config), indent=1, sort_keys=True) + "\n"
                )
            alive = stack.enter_context(Heartbeat(workdir, process, processes))
            progress = stack.enter_context(Progress(config.steps, initial=start, enabled=self.primary))
            stop = stack.enter_context(StopSignal())
            compilations = stack.enter_context(Compilations())
            profile = Profile(config.profile.first, config.profile.steps, workdir / "profile")
            lasting = (alive, compilations, FreezeGarbage(), profile)
            hooks_of = functools.partial(self.hooks, lasting, writer, progress, compilations)
            step = start
            for info in self.steps(state, start, hooks_of, config.steps, stop.requested):
                step = info.step
            self.checkpointer.close()
            progress.close()
            if self.evaluate is not None and self.evaluate.final_round is not None:
                self.leave_page(self.evaluate.final_round)
            log.info("left after step %d of %d", step, config.steps)
        return stop.received.name if stop.received is not None else ""

    def starting_state(self) -> tuple[TrainState, int]:
        """The state of the newest intact checkpoint, or a fresh one, and the updates it has seen."""
        if self.newest is not None:
            return self.restored(self.newest)
        settings = self.config.checkpoint
        origins = [f"checkpoint.{name}={settings[name]}" for name in ORIGINS if settings[name]]
        if not origins:
            return self.stages[0].training.initial_state(), 0
        with configuring():  # what is given is a whole model
            training = self.stages[-1].training
            state = start_from(settings, training.initial_state(), parts=training.parts)
            check_bounds(state.params, training.bounds, origins[0])
            return state, 0

    def restored(self, folder: Path) -> tuple[TrainState, int]:
        """The state in a checkpoint's folder, as the stage that saved it has it, and the updates it has seen."""
        step = int(read_description(folder).progress["step"])
        there = self.stage_of(step).training
        model, training, description = self.checkpointer.restore(folder, *to_checkpoint(there.abstract_state))
        self.counters.restore(description.progress["data"])
        if "faults" in description.progress:  # checkpoints from before there were any have none
            self.faults.restore(description.progress["faults"])
        for rollback, saved in zip(self.rollbacks, description.progress.get("rollbacks", ()), strict=False):
            rollback.load(saved)
        return from_checkpoint(model, training, there.held), step

    def state_of(self, step: int) -> TrainState:
        """The state in the checkpoint of an earlier step of this run, as the stage under way has it."""
        with configuring():
            folder = self.checkpointer.intact(step)
        there = self.stage_of(step).training
        model, training, _ = self.checkpointer.restore(folder, *to_checkpoint(there.abstract_state))
        return self.stage.carried(from_checkpoint(model, training, there.held))

    def stage_of(self, step: int) -> Stage:
        """The stage that makes the update `step`; of step 0, the first."""
        return next((stage for stage in self.stages if step <= stage.plan.until), self.stages[-1])

    def steps(
        self,
        state: TrainState,
        start: int,
        hooks_of: HooksOf,
        steps: int,
        stop_requested: Callable[[int], bool] = lambda step: False,
    ) -> Iterator[StepInfo]:
        """Makes the updates start + 1 ... steps, each with the hooks of its stage, and yields after them."""
        peak = measured_matmul_peak(self.config.model.dtype)
        for stage in self.stages:
            until = min(stage.plan.until, steps)
            if start >= until:
                continue
            if start == stage.plan.start:
                for rollback in self.rollbacks:
                    rollback.forget()
            self.stage, timer = stage, stage.timer(peak)
            state = stage.carried(state)
            hooks = hooks_of(stage, state, timer)
            with closing(stage.batches(start)) as batches:
                for info in training_steps(
                    stage.training.train_step,
                    state,
                    batches,
                    start=start,
                    steps=self.config.steps,
                    mesh=self.mesh,
                    fields=stage.training.fields,
                    timer=timer,
                    limits=stage.training.limits,
                    until=until,
                    stop_requested=stop_requested,
                ):
                    run_hooks(hooks, info)
                    yield info
            state, start = info.state, info.step
            if info.last:
                return

    def save_results(self, results: dict[str, float]) -> None:
        """Keeps results.json at the latest figures."""
        if self.primary:
            write_results(self.workdir / "results.json", results)

    def leave_page(self, final: FinalRound) -> None:
        """The page of the last evaluation, once everything is saved; all hosts encode, the first one writes."""
        findings = find(final.evaluators, final.model, final.figures)
        if self.primary:
            about = {"config": self.config.name, "step": f"{self.config.steps:,} (the last)"}
            about |= in_words(provenance(final.evaluators))
            write_page(self.workdir / "results.json", f"Results of {self.config.name}", about, findings)

    def hooks(
        self,
        lasting: Sequence[Hook],
        writer: MetricsWriter,
        progress: Progress,
        compilations: Compilations,
        stage: Stage,
        state: TrainState,
        timer: StepTimer,
    ) -> list[Hook]:
        """What happens after the steps of a stage that begins with `state`, in this order: a checkpoint comes last,
        after all that it must vouch for."""
        config, model = self.config, stage.model(state)
        self.evaluate = Evaluate(
            stage.evaluators,
            lambda state: model.with_variables(model_variables(state)),
            self.save_results,
            writer,
            timer,
            steps=config.steps,
        )
        compilations.expect()
        if len(self.stages) > 1:
            progress.write(str(stage))
            logging.getLogger("vlp").info("%s", stage)
        return [
            Advance(progress, timer),
            *lasting,
            self.counters,
            self.faults,
            *self.rollbacks,
            *stage.episodes(timer),
            Log(
                config.log.every,
                writer,
                progress,
                timer,
                (self.counters, self.faults, *self.rollbacks),
                compilations,
                config.steps,
            ),
            self.evaluate,
            Checkpoint(config.checkpoint.every, self.save, timer),
        ]

    def save(self, info: StepInfo) -> None:
        """Saves a step with everything that explains it."""
        needed = {step for rollback in self.rollbacks for step in rollback.good}
        self.checkpointer.save(
            info.step, *to_checkpoint(info.state), self.description(info.step), keep=needed
        )

    def description(self, step: int) -> Description:
        """What goes into a checkpoint beside the arrays."""
        progress: dict[str, Any] = {
            "step": step,
            "samples_seen": step * self.config.batch_size,
            "data": self.counters.to_dict(),
            "faults": self.faults.to_dict(),
            "rollbacks": [rollback.to_dict() for rollback in self.rollbacks],
        }
        return Description(
            config=to_dict(self.config),
            preprocessing=self.stage.preprocessing,
            tokenizer_spec=self.stage.tokenizer.spec,
            tokenizer=self.stage.tokenizer.to_bytes(),
            progress=progress,
        )
