"""Labels as supervision: the tokens of captions as classes, and pictures that come with labels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from given import Given, made
from golden_vectors import Golden

from input_pipeline.iterated_functions import chaos_game, density, singular_values
from vlp.objectives.classification import Classification


def superclass(golden: Golden) -> None:
    """Two steps; the logits are features before a classifier that passes them on."""
    (logits,) = golden.inputs("logits")
    classes = logits.shape[-1]
    settings = {"labels": "text", "classes": classes, "kernel": "softmax", "rare": "frequency", "chunk": 2}
    objective = made(Classification, "classification", width=classes, **settings)
    objective.classifier.rows[...] = jnp.eye(classes, dtype=golden.dtype)
    objective.classifier.bias[...] = jnp.zeros(classes, golden.dtype)
    for variable in (objective.frequency.shares, objective.frequency.batches):
        variable[...] = variable[...].astype(golden.dtype)

    graphdef, state = nnx.split(objective)

    @jax.jit
    def step(state, logits, text):
        def loss(features):
            module = nnx.merge(graphdef, state, copy=True)
            value = module(Given({"image": features}, text=text)).loss.mean()
            return value, nnx.state(module)

        return jax.value_and_grad(loss, has_aux=True)(logits)

    for number, row in enumerate(logits):
        tokens = jnp.asarray(golden["token_ids"][number], jnp.int32)
        (value, state), gradient = step(state, row, tokens)
        golden.losses(value, golden["loss"][number])
        golden.gradients(gradient, golden["grad_logits"][number])
        golden.losses(state["frequency"]["shares"][...], golden["token_frequency_after"][number])


def fractal(golden: Golden) -> None:
    """Numbers are numpy's own in either precision."""
    values, bounds = iter(golden["uniform_values"]), []

    def draw(low: float, high: float) -> float:
        bounds.append((low, high))
        return next(values)

    pairs = singular_values(len(golden["singular_values"]), golden.number("alpha"), draw)
    np.testing.assert_allclose(pairs, golden["singular_values"], rtol=1e-12)
    np.testing.assert_allclose(bounds, golden["uniform_bounds"], rtol=1e-12, atol=1e-12)
    points = chaos_game(golden["system"], golden["uniform_draws"][:, None])[:, 0]
    np.testing.assert_allclose(points, golden["points"], rtol=1e-12, atol=1e-12)
    graded = density(golden["points"], len(golden["graded"]))
    np.testing.assert_allclose(graded, golden["graded"], rtol=1e-12)
    np.testing.assert_array_equal(graded > 0, golden["binary"])


CHECKS = {"superclass": superclass, "fractal_ifs": fractal}
