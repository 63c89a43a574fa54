"""Labels and tags of records as batch fields, from files that number them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.settings.data import LABELS as SETTINGS
from configs.settings.setting import defaults
from input_pipeline.label_fields import Vocabulary
from input_pipeline.labels import OF, count_labels
from input_pipeline.records import Caption, Record
from input_pipeline.stream import make_stream
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.verified_labels import Hierarchy

TREE = {"LabelName": "thing", "Subcategory": [{"LabelName": "animal", "Subcategory": [{"LabelName": "dog"}]}]}
TAGS = [["dog", "red"], [], ["animal"], ["unlisted", "red", "animal"]]
LABELS = ["animal", "dog", "red", "thing"]
ENTRY = {**defaults(SETTINGS), "most": 3}


@pytest.fixture
def batch(tokenizer: Tokenizer, write_parquet: Callable[..., Path], tmp_path: Path) -> Callable[..., Any]:
    """The fields of `data.labels.NAME` of four records, in their order."""
    path = write_parquet(4)
    table = pq.read_table(path).append_column("tags", pa.array(TAGS, pa.list_(pa.string())))
    pq.write_table(table.append_column("category", pa.array(["dog", "", "cat", "dog"])), path)
    (tmp_path / "labels.json").write_text(json.dumps({"labels": LABELS, "of": "tags", "counts": [1] * 4}))
    (tmp_path / "tree.json").write_text(json.dumps(TREE))
    ids = pq.read_table(path).column("id").to_pylist()
    rows = [(0, "dog", 0), (1, "animal", 0), (2, "red", 1), (3, "dog", 0.4)]
    lines = ["id,label,confidence", *(f"{ids[row]},{label},{sure}" for row, label, sure in rows)]
    (tmp_path / "verified.csv").write_text("\n".join(lines))

    def draw(**entry: Any) -> tuple[np.ndarray, np.ndarray]:
        one = {**ENTRY, "path": str(tmp_path / "labels.json"), **entry}
        for key in ("verified", "hierarchy"):
            one[key] = str(tmp_path / one[key]) if one[key] else ""
        stream = make_stream(
            {
                "sources": {"a": {"format": "parquet", "path": str(path), "weight": 1.0}},
                "image": {},
                "text": {},
                "labels": {"known": one},
            },
            preprocessing={"resolution": 8, "resize": "pad"},
            tokenizer=tokenizer,
            batch_size=4,
            seed=0,
            fields=("known", "known_ids"),
        )
        found = next(stream.batches())
        order = np.argsort(found["own"][:, 1])
        return found["known"][order], found["known_ids"][order]

    return draw


def test_what_is_no_tag_is_not_there(batch: Callable[..., Any]) -> None:
    states, ids = batch()
    assert states.dtype == np.int8 and ids.dtype == np.int32
    assert states.tolist() == [[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0]]
    assert ids.tolist() == [[1, 2, -1], [-1, -1, -1], [0, -1, -1], [2, 0, -1]]


def test_what_nobody_verified_is_unknown_and_a_tag_stays_one(batch: Callable[..., Any]) -> None:
    states, _ = batch(verified="verified.csv")
    assert states.tolist() == [[-1, 1, 1, -1], [0, -1, -1, -1], [1, -1, 1, -1], [1, -1, 1, -1]]


def test_a_hierarchy_says_yes_upwards_and_no_downwards(batch: Callable[..., Any]) -> None:
    states, ids = batch(verified="verified.csv", hierarchy="tree.json", most=4)
    assert states.tolist() == [[1, 1, 1, 1], [0, 0, -1, -1], [1, -1, 1, 1], [1, -1, 1, 1]]
    assert ids.tolist() == [[1, 2, 0, 3], [-1] * 4, [0, 2, 3, -1], [2, 0, 3, -1]]


def test_a_single_label_that_is_missing_leaves_all_unknown(batch: Callable[..., Any]) -> None:
    states, ids = batch(of="label", most=1)
    assert states.tolist() == [[0, 1, 0, 0], [-1] * 4, [0] * 4, [0, 1, 0, 0]]
    assert ids.tolist() == [[1], [-1], [-1], [1]]


def test_planted_mistakes_are_as_many_as_asked_for_and_the_same_every_time() -> None:
    labels = [f"l{number}" for number in range(50)]

    def numbers(noise: float, seed: int = 0) -> np.ndarray:
        places = {label: place for place, label in enumerate(labels)}
        vocabulary = Vocabulary("known", "tags", places, 2, None, Hierarchy(), noise, seed)
        records = (Record(str(row), None, tags=(labels[row % 50], labels[7])) for row in range(2000))
        return np.array([vocabulary.numbers(record) for record in records])

    clean, noisy = numbers(0.0), numbers(0.2)
    assert (noisy[:, 0] != clean[:, 0]).mean() == pytest.approx(0.2 * 49 / 50, abs=0.03)
    np.testing.assert_array_equal(noisy, numbers(0.2))
    assert (noisy != numbers(0.2, seed=1)).any()


def test_the_words_of_captions_are_labels_too() -> None:
    captions = (Caption("A red Fox, 2 foxes"), Caption("Ein Fuchs", "translation", "de"), Caption("the fox"))
    record = Record("a", None, captions)
    assert OF["words"](record) == ("red", "fox", "foxes", "the")
    rows = Listed([["A dog"], ["dog 7", "dogs"]])
    assert count_labels([rows], "words") == {"dog": 2, "dogs": 1}


class Listed:
    """A source that lists its captions without records."""

    def __init__(self, captions: list[list[str]]) -> None:
        self._captions = captions

    def __len__(self) -> int:
        return len(self._captions)

    def __getitem__(self, index: int) -> Record:
        raise AssertionError("no record has to be read")

    def values(self, field: str) -> list[list[str]]:
        assert field == "captions"
        return self._captions


def test_a_missing_file_names_the_entry(batch: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"data\.labels\.known: .*nowhere"):
        batch(path="nowhere.json")
