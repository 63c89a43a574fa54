from __future__ import annotations

import numpy as np
import pytest

from vlp.evaluation.classification.classifier import (
    Classifier,
    classify,
    expected_squared_distance,
    fuse,
    posterior,
)
from vlp.evaluation.classification.zero_shot import zero_shot_figures
from vlp.evaluation.figures import calibration_error
from vlp.evaluation.texts.class_texts import class_embeddings, pooled

RNG = np.random.default_rng


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def plain(rows: np.ndarray, scale: float = 10.0, **settings) -> Classifier:
    texts = [[str(row)] for row in range(len(rows))]
    return Classifier(pooled(texts, rows, "embedding", scale), scale, **settings)


def test_class_embeddings_are_means_of_unit_rows() -> None:
    prompts = RNG(0).normal(size=(3, 4, 5)).astype(np.float32)
    expected = [unit(np.mean([unit(row.astype(np.float64)) for row in one], axis=0)) for one in prompts]
    np.testing.assert_allclose(class_embeddings(prompts), expected, atol=1e-12)
    scaled = prompts * np.array([1.0, 100.0, 0.01, 5.0], np.float32)[None, :, None]
    np.testing.assert_allclose(class_embeddings(scaled), expected, atol=1e-6)


@pytest.mark.parametrize("block_size", [1, 5, 64])
def test_figures_are_those_of_a_plain_loop(block_size: int) -> None:
    rng = RNG(1)
    images, classes = unit(rng.normal(size=(40, 4))), unit(rng.normal(size=(9, 4)))
    labels = rng.integers(0, 8, 40)  # one class never occurs
    order = np.argsort(-(images @ classes.T), axis=1)
    hits = order[:, 0] == labels
    found = classify(plain(classes), images, labels, block_size=block_size)
    figures = zero_shot_figures(found)
    assert found.predicted.tolist() == order[:, 0].tolist()
    assert figures["top1"] == pytest.approx(np.mean(hits))
    assert figures["top5"] == pytest.approx(np.mean([labels[i] in order[i, :5] for i in range(40)]))
    assert figures["mean_per_class"] == pytest.approx(
        np.mean([hits[labels == c].mean() for c in np.unique(labels)])
    )
    softmax = np.exp(10 * images @ classes.T)
    softmax /= softmax.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.confidence, softmax.max(axis=1))
    assert figures["calibration_error"] == pytest.approx(binned_error(softmax.max(axis=1), hits))


def binned_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    total = 0.0
    for low, high in zip(np.arange(bins) / bins, np.arange(1, bins + 1) / bins, strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def test_calibration_is_that_of_a_loop_over_bins() -> None:
    rng = RNG(0)
    confidence, right = rng.uniform(size=500), rng.uniform(size=500) < 0.5
    assert calibration_error(confidence, right) == pytest.approx(binned_error(confidence, right))
    # A bin holds its upper end: 5/15 lies with 4.5/15, and not with 5.5/15.
    for other, expected in ((4.5, abs(1 - 9.5 / 15) / 2), (5.5, (5 / 15 + 1 - 5.5 / 15) / 2)):
        found = calibration_error(np.array([5, other]) / 15, np.array([False, True]))
        assert found == pytest.approx(expected)
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0.0
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, False])) == 0.5


def test_a_collapsed_model_scores_nothing_and_names_another_class() -> None:
    same = np.ones((10, 3)) / np.sqrt(3)
    found = classify(plain(same[:6]), same, np.arange(10) % 6)
    assert zero_shot_figures(found)["top5"] == 0.0 and not (found.predicted == found.labels).any()
    broken = np.full((2, 3), np.nan)
    assert classify(plain(same[:6]), broken, np.array([0, 3])).ranks.tolist() == [6, 6]


def test_of_classes_with_the_same_texts_the_first_is_answered() -> None:
    classes = unit(RNG(0).normal(size=(3, 4)))[[0, 1, 0, 2]]
    texts = pooled([["missile"], ["tench"], ["missile"], ["newt"]], classes, "embedding", 10.0)
    found = classify(Classifier(texts, 10.0), classes, np.arange(4))
    assert found.predicted.tolist() == [0, 1, 0, 3] and found.ranks.tolist() == [1, 1, 2, 1]


def test_one_text_a_class_is_pooled_alike_in_every_way() -> None:
    rows, images = unit(RNG(0).normal(size=(5, 4))), unit(RNG(1).normal(size=(7, 4)))
    texts = [[str(row)] for row in range(5)]
    expected = images @ rows.T
    for pooling in ("embedding", "score", "probability"):
        np.testing.assert_allclose(pooled(texts, rows, pooling, 20.0).scores(images), expected, atol=1e-12)


def test_bags_of_any_size_are_pooled_as_their_papers_say() -> None:
    rng, scale, counts = RNG(2), 20.0, [1, 4, 2]
    rows, images = unit(rng.normal(size=(7, 5))).astype(np.float32), unit(rng.normal(size=(6, 5)))
    texts = [[f"{at} {n}" for n in range(count)] for at, count in enumerate(counts)]
    bags = [rows[:1], rows[1:5], rows[5:]]
    cosines = np.stack([[np.mean([image @ row for row in bag]) for bag in bags] for image in images])
    np.testing.assert_allclose(pooled(texts, rows, "score", scale).scores(images), cosines, atol=1e-7)
    means = np.stack([unit(bag.mean(axis=0)) for bag in bags])
    np.testing.assert_allclose(
        pooled(texts, rows, "embedding", scale).scores(images), images @ means.T, atol=1e-7
    )
    among_all = np.exp(scale * images @ rows.T)
    among_all /= among_all.sum(axis=1, keepdims=True)
    shares = np.stack([among_all[:, part].mean(axis=1) for part in np.split(np.arange(7), [1, 5])], axis=1)
    scores = pooled(texts, rows, "probability", scale).scores(images)
    np.testing.assert_allclose(
        posterior(scale * scores), shares / shares.sum(axis=1, keepdims=True), rtol=1e-5
    )


def test_bags_of_one_size_are_bitwise_those_of_a_prompt_ensemble() -> None:
    prompts = unit(RNG(0).normal(size=(6, 8, 64))).astype(np.float32)
    texts = [[f"{c} {t}" for t in range(8)] for c in range(6)]
    rows = pooled(texts, prompts.reshape(48, 64), "embedding", 10.0).rows
    np.testing.assert_array_equal(rows, class_embeddings(prompts))


@pytest.mark.parametrize("seed", range(3))
def test_the_frechet_mean_of_the_zero_one_metric_is_the_argmax(seed: int) -> None:
    rng = RNG(seed)
    images, classes = unit(rng.normal(size=(50, 6))), unit(rng.normal(size=(9, 6)))
    labels = rng.integers(0, 9, 50)
    argmax, frechet = (
        classify(plain(classes, distances=distances), images, labels) for distances in (None, 1.0 - np.eye(9))
    )
    for ours, theirs in zip(frechet, argmax, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_frechet_mean_minimises_the_expected_squared_distance() -> None:
    rng = RNG(0)
    points = rng.normal(size=(8, 2))
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    probabilities = rng.dirichlet(np.ones(5), size=20)  # three candidates are never scored
    costs = expected_squared_distance(probabilities, distances[:5])
    for row, own in enumerate(probabilities):
        expected = [sum(own[k] * distances[k, y] ** 2 for k in range(5)) for y in range(8)]
        np.testing.assert_allclose(costs[row], expected)


def test_a_fused_posterior_lies_between_the_image_and_its_companion() -> None:
    rng = RNG(0)
    images, found, classes = (unit(rng.normal(size=(n, 6))) for n in (30, 30, 7))
    labels = rng.integers(0, 7, 30)
    of_image, of_text = (posterior(10 * rows @ classes.T) for rows in (images, found))
    alone = classify(plain(classes), images, labels)
    for share, own in ((1.0, of_image), (0.0, of_text), (0.7, 0.7 * of_image + 0.3 * of_text)):
        np.testing.assert_allclose(fuse(of_image, of_text, share), own)
        fused = classify(plain(classes, image_share=share), images, labels, found, block_size=7)
        assert fused.predicted.tolist() == own.argmax(axis=1).tolist()
        np.testing.assert_allclose(fused.confidence, own.max(axis=1))
        if share == 1.0:
            np.testing.assert_array_equal(fused.ranks, alone.ranks)


def embeddings(seed: int = 0, count: int = 400, classes: int = 12) -> tuple[np.ndarray, ...]:
    rng = RNG(seed)
    names = unit(rng.normal(size=(classes, 16))).astype(np.float32)
    labels = rng.choice(classes, size=count, p=rng.dirichlet(np.ones(classes)))
    images = unit(names[labels] + 0.9 * rng.normal(size=(count, 16))).astype(np.float32)
    return images, names, labels


def test_figures_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    images, names, labels = embeddings()
    figures = zero_shot_figures(classify(plain(names), images, labels))
    scores, every = images @ names.T, np.arange(12)
    for k in (1, 5):
        assert figures[f"top{k}"] == metrics.top_k_accuracy_score(labels, scores, k=k, labels=every)
    assert figures["mean_per_class"] == metrics.balanced_accuracy_score(labels, scores.argmax(axis=1))


def test_figures_are_those_of_clip_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    peer = pytest.importorskip(
        "clip_benchmark.metrics.zeroshot_classification", reason="clip-benchmark is not installed"
    )
    # It reads a number off an array with one entry, as NumPy no longer does.
    monkeypatch.setattr(peer, "float", lambda value: np.asarray(value).item(), raising=False)
    images, names, labels = embeddings(1)
    figures = zero_shot_figures(classify(plain(names), images, labels))
    logits, target = torch.from_numpy(100 * images @ names.T), torch.from_numpy(labels)
    assert peer.accuracy(logits, target, topk=(1, 5)) == [figures["top1"], figures["top5"]]
    recall = peer.balanced_accuracy_score(target, logits.argmax(axis=1))
    assert figures["mean_per_class"] == recall
