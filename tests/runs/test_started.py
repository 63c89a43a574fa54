"""What no array shows: a run that starts from a model uses its arrays as that model does, or says what is new."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_models import saved_model

from configs import quickstart
from configs.settings.kinds import kinds
from input_pipeline.tokenizers import Tokenizer, load_tokenizer
from vlp.checkpoint import Checkpointer, Description
from vlp.configuration import to_dict
from vlp.configuration.parts import find_part
from vlp.models.families import FAMILIES
from vlp.runs.started import FIRST_OF_PARTS, check_uses

BUILT = {"image": {"transformer": {}}, "text": {"transformer": {}}, "logit_scale": 0.0}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("start"))


def described(folder: Path, changes: dict[str, Any]) -> Path:
    """A checkpoint of a quickstart with changes, of which the description alone is looked at."""
    config = quickstart.get_config("runlocal")
    config.update_from_flattened_dict(changes)
    tokenizer = load_tokenizer(config.tokenizer)
    checkpointer = Checkpointer(folder / "checkpoints")
    description = Description(to_dict(config), {}, tokenizer.spec, b"", {"step": 1})
    checkpointer.save(1, {"params": {"a": np.ones(1)}}, {"step": np.int32(1)}, description)
    checkpointer.close()
    return folder


def check(
    start: Path,
    changes: dict[str, Any],
    *,
    origin: str = "start",
    new: str = "",
    built: Any = BUILT,
    parts: Collection[str] = (),
) -> None:
    config = quickstart.get_config("runlocal")
    config.checkpoint.update({origin: str(start), "start_new": new})
    config.update_from_flattened_dict(changes)
    tokenizer: Tokenizer = load_tokenizer(config.tokenizer)
    check_uses(config, tokenizer, built, parts)


CHANGES = {
    "model.image.heads": (1, "is 2 there and 1 here"),
    "model.image.last_heads": (1, "is 2 there and 1 here"),
    "model.image.activation": ("quick_gelu", "is 'gelu_tanh' there and 'quick_gelu' here"),
    "model.image.pool": ("class", "is 'mean' there and 'class' here"),
    "model.text.causal": (True, "is False there and True here"),
    "model.text.norm_eps": (1e-5, "is 1e-06 there and 1e-05 here"),
}


@pytest.mark.parametrize("path", CHANGES)
def test_settings_that_no_shape_shows_are_those_of_the_checkpoint_or_said_to_be_new(
    start: Path, path: str
) -> None:
    value, words = CHANGES[path]
    with pytest.raises(ValueError, match=rf"^checkpoint\.start=.* computes something else .*{path} {words}"):
        check(start, {path: value})
    check(start, {path: value}, new=f"^{path.replace('.', '/')}$")
    other = "start_text" if ".image." in path else "start_image"
    check(start, {path: value}, origin=other)  # which takes the other tower
    check(
        start, {path: value}, built={**BUILT, path.split(".")[1]: {"blocks": {}}}
    )  # a tower without such blocks


def test_what_training_alone_reads_may_differ(start: Path) -> None:
    training = {"model.image.patch_dropout": 0.1, "model.image.drop_path": 0.1, "model.image.resolution": 32}
    check(start, {**training, "model.image.pool_heads": 2, "tokenizer.length": 9})


def test_another_tokenizer_is_refused_where_the_text_tower_is_taken(start: Path) -> None:
    other = {"tokenizer.clean": "lower"}
    with pytest.raises(ValueError, match=r"has another tokenizer, .* \(it differs in clean\)"):
        check(start, other)
    check(start, other, origin="start_image")
    check(start, other, new="^model/text/embedding/")


def test_images_that_are_prepared_otherwise_are_said(start: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check(start, {"data.image.resize": "squash"}, origin="start_text")
        assert not caplog.text
        check(start, {"data.image.resize": "squash"})
    assert (
        "its images were prepared otherwise than data.image says: resize=pad there and squash here"
        in caplog.text
    )


OTHER_KINDS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], tuple[str, str]]] = [
    ({"model.text.kind": "bag"}, {"mlp": {}}, {"model.text.ngrams": 3}, ("ngrams", "text")),
    (
        {"model.text.kind": "bag"},
        {"mlp": {}},
        {"model.text.activation": "relu"},
        ("activation", "text"),
    ),
    (
        {"model.text.context": 2},
        {"transformer": {}, "context": {}},
        {"model.text.context_place": "front"},
        ("context_place", "text"),
    ),
    (
        {"model.image.kind": "resnet", "model.image.heads": 4},
        {"stages": {}},
        {"model.image.heads": 2},
        ("heads", "image"),
    ),
    (
        {"model.image.kind": "convnext"},
        {"stages": {}, "patches_in": {}},
        {"model.image.norm_eps": 1e-5},
        ("norm_eps", "image"),
    ),
]


@pytest.mark.parametrize(("there", "arrays", "here", "told"), OTHER_KINDS)
def test_other_towers_have_settings_of_their_own_that_no_shape_shows(
    tmp_path: Path, there: dict[str, Any], arrays: dict[str, Any], here: dict[str, Any], told: tuple[str, str]
) -> None:
    name, tower = told
    start, built = described(tmp_path, there), {**BUILT, tower: arrays}
    check(start, there, built=built)
    with pytest.raises(ValueError, match=rf"computes something else .*model\.{tower}\.{name} is"):
        check(start, {**there, **here}, built=built)
    check(start, {**there, **here}, built=built, new=f"^model/{tower}/{name}$")


def test_adapters_are_those_of_the_checkpoint_or_new(tmp_path: Path) -> None:
    arrays = {"transformer": {"blocks": {"attention": {"qkv": {"adapter": {"down": 0, "up": 0}}}}}}
    built = {**BUILT, "image": arrays}
    rules, alpha = "model.adapters.rules", "model.adapters.alpha"
    there = {rules: "image/.*qkv$ = lora 2", alpha: 4.0}
    start = described(tmp_path, there)
    check(start, {**there, rules: "qkv$ = lora 2"}, built=built)  # the same, in other words
    with pytest.raises(ValueError, match=r"model\.adapters\.alpha is 4\.0 there and 8\.0 here"):
        check(start, {**there, alpha: 8.0}, built=built)
    with pytest.raises(ValueError, match=r"model\.adapters\.rules is 'lora 2' there and 'lora 2 qv' here"):
        check(start, {**there, rules: "qkv$ = lora 2 qv"}, built=built)
    check(start, {**there, alpha: 8.0}, built=BUILT)  # a tower without any
    without = described(tmp_path / "without", {})
    check(without, {**there, alpha: 8.0}, built=built)  # they are new


FIRST_VALUES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"model.logit_scale.init": 20.0}, "model.logit_scale.init is 14"),
    (
        {"model.logit_bias.learn": True},
        {"model.logit_bias.init": -5.0},
        r"model.logit_bias.init is -10.0 there and -5.0 here",
    ),
    ({"model.image.layer_scale": 0.1}, {"model.image.layer_scale": 0.2}, "model.image.layer_scale is 0.1"),
    (
        {"model.text.context": 2, "model.text.context_words": "a b"},
        {"model.text.context_words": "b c"},
        "model.text.context_words is 'a b' there and 'b c' here",
    ),
    (
        {"objectives.tagging.weight": 1.0},
        {"objectives.tagging.scale": 20.0},
        "objectives.tagging.scale is 10.0 there and 20.0 here",
    ),
]


@pytest.mark.parametrize(("there", "here", "told"), FIRST_VALUES)
def test_first_values_of_what_the_checkpoint_brings_are_said_to_have_no_effect(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    there: dict[str, Any],
    here: dict[str, Any],
    told: str,
) -> None:
    start, parts = described(tmp_path, there), ["objectives/tagging/scorer"]
    check(start, there, parts=parts)
    assert not caplog.text
    check(start, {**there, **here}, parts=parts)
    assert told in caplog.text and "they have no effect" in caplog.text
    caplog.clear()
    if "tagging" in told or "logit" in told:  # a tower alone brings neither
        check(start, {**there, **here}, parts=parts, origin="start_image")
        assert not caplog.text


def test_what_is_new_begins_as_the_settings_say(start: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(start, {"model.logit_bias.learn": True, "model.logit_bias.init": -5.0})
    check(start, {"model.image.layer_scale": 0.2}, new="layer_scale")
    check(start, {"objectives.tagging.scale": 20.0}, parts=["objectives/tagging/scorer"])
    assert not caplog.text


def test_first_values_of_parts_are_all_known() -> None:
    """What a setting of an objective with parts calls a first value is compared, unless no part holds it."""
    first = {
        (name, setting)
        for name in kinds("objectives")
        if (part := find_part("objectives", name, name)).load().parts
        for setting, one in part.settings.items()
        if getattr(one, "meaning", "").endswith("at first")
    }
    assert {setting for _, setting in first - {("sentence_prompts", "temperature")}} == {*FIRST_OF_PARTS}


def test_every_setting_that_is_compared_is_one() -> None:
    model = quickstart.get_config().model
    for tower, kind in ((tower, kind) for tower, known in FAMILIES.items() for kind in known.values()):
        said = {*kind.begins.values(), *(name for names in kind.unseen.values() for name in names)}
        assert said <= {*model[tower]}, kind
