"""The evaluators of frozen features: which examples they see, and the figures they give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made import made
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score

from vlp.evaluation.classification.class_means import ClassMeans
from vlp.evaluation.exhibits import Bars, Confusion, Table
from vlp.evaluation.figures import matched_accuracy
from vlp.evaluation.probes.features import Features
from vlp.evaluation.probes.linear import LinearProbe
from vlp.evaluation.probes.penalties import best_place, penalty_at
from vlp.evaluation.structure.clusters import Clusters, cluster_figures, clusters_of, discovered
from vlp.evaluation.structure.geometry import Geometry, alignment, modality_gap, uniformity


class Rows:
    """A model for which images are what they are."""

    def __init__(self):
        self.asked = 0

    def encode_image_array(self, images):
        self.asked += 1
        return images

    def encode_text(self, texts, *, prefix=""):
        return np.stack([unit(np.random.default_rng(list(text.encode())).normal(size=6)) for text in texts])


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def labelled_set(evaluation_set):
    def make(count, seed):
        """Embeddings near a place of each label; every seventh image has none, and some tags follow the label."""
        rng, whole = np.random.default_rng(seed), evaluation_set(count, seed)
        labels = ["" if row % 7 == 6 else "abcd"[row % 4] for row in range(count)]
        places = dict(zip("abcd", np.random.default_rng(5).normal(size=(4, 6)), strict=True))
        rows = np.stack([places.get(label, np.zeros(6)) + 0.8 * rng.normal(size=6) for label in labels])
        tags = [["early" if label in "ab" else "late", "all"] if label else [] for label in labels]
        return replace(whole, images=unit(rows).astype(np.float32), labels=labels, tags=tags)

    return make


@pytest.fixture
def data(labelled_set):
    return {"train": labelled_set(200, 0), "test": labelled_set(90, 1)}


def suite(data, **options):
    return made(Features, data, final=True, sets=("test",), train_sets=("train",), **options)


def test_the_suite_gives_a_figure_for_every_part_and_outcomes_whose_means_they_are(data):
    evaluator, model = suite(data, shots=(1, 5)), Rows()
    figures, chance, outcomes = evaluator(model), evaluator.chance(), evaluator.outcomes(model)
    assert (
        set(figures)
        == set(chance)
        == {
            *(f"features/test/{part}/top1" for part in ("linear_probe", "knn", "svm")),
            *(f"features/test/{part}/mean_per_class" for part in ("linear_probe", "knn", "svm")),
            *(f"features/test/few_shot/top1@{shots}" for shots in (1, 5)),
            "features/test/tags/mean_average_precision",
        }
    )
    assert all(figures[name] == pytest.approx(values.mean()) for name, values in outcomes.items())
    assert all(figures[name] > chance[name] for name in figures)
    labelled = [label for label in data["test"].labels if label]
    assert len(outcomes["features/test/knn/top1"]) == len(labelled)
    bars, confusion, *tables = evaluator.exhibits(model)
    assert isinstance(bars, Bars) and bars.counts.sum() == len(labelled)
    assert isinstance(confusion, Confusion) and confusion.counts.sum() == len(labelled)
    top1 = np.diag(confusion.counts).sum() / len(labelled)
    assert top1 == pytest.approx(figures["features/test/linear_probe/top1"])
    assert [type(one) for one in tables] == [Table, Table]


def test_the_probe_is_trained_on_training_and_validation_set_with_the_best_penalty(data, labelled_set):
    data["val"] = labelled_set(80, 2)
    evaluator, model = suite(data, validation_sets=("val",), parts=("linear_probe", "tags")), Rows()
    figures = evaluator(model)

    def rows(*names):
        sets = [data[name] for name in names]
        labels = np.concatenate([one.labels for one in sets])
        return np.concatenate([one.images for one in sets])[labels != ""], labels[labels != ""]

    def fit(penalty, *names):
        return LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=10_000).fit(*rows(*names))

    searched = evaluator._answers(model, "test")[0].searched
    for place in (48, 64):
        assert searched[place] == pytest.approx(fit(penalty_at(place), "train").score(*rows("val")))
    best = fit(penalty_at(best_place(searched)), "train", "val")
    assert figures["features/test/linear_probe/top1"] == pytest.approx(best.score(*rows("test")))


def test_average_precision_of_tags_is_scikit_learns(data):
    evaluator, model = suite(data, parts=("tags",)), Rows()
    values = evaluator.outcomes(model)["features/test/tags/mean_average_precision"]
    assert len(values) == 3 and values[0] == pytest.approx(1)  # 'all' comes first, and is right everywhere
    penalty = penalty_at(best_place(evaluator._answers(model, "test")[0].searched))
    train, test = (
        (one.images[[bool(tags) for tags in one.tags]], ["early" in tags for tags in one.tags if tags])
        for one in (data["train"], data["test"])
    )
    expected = average_precision_score(test[1], Ridge(alpha=penalty).fit(*train).predict(test[0]))
    assert values[1] == pytest.approx(expected)


def test_sets_with_the_same_training_set_share_its_classifiers(data, labelled_set, monkeypatch):
    data["other"] = labelled_set(60, 4)
    fits, fit = [], LinearProbe.fit
    monkeypatch.setattr(LinearProbe, "fit", lambda *given: fits.append(1) or fit(*given))
    alone = suite(data, parts=("svm",))(Rows())
    both = made(Features, data, sets=("test", "other"), train_sets=("train",), parts=("svm",))(Rows())
    assert len(fits) == 2 and alone.items() < both.items()


def test_classes_that_training_never_saw_are_left_out(data):
    data["test"].labels[0] = "new"
    evaluator = suite(data, parts=("knn",))
    count = len(evaluator.outcomes(Rows())["features/test/knn/top1"])
    assert count == sum(label not in ("", "new") for label in data["test"].labels)
    data["test"].labels[:] = ["new"] * len(data["test"].labels)
    with pytest.raises(ValueError, match="none of the 4 classes"):
        suite(data, parts=("knn",))(Rows())


def test_what_does_not_fit_together_is_refused(data):
    with pytest.raises(ValueError, match="train_sets names 0 sets for 1"):
        made(Features, data, sets=("test",), train_sets=())
    with pytest.raises(ValueError, match="'nothing' is not one of train, test"):
        made(Features, data, sets=("test",), train_sets=("nothing",))
    with pytest.raises(ValueError, match="'probe' is not one of linear_probe"):
        suite(data, parts=("probe",))


def test_clusters_are_found_where_there_are_some(data, labelled_set):
    classes = np.arange(60) % 3
    rows = unit(np.eye(3, 6)[classes] + 0.05 * np.random.default_rng(0).normal(size=(60, 6)))
    found = clusters_of(rows.astype(np.float32), 3, iterations=20)
    assert cluster_figures(found, classes) == {
        "adjusted_rand": 1.0,
        "adjusted_mutual_information": pytest.approx(1.0),
        "matched_accuracy": 1.0,
    }
    evaluator, model = made(Clusters, data, sets=("test",)), Rows()
    figures = evaluator(model)
    assert 0.1 < figures["clusters/test/adjusted_rand"] < 1 and set(evaluator.chance()) < set(figures)
    table, drawn = evaluator.exhibits(model)
    labelled = sum(label != "" for label in data["test"].labels)
    assert sum(int(count) for count, _ in table.rows) == labelled == len(drawn.points) == len(drawn.classes)
    again = list(evaluator.exhibits(model))[1]
    np.testing.assert_array_equal(again.points, drawn.points)


def test_old_and_new_classes_share_one_matching(data):
    classes = np.array([0, 0, 1, 1, 2, 2, 2])
    clusters = np.array([5, 5, 5, 7, 8, 8, 7])  # 5 is class 0, 7 is class 1, 8 is class 2
    found = discovered(clusters, classes, classes < 2)
    assert found == {"old_accuracy": 0.75, "new_accuracy": pytest.approx(2 / 3)}
    assert matched_accuracy(clusters, classes) == pytest.approx(5 / 7)
    known = sorted({label for label in data["test"].labels if label})
    figures = made(Clusters, data, sets=("test",), old=(known[0],))(Rows())
    assert {"clusters/test/old_accuracy", "clusters/test/new_accuracy"} < set(figures)
    with pytest.raises(ValueError, match="0 are of old classes"):
        made(Clusters, data, sets=("test",), old=("none",)).check()


def test_geometry_is_what_its_formulas_say(data):
    rng = np.random.default_rng(3)
    images, texts = unit(rng.normal(size=(9, 4)) + 1), unit(rng.normal(size=(7, 4)))
    pairs = np.array([(0, 0), (0, 1), (3, 2), (8, 6)])
    assert modality_gap(images, texts) == pytest.approx(np.linalg.norm(images.mean(0) - texts.mean(0)))
    assert alignment(images, texts, pairs) == pytest.approx(
        np.mean([((images[i] - texts[t]) ** 2).sum() for i, t in pairs])
    )
    distances = [((images[a] - images[b]) ** 2).sum() for a in range(9) for b in range(a)]
    for block_size in (2, 64):
        expected = np.log(np.mean(np.exp(-2 * np.array(distances))))
        assert uniformity(images, block_size=block_size) == pytest.approx(expected)
    figures = made(Geometry, data, sets=("test",))(Rows())
    assert set(figures) == {
        f"geometry/test/{name}"
        for name in ("modality_gap", "alignment", "uniformity/image", "uniformity/text")
    }


def few(counts, seed=0):
    """Embeddings of as many images a class as are given, and many to test on."""
    rng, places = np.random.default_rng(seed), np.random.default_rng(1).normal(size=(len(counts), 64))

    def made(labels):
        return unit(places[labels] + 1.2 * rng.normal(size=(len(labels), 64))).astype(np.float32), labels

    return made(np.repeat(np.arange(len(counts)), counts)), made(np.repeat(np.arange(len(counts)), 40))


@pytest.mark.parametrize("counts", [[4] * 12, [1 + place % 4 for place in range(12)], [5] * 12])
def test_a_penalty_is_chosen_on_examples_not_fitted_to_however_few_a_class_has(data, counts):
    (rows, labels), (asked, right) = few(counts)
    for name, images, classes in (("train", rows, labels), ("test", asked, right)):
        names = [f"class {place}" for place in classes]
        data[name] = replace(
            data["test"], images=images, labels=names, tags=[["a"] if p % 2 else ["b"] for p in classes]
        )
    evaluator, model = suite(data, parts=("linear_probe", "tags")), Rows()
    reached = evaluator(model)["features/test/linear_probe/top1"]
    best = max(
        LogisticRegression(C=c, max_iter=2000).fit(rows, labels).score(asked, right)
        for c in (0.01, 1, 100, 1e4)
    )
    assert reached > best - 0.12
    probe, tags = evaluator.remarks(model)
    assert (
        probe.startswith("features/test/linear_probe: penalty ")
        and "1e+06" not in probe
        and "held out" in tags
    )
    assert ("12 of 60 examples, held out" if min(counts) == 5 else "examples in ") in probe


def test_a_penalty_at_the_edge_of_the_search_is_said(data, monkeypatch):
    """Of a search that finds the last place the best, and of one that does not."""
    for best, words in ((0, "the lowest of the search, and a better one may lie beyond"), (48, "held out")):
        monkeypatch.setattr(
            "vlp.evaluation.probes.suite.search_penalty", lambda _, best=best: {24: 0.5, best: 1.0}
        )
        (remark,) = suite(data, parts=("tags",)).remarks(Rows())
        assert remark.endswith(words)


def test_images_of_classes_that_the_training_set_lacks_are_said_to_be_left_out(data):
    assert len(suite(data, parts=("knn",)).remarks(Rows())) == 0
    data["test"].labels[:] = [label.replace("a", "A") for label in data["test"].labels]
    changed, labelled = data["test"].labels.count("A"), 90 - data["test"].labels.count("")
    (remark,) = suite(data, parts=("knn",)).remarks(Rows())
    (same,) = made(ClassMeans, data, sets=("test",)).remarks(Rows())
    assert same.removeprefix("class_means") == remark.removeprefix("features")
    assert remark == (
        f"features/test: {changed} of {labelled} labelled images are left out, as no image to "
        "learn from is labelled 'A'"
    )


def test_without_two_examples_of_any_class_nothing_is_chosen_and_that_is_said(data):
    rows = np.eye(6, dtype=np.float32)
    data["train"] = replace(data["test"], images=rows[:4], labels=list("abcd"), tags=[[]] * 4)
    (remark,) = suite(data, parts=("linear_probe",)).remarks(Rows())
    assert "penalty 1, which nothing chose: no class has two examples; name validation_sets" in remark


def test_a_validation_set_of_other_classes_is_refused(data, labelled_set):
    data["val"] = replace(labelled_set(20, 3), labels=["elsewhere"] * 20)
    with pytest.raises(ValueError, match="the validation set of 'test' has none of the 4 classes"):
        suite(data, validation_sets=("val",)).check()
