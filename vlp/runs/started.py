"""Whether a fresh run uses the arrays that it starts from as the model does that they are of."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer
from vlp.checkpoint import Description, find_checkpoint, read_description
from vlp.configuration import completed
from vlp.models.families import TOWERS
from vlp.runs.data import preprocessing_spec
from vlp.training.start import ORIGINS

# What changes the outputs of a tower of transformer blocks, and leaves no trace in the shapes of its arrays.
_IMAGE = (
    "heads last_heads pool_heads activation norm_eps norm_after_pool branch_norm pool pool_prefix position"
)
UNSEEN = {
    "image": (*_IMAGE.split(), "rotary_base", "rotary_grid", "rotary_first"),
    "text": ("heads", "activation", "norm_eps", "causal", "attend_padding", "post_norm", "pool"),
}
AS_THE_BLOCKS = ("last_heads", "pool_heads")  # where they are 0
VOCABULARY = "model/text/embedding/embedding"
OF_TOKENS = ("kind", "sha256", "special_tokens", "clean")
OF_IMAGES = ("resize", "mean", "std")


def check_uses(config: Any, tokenizer: Tokenizer, model: Mapping[str, Any]) -> None:
    """Refuses settings that make another function of the arrays that a run starts from.

    Of images that are prepared otherwise a warning says so: a tower that is trained gets used to them.

    Args:
      config: of the run; what `checkpoint.start_new` matches, by its path as 'model/image/heads', may differ.
      tokenizer: of the run.
      model: its arrays, by tower.

    Raises:
      ValueError: names the settings, and their values there and here.
    """
    for setting in ORIGINS:
        towers = [tower for tower in TOWERS if tower in model and _origin(config, tower) == setting]
        if not config.checkpoint[setting] or not towers:
            continue
        origin = f"checkpoint.{setting}={config.checkpoint[setting]}"
        there = read_description(find_checkpoint(config.checkpoint[setting]))
        _check_settings(origin, there, config, [one for one in towers if "transformer" in model[one]])
        if "text" in towers:
            _check_tokens(origin, there.tokenizer_spec, tokenizer.spec, config.checkpoint.start_new)
        if "image" in towers:
            _compare_images(origin, there.preprocessing, preprocessing_spec(config))


def _origin(config: Any, tower: str) -> str:
    return f"start_{tower}" if config.checkpoint[f"start_{tower}"] else "start"


def _check_settings(origin: str, there: Description, config: Any, towers: Collection[str]) -> None:
    before, new = completed(there.config)["model"], config.checkpoint.start_new
    found = [
        one
        for tower in towers
        for one in _differences(tower, before[tower], config.model[tower])
        if not (new and re.search(new, one[0]))
    ]
    if found:
        told = "; ".join(
            f"{path.replace('/', '.')} is {old!r} there and {own!r} here" for path, old, own in found
        )
        raise UserError(
            f"{origin} holds a model that computes something else with the same arrays: {told}. Set what is there, as "
            "--config=WORKDIR/config.json does, or say with checkpoint.start_new='REGEX' which of them, as "
            f"'^{found[0][0]}$', may be new"
        )


def _differences(tower: str, there: Mapping[str, Any], here: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yields paths, values there and values here."""
    for name in UNSEEN[tower]:
        old, own = (_value(settings, name) for settings in (there, here))
        if old != own and there[name] != here[name]:
            yield f"model/{tower}/{name}", old, own


def _value(settings: Any, name: str) -> Any:
    return settings[name] or settings["heads"] if name in AS_THE_BLOCKS else settings[name]


def _check_tokens(origin: str, there: Mapping[str, Any], here: Mapping[str, Any], new: str) -> None:
    other = [name for name in OF_TOKENS if there.get(name, "") != here[name]]
    if other and not (new and re.search(new, VOCABULARY)):
        raise UserError(
            f"{origin} has another tokenizer, whose ids its text tower has learned (it differs in {', '.join(other)}): "
            "set tokenizer as the config.json there has it, start from the image tower alone by "
            f"checkpoint.start_image, or say with checkpoint.start_new='^{VOCABULARY}$' that all tokens are new"
        )


def _compare_images(origin: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    told = [
        f"{name}={there[name]} there and {here[name]} here"
        for name in OF_IMAGES
        if name in there and there[name] != here[name]
    ]
    if told:
        logging.warning(
            "%s: its images were prepared otherwise than data.image says: %s", origin, "; ".join(told)
        )
