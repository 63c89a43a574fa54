"""One run: resolves, restores or initialises, trains and evaluates."""

from __future__ import annotations

import functools
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from input_pipeline.records import Reason
from vlp.checkpoint import Checkpointer, Description, Replicas, check_same_config, read_description
from vlp.configuration import ConfigError, completed, to_dict
from vlp.configuration.parts import find_part
from vlp.evaluation import check, due, evaluate, find
from vlp.evaluation.cache import RememberingEncoder
from vlp.evaluation.page.files import write_page
from vlp.evaluation.provenance import in_words, provenance
from vlp.evaluation.raster import pictures
from vlp.given import Context
from vlp.model import Model
from vlp.processes.agreement import from_first
from vlp.processes.home import Home
from vlp.processes.log import logging_to
from vlp.runs import opening
from vlp.runs.beside import pinned
from vlp.runs.first_words import say_what_for
from vlp.runs.fresh import fresh_state
from vlp.runs.same_inputs import check_inputs, inputs_of
from vlp.runs.stage import Stage, open_stages, stage_at, stage_that_saved
from vlp.runs.startup import configuring, start_devices
from vlp.training.build import model_parts, model_variables
from vlp.training.faults import Faults
from vlp.training.goodput import Goodput
from vlp.training.hooks import Advance, Checkpoint, CheckpointByTime, DataCounters, Evaluate, Log
from vlp.training.loop import Hook, StepInfo, run_hooks, training_steps
from vlp.training.observing import Compilations, FreezeGarbage, Profile
from vlp.training.progress import Progress
from vlp.training.rollback import Rollback
from vlp.training.signals import StopSignal
from vlp.training.state import TrainState, from_checkpoint, to_checkpoint
from vlp.training.throughput import StepTimer, measured_matmul_peak
from vlp.training.writers import MetricsWriter, steps_with, write_results

# Settings of the machines: a run may go on on others.
ELSEWHERE = ("mesh", "distributed", "checkpoint.local_every", "checkpoint.local_folder")
HooksOf = Callable[[Stage, TrainState, StepTimer], Sequence[Hook]]


class Run:
    """One run: what is fixed before the first step, and the hooks around the steps of each stage.

    Attributes:
      stage: the one that is under way.
      model: its model, once it is; others of the stage differ in weights alone.
      newest: the checkpoint that the run goes on from, once it is open.
      results: the latest figure of every evaluation.
    """

    def __init__(self, config: Any, workdir: Path | Home, allowed_changes: Sequence[str] = ()):
        """Builds everything; what contradicts itself is found here, before any step. Touches no file of the workdir.

        Args:
          config: resolved, validated and frozen.
          workdir: where the run lives, a folder or a home at an address; a run that is there goes on.
          allowed_changes: config paths that may differ from those of the run that is there.

        Raises:
          ConfigError: the config and the data do not fit together.
        """
        self.home = workdir if isinstance(workdir, Home) else Home(workdir)
        self.workdir, self.allowed_changes = self.home.folder, (*ELSEWHERE, *allowed_changes)
        with configuring():
            self.config = pinned(config)
            self.mesh: Mesh = start_devices(self.config)
            self.stages: list[Stage] = open_stages(self.config, self.mesh)
            self.checkpointer: Checkpointer = opening.checkpointer_of(self.config.checkpoint, self.home)
        self.newest: Path | None = None
        self.replicas: Replicas | None = None
        self.stage = self.stages[0]
        self.model: Model | None = None
        self.results: dict[str, float] = {}
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

    def open(self) -> None:
        """Looks for what the workdir holds of this run: `newest` is its checkpoint to go on from, None in a fresh one.

        What interrupted saves have left is removed and damaged checkpoints are set aside, so that the workdir has to be
        this run's alone.

        Raises:
          ConfigError: the checkpoint is of another config, or all of them are damaged.
        """
        with configuring():
            self.newest = self.checkpointer.newest()
            self._check_config()

    def _open_replicas(self) -> None:
        """Goes on from a later step than the newest checkpoint's, where the hosts have it still."""
        settings = self.config.checkpoint
        self.replicas = opening.replicas_of(settings, self.home, self.checkpointer, dict(self.mesh.shape))
        there = int(self.newest.name) if self.newest is not None else -1
        self.newest = self.replicas.newest(there) or self.newest
        with configuring():
            self._check_config()

    def _check_config(self) -> None:
        if self.newest is not None:
            there = completed(read_description(self.newest).config)
            check_same_config(there, to_dict(self.config), self.allowed_changes)

    def train(self) -> str:
        """Runs the steps that are left and the last evaluation.

        Returns:
          The name of the signal that stopped it before the last step, or ''.

        Raises:
          ConfigError: another run has the workdir or it cannot be written, its run has another config, or an evaluator
            does not fit its sets: all before the first step.
        """
        process = jax.process_index()
        with ExitStack() as stack:
            with configuring():
                check(self.stages[-1].evaluators)
                stack.enter_context(opening.at_home(self.home))
            stack.enter_context(opening.hastening(self.checkpointer))
            self.open()
            if self.config.checkpoint.local_every:
                self._open_replicas()
            log = stack.enter_context(logging_to(self.workdir, process))
            stop = stack.enter_context(StopSignal())
            step = self._train(stack, stop, log)
            log.info("left after step %d of %d", step, self.config.steps)
        return stop.received.name if stop.received is not None else ""

    def _train(self, stack: ExitStack, stop: StopSignal, log: logging.Logger) -> int:
        """Training itself, in a workdir that is this run's. Returns the last step."""
        config, workdir = self.config, self.workdir
        process, processes = jax.process_index(), jax.process_count()
        state, step = self.starting_state()
        devices = f"{jax.local_device_count()} of {jax.device_count()} {jax.devices()[0].device_kind} devices"
        where = (process, processes, devices, dict(self.mesh.shape), step)
        log.info("process %d of %d, %s, mesh %s, from step %d", *where)
        writer = stack.enter_context(opening.writer_of(self.home, config))
        goodput = opening.goodput_of(self.home, step, self.faults, self.rollbacks)
        with configuring():
            writer.truncate_to(step if self.newest is not None else -1)
        if self.primary:
            opening.write_config(self.home, config)
        launch = from_first(random.SystemRandom().getrandbits(31))
        alive = stack.enter_context(opening.heartbeat_of(self.home, launch))
        progress = stack.enter_context(Progress(config.steps, initial=step, enabled=self.primary))
        say_what_for(config, self.stage.stream, progress, log)
        compilations = stack.enter_context(Compilations())
        profile = Profile(config.profile.first, config.profile.steps, workdir / "profile")
        lasting = (alive, compilations, FreezeGarbage(), profile)
        hooks_of = functools.partial(self.hooks, lasting, writer, progress, compilations, goodput)
        for info in self.steps(state, step, hooks_of, config.steps, stop.requested):
            step, state = info.step, info.state
        self.checkpointer.close()
        if self.replicas is not None:
            self.replicas.close(done=step == config.steps)
        if step == config.steps:
            self.last_round(state, writer)
        goodput.ended(step)
        return step

    def last_round(self, state: TrainState, writer: MetricsWriter) -> None:
        """Evaluates the last state, whose checkpoint is there already, and leaves figures and a page."""
        stage, steps = self.stages[-1], self.config.steps
        active = due(stage.evaluators, steps, last=True)
        done = self.primary and steps in steps_with(writer.metrics_path, [one.name for one in active])
        if not active or from_first(int(done)):
            return
        state = stage.carried(state)
        model = RememberingEncoder(self.evaluated(self.model or stage.model(state), stage, state))
        figures = evaluate(active, model)
        self.keep(figures)
        findings = find(active, model, figures)  # all hosts encode, the first one writes
        if self.primary:
            about = {"config": self.config.name, "step": f"{steps:,} (the last)"}
            about |= in_words(provenance(active))
            write_page(self.workdir / "results.json", f"Results of {self.config.name}", about, findings)
            writer.write_pictures(steps, pictures(findings.exhibits))
        # Last: where it is, all is there, and a run that was cut off before does this again and leaves the same.
        writer.write_metrics(steps, figures)

    def starting_state(self) -> tuple[TrainState, int]:
        """Returns the state of the newest intact checkpoint, or a fresh one, and the updates it has seen."""
        if self.newest is not None:
            saved, tokenizer = read_description(self.newest), self.config.tokenizer.path
            check_inputs(saved, self.stage.stream, self.stage.tokenizer.spec, tokenizer, self.allowed_changes)
            state, step = self.restored(self.newest)
            if step > self.config.steps:
                raise ConfigError(
                    f"the run in {self.workdir} has made {step} steps already, and steps={self.config.steps}: take "
                    f"another --workdir, or steps={step} or more"
                )
            return state, step
        with configuring():
            return fresh_state(self.config, self.stages), 0

    def restored(self, folder: Path) -> tuple[TrainState, int]:
        """Returns the state in a checkpoint's folder, as the stage that saved it has it, and the updates it has
        seen."""
        saved = read_description(folder)
        step = int(saved.progress["step"])
        if folder.name != str(step):
            raise ConfigError(f"checkpoint {folder} is of step {step}, says its description: name it {step}")
        there = stage_that_saved(saved, self.stages).training
        model, training, description = self.checkpointer.restore(folder, *to_checkpoint(there.abstract_state))
        self.counters.restore(description.progress["data"])
        if "faults" in description.progress:  # checkpoints from before there were any have none
            self.faults.restore(description.progress["faults"])
        self.results = dict(description.progress.get("results", {}))
        for rollback, saved in zip(self.rollbacks, description.progress.get("rollbacks", ()), strict=False):
            rollback.load(saved)
        return from_checkpoint(model, training, there.held), step

    def state_of(self, step: int) -> TrainState:
        """Returns the state in the checkpoint of an earlier step of this run, as the stage under way has it."""
        with configuring():
            folder = self.checkpointer.intact(step)
        there = stage_that_saved(read_description(folder), self.stages).training
        model, training, _ = self.checkpointer.restore(folder, *to_checkpoint(there.abstract_state))
        return self.stage.carried(from_checkpoint(model, training, there.held))

    def stage_of(self, step: int) -> Stage:
        """Returns the stage that makes the update `step`; of step 0, the first."""
        return stage_at(step, self.stages)

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
                    beside=stage.beside,
                    limits=stage.training.limits,
                    until=until,
                    stop_requested=stop_requested,
                ):
                    run_hooks(hooks, info)
                    yield info
            state, start = info.state, info.step
            if info.last:
                return

    def evaluated(self, model: Model, stage: Stage, state: TrainState) -> Model:
        """Returns a stage's model with the weights of a state."""
        return model.with_variables(model_variables(state), model_parts(stage.training, state))

    def keep(self, figures: Mapping[str, float]) -> None:
        """Keeps results.json at the latest figures."""
        self.results |= figures
        if self.primary:
            write_results(self.workdir / "results.json", self.results)

    def hooks(
        self,
        lasting: Sequence[Hook],
        writer: MetricsWriter,
        progress: Progress,
        compilations: Compilations,
        goodput: Goodput,
        stage: Stage,
        state: TrainState,
        timer: StepTimer,
    ) -> list[Hook]:
        """Returns what happens after the steps of a stage that begins with `state`, in this order: a checkpoint comes
        last, after all that it must vouch for."""
        config, model = self.config, stage.model(state)
        self.model = model
        evaluations = Evaluate(
            stage.evaluators,
            lambda state: self.evaluated(model, stage, state),
            self.keep,
            writer,
            timer,
            steps=config.steps,
        )
        compilations.expect(stage.shapes)
        if len(self.stages) > 1:
            progress.write(str(stage))
            logging.getLogger("vlp").info("%s", stage)
        return [
            Advance(progress, timer, goodput),
            *lasting,
            self.counters,
            self.faults,
            *self.rollbacks,
            *stage.episodes(timer),
            *self.hooks_from_outside(),
            Log(
                config.log.every,
                writer,
                progress,
                timer,
                (self.counters, self.faults, *self.rollbacks),
                compilations,
                goodput,
                config.steps,
            ),
            evaluations,
            *self.savers(timer),
        ]

    def savers(self, timer: StepTimer) -> list[Hook]:
        """Returns what saves by steps, and what saves by the clock if that is asked for."""
        settings = self.config.checkpoint
        by_steps = Checkpoint(settings.every, self.save, timer)
        looks = self.config.log.every if jax.process_count() > 1 else 1
        by_time = CheckpointByTime(settings.every_minutes, by_steps, self.checkpointer.busy, looks)
        local = Checkpoint(settings.local_every, self.replicate, timer, at_end=False)
        return [by_steps, *([by_time] if settings.every_minutes else []), *([local] if self.replicas else [])]

    def hooks_from_outside(self) -> list[Hook]:
        """Returns what the config adds: each is given its settings and this run, and may add to the step's metrics."""
        return [
            find_part("hooks", entry.kind, f"hooks.{name}").load()(entry, run=self)
            for name, entry in sorted(self.config.hooks.items())
            if entry.every
        ]

    def save(self, info: StepInfo) -> None:
        """Saves a step with everything that explains it."""
        needed = {step for rollback in self.rollbacks for step in rollback.good}
        self.checkpointer.save(
            info.step, *to_checkpoint(info.state), self.description(info.step), keep=needed
        )

    def replicate(self, info: StepInfo) -> None:
        """Keeps a step on the hosts, unless it is saved for good just now."""
        every = self.config.checkpoint.every
        if self.replicas is not None and not (every and info.step % every == 0):
            self.replicas.save(info.step, *to_checkpoint(info.state), self.description(info.step))

    def description(self, step: int) -> Description:
        """Returns what goes into a checkpoint beside the arrays."""
        progress: dict[str, Any] = {
            "step": step,
            "samples_seen": step * self.config.batch_size,
            "data": self.counters.to_dict(),
            **inputs_of(self.stage.stream),
            "faults": self.faults.to_dict(),
            "rollbacks": [rollback.to_dict() for rollback in self.rollbacks],
            "results": self.results,
        }
        if self.stage.given.context != Context():
            progress["context"] = self.stage.given.context.to_dict()
        return Description(
            config=to_dict(self.config),
            preprocessing=self.stage.preprocessing,
            tokenizer_spec=self.stage.tokenizer.spec,
            tokenizer=self.stage.tokenizer.to_bytes(),
            progress=progress,
        )
