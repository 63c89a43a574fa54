"""Whether a fresh run uses the arrays that it starts from as the model does that they are of."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.tokenizers import Tokenizer
from vlp.checkpoint import find_checkpoint, read_description
from vlp.configuration import completed
from vlp.models.adapters import read_adapter
from vlp.models.families import TOWERS, family
from vlp.path_rules import parse_rules, tree_paths
from vlp.runs.data import preprocessing_spec
from vlp.training.start import ORIGINS

Difference = tuple[str, Any, Any]  # a setting's path, its value there and its value here

# Of parts of objectives, as `unseen` and `begins` of towers' families.
UNSEEN_OF_PARTS = ("heads",)
FIRST_OF_PARTS = ("scale", "bias", "sharpness")
AS_THE_BLOCKS = ("last_heads", "pool_heads")  # where they are 0
VOCABULARY = "model/text/embedding/embedding"
OF_TOKENS = ("kind", "sha256", "special_tokens", "clean")
OF_IMAGES = ("resize", "mean", "std")


def check_uses(
    config: Any, tokenizer: Tokenizer, model: Mapping[str, Any], parts: Collection[str] = ()
) -> None:
    """Refuses settings that make another function of the arrays that a run starts from.

    Warnings name what else differs: how images are prepared, for a tower that is trained gets used to them, and
    settings that say what arrays begin as, for these come from the checkpoint.

    Args:
      config: of the run; what `checkpoint.start_new` matches, by its path as 'model/image/heads', may differ.
      tokenizer: of the run.
      model: its arrays, by tower.
      parts: of objectives, which are taken, too, as 'objectives/<entry>/<part>'.

    Raises:
      ValueError: names the settings, and their values there and here.
    """
    for setting in ORIGINS:
        towers = [tower for tower in TOWERS if tower in model and _origin(config, tower) == setting]
        whole = setting == "start"
        if not config.checkpoint[setting] or not (towers or whole):
            continue
        origin = f"checkpoint.{setting}={config.checkpoint[setting]}"
        there = read_description(find_checkpoint(config.checkpoint[setting]))
        before = completed(there.config)
        entries = _entries(parts, before) if whole else []
        unseen = [
            *_unseen(towers, model, before["model"], config.model),
            *_of_entries(entries, UNSEEN_OF_PARTS, before, config),
        ]
        _check_settings(origin, unseen, config.checkpoint.start_new)
        first = [*_first(towers, before["model"], config.model, whole)]
        _say_first(origin, [*first, *_of_entries(entries, FIRST_OF_PARTS, before, config)])
        if "text" in towers:
            _check_tokens(origin, there.tokenizer_spec, tokenizer.spec, config.checkpoint.start_new)
        if "image" in towers:
            _compare_images(origin, there.preprocessing, preprocessing_spec(config))


def _origin(config: Any, tower: str) -> str:
    return f"start_{tower}" if config.checkpoint[f"start_{tower}"] else "start"


def _entries(parts: Collection[str], there: Mapping[str, Any]) -> list[str]:
    """Objectives of which parts are taken: the checkpoint's run had them, too."""
    names = sorted({part.split("/")[1] for part in parts})
    return [name for name in names if there["objectives"].get(name, {}).get("weight")]


def _check_settings(origin: str, differences: Sequence[Difference], new: str) -> None:
    found = [one for one in differences if not (new and re.search(new, one[0]))]
    if found:
        raise UserError(
            f"{origin} holds a model that computes something else with the same arrays: {_told(found)}. Set what is "
            "there, as --config=WORKDIR/config.json does, or say with checkpoint.start_new='REGEX' which of them, as "
            f"'^{found[0][0]}$', may be new"
        )


def _say_first(origin: str, differences: Sequence[Difference]) -> None:
    if differences:
        logging.warning(
            "%s: what these settings begin is taken from there, and they have no effect: %s. checkpoint.start_image "
            "and checkpoint.start_text take the towers alone",
            origin,
            _told(differences),
        )


def _told(differences: Sequence[Difference]) -> str:
    return "; ".join(
        f"{path.replace('/', '.')} is {old!r} there and {own!r} here" for path, old, own in differences
    )


def _unseen(
    towers: Collection[str], model: Mapping[str, Any], there: Mapping[str, Any], here: Any
) -> Iterator[Difference]:
    for tower in towers:
        old, own = there[tower], here[tower]
        for group, names in family(tower, own).unseen.items():
            if group in model[tower] and old.get(group, True):  # a context may be new
                yield from _differences(f"model/{tower}", names, old, own)
    layers = [
        f"model/{tower}/{path.rpartition('/adapter/')[0]}"
        for tower in towers
        for path in tree_paths(model[tower])
        if path.endswith("/adapter/down")
    ]
    before, now = ([_adapter(one["adapters"]["rules"], path) for path in layers] for one in (there, here))
    yield from _unseen_of_adapters(before, now, there["adapters"]["alpha"], here.adapters.alpha)


def _unseen_of_adapters(
    there: Sequence[str], here: Sequence[str], old: float, own: float
) -> Iterator[Difference]:
    """What differs between adapters of the same shapes; a layer that had none there begins with one that is new."""
    pairs = [(one, other) for one, other in zip(there, here, strict=True) if one]
    if old != own and any(one.startswith("lora") for one, _ in pairs):
        yield "model/adapters/alpha", old, own
    for one, other in sorted({pair for pair in pairs if len({read_adapter(text)[2] for text in pair}) > 1}):
        yield "model/adapters/rules", one, other


def _adapter(rules: str, path: str) -> str:
    """What the first rule that matches gives a layer; '' = no adapter."""
    return next((rule.value for rule in parse_rules(rules) if re.search(rule.pattern, path)), "")


def _first(towers: Collection[str], there: Mapping[str, Any], here: Any, whole: bool) -> Iterator[Difference]:
    for tower in towers:
        old, own = there[tower], here[tower]
        names = [name for need, name in family(tower, own).begins.items() if old[need] and own[need]]
        yield from _differences(f"model/{tower}", names, old, own)
    if whole:
        yield from _differences("model/logit_scale", ("init",), there["logit_scale"], here.logit_scale)
    if whole and there["logit_bias"]["learn"] and here.logit_bias.learn:
        yield from _differences("model/logit_bias", ("init",), there["logit_bias"], here.logit_bias)


def _of_entries(
    entries: Collection[str], names: Collection[str], there: Mapping[str, Any], here: Any
) -> Iterator[Difference]:
    for entry in entries:
        old, own = there["objectives"][entry], here.objectives[entry]
        yield from _differences(
            f"objectives/{entry}", [name for name in names if name in old and name in own], old, own
        )


def _differences(where: str, names: Collection[str], there: Any, here: Any) -> Iterator[Difference]:
    for name in names:
        old, own = (_value(settings, name) for settings in (there, here))
        if old != own and there[name] != here[name]:
            yield f"{where}/{name}", old, own


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
