"""One linear map between images and texts: its fit, what it finds, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from input_pipeline.errors import UserError
from vlp.checkpoint import Checkpointer, Description
from vlp.evaluation.registry import towers_read
from vlp.evaluation.retrieval import bridge
from vlp.evaluation.retrieval.bridge import LinearBridge


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Turned:
    """Image rows that are those of their captions, turned around by a fixed map, in more dimensions."""

    def __init__(self, noise=0.0):
        dice = np.random.default_rng(0)
        self.words, self.turn, self.noise = dice.normal(size=(60, 8)), dice.normal(size=(8, 12)), noise

    def encode_text(self, texts, *, prefix=""):
        return unit(self.words[[int(text) for text in texts]]).astype(np.float32)

    def encode_image_array(self, images):
        there = unit(self.words[images[:, 0, 0, 0]]) @ self.turn
        return (there + self.noise * np.random.default_rng(1).normal(size=there.shape)).astype(np.float32)

    def encode_patch_array(self, images):
        """Cells that differ, whose mean is the image's row."""
        there = (unit(self.words[images[:, 0, 0, 0]]) @ self.turn)[:, None, None]
        apart = np.random.default_rng(2).normal(size=(len(images), 2, 3, 12))
        return (there + apart - apart.mean(axis=(1, 2), keepdims=True)).astype(np.float32)


def data(first, count):
    images = np.zeros((count, 1, 1, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(first, first + count)
    captions = [[str(number)] for number in range(first, first + count)]
    return SimpleNamespace(images=images, captions=captions)


def evaluator(**changes):
    sets = {"train": data(0, 40), "val": data(40, 20)}
    own = {"train_sets": ("train",), "k": (1,), "penalty": 1e-3, "texts": "", "features": "image", **changes}
    return LinearBridge(name="bridge", data=sets, every=0, final=True, sets=("val",), **own)


def test_the_map_is_the_ridge_regression_and_nothing_else_is_fitted():
    model, penalty = Turned(noise=1.0), 40.0
    asked = evaluator(penalty=penalty)
    train, val = asked.data["train"], asked.data["val"]
    train.captions[0].append("39")  # another caption, which is another pair
    rows = [(at, caption) for at, own in enumerate(train.captions) for caption in own]
    x = model.encode_image_array(train.images)[[at for at, _ in rows]].astype(np.float64)
    y = model.encode_text([caption for _, caption in rows]).astype(np.float64)
    middle, aim = x.mean(axis=0), y.mean(axis=0)
    squares = (x - middle).T @ (x - middle)
    weights = np.linalg.solve(squares + penalty * np.eye(12), (x - middle).T @ (y - aim))
    mapped = unit((model.encode_image_array(val.images) - middle) @ weights + aim)
    scores = mapped @ model.encode_text([str(number) for number in range(40, 60)]).T
    own = np.diag(scores)
    ranks = {
        "image_to_text": 1 + (scores > own[:, None]).sum(axis=1),
        "text_to_image": 1 + (scores > own).sum(axis=0),
    }
    asked = evaluator(penalty=penalty, k=tuple(range(1, 20)))
    asked.data["train"].captions[0].append("39")
    figures = asked(model)
    for way, found in ranks.items():
        expected = [(found <= k).mean() for k in range(1, 20)]
        assert 0.1 < expected[0] < 1
        np.testing.assert_allclose([figures[f"bridge/val/{way}/recall@{k}"] for k in range(1, 20)], expected)


def test_it_finds_what_a_linear_map_hides_and_less_where_there_is_less(monkeypatch):
    whole, noisy = (evaluator()(Turned(noise)) for noise in (0.0, 30.0))
    assert whole["bridge/val/text_to_image/recall@1"] == whole["bridge/val/image_to_text/recall@1"] == 1.0
    assert noisy["bridge/val/rsum"] < 1.0
    monkeypatch.setattr(bridge, "BLOCK", 7)
    monkeypatch.setattr(Turned, "encode_image_array", None)
    grids = Turned.encode_patch_array
    for maps in (grids, lambda *given: list(grids(*given))):
        monkeypatch.setattr(Turned, "encode_patch_array", maps)
        assert evaluator(features="patches")(Turned())["bridge/val/text_to_image/recall@1"] == 1.0
    assert evaluator().chance()["bridge/val/image_to_text/recall@1"] == pytest.approx(1 / 20)
    with pytest.raises(UserError, match=r"evaluators.bridge.texts: there is no checkpoint or .* at /nowhere"):
        evaluator(texts="/nowhere")


def test_the_space_is_found_where_a_model_is_loaded_from(tmp_path, monkeypatch):
    checkpointer = Checkpointer(tmp_path / "run" / "checkpoints")
    description = Description({}, {}, {}, b"", {"step": 1})
    checkpointer.save(1, {"params": np.zeros(2)}, {"step": np.int32(1)}, description)
    checkpointer.close()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert evaluator(texts="~/run").texts == "~/run"  # which is looked for when it is made


def test_a_model_of_images_alone_is_mapped_into_the_texts_of_another():
    """Which it needs no text tower for: the paper compares towers that never read a text."""
    entry = {"kind": "linear_bridge", "every": 0, "final": True, "texts": ""}
    assert towers_read({"bridge": entry}) == {"image", "text"}
    assert towers_read({"bridge": entry | {"texts": "runs/clip"}}) == {"image"}
