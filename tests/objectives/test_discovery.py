"""Discovery: a wrong number of components becomes the right one, labels keep theirs, bad settings are refused."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from test_mixtures import blobs

from vlp.models.compute import Compute
from vlp.objectives.discovery import discovered
from vlp.pretrainer import Pretrainer

CASE = runpy.run_path(str(Path(__file__).parent / "cases" / "discovery.py"))


@pytest.mark.parametrize("start", [3, 8])
def test_a_wrong_number_of_components_becomes_the_right_one(start):
    dice = np.random.default_rng(2)
    points, labels = blobs(6, 40, dice)
    points[labels >= 2, 2] += 4  # or the labels' components draw in what is new, and keep it
    pins = np.where((labels < 2) & (np.arange(240) % 40 < 20), labels, -1)
    settings = {"rounds": 8, "clusters": 12, "components": 3, "iterations": 10, "kappa": 1e-4}
    centroids, found = discovered(
        {"image": points, "labels": pins[:, None].astype(float)},
        None,
        0,
        known=2,
        start=start,
        spread=0.005,
        accept=0.0,
        density=0.1,
        **settings,
    )
    there = centroids["density"] > 0
    assert there.sum() == 6
    pairs = {(one, other) for one, other in zip(labels.tolist(), found["image"].tolist(), strict=True)}
    assert len(pairs) == 6 and (found["image"][pins >= 0] == pins[pins >= 0]).all()
    assert centroids["density"][there].mean() == pytest.approx(0.1, rel=1e-3)
    number = found["image"][0]
    np.testing.assert_allclose(
        centroids["image"][number], points[found["image"] == number].mean(axis=0), rtol=1e-5
    )


def test_fewer_components_than_labels_are_refused(config):
    config.objectives.contrastive.weight = 0.0
    config.objectives.discovery.update(weight=1.0, **{**CASE["SETTINGS"], "clusters": 2})
    with pytest.raises(
        ValueError, match=r"discovery.clusters=2 must be more than the 2 labels of data.labels.classes"
    ):
        Pretrainer(config, vocabulary_size=50, compute=Compute(), context=CASE["CONTEXT"])
