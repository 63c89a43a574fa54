"""How sure a mean is: percentile bootstrap intervals (Efron 1979), over queries, over seeds, or over both."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

RESAMPLES, LEVEL = 2000, 0.95
_FEW = 256  # different columns, up to which how often each one is drawn is drawn at once
_CELLS = 4_000_000  # of memory at a time


def mean_interval(values: Float[np.ndarray, " queries"], *, seed: int = 0) -> tuple[float, float]:
    """Returns the interval of the mean of queries drawn anew; two nan where all agree, of which draws can say
    nothing."""
    if len(np.unique(values)) < 2:
        return np.nan, np.nan
    return _interval(resampled_means(values[None], np.random.default_rng(seed))[0])


def difference_interval(
    first: Float[np.ndarray, "seeds queries"],
    second: Float[np.ndarray, "other_seeds queries"],
    *,
    same_seeds: bool,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the interval of the mean of `second` less that of `first`; two nan where nothing can be drawn anew.

    Runs and queries are drawn independently (Owen 2007, the pigeonhole bootstrap), queries alike for all runs.
    One column stands for runs of which only the mean is known.

    Args:
      first: value of every query in every run of a variant, a row a run.
      second: of the other variant, the same queries in the same order.
      same_seeds: whether row i of both is of one seed: then runs too are drawn in pairs.
      seed: of the draws.
    """
    count = len(first)
    if first.shape[1] == 1 and count == len(second) == 1:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    means = resampled_means(np.concatenate([first, second]), rng)
    weights = _shares(count, rng)
    other = weights if same_seeds else _shares(len(second), rng)
    return _interval((other * means[count:]).sum(axis=0) - (weights * means[:count]).sum(axis=0))


def resampled_means(
    values: Float[np.ndarray, "rows queries"], rng: np.random.Generator
) -> Float[np.ndarray, "rows resamples"]:
    """Means of every row over queries drawn with replacement, the same draws for all rows."""
    rows, queries = values.shape
    different, counts = np.unique(values, axis=1, return_counts=True)
    if len(counts) <= _FEW:  # hits and misses: a draw is how often each kind of query occurs
        return different @ rng.multinomial(queries, counts / queries, size=RESAMPLES).T / queries
    means = np.empty((rows, RESAMPLES))
    block = max(1, _CELLS // (rows * queries))
    for start in range(0, RESAMPLES, block):
        drawn = rng.integers(queries, size=(min(block, RESAMPLES - start), queries))
        means[:, start : start + block] = values[:, drawn].mean(axis=2)
    return means


def _shares(runs: int, rng: np.random.Generator) -> Float[np.ndarray, "runs resamples"]:
    return rng.multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES).T / runs


def _interval(means: Float[np.ndarray, " resamples"]) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
