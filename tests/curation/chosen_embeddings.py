"""Steps and records for tests, and embeddings folders made of vectors that a test chooses."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.settings.setting import defaults
from input_pipeline.curation import Decision, Item, Step
from input_pipeline.records import Caption, Record
from vlp.embeddings.store import Notes, shard_path, write_shard


def write_folder(
    place: Path,
    images: Mapping[str, Sequence[float]],
    texts: Mapping[str, Sequence[float]],
    checkpoint: str = "c0ffee",
) -> str:
    """Images of the source `web`, and texts."""
    _write(place / "web" / "image", images, "ids", "npy")
    _write(place / "curation" / "text", texts, "texts", "parquet")
    parts: dict[str, Any] = {"web/image": {}, "curation/text": {}}
    (place / "index.json").write_text(json.dumps({"checkpoint": checkpoint, "parts": parts}))
    return str(place)


def _write(folder: Path, rows: Mapping[str, Sequence[float]], field: str, form: str) -> None:
    """In shards of three rows."""
    folder.mkdir(parents=True)
    names = list(rows)
    for number, first in enumerate(range(0, len(names), 3)):
        own = names[first : first + 3]
        empty = [""] * len(own)
        notes = Notes(
            [*range(len(own))], own, empty, empty, [[] for _ in own], own if field == "texts" else empty
        )
        values = np.array([rows[name] for name in own], np.float32)
        unit = values / np.linalg.norm(values, axis=1, keepdims=True)
        write_shard(shard_path(folder, number, form), unit, notes)


def step_of(kind: type[Step], name: str = "", **settings: Any) -> Any:
    """A step with the defaults of its settings file."""
    stem = kind.__module__.rpartition(".")[2]
    module = importlib.import_module(f"configs.settings.curation.{stem}")
    return kind({**defaults(module.SETTINGS), **settings}, name=name or stem, seed=0)


def item(identifier: str, *texts: str, kind: str = "", **fields: Any) -> Item:
    captions = tuple(Caption(text, kind) for text in texts)
    return Item(0, "web", Record(identifier, None, captions, **fields))


def decided(step: Step, items: Sequence[Item]) -> list[Decision]:
    """What a step decides, with its survey in two slices."""
    plan = None
    if step.surveys:
        half = len(items) // 2
        surveys = [json.loads(json.dumps(step.survey(part))) for part in (items[:half], items[half:])]
        plan = json.loads(json.dumps(step.settle(iter(surveys))))
    step.begin(plan)
    return [step(one) for one in items]
