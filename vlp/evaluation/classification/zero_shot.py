"""Zero-shot classification: the nearest class, as its name or its descriptions have it, is the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int

from input_pipeline.errors import UserError
from input_pipeline.views.class_names import naming_rule
from vlp.evaluation.classification.classifier import Answers, Classifier, answers, classify, posterior
from vlp.evaluation.classification.label_metric import (
    embedding_distances,
    path_edges,
    read_edges,
    tree_distances,
)
from vlp.evaluation.exhibits import Bars, Confusion, Exhibit, Reliability, Search, Searches
from vlp.evaluation.figures import calibration_error, chance_within, mean_per_class, share_within
from vlp.evaluation.fitting import check_fits
from vlp.evaluation.protocols import Encoder, EvaluationSet, OnSets
from vlp.evaluation.retrieval.exhibits import SHOWN, pictures_of
from vlp.evaluation.texts.captions import caption_centroids, caption_files, nearest_captions, read_captions
from vlp.evaluation.texts.class_names import labelled_classes
from vlp.evaluation.texts.class_texts import encode_names, pooled, texts_of_classes
from vlp.evaluation.texts.descriptions import load_descriptions
from vlp.evaluation.texts.prompt_sets import load_prompt_set


def zero_shot_figures(found: Answers) -> dict[str, float]:
    """Shares `top1`, `top5` and `mean_per_class`, and `calibration_error` of the answers' probabilities."""
    return {
        "top1": share_within(found.ranks, 1),
        "top5": share_within(found.ranks, 5),
        "mean_per_class": mean_per_class(found.ranks, found.labels),
        "calibration_error": calibration_error(found.confidence, found.ranks == 1),
    }


def zero_shot_chance(classes: int) -> dict[str, float]:
    """Returns the shares for a random order of the classes; knowing nothing says nothing about calibration."""
    one = chance_within(1, [1], classes)
    return {"top1": one, "top5": chance_within(5, [1], classes), "mean_per_class": one}


class Classes(NamedTuple):
    """The classes of a set, those that have texts first, and the labelled rows with the index of their class."""

    labels: list[str]
    texts: list[list[str]]
    names: list[str]
    rows: Int[np.ndarray, " n"]
    indices: Int[np.ndarray, " n"]


@dataclass(frozen=True)
class ZeroShot(OnSets):
    """Accuracy with the distinct labels of a set as its classes; images without a label are left out.

    Attributes:
        templates: prompt set that class names are written into; '' = none, only descriptions.
        labels: rule from labels to class names.
        prefix_token: before every text.
        scorer: part of the model whose scores are the logits, the mean over a class's texts; '' = cosines.
        descriptions: file of `load_descriptions`; '' = none.
        pooling: how the texts of a class become one, as in class_texts.pooled.
        rule: how probabilities become an answer: 'argmax', or 'frechet' for the Fréchet mean under the metric.
        metric: distances between labels: 'paths' = along the tree of category paths, 'names' = between the embeddings
            of class names, else a file of `read_edges`; '' = none.
        captions: files of `read_captions`. The posterior of an image's nearest captions is mixed with its own; '' =
            none.
        column: of the captions.
        nearest: captions of an image.
        alpha: share of the image's own posterior.
    """

    templates: str
    labels: str
    prefix_token: str
    scorer: str
    descriptions: str
    pooling: str
    rule: str
    metric: str
    captions: str
    column: str
    nearest: int
    alpha: float

    def __post_init__(self) -> None:
        naming_rule(self.labels)
        self._templates()
        self._descriptions()
        if not self.templates and not self.descriptions:
            raise UserError(
                "evaluators.zero_shot has no texts: name a prompt set in templates, or descriptions"
            )
        if self.rule == "frechet" and not self.metric:
            raise UserError(
                "evaluators.zero_shot.rule='frechet' needs distances between labels: set metric to 'paths', 'names' "
                "or a file"
            )
        if self.scorer and (self.rule != "argmax" or self.captions or self.pooling != "embedding"):
            raise UserError(
                f"evaluators.{self.name}.scorer='{self.scorer}' answers by scores of its own: leave rule, captions and "
                "pooling as they are by default"
            )
        if self.captions:
            caption_files(self.captions)
        if self.metric not in ("", "paths", "names"):
            read_edges(self.metric)

    def check(self) -> None:
        for name in self.sets:
            classes = self._classes(name)
            if self.metric not in ("", "names"):
                self._along_tree(classes)

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            classes = self._classes(name)
            found = self._answers(model, name, classes)
            own = zero_shot_figures(found)
            if self.metric:
                distances = self._distances(model, classes)
                own["squared_distance"] = float(np.mean(distances[found.labels, found.predicted] ** 2))
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in own.items()}
        return figures

    def chance(self) -> dict[str, float]:
        return {
            f"{self.name}/{name}/{figure}": value
            for name in self.sets
            for figure, value in zero_shot_chance(len(self._classes(name).labels)).items()
        }

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        values: dict[str, Float[np.ndarray, " queries"]] = {}
        for name in self.sets:
            ranks = self._answers(model, name, self._classes(name)).ranks
            for k in (1, 5):
                values[f"{self.name}/{name}/top{k}"] = (ranks <= k).astype(np.float64)
        return values

    def remarks(self, model: Encoder) -> list[str]:
        """Says where classes are called by numbers, which are seldom what their pictures show."""
        numbered = [name for name in self.sets if all(map(str.isdecimal, self._classes(name).names))]
        return [
            f"{self.name}/{name}: its classes are called {', '.join(self._classes(name).names[:3])}, ... in prompts; "
            f"unless it shows numbers, name a table of names in evaluators.{self.name}.labels"
            for name in numbered
        ]

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            classes = self._classes(name)
            found = self._answers(model, name, classes)
            yield from class_exhibits(name, classes.names, found)
            yield Reliability(f"How sure and how right, {name}", found.confidence, found.ranks == 1)
            yield from worst_mistakes(name, classes, found, self.data[name])

    def _answers(self, model: Encoder, name: str, classes: Classes) -> Answers:
        if self.scorer:
            return self._scored(model, name, classes)
        images = model.encode_image_array(self.data[name].images)[classes.rows]
        return classify(
            self._classifier(model, classes), images, classes.indices, self._companions(model, images)
        )

    def _scored(self, model: Encoder, name: str, classes: Classes) -> Answers:
        """Answers by a part's scores: of a class, the mean over its texts, as logits."""
        texts = [text for own in classes.texts for text in own]
        scores = model.scorer(self.scorer).score(self.data[name].images, texts, prefix=self.prefix_token)
        counts = np.array([len(own) for own in classes.texts])
        sums = np.add.reduceat(scores[classes.rows].astype(np.float64), np.cumsum(counts) - counts, axis=1)
        logits = sums / counts
        return answers(logits, posterior(logits), classes.indices)

    def _companions(
        self, model: Encoder, images: Float[np.ndarray, "n dim"]
    ) -> Float64[np.ndarray, "n dim"] | None:
        if not self.captions:
            return None
        nearest = nearest_captions(images, self._captions, model.encode_text, self.nearest)
        return caption_centroids(self._captions, nearest, model.encode_text)

    @cached_property
    def _captions(self) -> list[str]:
        return read_captions(self.captions, self.column)

    def _classifier(self, model: Encoder, classes: Classes) -> Classifier:
        texts = [own for own in classes.texts if own]
        rows = model.encode_text([text for own in texts for text in own], prefix=self.prefix_token)
        distances = self._distances(model, classes)[: len(texts)] if self.rule == "frechet" else None
        table = pooled(texts, rows, self.pooling, model.logit_scale)
        return Classifier(table, model.logit_scale, distances, self.alpha)

    def _distances(self, model: Encoder, classes: Classes) -> Float64[np.ndarray, "classes classes"]:
        if self.metric == "names":
            names = encode_names(model, classes.names, self.templates or "plain", self.prefix_token)
            return embedding_distances(names)
        return self._along_tree(classes)

    def _along_tree(self, classes: Classes) -> Float64[np.ndarray, "classes classes"]:
        edges = path_edges(classes.labels) if self.metric == "paths" else read_edges(self.metric)
        return tree_distances(classes.labels, edges)

    def _classes(self, name: str) -> Classes:
        labels, rows, indices = labelled_classes(name, self.data[name].labels)
        names = naming_rule(self.labels)(labels)
        texts = texts_of_classes(labels, names, self._templates(), self._descriptions())
        if self.descriptions:
            check_fits(self.descriptions, self._descriptions(), {*labels, *names}, f"classes of set {name!r}")
        without = np.array([not own for own in texts])
        # Only the Fréchet mean can answer with a class that has no text.
        if without.all() or (without.any() and self.rule != "frechet"):
            raise UserError(
                f"{self.descriptions} describes no class {labels[int(np.argmax(without))]!r} of set {name!r}: add it, "
                "or name a prompt set in evaluators.zero_shot.templates"
            )
        order = np.argsort(without, kind="stable").tolist()
        return Classes(
            [labels[at] for at in order],
            [texts[at] for at in order],
            [names[at] for at in order],
            rows,
            np.argsort(order)[indices],
        )

    def _templates(self) -> tuple[str, ...]:
        return load_prompt_set(self.templates) if self.templates else ()

    def _descriptions(self) -> dict[str, list[str]]:
        return load_descriptions(self.descriptions) if self.descriptions else {}


def class_exhibits(name: str, classes: Sequence[str], found: Answers) -> tuple[Bars, Confusion]:
    """Returns the accuracy of every class that occurs, and which classes are taken for which."""
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (found.labels, found.predicted), 1)
    counts = confusion.sum(axis=1)
    there = np.flatnonzero(counts).tolist()
    accuracy = confusion.diagonal()[there] / counts[there]
    return (
        Bars(
            f"Accuracy of each class of {name}",
            [classes[at] for at in there],
            accuracy,
            counts[there],
            each=True,
        ),
        Confusion(f"Classes of {name}", classes, confusion),
    )


def worst_mistakes(name: str, classes: Classes, found: Answers, data: EvaluationSet) -> Iterator[Searches]:
    """Yields the wrong answers that the model is surest of."""
    wrong = np.flatnonzero(found.ranks > 1)
    worst = wrong[np.argsort(-found.confidence[wrong], kind="stable")][:SHOWN]
    pictures = pictures_of(data)
    shown = [
        Search(
            pictures[int(classes.rows[at])],
            [classes.names[found.predicted[at]]],
            np.array([False]),
            found.confidence[at : at + 1],
            about=f"this is {classes.names[found.labels[at]]}",
        )
        for at in worst
    ]
    if shown:
        yield Searches(f"Surest mistakes of {name}", shown)
