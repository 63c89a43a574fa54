"""What configs of curations, and those that train on what they left, take as arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ml_collections import ConfigDict

import main
from configs.curate.datacomp import FILTERS
from vlp.configuration import ConfigError


def config_of(spec: str, job: str = "curate") -> ConfigDict:
    """What a command with this config would run."""
    output = ["--output=x"] if job == "curate" else []
    return main.prepare([f"--job={job}", f"--config=configs/{spec}", "--workdir=x", *output])[-1].config


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_of_datacomp_is_a_chain_of_steps(name: str) -> None:
    config = config_of(f"curate/datacomp.py:filter={name}")
    assert config.curate.steps == FILTERS[name] and config.name == f"datacomp_{name}"
    assert {config.curation[step].kind for step in config.curate.steps} <= {
        *("basic_filter", "match", "near_classes", "clip_score")
    }


def test_an_unknown_filter_is_one_line() -> None:
    with pytest.raises(ConfigError, match="filter=bset is not one of basic, text, image, laion, best"):
        config_of("curate/datacomp.py:filter=bset")


@pytest.mark.parametrize(("by", "step"), [("hash", "deduplicate"), ("embeddings", "near_images")])
def test_copies_are_found_by_hashes_or_embeddings(by: str, step: str) -> None:
    config = config_of(f"curate/deduplicate.py:by={by}")
    assert config.curate.steps == (step,) and config.curation[step].group == "group"
    with pytest.raises(ConfigError, match="by=hsah is not one of hash, embeddings"):
        config_of("curate/deduplicate.py:by=hsah")


def test_a_stream_is_balanced_by_what_a_curation_left(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["r0"], "balance_probability": [0.5]}), tmp_path / "scores.parquet")
    source = config_of(f"metaclip.py:runlocal,curated={tmp_path}", "train").data.sources.quickstart
    assert source.keep_probability == f"{tmp_path}/scores.parquet" and not source.keep_ids
    assert source.keep_column == "balance_probability"


def test_languages_have_their_own_entries_and_english_says_the_tail() -> None:
    config = config_of("curate/metaclip2.py")
    assert config.curation.match.language == "caption" and config.curation.match.spacing == "scripts"
    assert config.curation.balance.reference == "en" and config.curate.steps == ("match", "balance")


def test_regions_take_the_place_of_tags() -> None:
    config = config_of("curate/textualization.py:regions=some.jsonl")
    assert config.curate.steps == ("verify_nouns", "add_regions")
    assert config.curation.add_regions.regions == config.curation.verify_nouns.regions == "some.jsonl"


@pytest.mark.parametrize(
    ("name", "kind"), [("gist", "gist=1"), ("mofi", "entity=1"), ("georsclip", "ranked=1")]
)
def test_a_recipe_trains_on_what_a_curation_left(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "entities.json").write_text(json.dumps({"a": [], "b": ["c"]}))
    config = config_of(f"{name}.py:runlocal,curated={tmp_path}", "train")
    source = config.data.sources.quickstart
    assert source.keep_ids == f"{tmp_path}/kept.txt" and source.captions_by_id == f"{tmp_path}/texts.jsonl"
    assert config.data.text.kinds == kind
    if name == "mofi":
        assert config.objectives.discrimination.classes == 2
        assert config.data.tables.entity_id.column == "entities_entity_id"
