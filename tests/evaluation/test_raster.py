"""Exhibits as pictures: what a view shows as records of patches looks as its pixels do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from input_pipeline.views.patches import like
from vlp.evaluation.exhibits import BoxedPicture, Boxes, Exhibit, ScoreMap, ScoreMaps, Search, Searches
from vlp.evaluation.page.evaluation import evaluation_page
from vlp.evaluation.raster import pictures
from vlp.evaluation.rounds import Findings

PIXELS = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
RECORD = like(np.zeros(1, [("patches", np.uint8, (16, 64, 3)), ("grid", np.int32, 2)]), PIXELS)[0]


def searched(picture: np.ndarray) -> Exhibit:
    return Searches("Found", [Search("a cat", [picture], [True], [0.5])])


def mapped(picture: np.ndarray) -> Exhibit:
    return ScoreMaps("Maps", [ScoreMap(picture, "a cat", np.eye(4, dtype=np.float32))])


def boxed(picture: np.ndarray) -> Exhibit:
    return Boxes("Boxes", [BoxedPicture(picture, np.array([[0.1, 0.1, 0.5, 0.6]]), ["a cat"])])


@pytest.mark.parametrize("shown", [searched, mapped, boxed])
def test_a_record_of_patches_looks_as_its_pixels_do(shown: Callable[[np.ndarray], Exhibit]) -> None:
    (plain,), (native,) = (dict(pictures({"one": [shown(one)]})).values() for one in (PIXELS[0], RECORD))
    np.testing.assert_array_equal(plain, native)
    pages = [
        evaluation_page("A", {}, Findings({}, {}, {}, {"one": [shown(one)]})) for one in (PIXELS[0], RECORD)
    ]
    assert pages[0] == pages[1] and "data:image/webp" in pages[0]
