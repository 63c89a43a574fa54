"""From a config to what training needs: structure, optimiser, shardings and the initial state."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import PyTree

from vlp.given import FROZEN, TEXTS, Given
from vlp.models.compute import resolve_compute
from vlp.models.families import TOWERS
from vlp.models.variables import merged
from vlp.objectives.base import Episode
from vlp.objectives.weights import Weight
from vlp.parallel.sharding import replicated, state_shardings, variable_splits
from vlp.parts import Parts, part_graphdefs, parts_of
from vlp.path_rules import tree_paths
from vlp.pretrainer import Pretrainer
from vlp.training.model_flops import other_flops, scheduled_flops
from vlp.training.optimizer import held_paths, make_optimizer
from vlp.training.state import Bounds, TrainState, averaged, create_state, parameter_bounds, split
from vlp.training.step import Gradient, make_gradient, make_train_step
from vlp.training.towers import Towers, idle_paths, step_shares, towers_of

# LLVM's later passes take a second more than to draw the numbers, once, and change none of their bits.
DRAWN_ONCE = {"xla_backend_optimization_level": 1}


@dataclasses.dataclass(frozen=True)
class Training:
    """Everything about a run but its data and its present state.

    Attributes:
      model_graphdef: structure of the dual encoder alone, for evaluation.
      towers: that are built, and of those which evaluators alone read.
      bounds: intervals that parameters are clamped to after an update, by path.
      held: slash-joined paths of the parameters that no step changes.
      abstract_state: shapes, dtypes and shardings of the state: what a checkpoint is restored into.
      initial_state: makes the state before the first step, in place on the mesh.
      train_step: jitted; donates the state.
      gradient: jitted; what the step computes before its update, for looking at it.
      fields: batch fields the active objectives read.
      encoded: those of them that a tower goes through.
      limits: of fields that hold numbers of classes, the setting that says how many there are, and its value.
      beside: shapes, dtypes and shardings of the constant texts and frozen models they read, as they stand in the
        step's batch.
      step_shares: of a step's passes that a tower costs of which something is held.
      other_flops: forward FLOPs of one example outside the towers; see `vlp.training.model_flops`.
      scheduled: weights of objectives that come and go, and what each costs while it is there.
      part_graphdefs: structures of what objectives learn and want to outlive training, by 'entry/part'.
      pretrainer_graphdef: structure of towers and objectives together.
      episodes: of the objectives that want the data clustered ahead, by name.
    """

    model_graphdef: nnx.GraphDef
    towers: Towers
    bounds: Bounds
    held: frozenset[str]
    abstract_state: PyTree
    initial_state: Any
    train_step: jax.stages.Wrapped
    gradient: Gradient
    fields: tuple[str, ...]
    encoded: tuple[str, ...]
    limits: Mapping[str, tuple[str, int]]
    beside: dict[str, PyTree]
    step_shares: Mapping[str, float]
    other_flops: float
    scheduled: tuple[tuple[Weight, float], ...]
    part_graphdefs: dict[str, nnx.GraphDef]
    pretrainer_graphdef: nnx.GraphDef
    episodes: dict[str, Episode]

    @property
    def parts(self) -> tuple[str, ...]:
        """Paths of what objectives learn and want to outlive training."""
        return tuple(f"objectives/{name}" for name in self.part_graphdefs)


def build_training(config: Any, *, vocabulary_size: int, mesh: Mesh, given: Given | None = None) -> Training:
    """Builds the training of a config on a mesh, without yet allocating any array.

    Args:
      config: the whole resolved config.
      vocabulary_size: of the tokenizer in use.
      mesh: where state and batches will live.
      given: what there is beside the batches; None = nothing.

    Raises:
      ValueError: an objective asks for what is not there, or sizes or optimiser rules that contradict each other.
    """
    given = given or Given()
    make_pretrainer: Callable[..., Pretrainer] = functools.partial(
        Pretrainer,
        config,
        vocabulary_size=vocabulary_size,
        compute=resolve_compute(config.model, mesh.devices.flat[0].platform),
        context=given.context,
        frozen=given.frozen,
    )

    make_pretrainer, abstract, towers = _with_towers_that_are_read(config, make_pretrainer)
    graphdef, abstract_params, _ = split(abstract)
    optimizer, schedule = make_optimizer(config.optimizer, config.steps, abstract_params)
    ema_decay = config.optimizer.ema_decay
    held = held_paths(config.optimizer, abstract_params) | idle_paths(towers, tree_paths(abstract_params))

    def initial_state() -> TrainState:
        _, params, rest = split(make_pretrainer())
        return create_state(params, rest, optimizer, ema=ema_decay > 0, held=held)

    shapes = jax.eval_shape(initial_state)
    shardings = state_shardings(shapes, mesh, variable_splits(abstract))
    gradient = make_gradient(graphdef, seed=config.seed, held=held)
    # What is held is never clamped, and may lie anywhere at the start.
    bounds = {path: limit for path, limit in parameter_bounds(abstract).items() if "/".join(path) not in held}
    step = make_train_step(
        gradient, optimizer, schedule=schedule, bounds=bounds, ema_decay=ema_decay, held=held
    )
    return Training(
        model_graphdef=nnx.graphdef(abstract.model),
        towers=towers,
        bounds=bounds,
        held=held,
        abstract_state=_sharded(shapes, shardings),
        initial_state=_drawing(initial_state, shardings, mesh),
        train_step=jax.jit(step, donate_argnums=0, out_shardings=(shardings, None)),
        gradient=jax.jit(gradient),
        fields=abstract.fields,
        encoded=abstract.encoded,
        limits=abstract.limits,
        beside=_beside(abstract, given, mesh),
        step_shares=step_shares(held, tree_paths(abstract_params)),
        other_flops=other_flops(config, abstract, given),
        scheduled=scheduled_flops(config, abstract),
        part_graphdefs=part_graphdefs(dict(abstract.objectives.items())),
        pretrainer_graphdef=graphdef,
        episodes={name: one.episode for name, one in abstract.objectives.items() if one.episode},
    )


def _drawing(initial_state: Callable[[], TrainState], shardings: PyTree, mesh: Mesh) -> jax.stages.Wrapped:
    options = DRAWN_ONCE if mesh.devices.flat[0].platform == "cpu" else None
    return jax.jit(initial_state, out_shardings=shardings, compiler_options=options)


def _with_towers_that_are_read(
    config: Any, make: Callable[..., Pretrainer]
) -> tuple[Callable[..., Pretrainer], Pretrainer, Towers]:
    """How to make the pretrainer with no tower that nothing reads, what it is without arrays, and its towers."""
    abstract = nnx.eval_shape(make)
    towers = towers_of(config, abstract)
    if towers.built != TOWERS:
        make = functools.partial(make, towers=towers.built)
        abstract = nnx.eval_shape(make)
    return make, abstract, towers


def _sharded(shapes: PyTree, shardings: PyTree) -> PyTree:
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        shardings,
    )


def _beside(pretrainer: Pretrainer, given: Given, mesh: Mesh) -> dict[str, PyTree]:
    """What the active objectives read beside the batch, in abstract arrays: texts everywhere, models as states are."""
    for name in pretrainer.constants:
        given.context.texts[name.rpartition("/")[2]]  # refuses what is not there
    arrays = {name: given.texts[name] for name in pretrainer.constants}
    models = {one.name: one.abstract for one in pretrainer.frozen}
    texts = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated(mesh)), arrays)
    splits = {f"{one.name}/{path}": split for one in pretrainer.frozen for path, split in one.splits.items()}
    placed = _sharded(models, state_shardings(models, mesh, splits))
    return {TEXTS + name: one for name, one in texts.items()} | {
        FROZEN + name: one for name, one in placed.items()
    }


def model_variables(state: TrainState) -> PyTree:
    """Returns the dual encoder's variables to evaluate: the running mean of its parameters where there is one."""
    return merged(averaged(state)["model"], state.rest.get("model", {}))


def model_parts(training: Training, state: TrainState) -> Callable[[], Parts]:
    """Gets the parts to evaluate, of the same parameters, when they are asked for."""
    return lambda: parts_of(training.part_graphdefs, averaged(state), state.rest)
