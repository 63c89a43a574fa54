"""The train step: one pure function that names no method."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import optax
from flax import nnx
from jaxtyping import Array, Float, PyTree, Shaped

from vlp.training.state import Bounds, TrainState, clamp, split

Metrics = dict[str, Float[Array, ""]]
TrainStep = Callable[[TrainState, dict[str, Shaped[Array, "batch ..."]]], tuple[TrainState, Metrics]]


def make_train_step(
    graphdef: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    *,
    seed: int,
    bounds: Bounds,
    ema_decay: float = 0.0,
) -> TrainStep:
    """The update of one batch, to be jitted by the caller.

    Args:
      graphdef: structure of the pretrainer; merged with parameters it maps (batch, key, step) to (loss, metrics).
      optimizer: of the parameters.
      seed: root of the run's randomness; each step folds its number into it.
      bounds: intervals that parameters are clamped to after the update.
      ema_decay: of the running mean of parameters; 0 where the state keeps none.
    """

    def train_step(
        state: TrainState, batch: dict[str, Shaped[Array, "batch ..."]]
    ) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)

        def loss_fn(params: PyTree) -> tuple[Float[Array, ""], tuple[Metrics, PyTree]]:
            pretrainer = nnx.merge(graphdef, params, state.rest, copy=True)
            loss, metrics = pretrainer(batch, key, state.step)
            return loss, (metrics, split(pretrainer)[2])

        (loss, (metrics, rest)), gradients = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.params)
        params = clamp(optax.apply_updates(state.params, updates), bounds)
        metrics |= {
            "loss": loss,
            "gradient_norm": optax.tree.norm(gradients),
            "update_norm": optax.tree.norm(updates),
            "parameter_norm": optax.tree.norm(params),
        }
        ema = None if state.ema is None else optax.incremental_update(params, state.ema, 1.0 - ema_decay)
        new_state = dataclasses.replace(
            state, step=state.step + 1, params=params, rest=rest, optimizer=optimizer_state, ema=ema
        )
        return new_state, metrics

    return train_step
