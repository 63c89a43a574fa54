"""How many components labelled and unlabelled points have: pinned k-means, and splits and merges by a likelihood."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

LEAST = 5  # points of each part of a split


@dataclasses.dataclass(frozen=True)
class Prior:
    """A normal-inverse-Wishart distribution of a component's mean and covariance.

    Attributes:
      mean: of means.
      kappa: points that the mean is worth.
      nu: points that the covariance is worth, above the dimensions less one.
      scale: of the covariance, the same in all directions.
    """

    mean: Float[np.ndarray, " dim"]
    kappa: float
    nu: float
    scale: float

    def log_likelihood(self, points: Float[np.ndarray, "n dim"]) -> float:
        """Returns the marginal log-likelihood of a component with these points (Murphy 2007, equation 266)."""
        from scipy.special import multigammaln

        count, dim = points.shape
        centre = points.mean(axis=0)
        spread, away = points - centre, centre - self.mean
        start = self.scale * np.eye(dim)
        after = start + spread.T @ spread
        after += self.kappa * count / (self.kappa + count) * np.outer(away, away)
        return float(
            -count * dim / 2 * np.log(np.pi)
            + multigammaln((self.nu + count) / 2, dim)
            - multigammaln(self.nu / 2, dim)
            + self.nu / 2 * np.linalg.slogdet(start)[1]
            - (self.nu + count) / 2 * np.linalg.slogdet(after)[1]
            + dim / 2 * (np.log(self.kappa) - np.log(self.kappa + count))
        )


def split_ratio(one: Float[np.ndarray, "n dim"], other: Float[np.ndarray, "m dim"], prior: Prior) -> float:
    """Returns the logarithm of the Hastings ratio of two components against one; its negative is that of a merge (GPC,
    arXiv 2305.06144, equation 7, with a concentration of 1)."""
    from scipy.special import gammaln

    both = np.concatenate([one, other])
    apart = sum(float(gammaln(len(part))) + prior.log_likelihood(part) for part in (one, other))
    return apart - float(gammaln(len(both))) - prior.log_likelihood(both)


class Components(NamedTuple):
    """Centres, and the component of each point."""

    centres: Float[np.ndarray, "k dim"]
    labels: Int[np.ndarray, " n"]


def pinned_k_means(
    points: Float[np.ndarray, "n dim"],
    pins: Int[np.ndarray, " n"],
    centres: Float[np.ndarray, "k dim"],
    iterations: int,
) -> Components:
    """Returns what k-means finds from some centres where points with a pin stay in the component of that number."""
    centres = centres.copy()
    for _ in range(iterations):
        labels = _nearest(points, pins, centres)
        for number in np.unique(labels):
            centres[number] = points[labels == number].mean(axis=0)
    return Components(centres, _nearest(points, pins, centres))


def _nearest(
    points: Float[np.ndarray, "n dim"], pins: Int[np.ndarray, " n"], centres: Float[np.ndarray, "k dim"]
) -> Int[np.ndarray, " n"]:
    distances = (centres**2).sum(axis=1) - 2 * points @ centres.T
    return np.where(pins >= 0, pins, distances.argmin(axis=1))


def first_centres(
    points: Float[np.ndarray, "n dim"],
    pins: Int[np.ndarray, " n"],
    known: int,
    count: int,
    dice: np.random.Generator,
) -> Float[np.ndarray, "k dim"]:
    """Returns the means of each label's points, and centres far from all before them up to `count` (k-means++).

    Args:
      points: of the episode.
      pins: the label of each, -1 of others.
      known: labels that there are; one without a point begins at any.
      count: centres in all.
      dice: of everything random.
    """
    free = points[pins < 0]
    centres = [
        points[pins == number].mean(axis=0) if (pins == number).any() else points[dice.integers(len(points))]
        for number in range(known)
    ]
    if not centres:
        centres.append(free[dice.integers(len(free))])
    while len(centres) < count and len(free):
        gaps = ((free[:, None] - np.stack(centres)[None]) ** 2).sum(axis=2).min(axis=1)
        if not gaps.any():
            break
        centres.append(free[dice.choice(len(free), p=gaps / gaps.sum())])
    return np.stack(centres)


def split_and_merge(
    points: Float[np.ndarray, "n dim"],
    known: int,
    found: Components,
    prior: Prior,
    dice: np.random.Generator,
    *,
    accept: float = 0.1,
    most: int,
) -> Float[np.ndarray, "k dim"]:
    """Returns the centres after one round: components are split in two, then nearest neighbours merged.

    Components of labels stay. What is accepted has a positive log-ratio, or is drawn with
    probability `accept`. A merged centre is the mean of the two and takes their place, each of them once: the public
    code leaves both beside it.

    Args:
      points: of the episode.
      known: components of labels, which stand first.
      found: components before.
      prior: of all.
      dice: of everything random.
      accept: probability of what the ratio refuses.
      most: components that there may be.
    """
    centres, members = list(found.centres[:known]), []
    for number in range(known, len(found.centres)):
        own = points[found.labels == number]
        halves = _halves(own, dice) if len(centres) + 1 < most else None
        taken = halves is not None and (split_ratio(*halves, prior) > 0 or dice.random() < accept)
        for part in halves if halves is not None and taken else (own,) if len(own) else ():
            centres.append(part.mean(axis=0))
            members.append(part)
    return np.stack([*centres[:known], *_merged(centres[known:], members, prior, dice, accept)])[:most]


def _halves(
    points: Float[np.ndarray, "n dim"], dice: np.random.Generator
) -> tuple[Float[np.ndarray, "m dim"], Float[np.ndarray, "o dim"]] | None:
    """The points in two by k-means; None where a part would have too few."""
    if len(points) <= 2 * LEAST:
        return None
    none = np.full(len(points), -1)
    first = pinned_k_means(points, none, first_centres(points, none, 0, 2, dice), 10).labels == 0
    return (points[first], points[~first]) if LEAST < first.sum() < len(points) - LEAST else None


def _merged(
    centres: list[Float[np.ndarray, " dim"]],
    members: list[Float[np.ndarray, "m dim"]],
    prior: Prior,
    dice: np.random.Generator,
    accept: float,
) -> list[Float[np.ndarray, " dim"]]:
    """The centres of free components, of which pairs that are each other's nearest may be one."""
    if len(centres) < 2:
        return centres
    gaps = ((np.stack(centres)[:, None] - np.stack(centres)[None]) ** 2).sum(axis=2)
    np.fill_diagonal(gaps, np.inf)
    nearest, kept, gone = gaps.argmin(axis=1), [], set[int]()
    for one, other in enumerate(nearest.tolist()):
        if one in gone:
            continue
        mutual = nearest[other] == one and other > one
        if mutual and (-split_ratio(members[one], members[other], prior) > 0 or dice.random() < accept):
            kept.append((centres[one] + centres[other]) / 2)
            gone.add(other)
        else:
            kept.append(centres[one])
    return kept


def densities(points: Float[np.ndarray, "n dim"], found: Components, mean: float) -> Float[np.ndarray, " k"]:
    """Returns a temperature for each component: the looser and smaller, the higher (PCL, arXiv 2005.04966, equation
    12).

    Mean distance over log(n + 10); of a single point the largest there is; clipped at the 10th and 90th percentile,
    and scaled to the given mean.
    """
    centres, labels = found
    raw, single = np.zeros(len(centres)), np.zeros(len(centres), bool)
    for number in range(len(centres)):
        own = points[labels == number]
        single[number] = len(own) == 1
        if len(own) > 1:
            raw[number] = np.linalg.norm(own - centres[number], axis=1).mean() / np.log(len(own) + 10)
    raw[single] = raw.max()
    clipped = np.clip(raw, *np.percentile(raw, (10, 90)))
    return mean * clipped / max(clipped.mean(), 1e-12)
