"""What retrieval shows of its searches: who stands first, which is right, and languages beside English."""

from __future__ import annotations

import numpy as np
import pytest

from vlp.evaluation.retrieval.exhibits import language_table, search, searches, spread
from vlp.evaluation.retrieval.galleries import gallery


@pytest.mark.parametrize(
    ("count", "most", "places"),
    [
        (3, 8, [0, 1, 2]),
        (9, 3, [0, 4, 8]),
        (100, 2, [0, 99]),
        (1, 8, [0]),
        (20, 8, [0, 3, 5, 8, 11, 14, 16, 19]),
    ],
)
def test_places_are_spread_from_the_first_to_the_last(count: int, most: int, places: list[int]) -> None:
    assert spread(count, most).tolist() == places


def test_the_best_answers_stand_first_and_of_equals_the_first() -> None:
    candidates = np.array([[0.1], [0.5], [0.9], [0.5], [-1], [0.2], [0.3]], np.float32)
    shown, places = [f"t{place}" for place in range(14)], np.arange(7) * 2
    found = search("q", np.ones(1, np.float32), candidates, shown, places, np.arange(7) == 3)
    assert found.query == "q" and list(found.found) == ["t4", "t2", "t6", "t12", "t10"]
    assert list(found.right) == [False, False, True, False, False]
    np.testing.assert_allclose(found.scores, [0.9, 0.5, 0.5, 0.3, 0.2], rtol=1e-6)


def test_both_directions_ask_from_the_same_images_with_captions_in_turn() -> None:
    whole = gallery([["a", "b"], [], ["a", "c"], ["d"]], rows=[0, 1, 2, 3])
    images, texts = np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)  # texts are a, b, c, d
    pictures = ["p0", "p1", "p2", "p3"]
    by_text, by_image = searches("val", pictures, whole, images, texts)
    assert by_text.title == "val: images for a caption" and by_image.title == "val: captions for an image"
    assert [one.query for one in by_text.searches] == ["a", "c", "d"]  # the second of the second image
    assert [one.query for one in by_image.searches] == ["p0", "p2", "p3"]
    right = [[a for a, hit in zip(one.found, one.right, strict=True) if hit] for one in by_text.searches]
    assert right == [["p0", "p2"], ["p2"], ["p3"]]
    right = [[a for a, hit in zip(one.found, one.right, strict=True) if hit] for one in by_image.searches]
    assert [sorted(one) for one in right] == [["a", "b"], ["a", "c"], ["d"]]


def test_a_language_stands_beside_english_on_the_same_images() -> None:
    own, english = gallery([["x", "y"], ["z"]]), gallery([["e"], ["f"]])
    names = [f"{way}/recall@{k}" for way in ("text_to_image", "image_to_text") for k in (1, 5)]
    figures = dict(zip(names, (0.1, 0.2, 0.3, 0.4), strict=True))
    better = {name: value + 0.05 for name, value in figures.items()}
    table = language_table("val", {"de": (own, english)}, {"de": (figures, better)}, (1, 5))
    assert table.title == "val: retrieval by language"
    assert list(table.head) == [
        "language",
        "images",
        "captions",
        *names,
        "mean recall",
        "of English",
        "gap, points",
    ]
    assert [list(row) for row in table.rows] == [
        ["de", "2", "3", "10.0%", "20.0%", "30.0%", "40.0%", "25.0%", "30.0%", "+5.0"]
    ]
