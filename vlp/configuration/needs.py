"""What has to be there before a job starts: active objectives, their data, the tokenizer, evaluation sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.kinds import check_kind, named, sources, tokenizers
from vlp.configuration.errors import ConfigError
from vlp.configuration.paths import find, looked_in

# What FOLDER/SPLIT may end in where the files of the folder begin with their split.
SPLITS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")


def _need_objectives(config: ConfigDict) -> None:
    if not any(settings.weight > 0 for settings in config.objectives.values()):
        example = "contrastive" if "contrastive" in config.objectives else min(config.objectives)
        raise ConfigError(
            f"every objective has weight 0: switch one on, as --config.objectives.{example}.weight=1"
        )


def _need_sources(config: ConfigDict) -> None:
    sources = config.data.sources
    if not sources:
        raise ConfigError("data.sources is empty: add a source with its format and path")
    if not any(source.weight > 0 for source in sources.values()):
        raise ConfigError(
            f"every source of data.sources has weight 0 ({', '.join(sources)}): give one a weight"
        )
    for name, source in sources.items():
        _check_entry(source, f"data.sources.{name}")
    _check_label_shares(config)


def _check_label_shares(config: ConfigDict) -> None:
    text, named = config.data.text, config.data.text_views
    views = {"data.text": {}, **{f"data.text_views.{name}": view for name, view in named.items()}}
    of_sources = any(source.get("templates") for source in config.data.sources.values())
    for where, view in views.items():
        share, templates = (view.get(key, text[key]) for key in ("label_share", "templates"))
        if share and not templates and not of_sources:
            raise ConfigError(
                f"{where}.label_share={share} shows labels, but no templates say how: set "
                "--config.data.text.templates='(\"a photo of a {}.\",)'"
            )


def check_named(known: Mapping[str, str], name: str, where: str) -> None:
    """Refuses a name that is neither known nor a class of some package."""
    try:
        check_kind(known, name, where)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _need_tokenizer(config: ConfigDict) -> None:
    check_named(tokenizers(), config.tokenizer.kind, "tokenizer.kind")
    path = config.tokenizer.path
    if not path or not find(path):
        hints = {
            "sentencepiece": f"train one on your captions with --job=tokenizer --output={path or 'tokenizer.model'}",
            "clip": "CLIP's own is data/tokenizers/clip",
            "siglip": "give it the spiece.model of a SigLIP folder",
            "huggingface": "give it a tokenizer.json, or the folder of one",
        }
        hint = hints.get(config.tokenizer.kind, "correct the path")
        raise ConfigError(f"tokenizer.path: there is no file '{path}'{looked_in(path)}; {hint}")
    for name, source in config.data.sources.items():
        prefix = source.prefix_token
        if prefix and prefix not in config.tokenizer.prefix_tokens:
            known = ", ".join(config.tokenizer.prefix_tokens) or "none"
            raise ConfigError(
                f"data.sources.{name}.prefix_token='{prefix}' is not in tokenizer.prefix_tokens, which has {known}"
            )


def evaluation_sets(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns names in data.evaluation that an evaluator's settings ask for: to measure on, to train on, to choose
    with."""
    lists = ("sets", "train_sets", "validation_sets")
    return tuple(dict.fromkeys(name for key in lists for name in settings.get(key, ())))


def _need_evaluation(config: ConfigDict) -> None:
    for evaluator, settings in config.evaluators.items():
        if settings.every or settings.final:
            for name in evaluation_sets(settings):
                if name not in config.data.evaluation:
                    known = ", ".join(config.data.evaluation) or "none"
                    raise ConfigError(
                        f"evaluators.{evaluator}.sets: '{name}' is not in data.evaluation, which has {known}"
                    )
                _check_entry(config.data.evaluation[name], f"evaluators.{evaluator}: data.evaluation.{name}")


def _check_entry(entry: Any, where: str) -> None:
    if entry.format:
        check_named(sources(), entry.format, f"{where}.format")
    if not entry.path:
        raise ConfigError(f"{where}.path is empty: say where the data is")
    # Addresses, ranges, splits and data sets by name: only opening them shows whether they are there.
    own = entry.format in named() or ":" in entry.format  # what a path means is theirs to say
    elsewhere = own or any(sign in entry.path for sign in ("://", "{"))
    elsewhere |= entry.path.rsplit("/", 1)[-1].lower() in SPLITS
    if not elsewhere and not find(entry.path):
        raise ConfigError(
            f"{where}.path: there is nothing at '{entry.path}'{looked_in(entry.path)}: correct the path"
        )


NEEDS: dict[str, Callable[[ConfigDict], None]] = {
    "objectives": _need_objectives,
    "sources": _need_sources,
    "tokenizer": _need_tokenizer,
    "evaluation": _need_evaluation,
}
