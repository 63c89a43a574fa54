"""From one domain to another: what is lost, how sure that is, and that nothing of the other domain is fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made import made

from vlp.evaluation.comparison.bootstrap import mean_interval
from vlp.evaluation.probes.transfer import Transfer, difference_of_means


class Rows:
    """A model for which images are what they are."""

    def encode_image_array(self, images):
        return images


@pytest.fixture
def data(evaluation_set):
    """Embeddings near a place of each label; in domain B the places are shifted."""

    def make(count, seed, shift):
        dice, whole = np.random.default_rng(seed), evaluation_set(count, seed)
        labels = ["abcd"[row % 4] for row in range(count)]
        places = np.random.default_rng(5).normal(size=(4, 6))
        moved = places + shift * np.random.default_rng(6).normal(size=(4, 6))
        rows = np.stack([moved["abcd".index(label)] + 0.5 * dice.normal(size=6) for label in labels])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return replace(whole, images=rows.astype(np.float32), labels=labels)

    return {"train": make(40, 0, 0.0), "own": make(60, 1, 0.0), "other": make(40, 2, 1.0)}


def transfer(data, **options):
    options = {"sets": ("own", "other"), "train_sets": ("train",), **options}
    return made(Transfer, data, final=True, **options)


def test_the_drop_is_the_difference_and_has_its_interval(data):
    evaluator, model = transfer(data, parts=("svm", "knn")), Rows()
    figures, outcomes, chance = evaluator(model), evaluator.outcomes(model), evaluator.chance()
    assert set(figures) == set(chance) and set(outcomes) <= set(figures)
    for part in ("svm", "knn"):
        own, other = (figures[f"transfer/{name}/{part}/top1"] for name in ("own", "other"))
        drop = f"transfer/other/{part}/top1_drop"
        assert figures[drop] == pytest.approx(own - other) and own - other > 0.05
        assert figures[drop] == pytest.approx(outcomes[drop].mean())
        low, high = mean_interval(outcomes[drop])
        assert low < figures[drop] < high


def test_labels_of_another_domain_are_in_no_fit(data):
    model, others = Rows(), np.roll(data["other"].labels, 1).tolist()
    changed = {**data, "other": replace(data["other"], labels=others)}
    plain, moved = (transfer(one, parts=("linear_probe",)) for one in (data, changed))
    figures, found = plain(model), moved(Rows())
    same = [name for name in figures if name.startswith("transfer/own/")]
    assert same and all(figures[name] == found[name] for name in same)
    answers = [next(iter(one._answers(model, "other"))) for one in (plain, moved)]
    np.testing.assert_array_equal(answers[0].predicted, answers[1].predicted)
    assert answers[0].searched == answers[1].searched


def test_a_difference_of_means_is_as_uncertain_as_both():
    dice = np.random.default_rng(0)
    first, second = dice.normal(2, 1, 300), dice.normal(1.5, 3, 100)
    values = difference_of_means(first, second)
    assert values.mean() == pytest.approx(first.mean() - second.mean())
    assert values.var() / 400 == pytest.approx(first.var() / 300 + second.var() / 100)


@pytest.mark.parametrize(
    "options", [{"sets": ("own",)}, {"train_sets": ("train", "own")}, {"parts": ("tags",)}]
)
def test_what_is_no_pair_of_domains_is_refused(data, options):
    with pytest.raises(ValueError, match="needs one of train_sets"):
        transfer(data, **options)
