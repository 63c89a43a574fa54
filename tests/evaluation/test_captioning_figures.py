"""BLEU and CIDEr of captions: what COCO's scorers give, and figures that can be seen without one."""

from __future__ import annotations

import numpy as np
import pytest

from configs import base
from vlp.evaluation.captioning.bleu import bleu
from vlp.evaluation.captioning.captioning import Captioning
from vlp.evaluation.captioning.cider import cider
from vlp.evaluation.captioning.words import words

DICE = np.random.default_rng(0)
VOCABULARY = ["a", "cat", "dog", "on", "the", "mat", "red", "runs", "sits", "house"]


def sentence(longest=9):
    return DICE.choice(VOCABULARY, DICE.integers(1, longest)).tolist()


REFERENCES = [[sentence() for _ in range(DICE.integers(1, 4))] for _ in range(40)]
# Some are right, some nearly, some say nothing.
WRITTEN = [
    own[0] if row % 3 == 0 else sentence() if row % 3 == 1 else own[0][:2]
    for row, own in enumerate(REFERENCES)
]

# Of pycocoevalcap 1.2 (`Bleu(4)`, `Cider()`), on the lists above.
BLEU = [0.7139171948067805, 0.6004079387817163, 0.5333285172920537, 0.5011388387383684]
CIDER, FIRST = (
    2.5949693811423082,
    [3.4887736453513445, 0.7835556160200079, 1.3071786992125505, 4.785341491365848],
)


def test_bleu_and_cider_are_those_of_coco_s_scorers():
    np.testing.assert_allclose(bleu(WRITTEN, REFERENCES), BLEU, rtol=1e-12)
    figures = cider(WRITTEN, REFERENCES)
    assert figures.mean() == pytest.approx(CIDER, rel=1e-12)
    np.testing.assert_allclose(figures[:4], FIRST, rtol=1e-12, atol=1e-15)


def test_the_same_by_the_peer_itself():
    peer = pytest.importorskip("pycocoevalcap.cider.cider_scorer")
    bleu_peer = pytest.importorskip("pycocoevalcap.bleu.bleu_scorer")
    theirs, other = peer.CiderScorer(n=4, sigma=6.0), bleu_peer.BleuScorer(n=4)
    for written, own in zip(WRITTEN, REFERENCES, strict=True):
        pair = " ".join(written), [" ".join(one) for one in own]
        theirs += pair
        other += pair
    np.testing.assert_allclose(cider(WRITTEN, REFERENCES), theirs.compute_score()[1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        bleu(WRITTEN, REFERENCES), other.compute_score(option="closest")[0], rtol=1e-12
    )


def test_captions_are_cut_as_the_treebank_is():
    assert words("A dog's bone, and it isn't RED!") == [
        "a",
        "dog",
        "'s",
        "bone",
        "and",
        "it",
        "is",
        "n't",
        "red",
    ]
    assert words("a well-known, 3.5-inch (old) disk...") == ["a", "well-known", "3.5-inch", "old", "disk"]


class Writer:
    """Writes what it was told, and finds every token as likely as one of `vocabulary`."""

    def __init__(self, texts, vocabulary=7):
        self.texts, self.vocabulary = texts, vocabulary

    def captioner(self, name="writer", beams=1):
        return self

    def write(self, images):
        return [self.texts[int(image.flat[0])] for image in images]

    def likelihoods(self, images, texts):
        tokens = np.array([len(text.split()) for text in texts], np.float32)
        return np.stack([-tokens * np.log(self.vocabulary), tokens], axis=1)


class Known:
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    ids = ("x", "y", "z")
    captions = (["a red cat sits on it", "the cat"], [], ["two dogs run over there"])


def test_the_evaluator_compares_with_an_image_s_own_captions():
    options = {
        "name": "captioning",
        "every": 0,
        "final": True,
        "sets": ("some",),
        "part": "writer",
        "beams": 1,
    }
    assert set(base.get_config().evaluators.captioning) == {*options, "kind"} - {"name"}
    evaluator = Captioning(data={"some": Known()}, **options)
    right = Writer(["A red cat sits on it.", "nothing", "two dogs run over there"])
    figures = evaluator(right)
    assert figures["captioning/some/bleu4"] == pytest.approx(1)
    assert figures["captioning/some/perplexity"] == pytest.approx(7)
    assert figures["captioning/some/cider"] == pytest.approx(
        evaluator.outcomes(right)["captioning/some/cider"].mean()
    )
    assert evaluator.chance()["captioning/some/cider"] < 0.1 * figures["captioning/some/cider"]
    (table,) = evaluator.exhibits(right)
    assert [row[0] for row in table.rows] == ["x", "z"]
