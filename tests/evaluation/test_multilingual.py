"""Babel-ImageNet on a miniature: names of some classes in each language, asked of the images of those classes alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import made

from configs.eval import known_set
from input_pipeline.views.class_names import class_numbers
from vlp.evaluation.classification.multilingual import Multilingual

LABELS = ["n01440764", "n01443537", "n01484850", "3", ""]  # ImageNet's first three, a number, and none
NAMES = {
    "DE": [[0, 2, 3], ["Schleie", "Weißer Hai", "Tigerhai"]],
    "SW": [[1, 0], ["samaki {dhahabu}", "tench"]],
}
PROMPTS = {"DE": ["ein Foto von {}.", "das {}"]}


def folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    (path / "babel_imagenet-298.json").write_text(json.dumps(NAMES))
    (path / "nllb_dist13b_prompts.json").write_text(json.dumps(PROMPTS))
    return path


def evaluator(data: Any, path: Path, **changes: Any) -> Multilingual:
    """As the named set has it."""
    config = known_set.get_config(f"babel_imagenet,names={folder(path)}")
    assert config.data.evaluation.babel_imagenet.path == "imagenet2012/validation"
    settings = config.evaluators.multilingual.to_dict() | {"sets": ("val",), **changes}
    return made(
        Multilingual, {"val": data}, **{name: value for name, value in settings.items() if name != "kind"}
    )


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_each_language_is_asked_of_its_own_classes(model, evaluation_set, tmp_path: Path) -> None:
    data = evaluation_set(23)
    data = replace(data, labels=[LABELS[row % 5] for row in range(23)])
    asked = evaluator(data, tmp_path / "babel")
    figures, images = asked(model), unit(model.encode_image_array(data.images).astype(np.float64))
    expected = {}
    for code, (numbers, names) in NAMES.items():
        texts = [[one.replace("{}", name) for one in PROMPTS.get(code, ["{}"])] for name in names]
        table = unit(np.stack([unit(model.encode_text(own).astype(np.float64)).mean(0) for own in texts]))
        rows = [row for row in range(23) if row % 5 in numbers]
        answers = (images[rows] @ table.T).argmax(axis=1)
        expected[code] = np.mean([numbers[one] == row % 5 for one, row in zip(answers, rows, strict=True)])
        assert asked.outcomes(model)[f"multilingual/val/{code}/top1"].mean() == pytest.approx(expected[code])
    assert figures == pytest.approx(
        {"multilingual/val/top1": np.mean([*expected.values()])}
        | {f"multilingual/val/{code}/top1": value for code, value in expected.items()}
    )
    assert asked.chance()["multilingual/val/top1"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    (table,) = asked.exhibits(model)
    assert [row[:3] for row in table.rows] == [["DE", "3", "14"], ["SW", "2", "10"]]
    alone = evaluator(data, tmp_path / "babel", languages=("SW",))(model)
    assert alone["multilingual/val/top1"] == pytest.approx(expected["SW"]) and len(alone) == 2


def test_a_mistake_is_said_in_a_line(evaluation_set, tmp_path: Path) -> None:
    data = replace(evaluation_set(4), labels=["n01443537", "1", "", "1"])
    asked = evaluator(data, tmp_path / "babel", languages=("SW",))
    asked.check()
    one = tmp_path / "one.json"
    one.write_text(json.dumps({"SW": [[1], ["samaki"]]}))
    for changes, message in (
        ({"names": str(one)}, "two classes or more"),
        ({"languages": ("DE",)}, "no image of a class with a name in 'DE'"),
        ({"languages": ("XX",)}, r"languages='XX' is none of .*: DE, SW"),
        ({"names": str(tmp_path / "none.json")}, r"evaluators.multilingual.names=.* cannot be read"),
        ({"prompts": str(tmp_path / "babel" / "babel_imagenet-298.json")}, "with a {} in each"),
        ({"labels": "category"}, "is a rule and no table"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(asked, **changes).check()
    assert class_numbers("imagenet", ["n01484850", "999"]) == [2, 999]
    with pytest.raises(ValueError, match="is no class of imagenet"):
        class_numbers("imagenet", ["1000"])
