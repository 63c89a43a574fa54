from __future__ import annotations

import json

import numpy as np
import pytest
from made import made
from retrieval_sets import NamedSet, unit

from vlp.evaluation.retrieval.composed import ComposedRetrieval, compose
from vlp.evaluation.retrieval.composed_queries import ComposedQuery, read_queries, tag_queries


def test_compositions_are_unit_rows_between_image_and_text() -> None:
    rng = np.random.default_rng(0)
    images, texts = unit(rng, 9, 5), unit(rng, 9, 5)
    texts[0] = images[0]
    for rule in ("sum", "slerp"):
        assert compose(images, texts, rule=rule, text_weight=0.0) == pytest.approx(images)
        assert compose(images, texts, rule=rule, text_weight=1.0) == pytest.approx(texts)
    half = compose(images, texts)
    assert half == pytest.approx(compose(images, texts, rule="slerp"))
    third = compose(images, texts, rule="slerp", text_weight=1 / 3)
    whole, part = (np.arccos(np.clip(np.sum(images * rows, axis=1), -1, 1)) for rows in (texts, third))
    assert part == pytest.approx(whole / 3, abs=1e-7)
    assert np.linalg.norm(third, axis=1) == pytest.approx(np.ones(9))


@pytest.mark.parametrize("listed", [True, False])
def test_queries_are_read_from_the_files_of_cirr_and_fashioniq(tmp_path, listed: bool) -> None:
    entries = [
        {"pairid": 7, "reference": "dev-1", "caption": "in a car", "target_hard": "dev-3", "target_soft": {}},
        {"candidate": "dev-2", "captions": ["is red", "has sleeves"], "target": "dev-1"},
        {"reference": "dev-3", "text": "older", "target": ["dev-2", "dev-1"]},
    ]
    path = tmp_path / "queries.json"
    path.write_text(json.dumps(entries) if listed else "\n".join(map(json.dumps, entries)))
    assert read_queries(path, ["dev-1", "dev-2", "dev-3"]) == [
        ComposedQuery(0, "in a car", (2,)),
        ComposedQuery(1, "is red and has sleeves", (0,)),
        ComposedQuery(2, "older", (0, 1)),
    ]
    with pytest.raises(ValueError, match="query 1: the evaluation set has no image 'dev-3'"):
        read_queries(path, ["dev-1", "dev-2"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{]", "neither a JSON list"),
        ('{"reference": "a", "target": "b"}', "none of text, caption, captions"),
        ('{"reference": "a", "text": "x", "target": "a"}', "its own reference for a target"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, text: str, message: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_queries(path, ["a", "b"])


def test_tags_make_queries_that_need_image_and_text() -> None:
    data = NamedSet(
        6,
        labels=["fish", "fish", "fish", "fruit", "fruit", ""],
        tags=[["sea"], ["sea", "red"], ["red", "bowl"], ["red"], ["red", "bowl"], ["bowl"]],
    )
    # "red" and "bowl" are each on two images that are no fish; the first by name that the image lacks is asked for.
    assert tag_queries(data) == [
        ComposedQuery(0, "bowl", (2,)),
        ComposedQuery(1, "bowl", (2,)),
        ComposedQuery(2, "sea", (0, 1)),
        ComposedQuery(3, "bowl", (4,)),
    ]


def test_the_reference_is_no_candidate(model, tmp_path) -> None:
    data = NamedSet(7)
    path = tmp_path / "queries.json"
    queries = [
        {"reference": f"image{n}", "text": f"text {n}", "target": f"image{(n + 2) % 7}"} for n in range(7)
    ]
    path.write_text(json.dumps(queries))
    evaluator = made(
        ComposedRetrieval, {"val": data}, sets=("val",), k=(1, 2), queries=str(path), text_weight=0.25
    )
    figures = evaluator(model)
    images, texts = model.encode_image_array(data.images), model.encode_text([q["text"] for q in queries])
    rows = {"": 0.75 * images + 0.25 * texts, "image_only/": images, "text_only/": texts}
    for part, of_queries in rows.items():
        ranks = []
        for number, row in enumerate(of_queries):
            order = [one for one in np.argsort(-images @ row) if one != number]
            ranks.append(1 + order.index((number + 2) % 7))
        for k in (1, 2):
            assert figures[f"composed_retrieval/val/{part}recall@{k}"] == np.mean(np.array(ranks) <= k)
    chance = evaluator.chance()
    assert list(chance) == list(figures)
    assert chance["composed_retrieval/val/recall@2"] == pytest.approx(2 / 6)
    (searches,) = evaluator.exhibits(model)
    np.testing.assert_array_equal(searches.searches[0].query, data.images[0])
    assert searches.searches[0].about == "text 0"
    assert len(searches.searches[0].found) == 5


def test_sets_without_queries_and_missing_files_are_refused(model) -> None:
    with pytest.raises(ValueError, match="evaluation set 'val' gives no queries"):
        made(ComposedRetrieval, {"val": NamedSet(3)}, sets=("val",))(model)
    with pytest.raises(ValueError, match=r"there is no file 'nowhere\.json'"):
        made(ComposedRetrieval, {}, queries="nowhere.json")


class Learned:
    """A composer of several rows an image."""

    def compose(self, images, texts, *, prefix=""):
        assert prefix == ""
        return unit(np.random.default_rng([len(images), len(texts)]), len(images), 5)

    def gallery(self, images):
        return unit(np.random.default_rng(1), len(images), 3, 5)


def test_a_part_composes_and_its_nearest_row_counts(model, tmp_path) -> None:
    model.composer = lambda name: {"sprc/composer": Learned()}[name]
    path = tmp_path / "queries.json"
    queries = [
        {
            "reference": f"image{n}",
            "text": f"text {n}",
            "target": [f"image{(n + 2) % 7}", f"image{(n + 3) % 7}"],
        }
        for n in range(7)
    ]
    path.write_text(json.dumps(queries))
    settings = {"sets": ("val",), "k": (1, 3), "queries": str(path)}
    data = {"val": NamedSet(7)}
    learned = made(ComposedRetrieval, data, composer="sprc/composer", **settings)
    figures, plain = learned(model), made(ComposedRetrieval, data, **settings)(model)
    rows, gallery = Learned().compose(range(7), range(7)), Learned().gallery(range(7))
    scores = np.einsum("qd,ctd->qct", rows, gallery).max(axis=2)
    ranks = []
    for number, own in enumerate(scores):
        order = [one for one in np.argsort(-own) if one != number]
        ranks.append(1 + min(order.index((number + step) % 7) for step in (2, 3)))
    for k in (1, 3):
        assert figures[f"composed_retrieval/val/recall@{k}"] == np.mean(np.array(ranks) <= k)
        assert (
            figures[f"composed_retrieval/val/sum/recall@{k}"] == plain[f"composed_retrieval/val/recall@{k}"]
        )
    assert list(learned.chance()) == list(figures)
    (searches,) = learned.exhibits(model)
    assert len(searches.searches[0].found) == 5
