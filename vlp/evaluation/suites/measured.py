"""One task of a suite, measured: from embeddings of its images to the figures that its own code would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int

from input_pipeline.errors import UserError
from vlp.evaluation.classification.classifier import Classifier, classify
from vlp.evaluation.figures import share_within
from vlp.evaluation.retrieval.captions import retrieval_ranks
from vlp.evaluation.retrieval.galleries import gallery
from vlp.evaluation.suites import measures
from vlp.evaluation.suites.tasks import Task
from vlp.evaluation.tagging.figures import average_precisions, settled
from vlp.evaluation.texts.class_texts import ClassTexts, pooled

BLOCK = 256  # images scored at a time


class Images(Protocol):
    """Images of a task as unit rows, and what is known of each."""

    @property
    def images(self) -> Float[np.ndarray, "n dim"]: ...

    @property
    def ids(self) -> Sequence[str]: ...

    @property
    def captions(self) -> Sequence[Sequence[str]]: ...

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def tags(self) -> Sequence[Sequence[str]]: ...

    @property
    def groups(self) -> Sequence[str]: ...


class Texts(Protocol):
    """Holds what turns texts into unit rows."""

    @property
    def logit_scale(self) -> float: ...

    def encode_text(self, texts: Sequence[str]) -> Float[np.ndarray, "n dim"]: ...


class Classes(NamedTuple):
    """Names of classes by number, and templates in which {c} is the name."""

    names: Sequence[str]
    templates: Sequence[str]

    def of(self, objective: str) -> Classes:
        """Returns the classes and templates whose lines begin with `OBJECTIVE:`, without that."""
        begins = f"{objective}:"
        return Classes(*([one.removeprefix(begins) for one in own if one.startswith(begins)] for own in self))


class Association(Protocol):
    """A cue, its candidates, and those that belong to it, by the ids of images."""

    @property
    def cue(self) -> str: ...

    @property
    def candidates(self) -> Sequence[str]: ...

    @property
    def chosen(self) -> Sequence[str]: ...


class Measured(NamedTuple):
    """Figures by name, and for those that are means over queries the value of each query.

    Attributes:
      figures: by name.
      outcomes: a value of each query, by the name of the figure.
      queries: that were asked, and all that there are, where some may not be asked.
    """

    figures: dict[str, float]
    outcomes: dict[str, Float[np.ndarray, " queries"]]
    queries: tuple[int, int] = (0, 0)


def classification(task: Task, data: Images, model: Texts, classes: Classes) -> Measured:
    """Answers with one of all classes that the set names, whether or not an image shows it.

    Raises:
      ValueError: labels are no numbers of classes, or a task's groups are not there.
    """
    if any(data.tags):
        return _several_labels(task, data, model, classes)
    labels = _numbers(task, data.labels, len(classes.names))
    found = classify(Classifier(_table(model, classes), model.logit_scale), data.images, labels)
    figures = measures.accuracies(found, len(classes.names))
    least, further = measures.OF_TASKS.get(task.key, (0, None))
    if further:
        figures |= further(found, measures.metadata_of(data.groups, least, task.key))
    outcomes = {"acc1": found.ranks <= 1, "acc5": found.ranks <= measures.LEAST_FOR_TOP5}
    return Measured(figures, {name: right * 1.0 for name, right in outcomes.items() if name in figures})


def faces(task: Task, data: Images, model: Texts, classes: Classes) -> Measured:
    """Answers four questions about each face, of which the classes and templates say which they belong to.

    Raises:
      ValueError: there are no classes for a question, or the images' groups are not there.
    """
    predicted = {}
    for objective in measures.OBJECTIVES:
        own = classes.of(objective)
        if not own.names or not own.templates:
            raise UserError(f"{task.key}: its class names and templates must have lines '{objective}:...'")
        table = _table(model, own)
        predicted[objective] = np.concatenate([scores.argmax(axis=1) for scores in _scores(table, data)])
    return Measured(measures.faces(predicted, measures.metadata_of(data.groups, 4, task.key)), {})


def retrieval(data: Images, model: Texts) -> Measured:
    """Searches in both directions; recall is the share of queries with a right answer among the first k."""
    whole = gallery(data.captions)
    if not whole.texts:
        raise UserError("a set to retrieve in needs captions: samples with a .txt, one caption a line")
    ranks = retrieval_ranks(data.images, model.encode_text(whole.texts), whole.pairs)
    sides = {"image": ranks["text_to_image"], "text": ranks["image_to_text"]}
    outcomes = {
        f"{side}_retrieval_recall@{k}": (own <= k) * 1.0 for k in (1, 5, 10) for side, own in sides.items()
    }
    figures = {name: float(values.mean()) for name, values in outcomes.items()}
    figures["mean_recall@1"] = sum(share_within(own, 1) for own in sides.values()) / 2
    return Measured(figures, outcomes)


def association(data: Images, model: Texts, questions: Sequence[Association]) -> Measured:
    """Chooses as many candidates of each cue as belong to it; those with an image that is not there are left out."""
    place = {name: row for row, name in enumerate(data.ids)}
    asked = [one for one in questions if all(name in place for name in one.candidates)]
    if not asked:
        raise UserError("none of the cues has all of its candidates among the images")
    cues = [_cue(one.cue) for one in asked]
    rows = dict(zip(dict.fromkeys(cues), model.encode_text([*dict.fromkeys(cues)]), strict=True))
    scores, counts = [], []
    for one, cue in zip(asked, cues, strict=True):
        images = data.images[[place[name] for name in one.candidates]].astype(np.float64)
        chosen = np.isin(list(one.candidates), list(one.chosen))
        scores.append(measures.jaccard(images @ rows[cue].astype(np.float64), chosen))
        counts.append(len(one.candidates))
    values = np.array(scores)
    figures = measures.association_figures(values, np.array(counts))
    return Measured(figures, {"avg_jaccard_score": values}, (len(asked), len(questions)))


def _several_labels(task: Task, data: Images, model: Texts, classes: Classes) -> Measured:
    numbers = [_numbers(task, own, len(classes.names)) for own in data.tags]
    scores = np.concatenate([*_scores(_table(model, classes), data)])
    targets = np.full(scores.shape, -1)
    for row, own in enumerate(numbers):
        targets[row, own] = 1
    precisions = average_precisions(settled(scores, targets), targets)
    # A class that no image shows counts as zero, as it does there.
    return Measured({"mean_average_precision": float(precisions.sum() / len(classes.names))}, {})


def _table(model: Texts, classes: Classes) -> ClassTexts:
    texts = [[one.replace("{c}", name) for one in classes.templates] for name in classes.names]
    rows = model.encode_text([text for own in texts for text in own])
    return pooled(texts, rows, "embedding", model.logit_scale)


def _scores(table: ClassTexts, data: Images) -> list[Float[np.ndarray, "block classes"]]:
    return [table.scores(data.images[start : start + BLOCK]) for start in range(0, len(data.images), BLOCK)]


def _numbers(task: Task, labels: Sequence[str], classes: int) -> Int[np.ndarray, " n"]:
    if bad := [label for label in labels if not label.isdecimal() or int(label) >= classes]:
        raise UserError(
            f"{task.key}: label '{bad[0]}' is no number of a class: it names {classes}, from 0 on"
        )
    return np.array([int(label) for label in labels], int)


def _cue(word: str) -> str:
    """A cue as a text: with an article, and in small letters."""
    word = word.lower()
    return f"{'An' if word[0] in 'aeiou' else 'A'} {word}"


def averages(tasks: Sequence[Task], figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns the mean main figure of all tasks that have one, and of each group, where none of them is missing.

    Args:
      tasks: of the suite, all of them.
      figures: by a task's key, of those that were measured.
    """
    counted = [task for task in tasks if task.main]
    kinds = {"average": counted}
    for task in counted:
        if task.group:
            kinds.setdefault(task.group, []).append(task)
    return {
        name: float(np.mean([figures[task.key][task.main] for task in own]))
        for name, own in kinds.items()
        if all(task.main in figures.get(task.key, {}) for task in own)
    }
