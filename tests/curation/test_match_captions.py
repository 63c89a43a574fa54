"""GIST's matching: descriptions of the own class alone, the nearest first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from chosen_embeddings import item, step_of

from vlp.curation.match_captions import MatchCaptions

SAID = {"birds/jay": ["blue wings", "a crest"], "birds/wren": ["a short tail", "brown", "blue wings"]}
TEXTS = {"blue wings": (1, 0, 0), "a crest": (0, 1, 0), "a short tail": (0, 0, 1), "brown": (0, 1, 1)}
IMAGES = {"r0": (1, 0.5, 0.1), "r1": (0, 1, 0.9), "r2": (0.1, 1, 0)}


@pytest.fixture
def descriptions(tmp_path: Path) -> str:
    path = tmp_path / "descriptions.json"
    path.write_text(json.dumps(SAID), encoding="utf-8")
    return str(path)


def test_a_text_is_of_the_own_class_and_the_nearest_first(
    embedded: Callable[..., str], descriptions: str
) -> None:
    step = step_of(MatchCaptions, embeddings=embedded(IMAGES, TEXTS), descriptions=descriptions, top=2)
    assert sorted(step.texts()) == sorted(TEXTS)
    made = [
        step(item(name, label=label))
        for name, label in (("r0", "birds/jay"), ("r1", "birds/wren"), ("r2", "birds/wren"))
    ]
    assert [one.written.texts for one in made] == [
        ("jay, birds: blue wings", "jay, birds: a crest"),
        ("wren, birds: brown", "wren, birds: a short tail"),
        ("wren, birds: brown", "wren, birds: blue wings"),  # 'a crest' is nearer, and another class's
    ]
    assert {one.written.kind for one in made} == {"gist"} and made[0].scores["candidates"] == 2
    assert [step(item("r0", label=label)).reason for label in ("", "fish/cod")] == [
        "no label",
        "no description of its label",
    ]


def test_random_texts_are_of_the_own_class_too_and_the_same_every_time(
    embedded: Callable[..., str], descriptions: str
) -> None:
    images = {f"r{number}": (1, 0, 0) for number in range(40)}
    step = step_of(
        MatchCaptions,
        embeddings=embedded(images, TEXTS),
        descriptions=descriptions,
        top=1,
        choice="random",
        template="{caption}",
    )
    drawn = [step(item(name, label="birds/wren")).written.texts[0] for name in images]
    assert {*drawn} == {*SAID["birds/wren"]} and max(map(drawn.count, drawn)) < 25
    assert drawn == [step(item(name, label="birds/wren")).written.texts[0] for name in images]


def test_descriptions_that_nobody_embedded_are_refused_in_a_line(
    embedded: Callable[..., str], descriptions: str
) -> None:
    texts = {text: row for text, row in TEXTS.items() if text != "brown"}
    step = step_of(MatchCaptions, embeddings=embedded(IMAGES, texts), descriptions=descriptions)
    with pytest.raises(
        ValueError, match=r"no embedding of the text 'brown', which curation.match_captions asks for"
    ):
        step.check_fits("web", ["r0"])
