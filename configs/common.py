"""What every config file shares: reading its string argument, and the bundled data set."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from configs.settings.towers import tiny


def parse_arg(arg: str, **defaults: Any) -> ConfigDict:
    """Reads the argument of `--config=configs/x.py:model=vit_b16,resolution=224,runlocal`.

    The declared defaults say which names exist and of what type they are; a bare word means True. A tuple as default
    lists the words that are possible, the default first.

    Args:
      arg: comma-separated `name=value` pairs or bare words; '' leaves every default as it is. A comma of a value
        stands behind a backslash.
      **defaults: every name the config file understands, with its default value.

    Returns:
      The defaults with the given values in their places, for dot access.

    Raises:
      ValueError: an unknown name, a name given twice, or a value that is not of the default's type or not possible.
    """
    result = ConfigDict({name: one[0] if isinstance(one, tuple) else one for name, one in defaults.items()})
    seen: set[str] = set()
    last = ""
    for item in filter(None, (part.strip().replace("\\,", ",") for part in re.split(r"(?<!\\),", arg))):
        name, equals, text = item.partition("=")
        if name not in defaults:
            raise ValueError(_unknown(name, tuple(defaults), last))
        if name in seen:
            raise ValueError(f"the argument '{name}' is given twice: keep one of them")
        seen.add(name)
        last = item if equals else ""
        result[name] = _convert(name, text if equals else None, defaults[name])
    return result


def _convert(name: str, text: str | None, default: Any) -> Any:
    """The text as a value of the default's type; None stands for a bare word."""
    if isinstance(default, tuple):
        if text in default:
            return text
        raise ValueError(f"{name}={text} is not one of {', '.join(default)}")
    kind = type(default)
    if kind is bool:
        values = {"true": True, "false": False, None: True}
        key = text.lower() if text is not None else None
        if key in values:
            return values[key]
    elif text is not None:
        try:
            return kind(text)
        except ValueError:
            pass
    given = f"'{text}'" if text is not None else "no value"
    raise ValueError(f"the argument '{name}' takes a {kind.__name__} such as {name}={default}, not {given}")


def _unknown(name: str, known: tuple[str, ...], before: str) -> str:
    if not known:
        return f"the argument '{name}' is unknown: this config file takes none"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    if before and not hint:
        hint = (
            f"if it belongs to '{before}', a comma of a value stands behind a backslash: {before}\\,{name}. "
        )
    return f"the argument '{name}' is unknown: {hint}This config file takes {', '.join(known)}"


def quickstart_source(split: str, weight: float = 1.0) -> dict[str, Any]:
    """Returns one split of the image-text pairs that come with the repository, as an entry of `data`."""
    return {
        "format": "parquet",
        "path": f"data/quickstart/{split}.parquet",
        "weight": weight,
        "columns": {"captions": "captions", "tags": "tags", "label": "category", "group": "concept"},
    }


def quickstart_labels(split: str, weight: float = 1.0) -> dict[str, Any]:
    """Returns the same pairs as images with a class: no captions, the label in a template instead."""
    source = quickstart_source(split, weight)
    columns = {**source["columns"], "captions": "", "translations": ""}
    return {**source, "columns": columns, "templates": ("a picture of a {}", "clip art of a {}", "a {}")}


def use_collages(config: ConfigDict) -> None:
    """Trains on the bundled pictures two by two, whose regions are known, and has a set of them to measure on."""
    config.data.sources = {"collages": {**quickstart_source("train"), "format": "collages"}}
    config.data.evaluation = {
        **config.data.evaluation.to_dict(),
        "collages": {**quickstart_source("val_vendor"), "format": "collages"},
    }
    config.model.image.patch_dropout = 0.0
    config.data.image.crop_scale = (0.8, 1.0)


CATEGORIES = "data/quickstart/tables/categories.json"


def name_regions(config: ConfigDict, texts: str = "classes") -> None:
    """Tells what regions show by the bundled categories of training pictures, whose names are texts."""
    config.data.labels = {"classes": {"path": CATEGORIES, "of": "label", "most": 1}}
    config.data.texts = {texts: {"path": CATEGORIES, "templates": ("{}", "a picture of {}")}}


def evaluate_labels(config: ConfigDict, labels: str) -> None:
    """Measures on the bundled images of the labels of a file alone."""
    sets = {name: {**quickstart_source(name), "keep_labels": labels} for name in config.data.evaluation}
    config.data.evaluation = sets


def quickstart_table(name: str) -> dict[str, Any]:
    """Returns what comes with the pairs by id: "clusters" (8 of 256 `cluster_ids`) or "entities" (one of 2,010
    `entity_id`)."""
    return {"path": f"data/quickstart/tables/{name}.parquet"}


def use_curated(config: ConfigDict, folder: str, kind: str) -> None:
    """Trains on what --job=curate left of the only source: the records that it kept, with the captions that it wrote.

    Args:
      config: to change.
      folder: the job's output.
      kind: of those captions.
    """
    ((name, source),) = config.data.sources.items()
    files = {"keep_ids": f"{folder}/kept.txt", "captions_by_id": f"{folder}/texts.jsonl"}
    config.data.sources = {name: {**source.to_dict(), **files}}
    config.data.text.kinds = f"{kind}=1"


def start_from(
    config: ConfigDict, folder: str, towers: Sequence[str] = ("image", "text"), new: str = ""
) -> None:
    """Starts from what another run or an import trained, whose config.json says what it is.

    Args:
      config: to change: `model`, how images or texts are prepared, and `checkpoint`.
      folder: a workdir; '' leaves the config as it is.
      towers: of 'image' and 'text'; both stand for the whole model.
      new: a regular expression of what is not there, or of another shape.

    Raises:
      ValueError: the folder has no config.json that can be read.
    """
    if not folder:
        return
    path = Path(folder).expanduser() / "config.json"
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        model, tokenizer, image = there["model"], there["tokenizer"], there["data"]["image"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder} is no workdir of a run or an import: {path}: {error!r}") from error
    whole = len(towers) == 2
    config.checkpoint.update({"start" if whole else f"start_{towers[0]}": folder, "start_new": new})
    keys = [key for key in model if key in config.model and key != "adapters"] if whole else towers
    if model[towers[0]].get("projection") == "none":  # then embeddings are as wide as the tower
        config.model.embed_dim = model["embed_dim"]
    config.model.update({key: _known(model[key], config.model[key]) for key in keys})
    if "image" in towers:
        config.data.image.update({key: image[key] for key in ("mean", "std", "resize") if key in image})
    if "text" in towers:
        beside = path.parent / tokenizer["path"]
        own = {"path": str(beside)} if tokenizer["path"] and beside.is_file() else {}
        config.tokenizer.update({**_known(tokenizer, config.tokenizer), **own})


def _known(there: Any, here: Any) -> Any:
    """Of a group of another config, what this one has, too, as it has it."""
    if not isinstance(there, dict):
        return tuple(there) if isinstance(there, list) else there
    return {key: _known(value, here[key]) for key, value in there.items() if key in here}


# The bundled drawings' own: small, so that a small model's vocabulary is.
QUICKSTART_TOKENIZER = {"kind": "sentencepiece", "path": "data/quickstart/tokenizer.model"}
CLIP_TOKENIZER = {"kind": "clip", "path": "data/tokenizers/clip"}


def evaluate(config: ConfigDict, every: int) -> None:
    """Measures retrieval and zero-shot classification on all evaluation sets, every so many steps and at the end."""
    sets = tuple(config.data.evaluation)
    for name in ("retrieval", "zero_shot"):
        config.evaluators[name].update(every=every, final=True, sets=sets)


def evaluate_images(config: ConfigDict, every: int) -> None:
    """Evaluates images of the same label among images, in a recipe that trains no text tower."""
    for name in ("retrieval", "zero_shot"):
        config.evaluators[name].update(every=0, final=False)
    config.evaluators.image_retrieval.update(every=every, final=True, sets=tuple(config.data.evaluation))


def shrink(config: ConfigDict) -> None:
    """Makes the recipe small enough for a laptop: every part is still there, nothing is learned."""
    image, text = config.model.image, config.model.text
    config.model.update(embed_dim=32, dtype="float32")
    image.update(tiny(image))
    text.update(tiny(text))
    config.update(steps=8, batch_size=16)
    config.tokenizer.update(QUICKSTART_TOKENIZER)
    for name in ("retrieval", "zero_shot", "image_retrieval"):
        if config.evaluators[name].final:
            config.evaluators[name].update(every=0, sets=("val",))
    config.optimizer.schedule.warmup_steps = 2
    config.data.update(threads=2, workers=0)
    config.log.every = 2
