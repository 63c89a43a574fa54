"""Near-equal embeddings: blocks as all pairs at once, groups apart, and what has no embedding under its reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from chosen_embeddings import decided, item, step_of

from vlp.curation.near_images import NearImages
from vlp.curation.nearness import near_before


def heaps(count: int, seed: int) -> np.ndarray:
    """Unit rows around a few points, each near many others but not all of its heap."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(6, 8))[rng.integers(0, 6, count)] + 0.4 * rng.normal(size=(count, 8))
    rows[rng.integers(0, count, count // 10)] = rows[rng.integers(0, count, count // 10)]  # equals
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("block", [7, 64, 200])
def test_blocks_find_what_all_pairs_at_once_say(greedy: bool, block: int) -> None:
    rows, distance = heaps(150, block), 0.1
    near = near_before(lambda places: rows[places], len(rows), distance, greedy=greedy, block=block)
    cosines = (rows.astype(np.float64) @ rows.T.astype(np.float64)).astype(np.float32)
    stay: list[int] = []
    for number in range(len(rows)):
        before = stay if greedy else [*range(number)]
        best = max(before, key=lambda one: (cosines[one, number], -one), default=-1)
        if best < 0 or cosines[best, number] <= np.float32(1 - distance):
            assert (near.place[number], near.distance[number]) == (-1, -1)
            stay.append(number)
        else:
            assert near.place[number] == best
            assert near.distance[number] == max(np.float32(1) - cosines[best, number], 0)
    assert 10 < len(stay) < 130


def test_one_of_near_images_stays_in_each_group(embedded: Callable[..., str]) -> None:
    angles = {"r0": 0.0, "r1": 0.1, "r2": 0.1, "r3": 0.3, "r4": 0.35, "r5": 0.0}
    folder = embedded({name: (np.cos(one), np.sin(one)) for name, one in angles.items()}, {"": (1, 0)})
    step = step_of(NearImages, embeddings=folder, group="group", distance=1 - np.cos(0.2))
    assert step.reads == ("group",)
    items = [
        dataclasses.replace(item(name, group="b" if name == "r2" else "a"), number=number)
        for number, name in enumerate([*angles, "r9"])
    ]
    made = decided(step, items)
    near = "near-duplicate"
    assert [one.reason for one in made] == ["", near, "", "", near, near, "no image embedding"]
    assert [one.scores.get("nearest") for one in made] == [None, 0, None, None, 3, 0, None]
    assert made[1].scores["distance"] == pytest.approx(1 - np.cos(0.1), abs=1e-6)
    assert made[1].detail == "cosine 0.9950 with row 0 of scores.parquet"


def test_nothing_is_near_nothing(embedded: Callable[..., str]) -> None:
    step = step_of(NearImages, embeddings=embedded({"r0": (1, 0)}, {"": (1, 0)}))
    assert [one.reason for one in decided(step, [item("r9"), item("r8")])] == ["no image embedding"] * 2
