"""The train step: one pure function that names no method."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, PyTree, Shaped

from vlp.models.variables import merged
from vlp.training.optimizer import updates_made
from vlp.training.state import Bounds, TrainState, clamp, divide, split

Metrics = dict[str, Float[Array, ""]]
Batch = dict[str, Shaped[Array, "batch ..."]]
# (state, batch) -> ((loss, (metrics, other state afterwards)), gradients)
Gradient = Callable[[TrainState, Batch], tuple[tuple[Float[Array, ""], tuple[Metrics, PyTree]], PyTree]]
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def make_gradient(graphdef: nnx.GraphDef, *, seed: int, held: Collection[str] = ()) -> Gradient:
    """Loss of a batch and the gradients of what is trained, to be jitted by the caller.

    Args:
      graphdef: structure of the pretrainer; merged with parameters it maps (batch, key, step) to (loss, metrics).
      seed: root of the run's randomness; each step folds its number into it.
      held: paths of parameters that are constants: nothing is differentiated for them.
    """

    def gradient(
        state: TrainState, batch: Batch
    ) -> tuple[tuple[Float[Array, ""], tuple[Metrics, PyTree]], PyTree]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        trained, constant = divide(state.params, held)

        def loss_fn(params: PyTree) -> tuple[Float[Array, ""], tuple[Metrics, PyTree]]:
            pretrainer = nnx.merge(graphdef, merged(params, constant), state.rest, copy=True)
            loss, metrics = pretrainer(batch, key, state.step)
            return loss, (metrics, split(pretrainer)[2])

        return jax.value_and_grad(loss_fn, has_aux=True)(trained)

    return gradient


def make_train_step(
    gradient: Gradient,
    optimizer: optax.GradientTransformation,
    *,
    schedule: optax.Schedule,
    bounds: Bounds,
    ema_decay: float = 0.0,
    held: Collection[str] = (),
) -> TrainStep:
    """Returns the update of one batch, to be jitted by the caller. Where loss or gradient are not finite, it changes
    nothing.

    Args:
      gradient: from `make_gradient`.
      optimizer: of the parameters.
      schedule: its learning rate, by the updates made before; what is logged is the rate of the update at hand.
      bounds: intervals that parameters are clamped to after the update.
      ema_decay: of the running mean of parameters; 0 where the state keeps none.
      held: paths of parameters that stay as they are; norms, moments and running mean are those of the others.
    """

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        (loss, (metrics, rest)), gradients = gradient(state, batch)
        before, constant = divide(state.params, held)
        with jax.named_scope("optimizer"):
            updates, optimizer_state = optimizer.update(gradients, state.optimizer, before)
            params = clamp(optax.apply_updates(before, updates), bounds)
        norm = optax.tree.norm(gradients)
        usable = jnp.isfinite(loss) & jnp.isfinite(norm)
        metrics |= {
            "loss": loss,
            "learning_rate": jnp.asarray(schedule(updates_made(state.optimizer)), jnp.float32),
            "gradient_norm": norm,
            "update_norm": optax.tree.norm(updates),
            "parameter_norm": optax.tree.norm(params),
            "skipped": 1.0 - usable,
        }
        ema = None if state.ema is None else optax.incremental_update(params, state.ema, 1.0 - ema_decay)
        params = merged(params, constant)
        updated = dataclasses.replace(state, params=params, rest=rest, optimizer=optimizer_state, ema=ema)
        # What an unusable step would have changed stays as it was; the data go on.
        kept = jax.tree.map(lambda new, old: jnp.where(usable, new, old), updated, state)
        return dataclasses.replace(kept, step=state.step + 1), metrics

    return train_step
