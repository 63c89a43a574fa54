"""One golden file in one precision: its inputs as jax arrays, its outputs as what to agree with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Tolerances(NamedTuple):
    """Relative: of losses to themselves, of gradients to their largest entry."""

    loss: float
    gradient: float


TOLERANCES = {"float32": Tolerances(1e-5, 1e-4), "float64": Tolerances(1e-9, 1e-8)}


class Golden:
    """A file's arrays and the two ways of comparing with them."""

    def __init__(self, file: Path, precision: str):
        self.arrays = dict(np.load(file))
        self.dtype, self.tolerances = jnp.dtype(precision), TOLERANCES[precision]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def number(self, name: str) -> float:
        """A setting, exactly."""
        return self.arrays[name].item()

    def inputs(self, *names: str) -> list[jax.Array]:
        """Arrays to compute with: floats in the precision of the test, integers as they are."""
        values = [self.arrays[name] for name in names]
        return [jnp.asarray(v, self.dtype if np.issubdtype(v.dtype, np.floating) else None) for v in values]

    def losses(self, actual: object, expected: object) -> None:
        """Values must agree relative to themselves."""
        self._compare(actual, expected, rtol=self.tolerances.loss)

    def gradients(self, actual: object, expected: object, *, scale: float | None = None) -> None:
        """Values must agree relative to the largest, or to `scale` where all of them cancel to zero."""
        size = np.abs(np.asarray(expected)).max() if scale is None else scale
        self._compare(actual, expected, atol=self.tolerances.gradient * size)

    def differentiated(
        self, loss: Callable[..., jax.Array], inputs: list[Any], expected: object, *gradients: object
    ) -> None:
        """The loss of the inputs, and its gradients by the first of them, as many as are given."""
        self.agrees(value_and_gradients(loss, inputs, len(gradients)), expected, *gradients)

    def agrees(
        self, actual: tuple[jax.Array, tuple[jax.Array, ...]], expected: object, *gradients: object
    ) -> None:
        """A loss and its gradients, as `value_and_gradients` gives them."""
        value, actual_gradients = actual
        self.losses(value, expected)
        for one, other in zip(actual_gradients, gradients, strict=True):
            self.gradients(one, other)

    def _compare(self, actual: object, expected: object, *, rtol: float = 0.0, atol: float = 0.0) -> None:
        actual, expected = np.asarray(actual), np.asarray(expected)
        assert actual.dtype == self.dtype, f"computed in {actual.dtype}, not in {self.dtype}"
        np.testing.assert_allclose(actual, np.broadcast_to(expected, actual.shape), rtol=rtol, atol=atol)


def value_and_gradients(
    loss: Callable[..., jax.Array], inputs: list[Any], count: int
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """The loss and its gradients by the first `count` inputs, compiled as one: quicker than a kernel an operation."""
    settings = inputs[count:]
    function = jax.value_and_grad(lambda *arrays: loss(*arrays, *settings), argnums=tuple(range(count)))
    return jax.jit(function)(*inputs[:count])


def unit(rows: jax.Array) -> jax.Array:
    """Rows of length one."""
    return rows / jnp.linalg.norm(rows, axis=-1, keepdims=True)
