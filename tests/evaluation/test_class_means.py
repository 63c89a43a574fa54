from __future__ import annotations

import numpy as np
import pytest
from made import made

from vlp.evaluation.classification.class_means import ClassMeans, Split, StreamingMeans, learn_task_by_task


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def examples(seed: int, count: int = 90, classes: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centres = np.random.default_rng(99).normal(size=(classes, 5))
    return unit(centres[labels] + rng.normal(size=(count, 5))).astype(np.float32), labels


def nearest(rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    return np.argmin(np.linalg.norm(rows[:, None].astype(np.float64) - means, axis=2), axis=1)


def test_streaming_means_are_those_of_all_rows_at_once() -> None:
    rows, labels = examples(0)
    streaming = StreamingMeans(9, 5)
    for part in np.array_split(np.arange(90), 7):
        streaming.update(rows[part], labels[part])
    expected = [rows[labels == label].mean(axis=0, dtype=np.float64) for label in range(9)]
    np.testing.assert_allclose(streaming.means, expected, atol=1e-11)
    asked, asked_labels = examples(1)
    answers = nearest(asked, np.stack(expected))
    np.testing.assert_array_equal(streaming.ranks(asked, asked_labels) == 1, answers == asked_labels)


def test_the_order_of_rows_changes_no_bit() -> None:
    rows, labels = examples(0)
    rows[:, 0] *= (
        1e-3  # sums of numbers of several magnitudes, which floating point would round by their order
    )
    found = []
    for seed in range(5):
        order, streaming = np.random.default_rng(seed).permutation(90), StreamingMeans(9, 5)
        for part in np.array_split(order, 1 + seed):
            streaming.update(rows[part], labels[part])
        found.append(streaming.means)
    assert all(np.array_equal(found[0], other) for other in found)


def test_classes_that_have_not_come_are_no_answer() -> None:
    streaming = StreamingMeans(4, 2)
    streaming.update(np.eye(2), np.array([3, 1]))
    assert streaming.seen.tolist() == [1, 3]
    assert streaming.ranks(np.eye(2), np.array([3, 1])).tolist() == [1, 1]
    assert streaming.ranks(np.eye(2), np.array([1, 3])).tolist() == [2, 2]


def test_each_task_is_asked_of_the_classes_so_far() -> None:
    (learned, learned_labels), (asked, asked_labels) = examples(0), examples(1)
    tasks = [np.array([4, 7]), np.array([0]), np.array([8, 1, 2, 3, 5, 6])]
    after = learn_task_by_task(
        Split(np.arange(90), learned_labels, np.arange(90), asked_labels, tasks), learned, asked
    )
    known: list[int] = []
    for task, one in zip(tasks, after, strict=True):
        known = sorted([*known, *task.tolist()])
        means = np.stack([learned[learned_labels == label].mean(axis=0, dtype=np.float64) for label in known])
        inside = np.isin(asked_labels, known)
        answers = np.array(known)[nearest(asked[inside], means)]
        assert one.seen == len(known)
        np.testing.assert_array_equal(one.ranks == 1, answers == asked_labels[inside])


def test_only_the_way_there_depends_on_the_tasks(model, evaluation_set) -> None:
    data = {"train": evaluation_set(40, seed=1), "val": evaluation_set(20)}
    data["val"].labels[2:5] = ["", "unknown", ""]
    found = [
        made(ClassMeans, data, sets=("val",), tasks=tasks, seed=seed)
        for tasks, seed in ((1, 0), (7, 0), (3, 1))
    ]
    figures = [evaluator(model) for evaluator in found]
    ways = [own.pop("class_means/val/average_incremental") for own in figures]
    assert figures[0] == figures[1] == figures[2]
    assert ways[0] == figures[0]["class_means/val/top1"] and len(set(ways)) == 3
    assert len(found[0].outcomes(model)["class_means/val/top1"]) == 17
    assert set(found[0].chance()) == set(found[0](model))
    (table,) = found[1].exhibits(model)
    assert [row[1] for row in table.rows] == [str(count) for count in range(1, 8)]


def test_mistakes_are_told(model, evaluation_set) -> None:
    with pytest.raises(ValueError, match=r"learned asks for 'train': data\.evaluation has val"):
        made(ClassMeans, {"val": evaluation_set(4)}, sets=("val",))
    data = {"train": evaluation_set(8), "val": evaluation_set(4)}
    with pytest.raises(ValueError, match="tasks=8 is more than the 7 classes of 'train'"):
        made(ClassMeans, data, sets=("val",), tasks=8)(model)
    data["val"].labels[:] = ["x"] * 4
    with pytest.raises(ValueError, match="no image of set 'val' has a label that 'train' has"):
        made(ClassMeans, data, sets=("val",))(model)
