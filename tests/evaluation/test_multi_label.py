"""Multi-label figures: exactly scikit-learn's on the same scores, brute force elsewhere, masked cells nowhere."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made import made

from input_pipeline.verified_labels import (
    Hierarchy,
    known_labels,
    read_hierarchy,
    read_label_names,
    read_verified,
)
from vlp.evaluation.tagging.figures import (
    average_precision,
    average_precisions,
    best_f1,
    best_f1s,
    chance_average_precision,
    image_average_precisions,
    mean_by_count,
    real_accuracy,
    settled,
    variable_top_k,
)
from vlp.evaluation.tagging.multi_label import MultiLabel, multi_label_chance, multi_label_figures


def draw(seed: int, rows: int = 40, columns: int = 12, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Scores, many of them equal, and targets of which a third are unverified; every row and column has a label."""
    dice = np.random.default_rng(seed)
    scores = dice.integers(0, 6, (rows, columns)) / 7 if ties else dice.normal(size=(rows, columns))
    targets = dice.choice([-1, 0, 1], (rows, columns)).astype(np.int8)
    targets[np.arange(rows), np.arange(rows) % columns] = 1
    return scores, targets


@pytest.mark.parametrize("ties", [True, False])
def test_average_precision_and_f1_are_scikit_learn_s(ties: bool) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    for seed in range(5):
        dice = np.random.default_rng(seed)
        scores, targets = draw(seed, ties=ties)
        right = dice.random(40) < 0.3
        right[0] = True
        own = scores[:, 0]
        assert average_precision(own, right) == metrics.average_precision_score(right, own)
        f1, threshold = best_f1(own, right)
        assert f1 == pytest.approx(metrics.f1_score(right, own >= threshold), abs=1e-15)
        assert f1 == pytest.approx(
            max(metrics.f1_score(right, own >= level) for level in np.unique(own)), abs=1e-15
        )
        whole = np.where(targets > 0, 1, 0)
        everywhere = np.where(targets > 0, 1, -1)
        expected = metrics.average_precision_score(whole, scores, average="macro")
        assert average_precisions(scores, everywhere).mean() == pytest.approx(expected, abs=1e-15)
        expected = metrics.average_precision_score(whole, scores, average="samples")
        assert image_average_precisions(scores, everywhere).mean() == pytest.approx(expected, abs=1e-15)


def test_unverified_labels_count_nowhere() -> None:
    scores, targets = draw(0, ties=False)
    figures = multi_label_figures(scores, targets)
    elsewhere = np.where(targets == 0, np.random.default_rng(1).normal(size=scores.shape) * 100, scores)
    assert multi_label_figures(elsewhere, targets) == figures
    assert multi_label_figures(scores, np.where(targets == 0, -1, targets)) != figures
    column = targets[:, 0] != 0
    alone = average_precision(scores[column, 0], targets[column, 0] > 0)
    assert average_precisions(scores, targets)[0] == alone
    assert best_f1s(scores, targets)[0] == best_f1(scores[column, 0], targets[column, 0] > 0)[0]


def test_the_k_best_of_an_image_with_k_labels_by_sorting() -> None:
    scores, targets = draw(3, ties=False)
    expected, first = [], []
    for row, own in zip(scores, targets, strict=True):
        verified = [place for place in np.argsort(-row) if own[place] != 0]
        labels = {place for place in range(len(own)) if own[place] > 0}
        expected.append(len(labels & set(verified[: len(labels)])) / len(labels))
        first.append(verified[0] in labels)
    np.testing.assert_allclose(variable_top_k(scores, targets), expected)
    np.testing.assert_array_equal(real_accuracy(scores, targets), first)
    one = np.where(np.arange(12) == 4, 1, -1)[None].repeat(40, axis=0)
    np.testing.assert_array_equal(variable_top_k(scores, one), scores.argmax(axis=1) == 4)


def test_groups_of_images_with_equally_many_labels_weigh_the_same() -> None:
    assert mean_by_count(np.array([1.0, 0.0, 0.5, 0.5]), np.array([1, 1, 1, 2])) == pytest.approx(0.5)


def test_a_model_that_knows_nothing_earns_nothing_and_a_perfect_one_everything() -> None:
    _, targets = draw(5)
    perfect = multi_label_figures(settled(targets * 1.0, targets), targets)
    assert set(perfect.values()) == {1.0}
    broken = multi_label_figures(settled(np.full(targets.shape, np.nan), targets), targets)
    # Nothing is found before everything is taken.
    assert broken["real_accuracy"] == broken["variable_top_k"] == 0.0
    assert broken["mean_average_precision"] < multi_label_chance(targets)["mean_average_precision"]
    same = multi_label_figures(
        settled(1 + 1e-12 * np.random.default_rng(0).random(targets.shape), targets), targets
    )
    assert same["best_f1"] == pytest.approx(multi_label_chance(targets)["best_f1"])
    shares = [(own > 0).sum() / (own != 0).sum() for own in targets.T]
    assert same["mean_average_precision"] == pytest.approx(np.mean(shares))


def test_chance_agrees_with_random_scores() -> None:
    dice = np.random.default_rng(0)
    _, targets = draw(7)
    draws = [multi_label_figures(dice.random(targets.shape), targets) for _ in range(100)]
    for name, level in multi_label_chance(targets).items():
        values = [one[name] for one in draws]
        if name.startswith("best_f1"):
            assert level <= np.mean(values)
        else:
            assert np.mean(values) == pytest.approx(level, abs=5 * np.std(values) / 10)
    orders = [average_precision(dice.permutation(5.0 + np.arange(5)), np.arange(5) < 2) for _ in range(4000)]
    assert chance_average_precision(2, 5) == pytest.approx(np.mean(orders), abs=0.015)
    assert chance_average_precision(1, 1) == 1.0


TREE = {
    "LabelName": "thing",
    "Subcategory": [
        {"LabelName": "animal", "Subcategory": [{"LabelName": "dog"}, {"LabelName": "cat"}]},
        {"LabelName": "pet", "Subcategory": [{"LabelName": "dog"}]},
    ],
}


def test_what_is_there_is_so_with_its_ancestors_and_what_is_not_with_its_descendants() -> None:
    verified = {"a": {"dog": 1.0, "pet": 0.0}, "b": {"animal": 0.0}, "c": {"cat": 0.6}}
    labels, targets = known_labels(list("abc"), [[], ["pet"], ["cat"]], verified, Hierarchy(TREE))
    assert labels == ["animal", "cat", "dog", "pet", "thing"]
    assert targets.tolist() == [
        [1, 0, 1, 1, 1],  # a dog is a pet, whatever was said of pets
        [-1, -1, -1, 1, 1],
        [1, 1, 0, 0, 1],  # 0.6 says nothing, the tag does
    ]


def test_without_verification_what_is_no_tag_is_not_there() -> None:
    labels, targets = known_labels(list("abc"), [["x", "y"], ["x"], []], min_images=2)
    assert labels == ["x"] and targets.tolist() == [[1], [1], [-1]]


def test_open_images_files_are_read(tmp_path) -> None:
    (tmp_path / "labels.csv").write_text(
        "ImageID,Source,LabelName,Confidence\na,v,/m/1,1\na,v,/m/2,0\nb,m,/m/1,0.7\n"
    )
    assert read_verified(str(tmp_path / "*.csv")) == {"a": {"/m/1": 1.0, "/m/2": 0.0}, "b": {"/m/1": 0.7}}
    (tmp_path / "tree.json").write_text(json.dumps(TREE))
    assert read_hierarchy(str(tmp_path / "tree.json")).ancestors("dog") == {"animal", "pet", "thing"}
    (tmp_path / "names.txt").write_text('/m/1,Dog\n/m/2,"Cat, domestic"\n')
    assert read_label_names(str(tmp_path / "names.txt")) == {"/m/1": "Dog", "/m/2": "Cat, domestic"}
    (tmp_path / "other.csv").write_text("ImageID,LabelName\na,b\n")
    with pytest.raises(ValueError, match="no column confidence or Confidence; it has ImageID, LabelName"):
        read_verified(str(tmp_path / "other.csv"))
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(ValueError, match="no tree of LabelName"):
        read_hierarchy(str(tmp_path / "list.json"))
    with pytest.raises(ValueError, match="there is nothing at 'nowhere"):
        made(MultiLabel, {}, sets=("val",), verified="nowhere.csv")


IDS = ["000000000139", "1e5", "0x1F", "2020-01-01", "true", "007", "1.0", "NA", "null", "Ä "]


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
def test_ids_and_labels_are_texts_whatever_they_look_like(tmp_path, name) -> None:
    path = tmp_path / name
    if path.suffix == ".parquet":
        table = {"id": IDS, "label": IDS[::-1], "confidence": [1.0] * 9 + [None]}
        pq.write_table(pa.table(table), path)
    else:
        comma = "," if path.suffix == ".csv" else "\t"
        rows = [comma.join(("id", "label", "confidence"))]
        rows += [comma.join(row) for row in zip(IDS, IDS[::-1], ["1"] * 9 + [""], strict=True)]
        path.write_text("\n".join(rows), encoding="utf-8-sig")
    expected = {one: {other.strip(): 1.0} for one, other in zip(IDS[:9], IDS[:0:-1], strict=True)}
    found = read_verified(str(path))
    assert {
        one: {other.strip(): value for other, value in own.items()} for one, own in found.items()
    } == expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,dog,yes", "row 2: the confidence 'yes' is no number"),
        (",dog,1", "row 2 has no id"),
        ("a", "row 2 has no label"),
    ],
)
def test_a_broken_row_of_verified_labels_is_named(tmp_path, row, message) -> None:
    (tmp_path / "labels.csv").write_text(f"id,label,confidence\nb,dog,1\n{row}\n")
    with pytest.raises(ValueError, match=message):
        read_verified(str(tmp_path / "labels.csv"))


@pytest.mark.parametrize(
    ("setting", "content", "message"),
    [
        (
            "verified",
            "id,label,confidence\n139,sun,1\n",
            "ids of evaluation set 'val', which are such as 'id0'",
        ),
        (
            "names",
            "Sun,a sun\n",
            "labels of evaluation set 'val', which are such as 'sun'; its own are such as 'Sun'",
        ),
        (
            "hierarchy",
            '{"LabelName": "a", "Subcategory": [{"LabelName": "Sun"}]}',
            "labels of evaluation set 'val'",
        ),
    ],
)
def test_a_table_that_fits_nothing_of_a_set_is_refused(
    tmp_path, evaluation_set, setting, content, message
) -> None:
    data = evaluation_set(4)
    data.tags[:] = [["sun"]] * 4
    (tmp_path / "table.csv").write_text(content)
    table = {setting: str(tmp_path / "table.csv")}
    evaluator = made(MultiLabel, {"val": data}, sets=("val",), min_images=1, **table)
    with pytest.raises(ValueError, match=f"table.csv' knows none of the {message}"):
        evaluator.check()


def test_the_evaluator_scores_tags_by_name(model, evaluation_set) -> None:
    data = evaluation_set(12)
    data.tags[:] = [["sun", "moon"][: 1 + row % 2] + (["rare"] if row == 3 else []) for row in range(12)]
    data.labels[:] = ["sun" if row < 4 else "moon" for row in range(12)]
    evaluator = made(MultiLabel, {"val": data}, sets=("val",), min_images=2)
    figures = evaluator(model)
    scores = model.encode_image_array(data.images) @ model.encode_text(["moon", "sun"]).T
    targets = np.array([[row % 2 * 2 - 1, 1] for row in range(12)])
    expected = multi_label_figures(settled(scores, targets), targets)
    expected["top1"] = np.mean((scores[:, 1] > scores[:, 0]) == (np.arange(12) < 4))
    assert figures == pytest.approx({f"multi_label/val/{name}": value for name, value in expected.items()})
    assert set(evaluator.chance()) == set(figures)
    outcomes = evaluator.outcomes(model)
    assert {name: values.mean() for name, values in outcomes.items()} == pytest.approx(
        {name: figures[name] for name in outcomes}
    )
    bars, searches = evaluator.exhibits(model)
    assert bars.names == ["moon", "sun"] and bars.counts.tolist() == [6, 12]
    assert searches.searches[1].right.sum() == 2 and len(searches.searches) == 12
    data.labels[7] = "elsewhere"
    assert "multi_label/val/top1" not in made(MultiLabel, {"val": data}, sets=("val",), min_images=2)(model)
    data.tags[:] = [[] for _ in range(12)]
    with pytest.raises(ValueError, match="no tag of 2 images or more"):
        made(MultiLabel, {"val": data}, sets=("val",), min_images=2)(model)


def test_labels_that_training_knew_have_figures_of_their_own(model, evaluation_set, tmp_path) -> None:
    data = evaluation_set(12)
    data.tags[:] = [["sun", "moon"][: 1 + row % 2] + (["star"] if row % 3 else []) for row in range(12)]
    known = tmp_path / "known.json"
    known.write_text(json.dumps({"labels": ["sun", "star"], "of": "tags", "counts": [1, 1]}))
    plain = made(MultiLabel, {"val": data}, sets=("val",), min_images=1)
    one = made(MultiLabel, {"val": data}, sets=("val",), min_images=1, seen=str(known))
    found, levels = one(model), one.chance()
    targets, scores = one._tagged["val"].targets, one._scores(model, "val")
    assert one._tagged["val"].names == ["moon", "star", "sun"]
    for name, own in (("seen", [1, 2]), ("unseen", [0])):
        figure = f"multi_label/val/mean_average_precision_{name}"
        assert found[figure] == pytest.approx(average_precisions(scores[:, own], targets[:, own]).mean())
        assert 0 < levels[figure] <= 1
    assert not [name for name in plain(model) if "seen" in name]
