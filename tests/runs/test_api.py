"""The face of the library: configs, training and evaluation as functions, with the errors of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vlp


def test_a_config_is_a_file_and_what_is_other_than_in_it() -> None:
    config = vlp.config(
        "configs/clip.py:runlocal",
        steps=7,
        optimizer={"learning_rate": 1e-2, "schedule": {"warmup_steps": 1}},
        model__image__pool="mean",
        evaluators={"mine": {"kind": "zero_shot", "final": True, "sets": ("val",)}},
        **{"log.tensorboard": False},
    )
    assert config.steps == 7 and config.optimizer.learning_rate == 1e-2
    assert config.optimizer.schedule.warmup_steps == 1 and config.model.image.pool == "mean"
    assert config.evaluators.mine.sets == ("val",) and not config.log.tensorboard
    assert config.optimizer.b2 == vlp.config("configs/clip.py:runlocal").optimizer.b2


def test_numbers_of_numpy_are_numbers() -> None:
    config = vlp.config(
        steps=np.int64(7),
        optimizer={"learning_rate": np.float32(0.5)},
        data__image__mean=np.array([0.5, 0.25, 0.125]),
    )
    assert (config.steps, config.optimizer.learning_rate) == (7, 0.5)
    assert config.data.image.mean == (0.5, 0.25, 0.125)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"stepz": 3}, "the nearest is --config.steps"),
        ({"steps": 0}, "steps=0 must be at least 1"),
        ({"optimizer": {"learning_rat": 1}}, "optimizer.learning_rate"),
    ],
)
def test_mistakes_are_those_of_the_command_line(settings: dict[str, object], said: str) -> None:
    with pytest.raises(vlp.ConfigError, match=said):
        vlp.config(**settings)


def test_training_refuses_what_is_not_there(tmp_path: Path) -> None:
    config = vlp.config(**{"data.sources.quickstart.path": "nowhere.parquet"})
    with pytest.raises(vlp.ConfigError, match=r"nothing at 'nowhere.parquet'"):
        vlp.train(config, tmp_path)


@pytest.mark.slow
def test_a_trained_model_is_measured_by_any_config(tmp_path: Path) -> None:
    settings = {"steps": 2, "batch_size": 16, "model": {"image": {"depth": 1}, "text": {"depth": 1}}}
    final = {"geometry": {"final": True, "sets": ("val",)}}
    config = vlp.config(
        "configs/quickstart.py:runlocal", evaluators=final, log__tensorboard=False, **settings
    )
    model = vlp.train(config, tmp_path)
    figures = vlp.evaluate(model)
    assert figures and all(name.startswith("geometry/val/") for name in figures)
    assert vlp.evaluate(tmp_path) == pytest.approx(figures)
    with pytest.raises(vlp.ConfigError, match="no evaluator is on"):
        vlp.evaluate(model, vlp.config(evaluators={}))
