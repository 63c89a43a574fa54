from __future__ import annotations

import numpy as np
import pytest
from made import made
from retrieval_sets import NamedSet, unit

from vlp.evaluation.retrieval.images import ImageRetrieval
from vlp.neighbours.precisions import precisions
from vlp.neighbours.ranks import best_ranks


def grouped(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    classes = rng.permutation(np.repeat(np.arange(12), rng.integers(2, 6, size=12)))
    return unit(rng, len(classes), 4) + 0.3 * unit(rng, 12, 4)[classes], classes


def test_average_precision_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    rows, classes = grouped(np.random.default_rng(0))
    everyone = np.arange(len(rows))
    average, first = precisions(rows, classes, everyone, block_size=7)
    for query in everyone:
        others = everyone != query
        right, scores = (classes == classes[query])[others], rows[others] @ rows[query]
        assert average[query] == pytest.approx(metrics.average_precision_score(right, scores))
        assert first[query] == right[np.argmax(scores)]
    assert 0 < first.mean() < 1


def test_first_is_the_rank_one_of_the_one_computation_of_ranks() -> None:
    rows, classes = grouped(np.random.default_rng(1))
    rows[3] = rows[7] = rows[11]  # equal scores
    everyone = np.arange(len(rows))
    same = np.argwhere((classes[:, None] == classes) & (everyone[:, None] != everyone))
    ranks = best_ranks(rows, rows, same, ignored=np.stack([everyone, everyone], 1))
    average, first = precisions(rows, classes, everyone, block_size=7)
    assert np.array_equal(first, ranks == 1) and 0 < first.sum() < len(rows)
    assert np.array_equal(average, precisions(rows, classes, everyone)[0])


def test_equal_scores_and_nan_count_against_the_model() -> None:
    same = np.ones((5, 2)) / np.sqrt(2)
    average, first = precisions(same, np.array([0, 0, 0, 1, 1]), np.array([0, 3]))
    # Two wrong ones before both right ones: (1/3 + 2/4) / 2; three before one: 1/4.
    assert average == pytest.approx([(1 / 3 + 2 / 4) / 2, 1 / 4])
    assert not first.any()
    broken = np.array([[1.0, 0.0], [1.0, 0.0], [np.nan, 0.0]])
    assert precisions(broken, np.array([0, 0, 1]), np.array([0]))[0] == pytest.approx([1 / 2])
    assert precisions(broken[[0, 2, 1]], np.array([0, 0, 1]), np.array([0]))[0] == pytest.approx([1 / 2])


def test_images_without_a_class_are_candidates_and_ask_nothing(model) -> None:
    labels = ["a", "b", "", "a", "", "b", "alone", "b"]
    data = NamedSet(8, labels=labels, groups=["x"] * 2 + [""] * 6)
    evaluator = made(ImageRetrieval, {"val": data}, sets=("val",))
    outcomes = evaluator.outcomes(model)["image_retrieval/val/mean_average_precision"]
    rows = model.encode_image_array(data.images)
    expected = []
    for query in (0, 1, 3, 5, 7):
        order = [one for one in np.argsort(-rows @ rows[query]) if one != query]
        places = [place for place, one in enumerate(order, start=1) if labels[one] == labels[query]]
        expected.append(np.mean([number / place for number, place in enumerate(places, start=1)]))
    assert outcomes == pytest.approx(expected)
    assert evaluator(model)["image_retrieval/val/mean_average_precision"] == pytest.approx(np.mean(expected))
    by_group = made(ImageRetrieval, {"val": data}, sets=("val",), relevant="group")
    assert len(by_group.outcomes(model)["image_retrieval/val/recall@1"]) == 2
    (searches,) = evaluator.exhibits(model)
    assert len(searches.searches) == 5
    assert not any(np.array_equal(one.query, found) for one in searches.searches for found in one.found)
    with pytest.raises(ValueError, match="no two images of evaluation set 'val' share a label"):
        made(ImageRetrieval, {"val": NamedSet(3)}, sets=("val",))(model)


def test_chance_agrees_with_random_rows() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [2, 3, 7])
    data = NamedSet(12, labels=[str(one) for one in classes])
    chance = made(ImageRetrieval, {"val": data}, sets=("val",)).chance()
    draws = [precisions(unit(rng, 12, 8), classes, np.arange(12)) for _ in range(400)]
    for name, part in (("mean_average_precision", 0), ("recall@1", 1)):
        values = [draw[part].mean() for draw in draws]
        assert np.mean(values) == pytest.approx(
            chance[f"image_retrieval/val/{name}"], abs=4 * np.std(values) / 20
        )
