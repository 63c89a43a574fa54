"""How a figure grows with the size of the data: a line in the logarithm, and a power law with a limit.

Sun et al. (arXiv 1707.02968) find the first for recognition up to 300 million images; Hestness et al. (1712.00409) and
Cherti et al. (2212.07143) fit the second. Intervals are percentiles of a bootstrap of the residuals (Efron 1979), which
are widened by sqrt(n / (n - p)) for p coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from input_pipeline.errors import UserError
from vlp.checkpoint import find_checkpoint, read_description
from vlp.evaluation.comparison.bootstrap import LEVEL, RESAMPLES
from vlp.evaluation.comparison.runs import Run

_EXPONENTS = np.geomspace(0.01, 4.0, 241)
AHEAD = 10.0  # times the largest size: where the forms are asked what they foresee
POINTS = 60  # of a drawn line

Coefficients = Float[np.ndarray, "resamples coefficients"]


class Point(NamedTuple):
    """Holds what one run reached."""

    run: str
    size: float
    value: float


class Estimate(NamedTuple):
    """Holds a number and the ends of its interval."""

    value: float
    low: float
    high: float


class Fit(NamedTuple):
    """Holds one form, fitted.

    Attributes:
      form: as a formula.
      coefficients: by their letters.
      error: root mean square of the residuals.
      foreseen: what it says of `AHEAD` times the largest size.
      sizes: where it is drawn.
      line: its values there, and the ends of their intervals.
      remark: what should be known before it is believed; '' = nothing.
    """

    form: str
    coefficients: dict[str, Estimate]
    error: float
    foreseen: Estimate
    sizes: Float[np.ndarray, " points"]
    line: tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"], Float[np.ndarray, " points"]]
    remark: str


class _Form(NamedTuple):
    """A form that can be fitted to many resamples at once."""

    formula: str
    letters: tuple[str, ...]

    def fit(self, sizes: Float[np.ndarray, " runs"], values: Float[np.ndarray, "rows runs"]) -> Coefficients:
        """Returns the coefficients of least squares for every row of values."""
        if len(self.letters) == 2:
            return values @ np.linalg.pinv(_columns(np.log10(sizes))).T
        return _fit_power(sizes, values)

    def values(
        self, coefficients: Coefficients, sizes: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, "resamples points"]:
        """Returns what it says of sizes."""
        first, second = coefficients[:, :1], coefficients[:, 1:2]
        if len(self.letters) == 2:
            return first + second * np.log10(sizes)
        return first + second * sizes ** -coefficients[:, 2:]


LOGARITHM = _Form("a + b log10 N", ("a", "b"))
POWER = _Form("c + a N^-k", ("c", "a", "k"))


def points_of(runs: Sequence[Run], figure: str, by: str) -> list[Point]:
    """Returns the sizes and the figures of runs, the smallest first.

    Args:
      runs: any number of them of a size.
      figure: a name of their figures.
      by: 'records', 'samples' (steps times batch size), or a path of the config.

    Raises:
      ValueError: a run lacks the figure or the size, or there are too few sizes to fit anything.
    """
    found = sorted((_point(run, figure, by) for run in runs), key=lambda point: (point.size, point.run))
    sizes = sorted({point.size for point in found})
    if len(sizes) < 3:
        there = ", ".join(f"{size:g}" for size in sizes)
        raise UserError(
            f"--job=scaling fits runs of three sizes or more, and these {len(found)} have {by}={there}: name runs of "
            "other sizes, or what they differ in, as --config.scaling.by=data.sources.NAME.fraction"
        )
    return found


def fits_of(points: Sequence[Point], *, seed: int = 0) -> list[Fit]:
    """Fits both forms; the power law where there are four sizes or more, for it has three coefficients.

    Args:
      points: of `points_of`.
      seed: of the bootstrap.
    """
    sizes, values = (np.array([point[place] for point in points], float) for place in (1, 2))
    forms = [LOGARITHM, POWER][: 1 + (len(np.unique(sizes)) > 3)]
    return [_fitted(form, sizes, values, np.random.default_rng(seed)) for form in forms]


def _point(run: Run, figure: str, by: str) -> Point:
    if figure not in run.figures:
        there = ", ".join(run.figures) or "none"
        raise UserError(
            f"{run.name} has no figure '{figure}': say which as --config.scaling.figure=NAME; it has {there}"
        )
    if not np.isfinite(run.figures[figure]):
        raise UserError(
            f"{run.name} has {figure}={run.figures[figure]}, to which nothing can be fitted: leave that run out"
        )
    size = _size(run, by)
    if not isinstance(size, int | float) or isinstance(size, bool) or not 0 < size < np.inf:
        raise UserError(
            f"{run.name} has {by}={size!r}: --config.scaling.by takes records, samples, or the path of a number above "
            "0 in its config.json"
        )
    return Point(run.name, float(size), float(run.figures[figure]))


def _size(run: Run, by: str) -> object:
    if by == "samples" and run.config:
        return run.config["steps"] * run.config["batch_size"]
    if by == "records":
        progress: Mapping[str, Mapping[str, int]] = read_description(find_checkpoint(run.folder)).progress
        return sum(progress.get("records", {}).values())
    return run.config.get(by)


def _fitted(
    form: _Form,
    sizes: Float[np.ndarray, " runs"],
    values: Float[np.ndarray, " runs"],
    dice: np.random.Generator,
) -> Fit:
    best = form.fit(sizes, values[None])
    expected = form.values(best, sizes)[0]
    residuals = values - expected
    wider = np.sqrt(len(values) / max(len(values) - len(form.letters), 1))
    drawn = expected + wider * residuals[dice.integers(len(values), size=(RESAMPLES, len(values)))]
    resampled = form.fit(sizes, drawn)
    where = np.append(np.geomspace(sizes.min(), sizes.max(), POINTS), AHEAD * sizes.max())
    middle, (low, high) = form.values(best, where)[0], _ends(form.values(resampled, where))
    spans = zip(form.letters, best[0], *_ends(resampled), strict=True)
    return Fit(
        form.formula,
        {letter: Estimate(*map(float, span)) for letter, *span in spans},
        float(np.sqrt(np.mean(residuals**2))),
        Estimate(float(middle[-1]), float(low[-1]), float(high[-1])),
        where[:-1],
        (middle[:-1], low[:-1], high[:-1]),
        _remark(form, best[0]),
    )


def _ends(
    rows: Float[np.ndarray, "resamples columns"],
) -> tuple[Float[np.ndarray, " columns"], Float[np.ndarray, " columns"]]:
    low, high = np.quantile(rows, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def _remark(form: _Form, best: Float[np.ndarray, " coefficients"]) -> str:
    if form is POWER and not _EXPONENTS[1] < best[2] < _EXPONENTS[-2]:
        return "k lies at the end of what is tried, 0.01 to 4: these sizes do not tell the limit c"
    return ""


def _fit_power(sizes: Float[np.ndarray, " runs"], values: Float[np.ndarray, "rows runs"]) -> Coefficients:
    """Least squares in c and a for each exponent of a grid, then between the neighbours of the best."""
    unit = np.exp(np.log(sizes).mean())  # so that N^-k stays near one

    def errors(exponents: Float[np.ndarray, " exponents"]) -> Float[np.ndarray, "rows exponents"]:
        designs = [_columns((sizes / unit) ** -k) for k in exponents]
        hats = [np.eye(len(sizes)) - design @ np.linalg.pinv(design) for design in designs]
        return np.stack([((values @ hat) ** 2).sum(axis=1) for hat in hats], axis=1)

    found = errors(_EXPONENTS).argmin(axis=1)
    coefficients = np.empty((len(values), 3))
    for place in np.unique(found):
        rows = np.flatnonzero(found == place)
        low, high = _EXPONENTS[max(place - 1, 0)], _EXPONENTS[min(place + 1, len(_EXPONENTS) - 1)]
        fine = np.linspace(low, high, 41)
        designs = np.stack([np.linalg.pinv(_columns((sizes / unit) ** -k)) for k in fine])
        solved = np.einsum("kcn,rn->rkc", designs, values[rows])
        shown = solved[:, :, :1] + solved[:, :, 1:] * (sizes / unit) ** -fine[:, None]
        best = ((shown - values[rows, None]) ** 2).sum(axis=2).argmin(axis=1)
        chosen, exponent = solved[np.arange(len(rows)), best], fine[best]
        coefficients[rows] = np.stack([chosen[:, 0], chosen[:, 1] * unit**exponent, exponent], axis=1)
    return coefficients


def _columns(values: Float[np.ndarray, " runs"]) -> Float[np.ndarray, "runs 2"]:
    return np.stack([np.ones_like(values), values], axis=1)
