"""Pretrain the configured model, going on where the workdir left off, and evaluate it."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from input_pipeline.records import Reason
from input_pipeline.stream import make_stream
from input_pipeline.tokenizers import Tokenizer, load_tokenizer
from input_pipeline.watchdog import Watchdog
from vlp.checkpoint import Checkpointer, Description, check_same_config, read_description
from vlp.configuration import completed, to_dict
from vlp.evaluation import Evaluator, build_evaluators, find
from vlp.jobs import JobOptions
from vlp.jobs._data import EvaluationSets, preprocessing_spec
from vlp.jobs._page import write_page
from vlp.jobs._report import closing_words
from vlp.jobs._startup import configuring, start_devices
from vlp.model import Model
from vlp.parallel.hosts import batch_part
from vlp.processes.heartbeat import Heartbeat
from vlp.processes.log import logging_to
from vlp.training.build import Training, build_training, model_variables
from vlp.training.episodes import Episodes
from vlp.training.faults import Faults
from vlp.training.hooks import Advance, Checkpoint, DataCounters, Evaluate, FinalRound, Log
from vlp.training.loop import Hook, StepInfo, run_hooks, training_steps
from vlp.training.model_flops import forward_flops
from vlp.training.observing import Compilations, FreezeGarbage, Profile
from vlp.training.progress import Progress
from vlp.training.rollback import Rollback
from vlp.training.signals import StopSignal
from vlp.training.start import start_from
from vlp.training.state import TrainState, from_checkpoint, to_checkpoint
from vlp.training.throughput import StepTimer, measured_matmul_peak, train_step_flops
from vlp.training.writers import MetricsWriter, write_results

NEEDS = ("objectives", "sources", "tokenizer", "evaluation")
ELSEWHERE = ("mesh", "distributed")  # settings of the machines: a run may go on on others


def run(options: JobOptions) -> int:
    """Resolves, restores or initialises, trains, evaluates, reports."""
    return Run(options).train()


class Run:
    """One run: what is fixed before the first step, and the hooks around the steps."""

    def __init__(self, options: JobOptions):
        """Builds everything; whatever contradicts itself is found here, before any step.

        Raises:
          ConfigError: the config, the data or the workdir do not fit together.
        """
        self.options, self.config = options, options.config
        with configuring():
            self.mesh: Mesh = start_devices(self.config)
            self.preprocessing = preprocessing_spec(self.config)
            self.tokenizer: Tokenizer = load_tokenizer(self.config.tokenizer)
            self.training: Training = build_training(
                self.config, vocabulary_size=self.tokenizer.vocabulary_size, mesh=self.mesh
            )
            self.stream = make_stream(
                self.config.data,
                preprocessing=self.preprocessing,
                tokenizer=self.tokenizer,
                batch_size=self.config.batch_size,
                seed=self.config.seed,
                fields=self.training.fields,
            )
            sets = EvaluationSets(self.config, self.preprocessing)
            self.evaluators: list[Evaluator] = build_evaluators(self.config.evaluators, sets)
            self.checkpointer = Checkpointer(
                options.workdir / "checkpoints",
                keep_last=self.config.checkpoint.keep_last,
                keep_every=self.config.checkpoint.keep_every,
            )
            self.newest = self.checkpointer.newest()
            if self.newest is not None:
                there = completed(read_description(self.newest).config)
                check_same_config(there, to_dict(self.config), (*ELSEWHERE, *options.allow_config_change))
        self.primary = jax.process_index() == 0
        self.counters = DataCounters(
            self.config.data.max_bad_share,
            {code.value: code.name.lower() for code in Reason},
            self.stream.describe,
        )
        self.faults = Faults(self.config.max_skipped)
        settings = self.config.rollback
        self.rollbacks = (
            [Rollback(**settings, save_every=self.config.checkpoint.every, restore=self.state_of)]
            if settings.factor
            else []
        )

    def train(self) -> int:
        """Runs the steps that are left. Returns the exit status."""
        config, workdir = self.config, self.options.workdir
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
            timer = self.timer()
            evaluate = self.evaluation(state, writer, timer)
            compilations = stack.enter_context(Compilations())
            hooks = [alive, *self.hooks(writer, progress, timer, evaluate, compilations)]
            step = start
            for info in training_steps(
                self.training.train_step,
                state,
                stack.enter_context(closing(self.batches(start))),
                start=start,
                steps=config.steps,
                mesh=self.mesh,
                fields=self.training.fields,
                timer=timer,
                stop_requested=stop.requested,
            ):
                run_hooks(hooks, info)
                step = info.step
            self.checkpointer.close()
            progress.close()
            if evaluate.final_round is not None:
                self.leave_page(evaluate.final_round)
            log.info("left after step %d of %d", step, config.steps)
        if stop.received is not None:
            print(
                f"stopped by {stop.received.name}; everything is saved, and the same command goes on from there"
            )
            return 0
        if self.primary:
            print(closing_words(self.options, self.evaluators))
        return 0

    def starting_state(self) -> tuple[TrainState, int]:
        """The state of the newest intact checkpoint, or a fresh one, and the updates it has seen."""
        if self.newest is not None:
            return self.restored(self.newest)
        state, start = self.training.initial_state(), self.config.checkpoint.start
        with configuring():
            return (start_from(start, state) if start else state), 0

    def restored(self, folder: Path) -> tuple[TrainState, int]:
        """The state in a checkpoint's folder, and the updates it has seen."""
        model, training, description = self.checkpointer.restore(
            folder, *to_checkpoint(self.training.abstract_state)
        )
        self.counters.restore(description.progress["data"])
        if "faults" in description.progress:  # checkpoints from before there were any have none
            self.faults.restore(description.progress["faults"])
        for rollback, saved in zip(self.rollbacks, description.progress.get("rollbacks", ()), strict=False):
            rollback.load(saved)
        return from_checkpoint(model, training), int(description.progress["step"])

    def state_of(self, step: int) -> TrainState:
        """The state in the checkpoint of an earlier step of this run."""
        with configuring():
            folder = self.checkpointer.intact(step)
        model, training, _ = self.checkpointer.restore(folder, *to_checkpoint(self.training.abstract_state))
        return from_checkpoint(model, training)

    def batches(self, start: int) -> Generator[dict[str, np.ndarray], None, None]:
        """This host's part of the global batches from `start` on."""
        data, (part, parts) = self.config.data, batch_part(self.mesh)
        return self.stream.batches(
            start,
            process_index=part,
            process_count=parts,
            workers=data.workers,
            threads=data.threads,
            prefetch=data.prefetch,
            watchdog=Watchdog(data.watchdog_seconds, data.watchdog_reports),
        )

    def timer(self) -> StepTimer:
        """A clock that knows what the model and the machine can do."""
        return StepTimer(
            self.config.batch_size,
            step_flops=train_step_flops(
                forward_flops(self.config, self.training.fields), self.config.batch_size
            ),
            peak_flops=measured_matmul_peak(self.config.model.dtype),
        )

    def evaluation(self, state: TrainState, writer: MetricsWriter, timer: StepTimer) -> Evaluate:
        """The evaluators around one model whose weights change."""
        model = Model(
            self.training.model_graphdef,
            model_variables(state),
            config=self.config,
            preprocessing=self.preprocessing,
            tokenizer=self.tokenizer,
            mesh=self.mesh,
        )
        return Evaluate(
            self.evaluators,
            lambda state: model.with_variables(model_variables(state)),
            self.save_results,
            writer,
            timer,
            steps=self.config.steps,
        )

    def save_results(self, results: dict[str, float]) -> None:
        """Keeps results.json at the latest figures."""
        if self.primary:
            write_results(self.options.workdir / "results.json", results)

    def leave_page(self, final: FinalRound) -> None:
        """The page of the last evaluation, once everything is saved; all hosts encode, the first one writes."""
        findings = find(final.evaluators, final.model, final.figures)
        if self.primary:
            about = {"config": self.config.name, "step": f"{self.config.steps:,} (the last)"}
            write_page(
                self.options.workdir / "results.json", f"Results of {self.config.name}", about, findings
            )

    def hooks(
        self,
        writer: MetricsWriter,
        progress: Progress,
        timer: StepTimer,
        evaluate: Evaluate,
        compilations: Compilations,
    ) -> list[Hook]:
        """What happens after steps, in this order: a checkpoint comes last, after all that it must vouch for."""
        config = self.config
        return [
            Advance(progress, timer),
            compilations,
            FreezeGarbage(),
            Profile(config.profile.first, config.profile.steps, self.options.workdir / "profile"),
            self.counters,
            self.faults,
            *self.rollbacks,
            *self.episodes(timer),
            Log(
                config.log.every,
                writer,
                progress,
                timer,
                self.training.schedule,
                (self.counters, self.faults, *self.rollbacks),
                compilations,
                config.steps,
            ),
            evaluate,
            Checkpoint(config.checkpoint.every, self.save, timer),
        ]

    def episodes(self, timer: StepTimer) -> list[Episodes]:
        """For each objective that wants it, the clustering of every stretch of data but the first."""
        return [
            Episodes(
                name,
                episode,
                self.training.pretrainer_graphdef,
                self.batches,
                self.mesh,
                seed=self.config.seed,
                timer=timer,
                every=episode.size // self.config.batch_size,
                steps=self.config.steps,
            )
            for name, episode in self.training.episodes.items()
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
            preprocessing=self.preprocessing,
            tokenizer_spec=self.tokenizer.spec,
            tokenizer=self.tokenizer.to_bytes(),
            progress=progress,
        )
