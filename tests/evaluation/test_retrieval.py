from __future__ import annotations

import numpy as np
import pytest

from vlp.evaluation.retrieval import Retrieval, gallery, retrieval_chance, retrieval_figures


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    rows = rng.normal(size=shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


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
    return figures


@pytest.mark.parametrize("block_size", [1, 4, 256])
def test_figures_are_those_of_sorting_everything(block_size: int) -> None:
    rng = np.random.default_rng(0)
    counts = [1, 3, 2, 0, 1, 4, 2, 1, 0, 2]  # captions per image
    owner = [image for image, count in enumerate(counts) for _ in range(count)]
    whole = gallery([[f"{image} {n}" for n in range(count)] for image, count in enumerate(counts)])
    images, texts = unit(rng, len(counts), 3), unit(rng, len(owner), 3)
    figures = retrieval_figures(images, texts, whole.pairs, (1, 2, 5), block_size=block_size)
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
    figures = Retrieval({"val": data}, sets=("val",), k=(1, 5))(model_with(batch_size=batch_size))
    assert figures == pytest.approx({f"retrieval/val/{name}": value for name, value in expected.items()})


def test_chance_has_the_names_of_the_figures(model, evaluation_set) -> None:
    evaluator = Retrieval({"val": evaluation_set(8)}, sets=("val",), k=(1, 10))
    assert list(evaluator.chance()) == list(evaluator(model))


def test_a_set_without_captions_and_a_k_of_zero_are_refused(model, evaluation_set) -> None:
    data = evaluation_set(3)
    data.captions[:] = [[], [], []]
    with pytest.raises(ValueError, match="'val' has no captions"):
        Retrieval({"val": data}, sets=("val",))(model)
    with pytest.raises(ValueError, match="whole numbers from 1"):
        Retrieval({}, k=(0, 1))
