"""Encode images and texts of evaluation sets or sources once, for other tools and for evaluators."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
from tqdm import tqdm

import vlp
from input_pipeline.variants import FixedViews
from input_pipeline.whole_files import write_whole
from vlp.checkpoint import find_checkpoint
from vlp.configuration import ConfigError, to_dict
from vlp.embeddings.encode import GivenTexts, Records, check_same_start, embed
from vlp.embeddings.store import Embeddings, checkpoint_digest, remove_unfinished, shard_path
from vlp.jobs import JobOptions
from vlp.jobs._curation import curation_steps
from vlp.jobs._sources import asked_sources
from vlp.model import Model
from vlp.parallel.mesh import local_mesh
from vlp.processes.join import join
from vlp.runs.startup import configuring, usable_cores, use_compilation_cache

NEEDS = ()  # what is embedded may lie at --source
TAKES = ("checkpoint", "source")
WRITES = ("folder",)
READS_MODEL = True

_IMAGE = "data.image"  # what views depend on beside their number


class Part(NamedTuple):
    """One feature of one set: `folder` is SET/FEATURE."""

    folder: str
    records: Records


def run(options: JobOptions) -> int:
    """Encodes what no finished shard holds yet; whichever process ends last leaves the index.

    Raises:
      ConfigError: no checkpoint or output, data that cannot be opened, or an output begun with something else.
    """
    if not options.checkpoint or not options.output:
        raise ConfigError(
            "--job=embed needs --checkpoint=PATH (a workdir, its checkpoints, or one step's folder) and --output=FOLDER"
        )
    settings, output = options.config.embed, Path(options.output)
    use_compilation_cache()
    with configuring():
        join(options.config.distributed)
        folder = find_checkpoint(options.checkpoint)
        model = vlp.load(folder, mesh=local_mesh(), dtype=settings.dtype)
        parts = list(_parts(options, model))
        digest = checkpoint_digest(folder)
        check_same_start(output, _begun_with(digest, parts, settings), later=(_IMAGE,))
        if not jax.process_index():
            remove_unfinished(output, lambda name: name == "index.json")
        for part in parts:
            _embed(part, model, digest, settings, output)
    if not _all_there(parts, settings, output):
        print(f"the shards of process {jax.process_index()} are in {output}; others are still to come")
        return 0
    with configuring():
        index = {
            "checkpoint": digest,
            "logit_scale": model.logit_scale,
            "views": settings.views,
            "format": settings.format,
            "parts": _summaries(parts, output),
        }
    write_whole(output / "index.json", (json.dumps(index, indent=2) + "\n").encode())
    print(_closing_words(index["parts"], output))
    return 0


def _parts(options: JobOptions, model: Model) -> Iterator[Part]:
    """Features of `--source`, or of the named sets: evaluation sets show what evaluators see, sources what training
    may show."""
    data = options.config.data if options.config_argument else model.config.data
    settings, sets = options.config.embed, {**_trained_on(data), **_evaluated_on(data)}
    if options.source:
        sets = {name: (entry, to_dict(data.text)) for name, entry in asked_sources(options).items()}
    chosen = settings.sets if settings.sets and not options.source else _default_sets(options, data)
    for name in chosen:
        if name not in sets:
            raise ConfigError(f"embed.sets: there is no set or source '{name}': there is {', '.join(sets)}")
        entry, text = sets[name]
        for feature in ("image", "text") if settings.feature == "both" else (settings.feature,):
            views = _views(settings, model, data) if feature == "image" else None
            records = Records({name: entry}, text, model.preprocessing, feature, every_text=True, views=views)
            yield Part(f"{name}/{feature}", records)
    if texts := [text for entry in curation_steps(options) for text in entry.build(0).texts()]:
        yield Part("curation/text", GivenTexts(texts, model.preprocessing))


def _views(settings: Any, model: Model, data: Any) -> FixedViews | None:
    """What a run shows of an image, whose crops and augmentations are the config's, as this model sees it."""
    return FixedViews.build(model.preprocessing, data.image, settings.views) if settings.views else None


def _default_sets(options: JobOptions, data: Any) -> list[str]:
    """What a curation is of, where the config is one; else what is evaluated."""
    if options.source:
        return ["source"]
    if options.config_argument and options.config.curate.steps:
        return [name for name, source in data.sources.items() if source.weight > 0]
    return list(data.evaluation)


def _trained_on(data: Any) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return {name: ({**entry, "weight": 1.0}, data.text) for name, entry in data.sources.items()}


def _evaluated_on(data: Any) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    plain = {"prefix": "", "templates": ()}  # captions alone, as evaluators see them
    return {name: ({**entry, **plain}, {}) for name, entry in data.evaluation.items()}


def _begun_with(digest: str, parts: list[Part], settings: Any) -> dict[str, Any]:
    data = {part.folder: part.records.described for part in parts}
    begun = {"checkpoint": digest, "data": data, "format": settings.format, "shards": settings.shard_records}
    shown = next(filter(None, (part.records.views_digest for part in parts)), "")
    more = {
        "views": settings.views,
        "dtype": settings.dtype,
        _IMAGE: shown,
    }  # which older folders do not know
    return begun | {name: value for name, value in more.items() if value}


def _embed(part: Part, model: Model, digest: str, settings: Any, output: Path) -> None:
    process = (jax.process_index(), jax.process_count())
    total = sum(map(len, part.records.shards(settings.shard_records, process).values()))
    with tqdm(total=total, desc=part.folder, unit=" records", smoothing=0.1, disable=None) as bar:
        embed(
            part.records,
            model,
            output / part.folder,
            threads=usable_cores(),
            form=settings.format,
            shard_records=settings.shard_records,
            batch_rows=settings.batch_size,
            process=process,
            report=bar.update,
            checkpoint=digest,
        )


def _all_there(parts: list[Part], settings: Any, output: Path) -> bool:
    return all(
        shard_path(output / part.folder, number, settings.format).exists()
        for part in parts
        for number in part.records.shards(settings.shard_records)
    )


def _summaries(parts: list[Part], output: Path) -> dict[str, Any]:
    """Of each part: its files, rows and dimensions, and how many records were left out."""
    summaries = {}
    for part in parts:
        embeddings = Embeddings(output / part.folder)
        rows, dim = embeddings.shape
        summaries[part.folder] = {
            "records": len(part.records),
            "rows": rows,
            "dim": dim,
            "skipped": dict(sorted(embeddings.skipped.items())),
            "shards": [f"{part.folder}/{name}" for name in embeddings.files],
        }
    return summaries


def _closing_words(parts: Mapping[str, Mapping[str, Any]], output: Path) -> str:
    lines = [
        f"  {name}: {part['rows']} rows of {part['dim']} from {part['records']} records in {len(part['shards'])} "
        f"shard(s){_left_out(part['skipped'])}"
        for name, part in parts.items()
    ]
    return "\n".join([f"embeddings in {output}, listed in {output / 'index.json'}:", *lines])


def _left_out(skipped: Mapping[str, int]) -> str:
    return (
        "; left out: " + ", ".join(f"{count} {reason}" for reason, count in skipped.items())
        if skipped
        else ""
    )
