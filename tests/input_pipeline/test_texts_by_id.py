"""Captions by id: shown before a record's own, told apart by kind, and refused where they are of other data."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.records import Caption
from input_pipeline.sources import open_source
from input_pipeline.stream import make_stream
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.text import TextView

LINES = [
    {"id": "r1", "texts": ["a red\tcar", " "], "kind": "fused", "by": "template", "prompt": ""},
    {"id": "r3", "texts": ["a boat"], "kind": "fused", "language": "en"},
    {"id": "r1", "texts": ["the car", "car"]},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four records with a caption each; the third has a number for an id."""
    rows = [
        {"id": name, "captions": [text], "image": b"x"}
        for name, text in zip(("r0", "r1", "2", "r3"), "abcd", strict=True)
    ]
    rows[1]["captions"] = ["car"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "some.parquet")
    return tmp_path / "some.parquet"


def written(path: Path, *lines: Any, encoding: str = "utf-8") -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines),
        encoding=encoding,
    )
    return str(path)


def entry(source: Path, texts: str) -> dict[str, Any]:
    return {"format": "parquet", "path": str(source), "captions_by_id": texts, "weight": 1.0}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_captions_of_a_file_come_before_a_record_s_own(source: Path, tmp_path: Path, encoding: str) -> None:
    lines = [*LINES, "", {"id": 2, "texts": ["c", "ü"], "kind": ""}]
    opened = open_source(entry(source, written(tmp_path / "texts.jsonl", *lines, encoding=encoding)))
    copied = pickle.loads(pickle.dumps(opened))
    for one in (opened, copied):
        captions = [one[number].captions for number in range(len(one))]
        assert captions[0] == (Caption("a", "", "en"),)
        assert captions[1] == (
            *(Caption("a red car", "fused"), Caption("the car"), Caption("car")),
            Caption("car", "", "en"),
        )
        assert [caption.text for caption in captions[2]] == ["c", "ü", "c"]
        assert captions[3] == (Caption("a boat", "fused", "en"), Caption("d", "", "en"))
        assert list(one.ids()) == ["r0", "r1", "2", "r3"]  # as parquet lists them without images
    view = TextView(kinds="fused=1")
    assert [list(view.every_text(one)) for one in map(opened.__getitem__, range(4))] == [
        [],
        ["a red car"],
        [],
        ["a boat"],
    ]


def test_other_captions_make_another_source(source: Path, tmp_path: Path) -> None:
    digests = []
    for name, text in (("one", "a cat"), ("same", "a cat"), ("other", "a dog")):
        texts = written(tmp_path / name / "texts.jsonl", {"id": "r1", "texts": [text]})
        digests.append(open_source(entry(source, texts)).digest())  # type: ignore[attr-defined]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((LINES[0], "{'id': 1}"), "texts.jsonl, line 2 is no JSON object"),
        ((LINES[0], "[1]"), "line 2 is no JSON object: [1] is no object"),
        (({"texts": ["a"]},), "line 1 has no `id`"),
        ((" ",), "holds no line"),
    ],
)
def test_a_file_of_another_form_is_refused_in_a_line(
    source: Path, tmp_path: Path, lines: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=r"texts\.jsonl") as error:
        open_source(entry(source, written(tmp_path / "texts.jsonl", *lines)))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_file_of_other_records_is_refused_before_the_first_step(
    source: Path, tmp_path: Path, tokenizer: Tokenizer
) -> None:
    texts = written(tmp_path / "texts.jsonl", {"id": "x1", "texts": ["a"]})
    made: dict[str, Any] = {
        "preprocessing": {"resolution": 8, "resize": "squash"},
        "tokenizer": tokenizer,
        "batch_size": 2,
        "seed": 0,
        "fields": ("text",),
    }
    data: dict[str, Any] = {
        "sources": {"some": entry(source, texts)},
        "image": {},
        "text": {"languages": ()},
        "tables": {},
    }
    with pytest.raises(ValueError, match=r"data\.sources\.some\.captions_by_id.*'r3'.*such as 'x1'"):
        make_stream(data, **made)
    good = written(tmp_path / "regions.jsonl", {"id": "r1", "box": [0, 0, 1, 1], "text": "a"})
    data["sources"]["some"]["regions_by_id"] = good  # around the captions
    with pytest.raises(ValueError, match=r"data\.sources\.some\.captions_by_id"):
        make_stream(data, **made)
    texts = written(tmp_path / "more.jsonl", {"id": "r1", "texts": "no list"})
    with pytest.raises(Exception, match="`texts` of id 'r1' is no list of texts"):
        open_source(entry(source, texts))[1]
