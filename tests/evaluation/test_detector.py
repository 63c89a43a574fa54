"""Yes or no of images: against brute force, within a budget, and explained; on a model that is linear in its pixels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from made import made

from vlp.evaluation.detection.attacks import ATTACKS
from vlp.evaluation.detection.detector import Detector
from vlp.evaluation.detection.rule import Rule, f1, with_threshold
from vlp.evaluation.detection.saliency import CELLS, highest, lost, random_maps, saliency

SIDE = 16


class Linear:
    """A model whose row is its pixels: all gradients are known."""

    logit_scale = 1.0

    def pixels(self) -> Linear:
        return self

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        return pixels.reshape(len(pixels), -1)

    def gradients(self, pixels: np.ndarray, directions: np.ndarray) -> np.ndarray:
        return directions.reshape(pixels.shape)

    def encode_image_array(self, images: np.ndarray) -> np.ndarray:
        return self.encode(images / 255)

    def encode_text(self, texts: list[str], *, prefix: str = "") -> np.ndarray:
        row = np.full(SIDE * SIDE * 3, 1.0)
        return np.stack([row if text.endswith("bright.") else -row for text in texts])


@dataclasses.dataclass
class Pictures:
    images: np.ndarray
    labels: list[str]
    slices: dict[str, list[str]] = dataclasses.field(default_factory=dict)


def pictures(count: int, seed: int) -> Pictures:
    """Grey noise of which every other one is brighter; the first third by one hand, which makes less of it."""
    dice, labels = np.random.default_rng(seed), ["bright", "dark"] * (count // 2)
    images = dice.integers(90, 120, (count, SIDE, SIDE, 3))
    images[::2] += np.where(np.arange(count)[::2] < count // 3, 0, 8)[:, None, None, None]
    hands = ["one" if row < count // 3 else "other" for row in range(count)]
    return Pictures(images.astype(np.uint8), labels, {"hand": hands})


def detector(**settings: Any) -> Detector:
    data = {"train": pictures(60, 0), "test": pictures(36, 1)}
    given = {"sets": ("test",), "train_sets": ("train",), "slices": ("hand",), "templates": "simple"}
    return made(Detector, data, **{**given, **settings})


@pytest.mark.parametrize("by", ["texts", "probe"])
def test_slices_and_thresholds_are_those_of_brute_force(by: str) -> None:
    measured, model = detector(by=by), Linear()
    measured.check()
    figures = measured(model)
    rule = measured._rule(model)
    test, yes = pictures(36, 1), np.array(pictures(36, 1).labels) == "bright"
    answered = model.encode_image_array(test.images) @ rule.direction >= rule.threshold

    def brute(rows: slice) -> float:
        precision = (answered & yes)[rows].sum() / max(1, answered[rows].sum())
        recall = (answered & yes)[rows].sum() / yes[rows].sum()
        return 2 * precision * recall / (precision + recall) if precision else 0.0

    assert figures == pytest.approx(
        {
            "detector/test/f1": brute(slice(None)),
            "detector/test/accuracy": float(np.mean(answered == yes)),
            "detector/test/hand=one/f1": brute(slice(12)),
            "detector/test/hand=other/f1": brute(slice(12, None)),
        }
    )
    assert figures["detector/test/hand=other/f1"] > figures["detector/test/hand=one/f1"]
    assert measured.outcomes(model)["detector/test/accuracy"].mean() == figures["detector/test/accuracy"]
    assert measured.chance()["detector/test/f1"] == pytest.approx(2 / 3)
    # No other threshold is better on the data that chose it.
    train, right = pictures(60, 0), np.array(pictures(60, 0).labels) == "bright"
    scores = model.encode_image_array(train.images) @ rule.direction
    best = max(f1(scores >= threshold, right) for threshold in scores)
    assert f1(rule.scores(model.encode_image_array(train.images)) >= 0, right) == best
    assert "yes is bright" in measured.remarks(model)[0]


def test_attacks_keep_to_their_budget_and_turn_answers() -> None:
    model = Linear()
    found = {}
    for budget in (0.0, 0.004, 0.05):
        measured = detector(by="texts", attacked=100, budget=budget)
        found[budget] = measured(model)
    f1_of = {
        budget: {kind: own[f"detector/test/attack_{kind}/f1"] for kind in ("none", *ATTACKS)}
        for budget, own in found.items()
    }
    plain = found[0.0]["detector/test/f1"]
    assert f1_of[0.0] == dict.fromkeys(f1_of[0.0], plain)
    for kind in ("fgsm", "pgd"):
        assert plain > f1_of[0.004][kind] > f1_of[0.05][kind] == 0
    assert f1_of[0.05]["noise"] > f1_of[0.05]["pgd"]
    pixels = pictures(8, 2).images.astype(np.float32) / 255
    pixels[0], pixels[1] = 0, 1
    sides = np.where(np.arange(8) % 2, -1.0, 1.0)
    rule = Rule(np.random.default_rng(0).standard_normal(SIDE * SIDE * 3), 0.0)
    for attack in ATTACKS.values():
        changed = attack(model, rule, pixels, sides, 0.02, 5)
        assert np.abs(changed - pixels).max() <= 0.02 + 1e-6 and changed.min() >= 0 and changed.max() <= 1
    best = np.clip(
        pixels - 0.02 * np.sign(rule.direction).reshape(pixels[0].shape) * sides[:, None, None, None], 0, 1
    )
    np.testing.assert_allclose(ATTACKS["fgsm"](model, rule, pixels, sides, 0.02, 5), best, atol=1e-6)
    np.testing.assert_allclose(ATTACKS["pgd"](model, rule, pixels, sides, 0.02, 5), best, atol=1e-6)


def test_saliency_finds_the_place_that_decides() -> None:
    model, weights = Linear(), np.zeros((SIDE, SIDE, 3))
    weights[4:6, 8:10] = 1.0  # one cell of eight by eight
    pixels = pictures(6, 3).images.astype(np.float32) / 255
    pixels[:, 4:6, 8:10] += 0.2
    rule = with_threshold(weights.reshape(-1), model.encode(pixels), np.array([True, False] * 3))
    maps = saliency(model, rule, pixels)
    assert maps.shape == (6, CELLS, CELLS)
    yes = rule.scores(model.encode(pixels)) >= 0
    assert (maps.reshape(6, -1).argmax(axis=1)[yes] == 2 * CELLS + 4).all()
    assert lost(model, rule, pixels, maps)[yes].min() > lost(model, rule, pixels, random_maps(6))[yes].mean()
    assert not saliency(model, Rule(0 * weights.reshape(-1), 0.0), pixels).any()
    assert highest(np.zeros((1, CELLS, CELLS))).sum() == 6


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="'test' has 0 images of yes among 36"):
        detector(positive=("none",), train_sets=("test",)).check()
    with pytest.raises(ValueError, match="set 'test' has no column 'vendor'"):
        detector(slices=("vendor",)).check()
    with pytest.raises(ValueError, match="it is given 0 and 0"):
        detector(train_sets=())
    (table, maps) = detector(attacked=4).exhibits(Linear())
    assert len(table.rows) == 2 and len(maps.maps) == 4
