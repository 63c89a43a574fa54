"""Linear classifiers with an L2 penalty, fitted to the optimum over all rows at once: one solver, two losses.

The objective is that of scikit-learn's LogisticRegression and LinearSVC with C = 1 / penalty,

    sum_i loss(x_i W + b, y_i) + penalty / 2 ||W||^2,

so the optimum, and with it every answer, is theirs. It is found by L-BFGS (SciPy's, as scikit-learn does it) after a
change of variables: in the directions of the features' principal components, each scaled by a bound of the curvature
along it (Boehning 1992, Multinomial logistic regression algorithm), all directions are about equally steep. Embeddings,
whose variances differ by orders of magnitude, then need few iterations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Float64, Int

from vlp.parallel.mesh import AXES, make_mesh

MEMORY = 10  # updates that L-BFGS remembers, as in scikit-learn


def cross_entropy(scores: Float[Array, "n outputs"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """Returns the cross-entropy of the softmax over classes."""
    own = jnp.arange(scores.shape[1]) == labels[:, None]
    return jax.nn.logsumexp(scores, axis=1) - jnp.where(own, scores, 0).sum(axis=1)


def squared_hinge(scores: Float[Array, "n outputs"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    """Returns the squared hinge of each class against the rest, summed over classes."""
    own = jnp.arange(scores.shape[1]) == labels[:, None]
    return (jnp.maximum(0, 1 - jnp.where(own, scores, -scores)) ** 2).sum(axis=1)


@dataclass(frozen=True)
class Kind:
    """A loss, a bound of its second derivative along any score, and whether the bias is penalised like a weight."""

    loss: Callable[..., Array]
    curvature: float
    penalised_bias: bool = False


LOGISTIC = Kind(cross_entropy, 0.5)
SVM = Kind(squared_hinge, 2.0, penalised_bias=True)  # as in LIBLINEAR


class LinearModel(NamedTuple):
    """Holds what was fitted; `iterations` of L-BFGS, and whether they ended at the optimum."""

    weights: Float64[np.ndarray, "dim outputs"]
    bias: Float64[np.ndarray, " outputs"]
    iterations: int = 0
    converged: bool = True

    def scores(self, features: Float[np.ndarray, "n dim"]) -> Float64[np.ndarray, "n outputs"]:
        """Returns a score for every output."""
        return features.astype(np.float64) @ self.weights + self.bias


class LinearProbe:
    """Features on the device in the coordinates they are fitted in, for any number of fits.

    A penalised bias is the weight of a feature that is always 1. Other biases are free, and so features may be
    centred: that moves the bias alone.
    """

    def __init__(
        self,
        features: Float[np.ndarray, "n dim"],
        labels: Int[np.ndarray, " n"],
        outputs: int,
        kind: Kind = LOGISTIC,
        *,
        tolerance: float = 1e-4,
        max_iterations: int = 1000,
    ) -> None:
        """Turns the features into their principal directions.

        Args:
          features: of finite numbers.
          labels: class numbers.
          outputs: number of classes.
          kind: of classifier.
          tolerance: of the largest slope of the mean objective, as scikit-learn's `tol`; here of the scaled variables.
          max_iterations: of one fit.
        """
        self._kind, self._outputs = kind, outputs
        self._tolerance, self._max_iterations = tolerance, max_iterations
        rows = np.asarray(features, np.float32)
        if kind.penalised_bias:
            rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
            self._mean = np.zeros(rows.shape[1])
        else:
            self._mean = rows.mean(axis=0, dtype=np.float64)
        with _alone():
            centred = jnp.asarray(rows - self._mean.astype(np.float32))
            spectrum, basis = np.linalg.eigh(np.asarray(_product(centred.T, centred), np.float64) / len(rows))
            self._spectrum, self._basis = np.maximum(spectrum, 0), basis
            self._rows = _product(centred, jnp.asarray(basis, jnp.float32))
            self._labels = jnp.asarray(labels)

    def fit(
        self,
        penalty: float,
        weights: Float[np.ndarray, " n"] | None = None,
        start: LinearModel | None = None,
    ) -> LinearModel:
        """Returns the optimum for one penalty.

        Args:
          penalty: above 0.
          weights: of the rows' losses, such as 0 for those held out; None is 1 for all.
          start: where to begin, such as the fit for a similar penalty; None is at zero.
        """
        from scipy.optimize import minimize

        row_weights = np.ones(len(self._rows)) if weights is None else np.asarray(weights, np.float64)
        total = row_weights.sum()
        scale = 1 / np.sqrt(self._kind.curvature * self._spectrum + penalty / total)
        relative = (row_weights / total).astype(np.float32)
        shape = (len(scale) + (not self._kind.penalised_bias), self._outputs)

        def objective(flat: Float64[np.ndarray, " parameters"]) -> tuple[float, Float64[np.ndarray, " p"]]:
            variables = flat.reshape(shape)
            rotated = scale[:, None] * variables[: len(scale)]
            bias = variables[len(scale) :].sum(axis=0)  # absent where it is a weight
            losses, slope, bias_slope = _losses_and_slopes(
                self._kind,
                self._rows,
                self._labels,
                relative,
                rotated.astype(np.float32),
                bias.astype(np.float32),
            )
            # Summed in float64: near the optimum, what is gained is less than float32 can tell from the whole.
            loss = np.asarray(losses).sum(dtype=np.float64) + penalty / total / 2 * (rotated**2).sum()
            slopes = scale[:, None] * (np.asarray(slope, np.float64) + penalty / total * rotated)
            biases = np.asarray(bias_slope, np.float64)[None][: shape[0] - len(scale)]
            return float(loss), np.concatenate([slopes, biases]).reshape(-1)

        options = {
            "maxiter": self._max_iterations,
            "maxls": 50,
            "maxcor": MEMORY,
            "gtol": self._tolerance,
            "ftol": 64 * np.finfo(np.float64).eps,
        }
        with _alone():
            first = self._variables(start, scale, shape).reshape(-1)
            found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
        return self._model(found.x.reshape(shape), scale, int(found.nit), bool(found.success))

    def _model(
        self,
        variables: Float64[np.ndarray, "rows outputs"],
        scale: np.ndarray,
        iterations: int,
        success: bool,
    ) -> LinearModel:
        weights = self._basis @ (scale[:, None] * variables[: len(scale)])
        if self._kind.penalised_bias:
            return LinearModel(weights[:-1], weights[-1], iterations, success)
        return LinearModel(weights, variables[-1] - self._mean @ weights, iterations, success)

    def _variables(
        self, start: LinearModel | None, scale: np.ndarray, shape: tuple[int, int]
    ) -> Float64[np.ndarray, "rows outputs"]:
        if start is None:
            return np.zeros(shape)
        if self._kind.penalised_bias:
            return self._basis.T @ np.vstack([start.weights, start.bias]) / scale[:, None]
        rotated = self._basis.T @ start.weights / scale[:, None]
        return np.vstack([rotated, start.bias + self._mean @ start.weights])


def _alone() -> AbstractContextManager[Any]:
    """One device of this process: hosts whose sums round differently need not make the same number of steps."""
    return jax.set_mesh(make_mesh(dict.fromkeys(AXES, 1), jax.local_devices()[:1]))


@jax.jit
def _product(left: Float32[Array, "n k"], right: Float32[Array, "k m"]) -> Float32[Array, "n m"]:
    return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)


@functools.partial(jax.jit, static_argnums=0)
def _losses_and_slopes(
    kind: Kind,
    rows: Float32[Array, "n dim"],
    labels: Int[Array, " n"],
    row_weights: Float32[Array, " n"],
    weights: Float32[Array, "dim outputs"],
    bias: Float32[Array, " outputs"],
) -> tuple[Float32[Array, " n"], Float32[Array, "dim outputs"], Float32[Array, " outputs"]]:
    """Each row's weighted loss, and the slopes of their sum."""

    def losses(scores: Float32[Array, "n outputs"]) -> Float32[Array, " n"]:
        return row_weights * kind.loss(scores, labels)

    values, pull = jax.vjp(losses, _product(rows, weights) + bias)
    (slope,) = pull(jnp.ones_like(values))
    return values, _product(rows.T, slope), slope.sum(axis=0)
