"""Components: pins stay, and what is split is merged again where it is one."""

from __future__ import annotations

import numpy as np

from vlp.objectives.mixtures import (
    Components,
    Prior,
    first_centres,
    pinned_k_means,
    split_and_merge,
    split_ratio,
)


def blobs(count, each, dice, dim=3):
    """Well separated groups on the axes of a cube."""
    centres = np.array([[(number >> bit & 1) - 0.5 for bit in range(dim)] for number in range(count)])
    labels = np.repeat(np.arange(count), each)
    return centres[labels] + dice.normal(scale=0.03, size=(count * each, dim)), labels


def prior_of(points):
    return Prior(points.mean(axis=0), 1e-4, points.shape[1] + 1.0, 0.005)


def test_pinned_points_never_move_whatever_is_nearer():
    dice = np.random.default_rng(0)
    points, labels = blobs(4, 20, dice)
    pins = np.where(np.arange(80) % 20 < 5, np.minimum(labels, 1), -1)  # of groups 2 and 3 under the label 1
    found = pinned_k_means(points, pins, first_centres(points, pins, 2, 4, dice), 10)
    assert (found.labels[pins >= 0] == pins[pins >= 0]).all()
    centres = split_and_merge(points, 2, found, prior_of(points), dice, most=9)
    np.testing.assert_array_equal(centres[:2], found.centres[:2])


def test_what_is_split_is_merged_again_where_it_is_one():
    dice = np.random.default_rng(1)
    points = dice.normal(scale=0.05, size=(60, 3))
    halves = points[points[:, 0] < 0], points[points[:, 0] >= 0]
    assert split_ratio(*halves, prior_of(points)) < 0
    found = Components(np.stack([half.mean(axis=0) for half in halves]), (points[:, 0] >= 0).astype(int))
    (centre,) = split_and_merge(points, 0, found, prior_of(points), dice, accept=0.0, most=9)
    np.testing.assert_allclose(centre, (found.centres[0] + found.centres[1]) / 2)
    whole = Components(points.mean(axis=0)[None], np.zeros(60, int))
    np.testing.assert_allclose(
        split_and_merge(points, 0, whole, prior_of(points), dice, accept=0.0, most=9), whole.centres
    )
