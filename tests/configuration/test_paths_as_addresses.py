"""Every setting that names a file, a folder or a checkpoint takes an address, or refuses it in one line."""

from __future__ import annotations

import http.server
import importlib
import pkgutil
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from benchmarks.object_store import Door
from configs.base import get_config
from configs.settings import data, frozen, jobs, model, run, tokenizer
from configs.settings.kinds import GROUPS, kind_file, kinds, with_common
from configs.settings.setting import leaves
from input_pipeline.curation.entries import read_entries, read_entries_by_language
from input_pipeline.curation.gazetteer import read_gazetteer
from input_pipeline.labels import read_labels
from input_pipeline.regions_by_id import RegionsById
from input_pipeline.sources import open_source
from input_pipeline.sources.paths import here
from input_pipeline.subsets import entry_records, read_ids
from input_pipeline.tables import load_table
from input_pipeline.texts_by_id import TextsById
from input_pipeline.tokenizers import load_tokenizer
from input_pipeline.verified_labels import read_hierarchy, read_label_names, read_seen, read_verified
from input_pipeline.views.class_names import naming_rule
from input_pipeline.views.foils import read_confusable
from input_pipeline.views.text_templates import load_templates, read_sentences
from vlp.active.annotators import annotator_of
from vlp.checkpoint import find_checkpoint
from vlp.configuration.paths import find
from vlp.curation.clusters import Clusters
from vlp.curation.embedded import open_embedded
from vlp.evaluation.classification.label_metric import read_edges
from vlp.evaluation.classification.multilingual import read_languages
from vlp.evaluation.texts.captions import read_captions
from vlp.evaluation.texts.descriptions import load_descriptions
from vlp.jobs._outputs import require_here

PATHS = re.compile(
    r"\b(files?|folders?|checkpoint|parquet|json|jsonl|csv|txt|table of|address|embeddings of)\b", re.I
)
# What speaks of files, and is no path to one.
OTHERS = {
    "column",
    "template",
    "labels_of",
    "special_tokens",
    "digest",
    "format",
    "kinds",
    "coordinator",
    "figure",
}
DATA = Path(__file__).resolve().parents[2] / "data" / "quickstart"


def source(**entry: Any) -> Any:
    opened = open_source({"format": "parquet", "columns": {}, **entry})
    whole = {"weight": 1.0, "keep_ids": "", "keep_labels": "", "only": "", "examples": 0, "seed": 0, **entry}
    return opened, entry_records(opened, "it", whole)


def beside(**setting: str) -> Any:
    return source(path=str(DATA / "val_vendor.parquet"), **setting)


def images_beside(address: str) -> Any:
    return open_source({"path": str(DATA / "val_vendor.parquet"), "columns": {}, "image_folder": address})


def local_folder(address: str) -> None:
    config = get_config()
    config.checkpoint.local_folder = address
    run.check(config)


# What is written on this machine alone.
REFUSED = {"local_folder", "table"}

# How each is read, by its name behind the last dot, or by more of it where one name means several things.
READERS: dict[str, Callable[[str], Any]] = {
    "annotator": lambda path: annotator_of(path, "a concept")([]),
    "bought": read_ids,
    "captions": read_captions,
    "captions_by_id": TextsById,
    "checkpoint": find_checkpoint,
    "classes": read_labels,
    "clusters": lambda path: Clusters(path, "semdedup"),
    "confusable": read_confusable,
    "descriptions": read_sentences,
    "zero_shot.descriptions": load_descriptions,
    "embeddings": open_embedded,
    "entries": lambda path: (read_entries(path), read_entries_by_language(path)),
    "file": TextsById,
    "gazetteer": read_gazetteer,
    "hierarchy": read_hierarchy,
    "image": here,
    "image_folder": images_beside,
    "judge": find_checkpoint,
    "keep_ids": lambda path: beside(keep_ids=path),
    "keep_labels": lambda path: beside(keep_labels=path),
    "keep_probability": lambda path: load_table("keep", {"path": path, "column": "balance_probability"}),
    "labels": naming_rule,
    "local_folder": local_folder,
    "metric": read_edges,
    "names": lambda path: read_languages(path, "names"),
    "multi_label.names": read_label_names,
    "nouns": read_labels,
    "path": lambda path: source(path=path),
    "labels.path": read_labels,
    "texts.path": read_labels,
    "tokenizer.path": lambda path: load_tokenizer({**get_config().tokenizer, "path": path}),
    "prompts": lambda path: read_languages(path, "prompts"),
    "queries": find,
    "questions": find,
    "regions": RegionsById,
    "regions_by_id": RegionsById,
    "seen": read_seen,
    "start": find_checkpoint,
    "start_image": find_checkpoint,
    "start_text": find_checkpoint,
    "table": lambda path: require_here(f"--config.labels.table={path}", path, "file"),
    "tables": lambda path: load_table("it", {"path": path}),
    "templates": lambda path: load_templates([path]),
    "text": here,
    "linear_bridge.texts": find_checkpoint,
    "verified": read_verified,
}


def settings() -> Iterator[tuple[str, str]]:
    """Every text of the config with its meaning."""
    groups: dict[str, Any] = {
        f"{group}.{kind}": with_common(group, kind, kind_file(group, kind).SETTINGS)
        for group in GROUPS
        for kind in kinds(group)
    }
    for file in pkgutil.iter_modules(jobs.__path__):
        groups[file.name] = importlib.import_module(f"{jobs.__name__}.{file.name}").SETTINGS
    groups |= {"": run.SETTINGS, "tokenizer": tokenizer.SETTINGS, "model": model.SETTINGS}
    groups |= {"data": data.SETTINGS, "frozen": frozen.ENTRY}
    groups |= {"sources": data.SOURCE, "texts": data.TEXTS, "labels": data.LABELS}
    for where, group in groups.items():
        for name, setting in leaves(group, where):
            if isinstance(setting.default, str | tuple) and not setting.choices:
                yield name, setting.meaning


def reader_of(name: str) -> Callable[[str], Any] | None:
    parts = name.split(".")
    return READERS.get(".".join(parts[-2:])) or READERS.get(parts[-1])


NAMED = sorted(
    {name for name, meaning in settings() if PATHS.search(meaning) and name.rpartition(".")[2] not in OTHERS}
)


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("name", NAMED)
def test_every_path_of_the_config_knows_addresses(
    name: str, google: Door, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is nowhere is looked for in the bucket or at the server, and one line says so."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    google.requests.clear()
    read = reader_of(name)
    assert read is not None, f"{name} is the path of something: say in READERS what reads it"
    for address in ("gs://bucket/nowhere/x.json", "gs://bucket/nowhere/x.jsonl", f"{web}/nowhere/x.json"):
        with pytest.raises(ValueError) as said:
            read(address)
        assert address in str(said.value) and "\n" not in str(said.value)
        assert "looked in" not in str(said.value)  # in folders of this machine
    asked = any("nowhere" in unquote(path) for _, path in google.requests)
    assert asked != (name.rpartition(".")[2] in REFUSED)
    assert not [*tmp_path.glob("gs:*"), *tmp_path.glob("http:*")]
