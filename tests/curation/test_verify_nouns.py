"""Image Textualization: nouns that an image is far from are cut, those that it or a region supports stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from chosen_embeddings import decided, item, step_of

from vlp.curation.verify_nouns import VerifyNouns, without

NOUNS = ("dog", "hot dog", "tree", "red car", "car")


@pytest.fixture
def nouns(tmp_path: Path) -> str:
    path = tmp_path / "nouns.txt"
    path.write_text("\n".join(NOUNS), encoding="utf-8")
    return str(path)


def folder_of(embedded: Callable[..., str], shown: dict[str, tuple[str, ...]]) -> str:
    """Images that are the sum of the nouns they show."""
    rows = dict(zip(NOUNS, np.eye(len(NOUNS)), strict=True))
    images = {name: np.sum([rows[noun] for noun in own], axis=0) for name, own in shown.items()}
    return embedded(images, {f"a photo of {noun}": row for noun, row in rows.items()})


def test_planted_nouns_go_and_true_ones_stay(embedded: Callable[..., str], nouns: str) -> None:
    folder = folder_of(embedded, {"r0": ("dog", "tree"), "r1": ("hot dog",), "r2": ("car",)})
    step = step_of(VerifyNouns, embeddings=folder, nouns=nouns, threshold=0.3)
    made = decided(
        step,
        [
            item("r0", "A dog and a red car under the tree", "dog, Tree, car"),
            item("r1", "a hot dog with a dog"),
            item("r2", "a tree"),
            item("r2", "two cars"),
        ],
    )
    assert [one.written and one.written.texts for one in made] == [
        ("A dog under the tree", "dog, Tree"),
        ("a hot dog",),
        None,
        ("two cars",),
    ]
    assert made[2].reason == "nothing left"
    assert [(one.scores["mentions"], one.scores["removed"]) for one in made] == [
        (4, 2),
        (2, 1),
        (1, 1),
        (0, 0),
    ]


def test_the_threshold_trades_precision_for_recall(embedded: Callable[..., str], nouns: str) -> None:
    """Of true and planted nouns as many stay as their cosines say."""
    folder = folder_of(embedded, {"r0": ("dog", "tree"), "r1": ("car",)})
    stay = []
    for threshold in (-1.0, 0.5, 0.9, 1.0):
        step = step_of(VerifyNouns, embeddings=folder, nouns=nouns, threshold=threshold)
        made = decided(step, [item("r0", "dog, tree, car"), item("r1", "dog, tree, car")])
        stay.append([one.written.texts[0] if one.written else "" for one in made])
    assert stay == [["dog, tree, car"] * 2, ["dog, tree", "car"], ["", "car"], ["", "car"]]


def test_a_region_supports_what_it_says(embedded: Callable[..., str], nouns: str, tmp_path: Path) -> None:
    regions = tmp_path / "regions.jsonl"
    lines = [
        {"id": "r0", "box": [0, 0, 1, 1], "text": "a dog asleep"},
        {"id": "r1", "box": [0, 0, 2, 1], "text": "tree"},
    ]
    regions.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    folder = folder_of(embedded, {"r0": ("tree",), "r1": ("car",)})
    step = step_of(VerifyNouns, embeddings=folder, nouns=nouns, threshold=0.3, regions=str(regions))
    made = decided(step, [item("r0", "dog, hot dog, tree"), item("r1", "tree, car")])
    assert [one.written.texts for one in made] == [
        ("dog, tree",),
        ("car",),
    ]  # a box outside the image says nothing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dog: cute, dog, pet", "cute, pet"),
        ("a cat with a dog", "a cat"),
        ("the dog, its dog and a cat", "a cat"),
        ("cat and dog; bird", "cat; bird"),
        ("dogs in hotdog", "dogs in hotdog"),
        ("dog", ""),
        ("Dog-like  cat", "like cat"),
        ("a hot dog and a dog", "a hot dog"),
    ],
)
def test_what_led_to_a_noun_goes_with_it(text: str, expected: str) -> None:
    assert without(text, {"dog"}, ("hot dog",)) == expected
    assert without(text, set(), ("dog",)) == text
