"""Collages and what patches say of them: known layouts, brute force, and a model whose patches cannot be wrong."""

from __future__ import annotations

import numpy as np
import pytest
from made import made

from input_pipeline.views.frames import NativePatches
from input_pipeline.views.patches import picture_of
from vlp.evaluation.dense.co_segmented import CoSegmentation
from vlp.evaluation.dense.collages import check_collages, halved, make_collages, quadrant_of_cells
from vlp.evaluation.dense.figures import areas, mean_iou, patch_accuracy, pointing
from vlp.evaluation.dense.region_figures import (
    area_figures,
    by_overlap,
    chance_of_areas,
    jaccard,
    mean_per_label,
    soft_jaccard,
    soft_recall,
)
from vlp.evaluation.dense.segmentation import Dense, ScoredCollage, dense_chance, dense_figures


def plain_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Image k is of class k // 2 and everywhere 10 k."""
    images = np.broadcast_to((np.arange(count) * 10)[:, None, None, None], (count, 4, 4, 3)).astype(np.uint8)
    return images, np.arange(count) // 2


@pytest.mark.parametrize("enlarge", [False, True])
def test_a_collage_shows_four_classes_where_it_says(enlarge: bool) -> None:
    images, classes = plain_images(12)
    collages = make_collages(images, classes, 20, enlarge=enlarge)
    half = 4 if enlarge else 2
    assert collages.images.shape == (20, 2 * half, 2 * half, 3)
    for picture, own in zip(collages.images, collages.classes, strict=True):
        assert len(set(own)) == 4
        quadrants = [picture[y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
        for quadrant, kind in zip(quadrants, own, strict=True):
            assert len(np.unique(quadrant)) == 1 and quadrant[0, 0, 0] // 20 == kind
    again = make_collages(images, classes, 20, enlarge=enlarge)
    np.testing.assert_array_equal(again.images, collages.images)
    assert len(np.unique(collages.images.reshape(20, -1), axis=0)) > 15


def test_what_no_collage_can_be_made_of() -> None:
    images, classes = plain_images(6)
    with pytest.raises(ValueError, match="takes four classes, and the images have 3"):
        make_collages(images, classes, 2, enlarge=True)
    rows = np.array([[0, 1, 10, 10], [2, 3, 10, 11], [5, 5, 200, 255], [5, 6, 201, 255]], np.uint8)
    pixels = np.stack([rows, rows.T, 255 - rows], axis=-1)[None]
    expected = pixels.reshape(2, 2, 2, 2, 3).astype(float).mean(axis=(1, 3))
    np.testing.assert_array_equal(halved(pixels)[0], np.round(expected))
    with pytest.raises(ValueError, match="3 x 3 pixels cannot be halved"):
        halved(images[:, :3, :3])


def test_collages_of_patches_show_whole_images_as_squares_and_are_cut_as_they_were() -> None:
    frame = NativePatches(patch_size=2, patches=6)
    tall = np.broadcast_to((np.arange(8) * 20)[:, None, None, None], (8, 6, 4, 3)).astype(np.uint8)
    collages = make_collages(np.stack([frame.packed(one) for one in tall]), np.arange(8), 5, enlarge=True)
    assert collages.images.shape == (5, 8, 8, 3), "six patches of two pixels hold a square of two by two"
    np.testing.assert_array_equal(collages.images[:, ::4, ::4, 0].reshape(5, 4), collages.classes * 20)
    assert collages.seen["grid"].tolist() == [[4, 4]] * 5
    np.testing.assert_array_equal(picture_of(collages.seen[3]), collages.images[3])


def test_only_images_that_are_halved_need_a_side_that_can_be() -> None:
    images, classes = plain_images(8)
    check_collages(images, classes, enlarge=False)
    check_collages(images[:, :3, :3], classes, enlarge=True)
    with pytest.raises(ValueError, match="cannot be halved"):
        check_collages(images[:, :3, :3], classes, enlarge=False)
    with pytest.raises(ValueError, match="takes four classes, and the images have 3"):
        check_collages(images[:6], classes[:6], enlarge=False)


def test_an_odd_grid_has_cells_that_belong_to_nobody() -> None:
    assert quadrant_of_cells(3).tolist() == [[0, -1, 1], [-1, -1, -1], [2, -1, 3]]
    assert quadrant_of_cells(4).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]


@pytest.mark.parametrize("side", [4, 5])
def test_figures_are_those_of_going_through_the_cells(side: int) -> None:
    quadrant, scores = (
        quadrant_of_cells(side).reshape(-1),
        np.random.default_rng(side).normal(size=(side**2, 4)),
    )
    cells = [at for at in range(side**2) if quadrant[at] >= 0]
    best = [max(cells, key=lambda at: scores[at, kind]) for kind in range(4)]
    assert pointing(scores, quadrant).tolist() == [quadrant[at] == kind for kind, at in enumerate(best)]
    right = [quadrant[at] == max(range(4), key=lambda kind: scores[at, kind]) for at in cells]
    assert patch_accuracy(scores, quadrant) == pytest.approx(np.mean(right))
    said = scores.argmax(axis=1)
    sets = [
        ({at for at in cells if said[at] == kind}, {at for at in cells if quadrant[at] == kind})
        for kind in range(4)
    ]
    expected = np.mean([len(ours & theirs) / len(ours | theirs) for ours, theirs in sets])
    assert mean_iou(areas(said, quadrant, 7)) == pytest.approx(
        expected
    )  # classes that are nowhere do not count
    member = np.abs(scores)
    soft = [
        sum(member[at, kind] for at in theirs)
        / (sum(member[at, kind] for at in cells) + len(theirs) - sum(member[at, kind] for at in theirs))
        for kind, (_, theirs) in enumerate(sets)
    ]
    np.testing.assert_allclose(soft_jaccard(member, quadrant), soft)


def test_every_label_weighs_the_same() -> None:
    assert mean_per_label(np.array([[1.0, 0, 0, 0]] * 2), np.array([[4, 1, 2, 3], [4, 1, 2, 3]])) == 0.25
    assert mean_per_label(np.array([[1.0, 1, 0, 0]] * 2), np.array([[4, 1, 2, 3], [4, 5, 2, 3]])) == 0.6


def test_names_of_places_by_words_by_meaning_and_by_overlap() -> None:
    """Two by two cells, by hand: the names of two are their labels, the third is the fourth's."""
    labels, classes, quadrant = (
        ["a cat", "Dogs", "a bird", "fish", "horse"],
        np.array([[1, 3, 0, 4]]),
        np.arange(4),
    )
    names = [["dog", "fish", "horse", "horse"]]
    similar = np.array([[[0.9, 0.1, 0, 0], [0.2, 0.6, 0, 0], [-0.5, 0, 0.1, 0.8], [0, 0, 0, 0.5]]])
    figures = area_figures(names, similar, labels, classes, quadrant)
    assert figures["hard_jaccard"] == pytest.approx((1 + 1 + 0 + 1 / 2) / 4)
    assert figures["nearest_jaccard"] == pytest.approx((1 + 1 + 0 + 1 / 2) / 4)
    assert figures["overlap_jaccard"] == pytest.approx((1 + 1 + 1 / 2 + 0) / 4)  # of equal ones, the first
    assert figures["hard_recall"] == pytest.approx(3 / 4)
    assert figures["soft_recall"] == pytest.approx((0.9 + 0.6 + 0.1 + 0.5) / 4)
    chance = chance_of_areas({"dog": 1, "fish": 1, "cow": 2}, labels, classes)
    assert chance["hard_recall"] == pytest.approx(1 / 8) and chance["nearest_jaccard"] == pytest.approx(1 / 7)
    assert chance["hard_jaccard"] == pytest.approx(2 * (0.25 / (1 + 1 - 0.25)) / 4)


def test_names_that_are_all_different_overlap_whatever_they_are() -> None:
    names = [[f"name {cell}" for cell in range(16)]]
    quadrant, four = quadrant_of_cells(4).reshape(-1), np.array([[0, 1, 2, 3]])
    figures = area_figures(names, np.zeros((1, 16, 4)), list("abcd"), four, quadrant)
    assert figures["overlap_jaccard"] == figures["overlap_jaccard_of_strangers"] == 1
    assert figures["soft_jaccard"] == figures["hard_recall"] == 0


def test_scores_that_are_no_numbers_point_nowhere() -> None:
    quadrant = quadrant_of_cells(2).reshape(-1)
    scores = np.eye(4)
    assert pointing(scores, quadrant).all()
    scores[:, 0] = np.nan
    assert pointing(scores, quadrant).tolist() == [False, True, True, True]


class Painter:
    """Sees the grey level of a cell as one of 26 directions, which the texts '0' ... '25' are."""

    def encode_patch_array(self, images: np.ndarray) -> np.ndarray:
        return np.eye(26, dtype=np.float32)[images[:, ::2, ::2, 0] // 10]

    def encode_text(self, texts: list[str], *, prefix: str = "") -> np.ndarray:
        return np.eye(26, dtype=np.float32)[[int(text) for text in texts]]


@pytest.mark.parametrize("enlarge", [False, True])
def test_a_model_that_sees_every_patch_right_has_every_figure_right(evaluation_set, enlarge: bool) -> None:
    data = evaluation_set(10)
    data.images[:] = (np.arange(10) * 10)[:, None, None, None]
    data.labels[:] = [str(row) for row in range(10)]
    evaluator = made(
        Dense, {"val": data}, sets=("val",), labels="verbatim", templates="plain", collages=9, enlarge=enlarge
    )
    figures = evaluator(Painter())
    assert set(figures.values()) == {1.0}
    assert set(evaluator.chance()) == set(figures)
    assert evaluator.outcomes(Painter())["dense/val/pointing"].tolist() == [1.0] * 36
    (maps,) = evaluator.exhibits(Painter())
    first, side = maps.maps[0], 4 if enlarge else 2
    assert first.scores.shape == (side, side) and len(maps.maps) == 24
    assert first.scores[0, 0] == 1 and first.scores.sum() == (side / 2) ** 2
    assert first.picture[0, 0, 0] == 10 * int(first.text)


class Searcher(Painter):
    """Sees of a whole picture, which has to be as large as its own, the mean of its cells."""

    side = 0

    def encode_image_array(self, images: np.ndarray) -> np.ndarray:
        assert images.shape[1:3] == (self.side, self.side)
        return self.encode_patch_array(images).mean(axis=(1, 2))


@pytest.mark.parametrize("enlarge", [False, True])
def test_a_name_finds_pictures_and_their_seeds_find_its_cells(evaluation_set, enlarge: bool) -> None:
    """With one picture a name the seed is the class itself: a cell of it scores s(1) s(10), another s(0) s(0)."""
    data = evaluation_set(10)
    data.images[:] = (np.arange(10) * 10)[:, None, None, None]
    data.labels[:] = [str(row) for row in range(10)]
    settings = {"labels": "verbatim", "templates": "plain", "collages": 9, "enlarge": enlarge}
    evaluator = made(CoSegmentation, {"val": data}, sets=("val",), nearest=1, contexts=("25",), **settings)
    model = Searcher()
    model.side = data.images.shape[1]
    assert set(evaluator(model).values()) == {1.0}
    (maps,) = evaluator.exhibits(model)
    own, other = 1 / (1 + np.exp(-1)) / (1 + np.exp(-10)), 0.25
    side = 4 if enlarge else 2
    for shown in maps.maps:
        assert sorted(shown.scores.reshape(-1).tolist()) == pytest.approx(
            [other] * (side**2 - side**2 // 4) + [own] * (side**2 // 4)
        )


def test_chance_agrees_with_patches_that_know_nothing() -> None:
    dice, quadrant = np.random.default_rng(0), quadrant_of_cells(4).reshape(-1)
    collages = [
        ScoredCollage(dice.normal(size=(16, 9)), quadrant, dice.permutation(8)[:4]) for _ in range(1500)
    ]
    chance = dense_chance(np.stack([one.classes for one in collages]), 9)
    assert dense_figures(collages) == pytest.approx(chance, abs=0.01)
    assert chance["mean_iou"] == pytest.approx(1 / 7)
    assert chance["mean_iou_of_all_classes"] == pytest.approx(1 / 16, rel=0.01)


def test_cells_of_nobody_count_nowhere_and_dislike_is_no_similarity() -> None:
    quadrant = quadrant_of_cells(3).reshape(-1)
    names = ["a", "x", "b", "x", "x", "x", "b", "x", "b"]  # x stands between the quadrants alone
    assert by_overlap(names, quadrant)[quadrant >= 0].tolist() == [0, 1, 1, 1]
    said = np.where(quadrant >= 0, [0, 9, 1, 9, 9, 9, 1, 9, 3], 3)
    np.testing.assert_allclose(jaccard(said, quadrant), [1, 1 / 2, 0, 1])
    similar = np.full((9, 4), -0.5)
    similar[0, 0], similar[4], similar[2, 1] = 0.75, 1.0, 0.25
    np.testing.assert_allclose(soft_recall(similar, quadrant), [0.75, 0.25, 0, 0])
    np.testing.assert_allclose(soft_jaccard(similar, quadrant), [0.75, 0.25, 0, 0])
