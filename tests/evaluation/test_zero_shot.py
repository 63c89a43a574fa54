from __future__ import annotations

import numpy as np
import pytest

from vlp.evaluation.class_names import category_names
from vlp.evaluation.prompt_sets import load_prompt_set
from vlp.evaluation.zero_shot import ZeroShot, class_embeddings, zero_shot_chance, zero_shot_figures


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_class_embeddings_are_means_of_unit_rows() -> None:
    prompts = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    expected = [unit(np.mean([unit(row.astype(np.float64)) for row in one], axis=0)) for one in prompts]
    np.testing.assert_allclose(class_embeddings(prompts), expected, atol=1e-12)
    scaled = prompts * np.array([1.0, 100.0, 0.01, 5.0], np.float32)[None, :, None]
    np.testing.assert_allclose(class_embeddings(scaled), expected, atol=1e-6)


@pytest.mark.parametrize("block_size", [1, 5, 64])
def test_figures_are_those_of_a_plain_loop(block_size: int) -> None:
    rng = np.random.default_rng(1)
    images, classes = unit(rng.normal(size=(40, 4))), unit(rng.normal(size=(9, 4)))
    labels = rng.integers(0, 8, 40)  # one class never occurs
    order = np.argsort(-(images @ classes.T), axis=1)
    hits = order[:, 0] == labels
    figures = zero_shot_figures(images, classes, labels, block_size=block_size)
    assert figures == {
        "top1": pytest.approx(np.mean(hits)),
        "top5": pytest.approx(np.mean([labels[i] in order[i, :5] for i in range(40)])),
        "mean_per_class": pytest.approx(np.mean([hits[labels == c].mean() for c in np.unique(labels)])),
    }


def test_a_collapsed_model_scores_nothing() -> None:
    same = np.ones((10, 3)) / np.sqrt(3)
    figures = zero_shot_figures(same, same[:6], np.arange(10) % 6)
    assert figures == {"top1": 0.0, "top5": 0.0, "mean_per_class": 0.0}


def test_chance_knows_the_number_of_classes() -> None:
    assert zero_shot_chance(90) == {"top1": 1 / 90, "top5": 5 / 90, "mean_per_class": 1 / 90}
    assert zero_shot_chance(3)["top5"] == 1.0


def test_the_evaluator_leaves_out_images_without_a_label(model, evaluation_set) -> None:
    data = evaluation_set(20)
    data.labels[3] = data.labels[11] = ""
    evaluator = ZeroShot({"val": data}, sets=("val",), templates="simple")
    classes = sorted(set(data.labels) - {""})
    prompts = [[t.replace("{}", name) for t in load_prompt_set("simple")] for name in category_names(classes)]
    table = class_embeddings(np.stack([model.encode_text(row) for row in prompts]))
    answers = np.argmax(model.encode_image_array(data.images) @ table.T, axis=1)
    rows = [row for row in range(20) if data.labels[row]]
    top1 = np.mean([classes[answers[row]] == data.labels[row] for row in rows])
    assert evaluator(model)["zero_shot/val/top1"] == pytest.approx(top1)
    assert evaluator.chance()["zero_shot/val/top1"] == 1 / len(classes)


def test_a_set_without_labels_is_refused(model, evaluation_set) -> None:
    data = evaluation_set(4)
    data.labels[:] = [""] * 4
    with pytest.raises(ValueError, match="'val' has no labels"):
        ZeroShot({"val": data}, sets=("val",))(model)


def test_a_wrong_prompt_set_fails_before_any_encoding() -> None:
    with pytest.raises(ValueError, match="no prompt set 'nope'"):
        ZeroShot({}, sets=("val",), templates="nope")
