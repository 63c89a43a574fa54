"""What no array shows: a run that starts from a model uses its arrays as that model does, or says what is new."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from saved_models import saved_model

from configs import quickstart
from input_pipeline.tokenizers import Tokenizer, load_tokenizer
from vlp.runs.started import UNSEEN, check_uses

BUILT = {"image": {"transformer": {}}, "text": {"transformer": {}}, "logit_scale": 0.0}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("start"))


def check(
    start: Path, changes: dict[str, Any], *, origin: str = "start", new: str = "", built: Any = BUILT
) -> None:
    config = quickstart.get_config("runlocal")
    config.checkpoint.update({origin: str(start), "start_new": new})
    config.update_from_flattened_dict(changes)
    tokenizer: Tokenizer = load_tokenizer(config.tokenizer)
    check_uses(config, tokenizer, built)


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
        start, {path: value}, built={**BUILT, path.split(".")[1]: {"stages": {}}}
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


def test_every_setting_that_is_compared_is_one() -> None:
    model = quickstart.get_config().model
    assert all({*names} <= {*model[tower]} for tower, names in UNSEEN.items())
