"""MOFI's entities: candidates occur in the text, the nearest is taken, and numbers, names and descriptions agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chosen_embeddings import decided, item, step_of

from input_pipeline.curation.gazetteer import Candidates, Entity, read_gazetteer
from vlp.curation.entities import Entities

LINES = [
    {"name": "Paris", "aliases": ["City of Light"], "description": "capital of France"},
    {"name": "Paris Hilton", "aliases": ["Paris"], "description": "media personality"},
    {"name": "Jaguar", "description": "large cat"},
    {"name": "Jaguar Cars", "aliases": ["jaguar"], "description": ""},
]
TEXTS = {
    "Paris, capital of France": (1, 0, 0, 0),
    "Paris Hilton, media personality": (0, 1, 0, 0),
    "Jaguar, large cat": (0, 0, 1, 0),
    "Jaguar Cars": (0, 0, 0, 1),
}
IMAGES = {
    "tower": (1, 0.2, 0, 0),
    "woman": (0.3, 1, 0, 0),
    "cat": (0, 0, 1, 0.5),
    "car": (0, 0, 0.1, 1),
    "dark": (1, 1, 1, 1),
}


def written(path: Path, *lines: Any) -> str:
    path.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines),
        encoding="utf-8",
    )
    return str(path)


def made_of(embedded: Callable[..., str], tmp_path: Path, **settings: Any) -> tuple[Any, list[Any]]:
    gazetteer = written(tmp_path / "entities.jsonl", *LINES)
    step = step_of(Entities, embeddings=embedded(IMAGES, TEXTS), gazetteer=gazetteer, **settings)
    texts = {
        "tower": "Tower, PARIS!",
        "woman": "at home in Paris",
        "cat": "jaguar",
        "car": "my Jaguar.",
        "dark": "paris",
    }
    return step, decided(step, [*(item(name, text) for name, text in texts.items()), item("cat", "parisian")])


def test_the_nearest_of_the_mentioned_entities_is_taken(embedded: Callable[..., str], tmp_path: Path) -> None:
    step, made = made_of(embedded, tmp_path, threshold=0.6)
    assert [*step.texts()] == [*TEXTS]
    assert [one.scores.get("entity") for one in made] == [
        "Paris",
        "Paris Hilton",
        "Jaguar",
        "Jaguar Cars",
        "Paris",
        None,
    ]
    assert [one.reason for one in made] == [""] * 4 + ["no entity near enough", "no entity"]
    assert [one.scores["candidates"] for one in made[:5]] == [2] * 5
    assert [one.scores["entity_id"] for one in made[:4]] == [0, 1, 2, 3]
    assert [one.written.texts for one in made[:4]] == [(text,) for text in TEXTS]
    names = json.loads(step.files()["entities.json"])
    assert list(names) == [line["name"] for line in LINES]
    assert names["Jaguar"] == ["large cat"] and names["Jaguar Cars"] == []


def test_rare_entities_have_no_number(embedded: Callable[..., str], tmp_path: Path) -> None:
    step, made = made_of(embedded, tmp_path, threshold=0.4, least=2)
    assert [one.reason for one in made] == ["", *["rare entity"] * 3, "", "no entity"]
    assert [one.scores["entity_id"] for one in made if not one.reason] == [0, 0]
    assert list(json.loads(step.files()["entities.json"])) == ["Paris"]
    assert step.facts()["entities"] == 1


def test_records_that_are_far_from_their_entity_do_not_count_for_it(
    embedded: Callable[..., str], tmp_path: Path
) -> None:
    _, made = made_of(embedded, tmp_path, threshold=0.6, least=2)
    assert [one.reason for one in made] == [*["rare entity"] * 4, "no entity near enough", "no entity"]


def test_the_first_match_is_what_it_is_compared_with(embedded: Callable[..., str], tmp_path: Path) -> None:
    _, made = made_of(embedded, tmp_path, threshold=-1.0, choice="first")
    assert [one.scores["entity"] for one in made[:5]] == ["Paris", "Paris", "Jaguar", "Jaguar", "Paris"]


def test_candidates_always_occur_in_the_text() -> None:
    entities = [Entity("New York"), Entity("York"), Entity("U.S.", ("USA",)), Entity("New", ("",))]
    candidates = Candidates(entities)
    assert candidates("in New  York, U.S.") == [0, 1, 2, 3]  # the longest alias first
    assert candidates("Newark, usa") == [2] and candidates("yorkshire") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"name": "a"}\n{"name": "caf\xe9"}\n', "is not UTF-8: byte 0xe9 in line 2; convert it"),
        (b"a\n", "line 1 is no JSON"),
        (b'{"name": "a"}\n["b"]\n', "line 2 is no object with a `name`"),
        (b'{"alias": "a"}\n', "line 1 has no `name`"),
        (b'{"name": "a", "aliases": "b"}\n', "`aliases` must be a list of texts"),
        (b"\n \n", "holds no entity"),
    ],
)
def test_a_gazetteer_of_another_form_is_refused_in_a_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "some.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=r"some\.jsonl") as error:
        read_gazetteer(str(tmp_path / "some.jsonl"))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_blank_and_repeated_lines_are_counted_and_descriptions_are_a_gazetteer(tmp_path: Path) -> None:
    found = read_gazetteer(written(tmp_path / "some.jsonl", LINES[0], "", {"name": " Paris "}, LINES[2]))
    assert (found.blank, found.repeated, [one.name for one in found.entities]) == (1, 1, ["Paris", "Jaguar"])
    assert found.entities[0].description == "capital of France"
    (tmp_path / "some.json").write_text('{"jay": ["blue", "loud"], "wren": []}')
    assert read_gazetteer(str(tmp_path / "some.json")).entities == (
        Entity("jay", (), "blue, loud"),
        Entity("wren"),
    )


@pytest.mark.parametrize("content", ['{"jay": "blue"}', '{"jay": ["blue", 3]}', '{"jay": [["blue"]]}'])
def test_descriptions_that_are_no_sentences_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "some.json").write_text(content)
    with pytest.raises(ValueError, match="'jay' must have a list of sentences"):
        read_gazetteer(str(tmp_path / "some.json"))
