from __future__ import annotations

import numpy as np
import pytest
from made import made
from retrieval_sets import NamedSet, unit

from vlp.evaluation.retrieval.captions import Retrieval, retrieval_chance, retrieval_figures
from vlp.evaluation.retrieval.galleries import gallery


def brute_force(
    images: np.ndarray, texts: np.ndarray, owner: list[int], ks: tuple[int, ...]
) -> dict[str, float]:
    """Sorts whole columns and rows; `owner[t]` is the image of text t."""
    scores = images @ texts.T
    found = [1 + np.argsort(-scores[:, t]).tolist().index(owner[t]) for t in range(len(texts))]
    named = [
        1 + min(np.argsort(-scores[i]).tolist().index(t) for t in range(len(texts)) if owner[t] == i)
        for i in sorted(set(owner))
    ]
    figures = {}
    for direction, ranks in (("text_to_image", found), ("image_to_text", named)):
        figures |= {f"{direction}/recall@{k}": np.mean([rank <= k for rank in ranks]) for k in ks}
        figures[f"{direction}/median_rank"] = np.median(ranks)
        figures[f"{direction}/mean_rank"] = np.mean(ranks)
    figures["rsum"] = sum(value for name, value in figures.items() if "recall" in name)
    return figures


def test_figures_are_those_of_sorting_everything() -> None:
    rng = np.random.default_rng(0)
    counts = [1, 3, 2, 0, 1, 4, 2, 1, 0, 2]  # captions per image
    owner = [image for image, count in enumerate(counts) for _ in range(count)]
    whole = gallery([[f"{image} {n}" for n in range(count)] for image, count in enumerate(counts)])
    images, texts = unit(rng, len(counts), 3), unit(rng, len(owner), 3)
    figures = retrieval_figures(images, texts, whole.pairs, (1, 2, 5))
    assert figures == pytest.approx(brute_force(images, texts, owner, (1, 2, 5)))


def test_a_caption_of_two_images_is_right_for_both_and_asked_for_each() -> None:
    whole = gallery([["sun", "star"], ["sun"], ["moon", "moon"]])
    assert whole.texts == ["sun", "star", "moon"]
    assert whole.pairs.tolist() == [[0, 0], [0, 1], [1, 0], [2, 2]]
    images = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    texts = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    figures = retrieval_figures(images, texts, whole.pairs, (1, 2))
    # image 0 -> sun 1; image 1 -> star scores .96, its sun .8: 2; image 2 -> moon 1
    assert figures["image_to_text/recall@1"] == 2 / 3
    # sun for image 0: 1; star for image 0: behind both others, 3; sun for image 1: 2; moon for image 2: 1
    assert figures["text_to_image/recall@1"] == 2 / 4
    assert figures["text_to_image/recall@2"] == 3 / 4


def test_a_collapsed_model_finds_nothing() -> None:
    same = np.ones((6, 2)) / np.sqrt(2)
    figures = retrieval_figures(same, same, gallery([[str(row)] for row in range(6)]).pairs, (1, 5))
    assert all(figures[f"{way}/recall@5"] == 0.0 for way in ("text_to_image", "image_to_text"))
    assert figures["text_to_image/median_rank"] == 6.0


def test_chance_agrees_with_random_embeddings() -> None:
    rng = np.random.default_rng(0)
    whole = gallery([[f"{image} {n}" for n in range(1 + image % 3)] for image in range(30)])
    chance = retrieval_chance(whole.pairs, 30, len(whole.texts), (1, 5))
    count = len(whole.texts)
    draws = [
        retrieval_figures(unit(rng, 30, 8), unit(rng, count, 8), whole.pairs, (1, 5)) for _ in range(200)
    ]
    for name, level in chance.items():
        values = [draw[name] for draw in draws]
        assert np.mean(values) == pytest.approx(level, abs=5 * np.std(values) / np.sqrt(200) + 0.05 * level)
    assert chance["text_to_image/recall@5"] == 5 / 30


@pytest.mark.parametrize("batch_size", [1, 4, 7, 64])
def test_the_evaluator_is_exact_for_any_batch_size(batch_size: int, model_with, evaluation_set) -> None:
    data = evaluation_set(13)
    owner = [image for image, own in enumerate(data.captions) for _ in own]
    texts = [text for own in data.captions for text in own]
    plain = model_with(batch_size=1)
    expected = brute_force(plain.encode_image_array(data.images), plain.encode_text(texts), owner, (1, 5))
    figures = made(Retrieval, {"val": data}, sets=("val",), k=(1, 5))(model_with(batch_size=batch_size))
    assert figures == pytest.approx({f"retrieval/val/{name}": value for name, value in expected.items()})


def test_chance_has_the_names_of_the_figures(model, evaluation_set) -> None:
    evaluator = made(Retrieval, {"val": evaluation_set(8)}, sets=("val",), k=(1, 10))
    assert list(evaluator.chance()) == list(evaluator(model))


def test_a_set_without_captions_and_a_k_of_zero_are_refused(model, evaluation_set) -> None:
    data = evaluation_set(3)
    data.captions[:] = [[], [], []]
    with pytest.raises(ValueError, match="'val' has no captions"):
        made(Retrieval, {"val": data}, sets=("val",))(model)
    with pytest.raises(ValueError, match="whole numbers from 1"):
        made(Retrieval, {}, k=(0, 1))


def test_folds_are_the_mean_over_consecutive_images(model) -> None:
    counts = [1, 2, 1, 3, 1, 2, 2, 1]
    data = NamedSet(8, captions=[[f"{row} {n}" for n in range(count)] for row, count in enumerate(counts)])
    figures = made(Retrieval, {"val": data}, sets=("val",), k=(1, 2), folds=2)(model)
    halves = []
    for rows in (slice(0, 4), slice(4, 8)):
        own = data.captions[rows]
        owner = [image for image, texts in enumerate(own) for _ in texts]
        texts = model.encode_text([text for texts in own for text in texts])
        halves.append(brute_force(model.encode_image_array(data.images)[rows], texts, owner, (1, 2)))
    for name in halves[0]:
        assert figures[f"retrieval/val/2_folds/{name}"] == pytest.approx(
            np.mean([half[name] for half in halves])
        )
    assert figures["retrieval/val/rsum"] != figures["retrieval/val/2_folds/rsum"]
    with pytest.raises(ValueError, match="ask for fewer than 9 folds"):
        made(Retrieval, {"val": data}, sets=("val",), folds=9)(model)


def test_a_language_is_measured_against_english_on_the_same_images(model) -> None:
    german = [["eins"], [], ["drei", "trois"], ["vier"], []]
    english = [["one", "1"], ["two"], ["three", "3", "iii"], ["four"], ["five"]]
    data = NamedSet(5, captions=english, translations={"de": german})
    evaluator = made(Retrieval, {"val": data}, sets=("val",), k=(1, 2), languages=("de",))
    figures = evaluator(model)
    images = model.encode_image_array(data.images)[[0, 2, 3]]
    own = brute_force(images, model.encode_text(["eins", "drei", "trois", "vier"]), [0, 1, 1, 2], (1, 2))
    same = brute_force(images, model.encode_text(["one", "three", "3", "four"]), [0, 1, 1, 2], (1, 2))
    of_german = {f"retrieval/val/de/{name}": value for name, value in own.items()}
    assert {name: figures[name] for name in of_german} == pytest.approx(of_german)
    assert figures["retrieval/val/de/gap_to_english"] == pytest.approx((same["rsum"] - own["rsum"]) / 4)
    assert evaluator.chance()["retrieval/val/de/gap_to_english"] == 0.0
    assert list(evaluator.chance()) == list(figures)
    *_, table = evaluator.exhibits(model)
    assert table.rows[0][:3] == ["de", "3", "4"]
    assert len(table.rows[0]) == len(table.head)
    with pytest.raises(ValueError, match="no captions in 'fr': it has en, de"):
        made(Retrieval, {"val": data}, sets=("val",), languages=("fr",))(model)


def test_every_language_of_a_set_is_measured_where_it_has_english_beside_it(model) -> None:
    spoken = {"de": [["eins"], []], "fr": [[], ["deux"]], "ja": [["ichi"], ["ni"]]}
    data = NamedSet(2, captions=[["one"], []], translations=spoken)
    alone = NamedSet(2, captions=[["one"], ["two"]], translations={})
    evaluator = made(Retrieval, {"val": data, "test": alone}, sets=("val", "test"), k=(1,), languages=("*",))
    figures = evaluator(model)
    assert {name.split("/")[2] for name in figures if "gap_to" in name} == {"de", "ja"}
    assert list(evaluator.chance()) == list(figures)
    assert len(list(evaluator.exhibits(model))) == 2 * 2 + 1


def test_outcomes_average_to_the_figures(model) -> None:
    data = NamedSet(9, translations={"de": [[f"Bild {row}"] for row in range(9)]})
    evaluator = made(Retrieval, {"val": data}, sets=("val",), k=(1, 3), languages=("de",))
    outcomes, figures = evaluator.outcomes(model), evaluator(model)
    assert len(outcomes) == 2 * 2 * 3
    assert {name: values.mean() for name, values in outcomes.items()} == pytest.approx(
        {name: figures[name] for name in outcomes}
    )


def test_searches_ask_the_same_of_every_model_and_mark_what_is_right(model, model_with) -> None:
    data = NamedSet(40, captions=[[f"short {row}", f"long {row}"] for row in range(40)])
    evaluator = made(Retrieval, {"val": data}, sets=("val",))
    images, texts = evaluator.exhibits(model)
    others, _ = evaluator.exhibits(model_with(dim=3))
    asked = [search.query for search in images.searches]
    assert asked == [search.query for search in others.searches]
    assert asked[:2] + asked[-1:] == ["short 0", "long 6", "long 39"]
    rows, texts_of = model.encode_image_array(data.images), model.encode_text
    for search, row in zip(images.searches, (0, 6, 11, 17, 22, 28, 33, 39), strict=True):
        order = np.argsort(-(rows @ texts_of([search.query])[0]))[:5]
        assert [found.tobytes() for found in search.found] == [data.images[one].tobytes() for one in order]
        assert search.right.tolist() == (order == row).tolist()
    assert all(np.array_equal(one.query, data.images[0]) for one in texts.searches[:1])
    assert all(
        found.split()[1] in {"0"}
        for found, right in zip(texts.searches[0].found, texts.searches[0].right, strict=True)
        if right
    )


def test_recall_is_that_of_clip_benchmark(model_with) -> None:
    """Its own loop, asked through a model that already knows the embeddings."""
    torch = pytest.importorskip("torch", reason="compares with CLIP_benchmark")
    peer = pytest.importorskip(
        "clip_benchmark.metrics.zeroshot_retrieval", reason="pip install clip-benchmark"
    )
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 6, size=60)
    captions = [[f"{row} {n}" for n in range(count)] for row, count in enumerate(counts)]
    whole = gallery(captions)
    images, texts = (rng.normal(size=(n, 8)).astype(np.float32) for n in (60, len(whole.texts)))
    images += texts[np.unique(whole.pairs[:, 0], return_index=True)[1]]

    class Known:
        def encode_image(self, rows):
            return torch.tensor(images)[rows]

        def encode_text(self, rows):
            return torch.tensor(texts)[rows]

    number = {text: place for place, text in enumerate(whole.texts)}
    loader = [(torch.arange(start, start + 20), captions[start : start + 20]) for start in (0, 20, 40)]
    theirs = peer.evaluate(
        Known(),
        loader,
        lambda own: torch.tensor([number[text] for text in own]),
        "cpu",
        amp=False,
        recall_k_list=[1, 5, 10],
    )
    unit_rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (images, texts))
    ours = retrieval_figures(*unit_rows, whole.pairs, (1, 5, 10))
    for k in (1, 5, 10):
        assert ours[f"text_to_image/recall@{k}"] == pytest.approx(
            theirs[f"image_retrieval_recall@{k}"], abs=1e-7
        )
        assert ours[f"image_to_text/recall@{k}"] == pytest.approx(
            theirs[f"text_retrieval_recall@{k}"], abs=1e-7
        )
    assert 0.05 < ours["text_to_image/recall@1"] < 0.95
