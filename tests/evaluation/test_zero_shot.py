from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from made import made

from input_pipeline.views.class_names import category_names
from vlp.evaluation.classification.classifier import Answers
from vlp.evaluation.classification.zero_shot import Classes, ZeroShot, worst_mistakes, zero_shot_chance
from vlp.evaluation.exhibits import Bars, Confusion
from vlp.evaluation.texts.class_texts import class_embeddings
from vlp.evaluation.texts.prompt_sets import load_prompt_set


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def expected_table(model, data) -> tuple[list[str], np.ndarray]:
    classes = sorted(set(data.labels) - {""})
    prompts = [[t.replace("{}", name) for t in load_prompt_set("simple")] for name in category_names(classes)]
    return classes, class_embeddings(np.stack([model.encode_text(row) for row in prompts]))


def test_chance_knows_the_number_of_classes() -> None:
    assert zero_shot_chance(90) == {"top1": 1 / 90, "top5": 5 / 90, "mean_per_class": 1 / 90}
    assert zero_shot_chance(3)["top5"] == 1.0


def test_the_evaluator_leaves_out_images_without_a_label(model, evaluation_set) -> None:
    data = evaluation_set(20)
    data.labels[3] = data.labels[11] = ""
    evaluator = made(ZeroShot, {"val": data}, sets=("val",), templates="simple")
    classes, table = expected_table(model, data)
    answers = np.argmax(model.encode_image_array(data.images) @ table.T, axis=1)
    rows = [row for row in range(20) if data.labels[row]]
    top1 = np.mean([classes[answers[row]] == data.labels[row] for row in rows])
    assert evaluator(model)["zero_shot/val/top1"] == pytest.approx(top1)
    assert evaluator.chance()["zero_shot/val/top1"] == 1 / len(classes)
    assert np.mean(evaluator.outcomes(model)["zero_shot/val/top1"]) == pytest.approx(top1)
    bars, confusion, reliability, mistakes = evaluator.exhibits(model)
    assert isinstance(bars, Bars) and isinstance(confusion, Confusion)
    assert len(reliability.right) == 18 and np.mean(reliability.right) == pytest.approx(top1)
    assert len(mistakes.searches) == min(8, round(18 * (1 - top1)))
    own = [category_names(classes).index(name) for name in confusion.classes]
    assert own == list(range(len(classes))) and list(bars.names) == list(confusion.classes)
    for row in rows:
        confusion.counts[classes.index(data.labels[row]), answers[row]] -= 1
    assert not confusion.counts.any()
    assert bars.counts.sum() == 18 and (bars.shares * bars.counts).sum() == pytest.approx(18 * top1)


def test_descriptions_join_the_templates_or_stand_alone(model, evaluation_set, tmp_path) -> None:
    data, path = evaluation_set(14), tmp_path / "descriptions.json"
    classes = sorted(set(data.labels))
    sentences = {label: [f"{label} {n}" for n in range(1 + at)] for at, label in enumerate(classes)}
    path.write_text(json.dumps(sentences))
    images = model.encode_image_array(data.images)
    for templates in ("", "simple"):
        prompts = [t.replace("{}", "{x}") for t in (load_prompt_set(templates) if templates else ())]
        texts = [
            [t.replace("{x}", name) for t in prompts] + sentences[label]
            for label, name in zip(classes, category_names(classes), strict=True)
        ]
        table = np.stack([unit(model.encode_text(own).mean(axis=0)) for own in texts])
        top1 = np.mean(np.argmax(images @ table.T, axis=1) == [classes.index(label) for label in data.labels])
        evaluator = made(ZeroShot, {"val": data}, sets=("val",), templates=templates, descriptions=str(path))
        assert evaluator(model)["zero_shot/val/top1"] == pytest.approx(top1)
    # A class that nothing describes: by its name where there are templates, else a mistake.
    path.write_text(json.dumps({label: sentences[label] for label in classes[1:]}))
    assert made(ZeroShot, {"val": data}, sets=("val",), descriptions=str(path))(model)
    with pytest.raises(ValueError, match="describes no class 'a/b' of set 'val': add it"):
        made(ZeroShot, {"val": data}, sets=("val",), templates="", descriptions=str(path))(model)


def test_the_frechet_mean_may_be_a_class_without_a_text(model, evaluation_set, tmp_path) -> None:
    data, path = evaluation_set(14), tmp_path / "descriptions.json"
    # Three leaves under 'a', scored alike; 'a' itself has no text, but is next to all of them.
    data.labels[:] = [["a", "a/b", "a/c", "a/d"][row % 4] for row in range(14)]
    path.write_text(json.dumps({label: [label] for label in ("a/b", "a/c", "a/d")}))
    settings = {"sets": ("val",), "templates": "", "descriptions": str(path)}
    model.logit_scale = 0.01
    evaluator = made(ZeroShot, {"val": data}, rule="frechet", metric="paths", **settings)
    assert evaluator(model)["zero_shot/val/top1"] == 4 / 14
    assert evaluator(model)["zero_shot/val/squared_distance"] == 10 / 14
    _, confusion, *_ = evaluator.exhibits(model)
    assert list(confusion.classes)[-1] == "a" and confusion.counts[:, -1].sum() == 14


def test_answers_along_the_metric_lie_nearer_on_average(model, evaluation_set) -> None:
    data = evaluation_set(200)
    model.logit_scale = 2.0
    for metric in ("paths", "names"):
        plain, nearer = (
            made(ZeroShot, {"val": data}, sets=("val",), rule=rule, metric=metric)(model)
            for rule in ("argmax", "frechet")
        )
        assert nearer["zero_shot/val/squared_distance"] < plain["zero_shot/val/squared_distance"]


def test_the_nearest_captions_have_their_share_in_the_posterior(model, evaluation_set, tmp_path) -> None:
    data, path = evaluation_set(30), tmp_path / "captions.txt"
    captions = [f"caption {number}" for number in range(12)]
    path.write_text("\n".join(captions))
    classes, table = expected_table(model, data)
    images, rows = model.encode_image_array(data.images), model.encode_text(captions)
    found = np.argsort(-(images @ rows.T), axis=1)[:, :3]
    companions = unit(rows[found].mean(axis=1))
    labels = [classes.index(label) for label in data.labels]
    mixed = sum(
        share * np.exp(10 * one @ table.T) / np.exp(10 * one @ table.T).sum(axis=1, keepdims=True)
        for share, one in ((0.4, images), (0.6, companions))
    )
    settings = {"sets": ("val",), "templates": "simple", "captions": str(path), "nearest": 3}
    figures = made(ZeroShot, {"val": data}, alpha=0.4, **settings)(model)
    order = np.argsort(-mixed, axis=1)
    assert figures["zero_shot/val/top1"] == np.mean(order[:, 0] == labels)
    assert figures["zero_shot/val/top5"] == np.mean([labels[row] in order[row, :5] for row in range(30)])
    alone = made(ZeroShot, {"val": data}, sets=("val",), templates="simple")(model)
    assert made(ZeroShot, {"val": data}, alpha=1.0, **settings)(model) == pytest.approx(alone)
    assert figures != alone


def test_settings_that_do_not_go_together_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="rule='frechet' needs distances"):
        made(ZeroShot, {}, rule="frechet")
    with pytest.raises(ValueError, match="has no texts"):
        made(ZeroShot, {}, templates="")
    with pytest.raises(ValueError, match="no label tree at 'nowhere'"):
        made(ZeroShot, {}, metric="nowhere")
    with pytest.raises(ValueError, match="no captions at 'nowhere'"):
        made(ZeroShot, {}, captions="nowhere")
    with pytest.raises(ValueError, match="no descriptions at 'nowhere'"):
        made(ZeroShot, {}, descriptions="nowhere")


def test_a_remark_says_that_classes_are_called_by_numbers(model, evaluation_set) -> None:
    named, numbered = evaluation_set(20), evaluation_set(20)
    classes = sorted(set(named.labels))
    numbered.labels[:] = [str(classes.index(label)) for label in named.labels]
    evaluator = made(ZeroShot, {"a": named, "b": numbered}, sets=("a", "b"), templates="simple")
    (remark,) = evaluator.remarks(model)
    assert remark.startswith("zero_shot/b: its classes are called 0, 1, ")
    assert "evaluators.zero_shot.labels" in remark


def test_a_set_without_labels_is_refused(model, evaluation_set) -> None:
    data = evaluation_set(4)
    data.labels[:] = [""] * 4
    with pytest.raises(ValueError, match="'val' has no labels"):
        made(ZeroShot, {"val": data}, sets=("val",))(model)


def test_a_wrong_prompt_set_fails_before_any_encoding() -> None:
    with pytest.raises(ValueError, match="no prompt set 'nope'"):
        made(ZeroShot, {}, sets=("val",), templates="nope")


def test_the_surest_mistakes_are_shown_first() -> None:
    images = np.arange(4 * 3 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3, 3)
    classes = Classes(["x", "y"], [["x"], ["y"]], ["an x", "a y"], np.array([0, 2, 3]), np.array([0, 1, 0]))
    found = Answers(classes.indices, np.array([2, 1, 2]), np.array([1, 1, 1]), np.array([0.6, 0.99, 0.9]))
    (shown,) = worst_mistakes("s", classes, found, SimpleNamespace(images=images))
    assert [one.about for one in shown.searches] == ["this is an x"] * 2
    assert [list(one.found) for one in shown.searches] == [["a y"]] * 2
    assert [float(one.scores[0]) for one in shown.searches] == [0.9, 0.6]
    np.testing.assert_array_equal(shown.searches[0].query, images[3])
    right = found._replace(ranks=np.ones(3, int))
    assert not list(worst_mistakes("s", classes, right, SimpleNamespace(images=images)))
