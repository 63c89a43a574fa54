"""Classifier rules: from scores of classes to an answer, how likely it is, and the rank of the right one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from vlp.evaluation.texts.class_texts import ClassTexts
from vlp.neighbours.ranks import TIE


def posterior(logits: Float64[np.ndarray, "n classes"]) -> Float64[np.ndarray, "n classes"]:
    """Returns the softmax over the classes."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def fuse(
    of_image: Float64[np.ndarray, "n classes"], of_text: Float64[np.ndarray, "n classes"], image_share: float
) -> Float64[np.ndarray, "n classes"]:
    """Returns a mixture of two posteriors (CaSED, arXiv 2306.00917, equation 6)."""
    return image_share * of_image + (1 - image_share) * of_text


def expected_squared_distance(
    probabilities: Float64[np.ndarray, "n classes"], distances: Float64[np.ndarray, "classes candidates"]
) -> Float64[np.ndarray, "n candidates"]:
    """Returns the distance of each candidate from the label; that with the least is the Fréchet mean (Loki,
    2307.12226).

    Candidates may be more than the classes with a probability. With distances of 0 and 1 it is one minus the
    probability, and the Fréchet mean is the argmax.
    """
    return probabilities @ distances**2


class Answers(NamedTuple):
    """Holds what was answered for each image.

    `ranks` are those of the label, from 1, where equal scores rank before it. `predicted` is the label where that is
    1, else the best of the others: among equal scores, never the label. `confidence` is the probability of the
    predicted class.
    """

    labels: Int[np.ndarray, " n"]
    ranks: Int64[np.ndarray, " n"]
    predicted: Int64[np.ndarray, " n"]
    confidence: Float64[np.ndarray, " n"]


@dataclass(frozen=True)
class Classifier:
    """Scores of classes from unit rows of images, and of what was found for each image.

    Attributes:
        texts: of the classes.
        logit_scale: what scores are multiplied by before a softmax.
        distances: of the classes from all candidates, which are the classes and then those that have no text: the
            answer is the Fréchet mean. None: it is the argmax.
        image_share: of the image in the posterior; the rest is that of its companion.
    """

    texts: ClassTexts
    logit_scale: float
    distances: Float64[np.ndarray, "classes candidates"] | None = None
    image_share: float = 1.0

    def __call__(
        self, images: Float[np.ndarray, "n dim"], companions: Float[np.ndarray, "n dim"] | None = None
    ) -> tuple[Float64[np.ndarray, "n candidates"], Float64[np.ndarray, "n candidates"]]:
        """Returns what orders the candidates, the higher the better, and their probabilities.

        Args:
            images: unit rows.
            companions: a unit row each, such as the mean of captions found for the image; None: there is none.
        """
        scores = self.texts.scores(images)
        probabilities = posterior(self.logit_scale * scores)
        if companions is not None:
            of_text = posterior(self.logit_scale * self.texts.scores(companions))
            probabilities = fuse(probabilities, of_text, self.image_share)
            # In the unit of cosines, so that a tie means the same; the least probable classes keep an order.
            scores = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)) / self.logit_scale
        if self.distances is None:
            return scores, probabilities
        unscored = self.distances.shape[1] - self.distances.shape[0]
        return (
            -expected_squared_distance(probabilities, self.distances),
            np.pad(probabilities, ((0, 0), (0, unscored))),
        )


def classify(
    classifier: Classifier,
    images: Float[np.ndarray, "n dim"],
    labels: Int[np.ndarray, " n"],
    companions: Float[np.ndarray, "n dim"] | None = None,
    *,
    block_size: int = 256,
) -> Answers:
    """Answers for unit rows and the index of each image's class, `block_size` rows of scores at a time."""
    blocks = []
    for start in range(0, len(images), block_size):
        rows = slice(start, start + block_size)
        scores, probabilities = classifier(images[rows], None if companions is None else companions[rows])
        blocks.append(answers(scores, probabilities, labels[rows]))
    return Answers(*(np.concatenate(column) for column in zip(*blocks, strict=True)))


def answers(
    scores: Float64[np.ndarray, "n classes"],
    probabilities: Float64[np.ndarray, "n classes"],
    labels: Int[np.ndarray, " n"],
) -> Answers:
    """Judges one block of scores; a score that is not a number ranks before the label's."""
    rows = np.arange(len(labels))
    # Written as "not below" so that a nan on either side counts against the model.
    ranks = (~(scores < scores[rows, labels][:, None] - TIE)).sum(axis=1)
    others = scores.copy()
    others[rows, labels] = -np.inf
    predicted = np.where(ranks == 1, labels, np.argmax(others, axis=1))
    return Answers(labels, ranks, predicted, probabilities[rows, predicted])
