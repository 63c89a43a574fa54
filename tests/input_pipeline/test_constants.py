"""Texts that stand beside every batch: where they come from, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.constants import ConstantTexts, load_constants
from input_pipeline.tokenizers import Tokenizer, load_tokenizer

ENTRY = {
    "path": "",
    "source": "",
    "column": "",
    "labels": "category",
    "templates": ("{}",),
    "prefix_token": "",
}


@pytest.fixture
def load(tokenizer: Tokenizer, write_parquet: Callable[..., Path]) -> Callable[..., ConstantTexts]:
    path = write_parquet(4)
    table = pq.read_table(path).append_column("category", pa.array(["b/dog", "", "cat", "b/dog"]))
    pq.write_table(table, path)
    source = {"format": "parquet", "path": str(path), "weight": 1.0}

    def load_one(own: Tokenizer = tokenizer, **entry: Any) -> ConstantTexts:
        data = {"sources": {"a": source}, "texts": {"classes": {**ENTRY, **entry}}}
        return load_constants(data, own)["classes"]

    return load_one


def test_labels_of_a_source_are_read_once_and_named(
    load: Callable[..., ConstantTexts], tokenizer: Any
) -> None:
    texts = load(templates=("a {}.", "the {}"))
    assert texts.labels == ("b/dog", "cat")
    assert texts.texts == ("a dog, b.", "the dog, b", "a cat.", "the cat")
    assert texts.label.tolist() == [0, 0, 1, 1] and texts.arrays["first"].tolist() == [0, 2]
    ids, mask = tokenizer.encode(list(texts.texts))
    assert (texts.ids == ids).all() and (texts.mask == mask).all() and texts.truncated == 0


def test_a_class_without_a_name_is_one_line(load: Callable[..., ConstantTexts], tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text(json.dumps({"names": {"cat": "a cat"}}))
    with pytest.raises(
        ValueError, match=r"^data\.texts\.classes: label 'b/dog' is no class of .*names\.json"
    ):
        load(labels=str(path))


def test_descriptions_follow_the_name_or_stand_alone(
    load: Callable[..., ConstantTexts], tmp_path: Path
) -> None:
    path = tmp_path / "descriptions.json"
    path.write_text(json.dumps({"cat": ["it purrs"], "b/dog": ["it barks", "it runs"]}))
    assert load(path=str(path)).texts == ("cat", "it purrs", "dog, b", "it barks", "it runs")
    alone = load(path=str(path), templates=())
    assert alone.texts == ("it purrs", "it barks", "it runs") and alone.label.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ["labels.txt", "labels.json", "tags.parquet"])
def test_a_list_of_labels_may_be_text_json_or_parquet(
    load: Callable[..., ConstantTexts], tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(pa.table({"tag": ["z", "a", "z", None]}), path)
    else:
        path.write_text("z\n\na\n" if name.endswith(".txt") else json.dumps(["z", "a"]))
    assert load(path=str(path), column="tag", labels="verbatim").labels == ("z", "a")


def test_a_prefix_token_stands_before_every_text(
    load: Callable[..., ConstantTexts], tokenizer: Tokenizer
) -> None:
    path = "data/quickstart/tokenizer.model"
    own = load_tokenizer(
        {
            "kind": "sentencepiece",
            "path": path,
            "length": 16,
            "vocabulary_size": 0,
            "prefix_tokens": ("names",),
        }
    )
    assert (load(own, prefix_token="names").ids[:, 1] == tokenizer.vocabulary_size).all()


@pytest.mark.parametrize(
    ("content", "entry", "message"),
    [
        ("[]", {}, "holds no label"),
        ("{", {}, "is no JSON"),
        ('["a", "a"]', {}, "'a' stands there twice"),
        ('{"a": 3}', {}, "label 'a' must have a list"),
        ('["a", ""]', {}, "label 1, counted from 0, is empty: give that class a name"),
        ('{" ": ["a cat"]}', {}, "label 0, counted from 0, is empty"),
        ('["a"]', {"labels": "names.json"}, "label 'a' is no class of names.json"),
        ('["a"]', {"templates": ()}, "label 'a' has neither a template nor a sentence"),
        ('["a"]', {"templates": ("a",)}, "has no {}"),
        ('["a"]', {"prefix_token": "x"}, "there is no prefix token 'x'"),
        (None, {"path": "nowhere.json"}, "nowhere"),
        (None, {"source": "b"}, "source='b' is not in data.sources"),
    ],
)
def test_what_cannot_be_read_names_the_entry(
    load: Callable[..., ConstantTexts],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str | None,
    entry: Any,
    message: str,
) -> None:
    if content is not None:
        (tmp_path / "labels.json").write_text(content)
        (tmp_path / "names.json").write_text('{"names": {"b": "a bird"}}')
        monkeypatch.chdir(tmp_path)
        entry = {"path": str(tmp_path / "labels.json"), **entry}
    with pytest.raises(ValueError, match=rf"data\.texts\.classes: .*{message}"):
        load(**entry)
