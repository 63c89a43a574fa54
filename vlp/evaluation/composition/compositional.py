"""Whether a model tells a caption from one that differs in a word, or only in the order of its words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from input_pipeline.errors import UserError
from vlp.configuration.paths import find
from vlp.evaluation.composition.foils import (
    Choice,
    Quadruple,
    Question,
    Several,
    minimal_pairs,
    read_questions,
)
from vlp.evaluation.exhibits import Exhibit, Search, Searches
from vlp.evaluation.protocols import Asked, Encoder
from vlp.evaluation.retrieval.exhibits import pictures_of, spread

Scores = Mapping[tuple[int, str], float]  # the cosine of an image and a text


@dataclass(frozen=True)
class Compositional(Asked):
    """Accuracy against foils (SugarCrepe, ARO, VL-CheckList) or among answers (CVQA); Winoground's three scores. A tie
    counts as wrong.

    Attributes:
      questions: a file or folder, see `read_questions`; '' = captions of the set that differ in one word.
    """

    questions: str
    prefix_token: str

    def __post_init__(self) -> None:
        if self.questions and not find(self.questions):
            raise UserError(f"evaluators.{self.name}.questions: there is nothing at '{self.questions}'")

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        """Tells of every question whether it is answered right, over all and by kind."""
        found: dict[str, list[bool]] = defaultdict(list)
        for name in self.sets:
            questions = self._questions(name)
            scores = self._scores(model, name, questions)
            for question in questions:
                for figure, right in _answers(question, scores).items():
                    found[f"{self.name}/{name}/{figure}"].append(right)
                    if question.kind:
                        found[f"{self.name}/{name}/{question.kind}/{figure}"].append(right)
        return {figure: np.array(answers, float) for figure, answers in found.items()}

    def chance(self) -> dict[str, float]:
        """Returns the figures of a random order: one of the texts there are, a quarter for two questions at once, and a
        sixth for four cells."""
        levels: dict[str, list[float]] = defaultdict(list)
        for name in self.sets:
            for question in self._questions(name):
                for figure, level in _levels(question).items():
                    levels[f"{self.name}/{name}/{figure}"].append(level)
                    if question.kind:
                        levels[f"{self.name}/{name}/{question.kind}/{figure}"].append(level)
        return {figure: float(np.mean(own)) for figure, own in levels.items()}

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        """Yields some images with their caption and its foil, the better one first."""
        for name in self.sets:
            choices = [one for one in self._questions(name) if isinstance(one, Choice)]
            if choices:
                shown = [choices[number] for number in spread(len(choices))]
                scores, pictures = self._scores(model, name, shown), pictures_of(self.data[name])
                searches = [_search(one, scores, pictures[one.image]) for one in shown]
                yield Searches(f"{name}: captions and foils", searches)

    def _questions(self, name: str) -> list[Question]:
        data = self.data[name]
        if self.questions:
            return read_questions(find(self.questions)[0], data.ids)
        made = minimal_pairs(data)
        if not made:
            raise UserError(
                f"evaluation set {name!r} has no captions that differ in one word: give SugarCrepe's or Winoground's "
                f"files as evaluators.{self.name}.questions"
            )
        return made

    def _scores(self, model: Encoder, name: str, questions: Sequence[Question]) -> Scores:
        pairs = list(dict.fromkeys(pair for question in questions for pair in _cells(question)))
        texts = list(dict.fromkeys(text for _, text in pairs))
        place = {text: row for row, text in enumerate(texts)}
        columns = model.encode_text(texts, prefix=self.prefix_token).astype(np.float64)
        images = model.encode_image_array(self.data[name].images).astype(np.float64)
        return {(row, text): float(images[row] @ columns[place[text]]) for row, text in pairs}


def _levels(question: Question) -> dict[str, float]:
    if isinstance(question, Quadruple):
        return {"text": 1 / 4, "image": 1 / 4, "group": 1 / 6}
    return {"accuracy": 1 / len(question.captions) if isinstance(question, Several) else 1 / 2}


def _cells(question: Question) -> list[tuple[int, str]]:
    if isinstance(question, Several):
        return [(question.image, caption) for caption in question.captions]
    if isinstance(question, Choice):
        return [(question.image, question.caption), (question.image, question.foil)]
    return [(image, caption) for image in question.images for caption in question.captions]


def _answers(question: Question, scores: Scores) -> dict[str, bool]:
    if isinstance(question, Quadruple):
        (one, other), (first, second) = question.images, question.captions
        text = scores[one, first] > scores[one, second] and scores[other, second] > scores[other, first]
        image = scores[one, first] > scores[other, first] and scores[other, second] > scores[one, second]
        return {"text": text, "image": image, "group": text and image}
    cells = [scores[cell] for cell in _cells(question)]
    own = cells.pop(question.right if isinstance(question, Several) else 0)
    return {"accuracy": all(own > other for other in cells)}


def _search(choice: Choice, scores: Scores, picture: Float[np.ndarray, "h w 3"]) -> Search:
    values = np.array([scores[cell] for cell in _cells(choice)])
    order = np.argsort(-values, kind="stable")
    right: Bool[np.ndarray, " found"] = np.array([True, False])[order]
    return Search(picture, [(choice.caption, choice.foil)[one] for one in order], right, values[order])
