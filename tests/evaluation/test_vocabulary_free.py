"""CaSED: words, retrieval by blocks, scores of an image's own candidates alone, and the figures of free names."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made import made

from vlp.evaluation.dense.named_regions import VocabularyFreeRegions, cell_rows, crop_boxes, crops_of
from vlp.evaluation.figures import matched_accuracy
from vlp.evaluation.naming.category_search import name_images
from vlp.evaluation.naming.figures import chance_word_iou, cosines, strangers_cosine, word_iou
from vlp.evaluation.naming.vocabulary_free import VocabularyFree
from vlp.evaluation.texts.captions import nearest_captions, read_captions
from vlp.evaluation.texts.words import candidate_words, naming_words, singular

SINGULARS = """
    dogs=dog boxes=box dishes=dish benches=bench berries=berry tomatoes=tomato shoes=shoe bus=bus buses=bus glass=glass
    houses=house horses=horse women=woman leaves=leaf cookies=cookie jeans=jeans tennis=tennis cactus=cactus
    series=series ties=tie flies=fly is=is
"""


def test_singular() -> None:
    for pair in SINGULARS.split():
        plural, word = pair.split("=")
        assert singular(plural) == word


def test_words_that_name_nothing_are_dropped() -> None:
    caption = (
        "Photo of the 2 old_Dogs' houses at https://x.y/z.jpg <start> IMG_12.png; a tree-house, e.g. John's"
    )
    assert naming_words(caption) == ["old", "dog", "house", "img", "tree", "house", "john"]


def test_candidates_stand_twice_or_are_the_most_frequent() -> None:
    assert candidate_words([["two", "red", "dog"], ["dog", "red"], ["green", "dog"]]) == ["red", "dog"]
    assert candidate_words([["red", "dog"], ["green"]]) == ["red", "dog", "green"]
    assert candidate_words([naming_words("the of 12"), []]) == ["object"]


def unit(seed: int, *shape: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_the_nearest_captions_are_those_of_sorting_everything() -> None:
    images, rows = unit(0, 5, 4), unit(1, 33, 4)
    rows[20] = rows[7]

    def encode(texts):
        return rows[[int(text) for text in texts]]

    found = nearest_captions(images, [str(row) for row in range(33)], encode, 6)
    np.testing.assert_array_equal(found, np.argsort(-(images @ rows.T), axis=1, kind="stable")[:, :6])
    np.testing.assert_array_equal(nearest_captions(images, ["0"] * 9, encode, 4), [[0, 1, 2, 3]] * 5)
    rows[3], images[0] = np.nan, np.nan  # of a model that has diverged: near to nothing, and no error
    found = nearest_captions(images, ["3", "5"], encode, 9)
    assert found.shape == (5, 2) and found[0].tolist() == [0, 1]


CAPTIONS = ["red dog dog", "red dog", "green tree tree", "green tree"]


def named(images: np.ndarray, nearest: list[list[int]], model, **changes) -> list:
    settings = {"alpha": 0.7, "scale": 5.0, **changes}
    return name_images(images, CAPTIONS, np.array(nearest), model.encode_text, model.encode_text, **settings)


def test_an_image_is_named_by_words_of_its_own_captions_alone(model) -> None:
    images = unit(2, 2, 6)
    both = named(images, [[0, 1], [3, 2]], model)
    assert sorted(both[0].names) == ["dog", "red"] and sorted(both[1].names) == ["green", "tree"]
    assert [one.scores.sum() for one in both] == pytest.approx([1, 1])
    alone = named(images[1:], [[3, 2]], model)[0]
    assert alone.names == both[1].names and alone.scores == pytest.approx(both[1].scores)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
def test_scores_mix_the_image_s_posterior_with_that_of_its_captions(model, alpha: float) -> None:
    image = unit(3, 1, 6)
    found = named(image, [[0, 1]], model, alpha=alpha)[0]
    words, centroid = model.encode_text(found.names), model.encode_text(CAPTIONS[:2]).mean(axis=0)
    posteriors = [np.exp(5 * words @ query) for query in (image[0], centroid / np.linalg.norm(centroid))]
    by_image, by_text = (posterior / posterior.sum() for posterior in posteriors)
    np.testing.assert_allclose(found.scores, alpha * by_image + (1 - alpha) * by_text, rtol=1e-6)
    assert found.scores[0] >= found.scores[1]


def test_names_are_compared_by_their_words() -> None:
    assert word_iou("Dogs", "dog") == 1.0
    assert word_iou("tree-house", "house, trees") == 1.0
    assert word_iou("red dog", "a dog") == 1 / 3
    assert word_iou("", "") == 0.0


def test_cluster_accuracy_is_that_of_the_best_matching() -> None:
    dice = np.random.default_rng(0)
    for _ in range(10):
        names, classes = dice.integers(0, 4, 30), dice.integers(0, 3, 30)
        best = max(
            np.mean([order[name] == own for name, own in zip(names, classes, strict=True)])
            for order in itertools.permutations([0, 1, 2, -1])
        )
        found = matched_accuracy([f"name {one}" for one in names], [f"class {one}" for one in classes])
        assert found == pytest.approx(best)
    assert matched_accuracy(list("abc"), list("xxx")) == 1 / 3


def test_chance_is_a_word_drawn_from_the_captions() -> None:
    frequency, labels = {"dog": 3, "red": 1, "tree": 4}, ["red dogs", "cat", "tree"]
    words = [word for word, count in frequency.items() for _ in range(count)]
    expected = np.mean([[word_iou(word, label) for label in labels] for word in words])
    assert chance_word_iou(frequency, labels) == pytest.approx(expected)


def test_similarity_of_strangers_is_that_of_all_pairs() -> None:
    ours, theirs = unit(0, 5, 3), unit(1, 5, 3)
    assert strangers_cosine(ours, theirs) == pytest.approx((ours @ theirs.T).mean())
    assert cosines(ours, theirs) == pytest.approx((ours * theirs).sum(axis=1))


def test_captions_come_from_parquet_json_lines_and_text(tmp_path) -> None:
    pq.write_table(pa.table({"captions": [["a  dog", "red"], None, ["a dog"]]}), tmp_path / "a.parquet")
    rows = [{"text": "tree", "captions": ["x", None]}, {"text": "a dog", "captions": []}]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (tmp_path / "c.txt").write_text("one line\n\ntwo\n")
    assert read_captions(str(tmp_path / "a.parquet")) == ["a dog", "red"]
    assert read_captions(str(tmp_path / "b.jsonl"), "text") == ["tree", "a dog"]
    assert read_captions(str(tmp_path / "*")) == ["a dog", "red", "x", "one line", "two"]
    (tmp_path / "d.csv").write_text("x")
    for path, column, message in (
        ("a.parquet", "text", "no column 'text'; it has captions"),
        ("b.jsonl", "tags", "b.jsonl, line 1 has no key 'tags'"),
        ("d.csv", "x", "none of .parquet, .jsonl, .txt"),
        ("e.txt", "x", "there are no captions at"),
    ):
        with pytest.raises(ValueError, match=message):
            read_captions(str(tmp_path / path), column)


@pytest.fixture
def caption_file(tmp_path) -> str:
    (tmp_path / "captions.txt").write_text("some fish\nfish of the sea\noffice\noffice chair\nfruit\n")
    return str(tmp_path / "captions.txt")


def test_the_evaluator_names_labelled_images(model, evaluation_set, caption_file) -> None:
    data = evaluation_set(14)
    data.labels[3] = ""
    evaluator = made(
        VocabularyFree, {"val": data}, sets=("val",), captions=caption_file, nearest=2, labels="verbatim"
    )
    figures, outcomes = evaluator(model), evaluator.outcomes(model)
    assert set(evaluator.chance()) < set(figures)
    assert len(outcomes["vocabulary_free/val/semantic_iou"]) == 13
    for name, values in outcomes.items():
        assert figures[name] == pytest.approx(values.mean())
    own = [label for label in data.labels if label]
    names = [naming.names[0] for naming in evaluator._namings(model, "val")]
    assert figures["vocabulary_free/val/cluster_accuracy"] == matched_accuracy(names, own)
    dealt = [names[place] for place in np.random.default_rng(0).permutation(13)]
    strangers = figures["vocabulary_free/val/cluster_accuracy_of_strangers"]
    assert strangers == matched_accuracy(dealt, own) and len(set(names)) > 1
    (searches,) = evaluator.exhibits(model)
    assert len(searches.searches) == 13
    shown = searches.searches[3]
    np.testing.assert_array_equal(shown.query, data.images[4])
    right = [word_iou(name, data.labels[4]) > 0 for name in shown.found]
    assert list(shown.right) == right
    # Another model is asked anew.
    other = type(model)(dim=5)
    assert (
        evaluator(other)["vocabulary_free/val/semantic_similarity"]
        != figures["vocabulary_free/val/semantic_similarity"]
    )
    with pytest.raises(ValueError, match="there are no captions at 'nowhere"):
        made(VocabularyFree, {}, captions="nowhere.txt")


def test_one_crop_of_the_whole_picture_is_named_as_the_picture(model, evaluation_set, caption_file) -> None:
    data = evaluation_set(14)
    options = {"sets": ("val",), "captions": caption_file, "nearest": 2}
    regions = made(VocabularyFreeRegions, {"val": data}, collages=3, grids=(1,), map_side=2, **options)
    found = regions._regions(model, "val")
    box = crop_boxes(1, (1,), True)
    whole = np.concatenate([crops_of(one, box, 1, 4) for one in regions._collages["val"].images])
    expected = made(VocabularyFree, {"val": data}, **options).name_rows(
        model, model.encode_image_array(whole)
    )
    assert [cells[0].names for cells in found.cells] == [naming.names for naming in expected]


def test_regions_of_collages_are_named_by_their_crops(model, evaluation_set, caption_file) -> None:
    data = evaluation_set(14)
    evaluator = made(
        VocabularyFreeRegions,
        {"val": data},
        sets=("val",),
        captions=caption_file,
        nearest=2,
        collages=3,
        grids=(2, 4),
        map_side=8,
    )
    figures = evaluator(model)
    assert set(evaluator.chance()) < set(figures) and all(0 <= value <= 1 for value in figures.values())
    outcomes = evaluator.outcomes(model)["vocabulary_free_regions/val/semantic_iou"]
    assert figures["vocabulary_free_regions/val/semantic_iou"] == pytest.approx(outcomes.mean())
    (maps,) = evaluator.exhibits(model)
    assert maps.maps[0].scores.shape == (8, 8) and maps.maps[0].picture.shape == (8, 8, 3)
    with pytest.raises(ValueError, match="map_side=16 must be a multiple of 2 x 3"):
        made(VocabularyFreeRegions, {}, captions=caption_file, grids=(2, 3))
    made(VocabularyFreeRegions, {}, captions=caption_file, grids=(2, 16), half_stride=False)


def test_parts_begin_in_the_middle_of_others() -> None:
    """As the authors cut: beside g x g parts, (g - 1) g, g (g - 1) and (g - 1) (g - 1) half a part later."""
    boxes = crop_boxes(16, (2, 4, 8), True)
    assert len(boxes) == sum(g * g + 2 * g * (g - 1) + (g - 1) ** 2 for g in (2, 4, 8))
    assert [tuple(box) for box in boxes[:9]] == [(x, y, 8) for y in (0, 4, 8) for x in (0, 4, 8)]
    assert len(crop_boxes(16, (2, 4, 8), False)) == 4 + 16 + 64
    picture = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    crops = crops_of(picture, crop_boxes(4, (2,), True), 4, 4)
    np.testing.assert_array_equal(crops[4], picture[2:6, 2:6])


def test_a_cell_is_the_unit_mean_of_the_crops_around_it() -> None:
    boxes = crop_boxes(8, (2, 4), True)
    rows = unit(0, len(boxes), 5)
    x, y = 5, 2
    expected = sum(
        row for row, (a, b, w) in zip(rows, boxes, strict=True) if a <= x < a + w and b <= y < b + w
    )
    np.testing.assert_allclose(cell_rows(rows, boxes, 8)[y * 8 + x], expected / np.linalg.norm(expected))
