from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from configs.settings.kinds import entries
from vlp.evaluation import build_evaluators, chance_levels, due, evaluate, find, required_sets
from vlp.evaluation.cache import RememberingEncoder


def make_config(**changes: dict) -> dict:
    config = {
        "zero_shot": {
            "every": 10,
            "final": True,
            "sets": ("val", "easy"),
            "templates": "simple",
            "labels": "category",
        },
        "retrieval": {"every": 0, "final": True, "sets": ("val",), "k": (1, 5)},
    }
    for name, options in changes.items():
        config[name] = {**config.get(name, {}), **options}
    return config


class OnDemand(dict):
    """Fails when a set is fetched, not when it is asked for."""

    def __getitem__(self, name: str) -> None:
        raise AssertionError(f"{name} was loaded")


def test_a_round_encodes_each_image_and_each_text_once(model, evaluation_set) -> None:
    sets = {"val": evaluation_set(9), "easy": evaluation_set(5, seed=1)}
    evaluators = build_evaluators(make_config(), sets)
    figures = evaluate(evaluators, model)
    assert model.images_asked == 9 + 5
    assert len(model.texts_asked) == len(set(model.texts_asked))
    assert figures == pytest.approx({k: v for one in evaluators for k, v in one(model).items()}, abs=0)
    without = {name for name in figures if name.endswith("calibration_error")}
    assert set(chance_levels(evaluators)) == set(figures) - without


def test_the_next_round_encodes_again(model, evaluation_set) -> None:
    evaluators = build_evaluators(make_config(), {"val": evaluation_set(9), "easy": evaluation_set(5)})
    evaluate(evaluators, model)
    evaluate(evaluators, model)
    assert model.images_asked == 2 * (9 + 5)


def test_written_templates_within_a_learned_context_are_remarked_on(model, evaluation_set) -> None:
    sets = {"val": evaluation_set(9), "easy": evaluation_set(5, seed=1)}

    def remarks(templates: str) -> list[str]:
        evaluators = build_evaluators(make_config(zero_shot={"templates": templates}), sets)
        return [one for one in find(evaluators, model, {}).remarks if "/templates" in one]

    assert remarks("simple") == []
    model.has_context = True
    (said,) = remarks("simple")
    assert said.startswith("zero_shot/templates: ") and "templates=named asks" in said
    assert remarks("named") == []


def test_building_loads_no_set_and_skips_what_is_off() -> None:
    off = {"every": 0, "final": False, "sets": ("elsewhere",), "templates": "nope"}
    config = make_config(zero_shot=off)
    assert [one.name for one in build_evaluators(config, OnDemand(val=None))] == ["retrieval"]
    assert required_sets(config) == ("val",)
    assert required_sets(make_config()) == ("val", "easy")


def test_what_an_entry_does_not_say_is_the_default_of_its_kind() -> None:
    (evaluator,) = build_evaluators(
        {"mine": {"kind": "retrieval", "every": 1, "final": False, "sets": ("val",)}}, {"val": None}
    )
    assert vars(evaluator) == {
        **{name: value for name, value in entries("evaluators")["retrieval"].items() if name != "kind"},
        "name": "mine",
        "data": {"val": None},
        "every": 1,
        "sets": ("val",),
    }


def test_due_are_periods_and_on_the_last_step_the_final_ones(evaluation_set) -> None:
    evaluators = build_evaluators(make_config(), OnDemand(val=None, easy=None))
    names = [[one.name for one in due(evaluators, step, last=step == 25)] for step in (9, 20, 25)]
    assert names == [[], ["zero_shot"], ["retrieval", "zero_shot"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"knn": {"every": 1, "final": False}},
            "evaluators.knn: there is no kind of evaluators 'knn'.* zero_shot",
        ),
        (
            {"retrieval": {"depth": 3}},
            "retrieval has no option 'depth': it takes kind, every, final, sets, k, ",
        ),
        ({"retrieval": {"sets": ()}}, "evaluators.retrieval is on but its sets are empty"),
        ({"retrieval": {"sets": ("vall",)}}, "asks for 'vall': data.evaluation has val, easy"),
        ({"zero_shot": {"templates": "nope"}}, "no prompt set 'nope'"),
        ({"zero_shot": {"labels": "nope"}}, "no class naming rule 'nope'"),
    ],
)
def test_mistakes_in_the_config_are_told_at_building(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_evaluators(make_config(**changes), OnDemand(val=None, easy=None))


def test_a_model_that_returns_its_padding_is_refused(model) -> None:
    class Padding:
        def encode_text(self, texts, *, prefix=""):
            return np.zeros((8, 2), np.float32)

    with pytest.raises(ValueError, match=r"returned \(8, 2\) for 2 inputs"):
        RememberingEncoder(Padding()).encode_text(["a", "b"])


def test_what_is_remembered_of_images_goes_with_them(model) -> None:
    encoder, images = RememberingEncoder(model), np.zeros((3, 4, 4, 3), np.uint8)
    for _ in range(2):
        encoder.encode_image_array(images)
    assert model.images_asked == 3
    for _ in range(3):  # whose arrays may lie at one place in turn
        encoder.encode_image_array(np.ones((2, 4, 4, 3), np.uint8))
    assert model.images_asked == 3 + 3 * 2 and len(encoder._images) == 1


def test_importing_the_evaluators_loads_neither_jax_nor_the_input_pipeline() -> None:
    code = (
        "import sys, vlp.evaluation, vlp.evaluation.classification.zero_shot, vlp.evaluation.retrieval.captions\n"
        "print(sorted({'jax', 'flax', 'grain', 'input_pipeline.sources', 'vlp.model'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
