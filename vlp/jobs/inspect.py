"""Look at data as training will see it; with --benchmark, at how fast it comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from input_pipeline.first_look import advice
from input_pipeline.inspect.advice import advice as loader_advice
from input_pipeline.inspect.contact_sheet import contact_sheet
from input_pipeline.inspect.report import survey_table
from input_pipeline.inspect.stages import delivered_per_second, stage_seconds
from input_pipeline.inspect.survey import survey
from input_pipeline.inspect.visits import Row, visits
from input_pipeline.records import Reason
from input_pipeline.sources import open_named
from input_pipeline.stream import make_stream
from input_pipeline.subsets import entry_records, spread
from input_pipeline.tokenizers import load_tokenizer
from input_pipeline.views.text import TextView
from input_pipeline.whole_files import write_whole, writing_whole
from vlp.configuration import ConfigError
from vlp.jobs import JobOptions
from vlp.jobs._sources import asked_sources
from vlp.planning.demand import Demand, demand
from vlp.runs.data import preprocessing_spec
from vlp.runs.startup import configuring, usable_cores, use_compilation_cache

NEEDS = ("tokenizer",)
TAKES = ("source",)
WRITES = ("folder", "workdir")
OPTIONS = {"benchmark": (False, "how fast the loader is, and how fast it has to be")}
_BATCH = 64  # at most, to measure with: a batch of thousands may take minutes to come
_STAGE_SECONDS = 5.0


def run(options: JobOptions) -> int:
    """Writes `inspect.json` and `contact_sheet.png`, or `benchmark.json`, and prints what they say.

    Raises:
      ConfigError: there is no data, or it does not fit the config.
    """
    output = Path(options.output or options.workdir / "inspect")
    data = {**options.config.data.to_dict(), "sources": asked_sources(options)}
    with configuring():
        output.mkdir(parents=True, exist_ok=True)
        return _benchmark(options, data, output) if options.own["benchmark"] else _look(options, data, output)


def _look(options: JobOptions, data: dict[str, Any], output: Path) -> int:
    config, tokenizer = options.config, load_tokenizer(options.config.tokenizer)
    figures: dict[str, Any] = {}
    rows: list[Row] = []
    for name, entry in data["sources"].items():
        source, view = open_named(name, entry), TextView.of_source(data["text"], entry)
        chosen = entry_records(source, name, entry)
        seen = survey(
            source, chosen, view, tokenizer, records=config.inspect.records, threads=data["threads"]
        )
        figures[name] = seen.figures
        print(survey_table(name, seen.figures), flush=True)
        shown = seen.good or seen.pictures
        if not shown:
            continue
        wanted = max(1, config.inspect.rows // len(data["sources"]))
        numbers = [shown[place] for place in spread(len(shown), wanted)]
        rows += visits(
            name,
            source,
            numbers,
            config.inspect.visits,
            data=data,
            preprocessing=preprocessing_spec(config),
            tokenizer=tokenizer,
            seed=config.seed,
            captions=bool(seen.good),
        )
    _write(output / "inspect.json", figures)
    print(f"figures: {output / 'inspect.json'}")
    if rows:
        side = config.model.image.resolution
        title = f"{config.name}: {side} x {side} px, {tokenizer.length} tokens, seed {config.seed}"
        with writing_whole(output / "contact_sheet.png") as file:
            contact_sheet(rows, title).save(file, "PNG")
        print(f"what the model will see: {output / 'contact_sheet.png'}")
    for name, seen in figures.items():
        _require_usable(name, seen)
    return 0


def _require_usable(name: str, figures: dict[str, Any]) -> None:
    """Raises ConfigError for a source that training could use nothing of."""
    if not figures["usable"]:
        counts = figures["bad"]
        labels = list(figures.get("labels", {"top": {}})["top"])
        reason = Reason[max(counts, key=counts.__getitem__).upper()]
        reasons = ", ".join(f"{count} {bad}" for bad, count in counts.items())
        raise ConfigError(
            f"source '{name}': none of {figures['looked_at']} records looked at can be used ({reasons})"
            f"{advice(reason, name, labels[0] if labels else '')}"
        )


def _benchmark(options: JobOptions, data: dict[str, Any], output: Path) -> int:
    config, preprocessing = options.config, preprocessing_spec(options.config)
    tokenizer = load_tokenizer(config.tokenizer)
    batch_size = min(config.batch_size, _BATCH)
    stream = make_stream(
        data, preprocessing=preprocessing, tokenizer=tokenizer, batch_size=batch_size, seed=config.seed
    )
    loader = {key: data[key] for key in ("workers", "threads", "prefetch")}
    ahead = max(loader["prefetch"], loader["threads"]) * max(1, loader["workers"])
    delivered = delivered_per_second(stream.batches(**loader), ahead, config.inspect.seconds)
    limit = min(config.inspect.seconds, _STAGE_SECONDS)
    stages = stage_seconds(data, preprocessing, tokenizer, seed=config.seed, seconds=limit)
    use_compilation_cache()
    needed = demand(config, options.workdir)
    sentences = loader_advice(
        delivered,
        needed.images_per_second,
        stages,
        data,
        cores=usable_cores(),
        resolution=config.model.image.resolution,
    )
    _write(
        output / "benchmark.json",
        {
            "delivered_images_per_second": delivered,
            "needed_images_per_second": needed.images_per_second,
            "basis": needed.basis,
            "seconds_per_record": stages,
            "loader": {**loader, "batch_size": batch_size},
            "advice": sentences,
        },
    )
    print(_benchmark_table(delivered, needed, stages, {**loader, "batch size": batch_size}))
    print("\n".join(["", *sentences, f"figures: {output / 'benchmark.json'}"]))
    return 0


def _benchmark_table(
    delivered: float, needed: Demand, stages: dict[str, float], loader: dict[str, int]
) -> str:
    cost = sum(stages.values())
    settings = ", ".join(f"{count} {name}" for name, count in loader.items())
    return "\n".join(
        [
            f"images/s delivered {_rate(delivered):>12}   by this host's loader alone: {settings}",
            f"images/s needed    {_rate(needed.images_per_second):>12}   by all devices: {needed.basis}",
            "",
            "stage       ms/record   share   (one thread, nothing beside it)",
            *(f"{name:<10}{1000 * spent:>11.3f}{spent / cost:>8.1%}" for name, spent in stages.items()),
            f"{'all':<10}{1000 * cost:>11.3f}   = {1 / cost:,.0f} images/s per core",
        ]
    )


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _write(path: Path, figures: dict[str, Any]) -> None:
    write_whole(path, (json.dumps(figures, indent=1, ensure_ascii=False) + "\n").encode())
