"""A stage of a run: everything that depends on the size of images and texts, and so is another after a switch."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np
from jax.sharding import Mesh
from jaxtyping import PyTree
from ml_collections import ConfigDict

from input_pipeline.stream import make_stream
from input_pipeline.tokenizers import Tokenizer, load_tokenizer
from input_pipeline.watchdog import Watchdog
from vlp.checkpoint import Description
from vlp.configuration import StagePlan, completed, stage_config, staged_sizes, stages
from vlp.evaluation import Evaluator, build_evaluators
from vlp.given import Given
from vlp.model import Model
from vlp.parallel.hosts import batch_part
from vlp.runs.beside import FrozenEntry, given, open_frozen, placed
from vlp.runs.data import EvaluationSets, check_classes, preprocessing_spec
from vlp.runs.stored import data_with_stored
from vlp.training.build import Training, build_training, model_parts, model_variables
from vlp.training.episodes import Episodes
from vlp.training.model_flops import forward_flops
from vlp.training.state import TrainState
from vlp.training.switch import carried, check_carried
from vlp.training.throughput import StepTimer, train_step_flops


class Stage:
    """Holds what a run works with from one switch to the next; a run without any has one."""

    def __init__(self, plan: StagePlan, mesh: Mesh, frozen: Mapping[str, FrozenEntry]):
        """Builds everything but arrays.

        Args:
          plan: what the stage is.
          mesh: of the run.
          frozen: models that are read and not trained, from `open_frozen`.

        Raises:
          ValueError: the config or the data contradict themselves.
        """
        self.plan, self.config, self.mesh = plan, plan.config, mesh
        self.preprocessing = preprocessing_spec(self.config)
        self.tokenizer: Tokenizer = load_tokenizer(self.config.tokenizer)
        platform = mesh.devices.flat[0].platform
        self.frozen = frozen
        self.given: Given = given(self.config, self.preprocessing, self.tokenizer, frozen, platform)
        self.training: Training = build_training(
            self.config, vocabulary_size=self.tokenizer.vocabulary_size, mesh=mesh, given=self.given
        )
        self.stream = make_stream(
            data_with_stored(self.config),
            preprocessing=self.preprocessing,
            tokenizer=self.tokenizer,
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            fields=self.training.fields,
            guests=frozen,
        )
        check_classes(self.config.objectives, self.stream.bounds)
        sets = EvaluationSets(self.config, self.preprocessing)
        self.evaluators: list[Evaluator] = build_evaluators(self.config.evaluators, sets)

    def __str__(self) -> str:
        """Returns the line that a stage begins with."""
        image, plan = self.config.model.image, self.plan
        size = f"of {image.patches} patches" if image.patches else image.resolution
        return (
            f"stage {plan.number} of {plan.total}: images {size}, texts {self.config.tokenizer.length}, "
            f"patch dropout {image.patch_dropout:g}, until step {plan.until}"
        )

    @property
    def shapes(self) -> int:
        """Returns how many shapes its batches have: lengths that are drawn of images at their own aspect ratio."""
        most = self.config.model.image.patches
        return len({one for one in self.config.data.image.budgets if one <= most}) or 1

    @functools.cached_property
    def beside(self) -> dict[str, PyTree]:
        """Returns what stands in every batch, on the mesh: constant texts and the arrays of frozen models."""
        return placed(self.training.beside, self.given, self.frozen, self.mesh)

    def carried(self, state: TrainState) -> TrainState:
        """Returns the state of any stage as this one's: positions are resampled where it has others."""
        return carried(state, self.training.abstract_state)

    def batches(self, start: int) -> Generator[dict[str, np.ndarray], None, None]:
        """Yields this host's part of the global batches from `start` on."""
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

    def timer(self, peak_flops: float) -> StepTimer:
        """Returns a clock that knows what this stage's model costs, and what the machine can do."""
        training = self.training
        towers = forward_flops(self.config, training.encoded, shares=training.step_shares)
        batch_size = self.config.batch_size

        def step_flops(before: int) -> float:
            idle = sum((flops for weight, flops in training.scheduled if not weight.covers(before)), 0.0)
            return train_step_flops(towers + training.other_flops - idle, batch_size)

        return StepTimer(batch_size, step_flops=step_flops, peak_flops=peak_flops)

    def model(self, state: TrainState) -> Model:
        """Returns the model to evaluate; others of the stage differ in weights alone."""
        return Model(
            self.training.model_graphdef,
            model_variables(state),
            config=self.config,
            preprocessing=self.preprocessing,
            tokenizer=self.tokenizer,
            mesh=self.mesh,
            parts=model_parts(self.training, state),
        )

    def episodes(self, timer: StepTimer) -> list[Episodes]:
        """Returns, for each objective that wants it, the clustering of every stretch of data but the first."""
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
                beside=self.beside,
            )
            for name, episode in self.training.episodes.items()
        ]


def open_stages(config: Any, mesh: Mesh) -> list[Stage]:
    """Returns all stages of a config, so that whatever does not fit one of them is found before any step.

    Raises:
      ValueError: as by `Stage`, or a state cannot be carried from one stage to the next.
    """
    frozen = open_frozen(config)
    opened = [Stage(plan, mesh, frozen) for plan in stages(config)]
    for one, other in itertools.pairwise(opened):
        check_carried(one.training.abstract_state, other.training.abstract_state)
    return opened


def stage_at(step: int, stages: Sequence[Stage]) -> Stage:
    """Returns the stage that makes the update `step`; of step 0, the first."""
    return next((stage for stage in stages if step <= stage.plan.until), stages[-1])


def stage_that_saved(saved: Description, stages: Sequence[Stage]) -> Stage:
    """Returns the stage that has the sizes of a checkpoint's state: where switches were moved since, it is not that of
    its step, which is returned where none has them."""
    step = saved.progress["step"]
    sizes = staged_sizes(stage_config(ConfigDict(completed(saved.config)), step))
    same = (stage for stage in stages if staged_sizes(stage.config) == sizes)
    return next(same, stage_at(step, stages))
