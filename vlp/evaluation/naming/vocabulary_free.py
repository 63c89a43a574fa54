"""Vocabulary-free classification: images get names out of a caption set, and no class names are given (CaSED)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from input_pipeline.addresses import is_address
from input_pipeline.errors import UserError
from input_pipeline.views.class_names import naming_rule
from vlp.checkpoint import find_checkpoint
from vlp.evaluation.cache import LatestModel, RememberingEncoder
from vlp.evaluation.exhibits import Exhibit, Search, Searches
from vlp.evaluation.figures import matched_accuracy
from vlp.evaluation.naming.category_search import Naming, name_images
from vlp.evaluation.naming.figures import (
    chance_word_iou,
    cosines,
    dealt,
    strangers_cosine,
    word_iou,
    word_ious,
)
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.texts.captions import caption_files, nearest_captions, read_captions
from vlp.evaluation.texts.class_names import labelled_classes
from vlp.evaluation.texts.class_texts import encode_names
from vlp.evaluation.texts.prompt_sets import load_prompt_set
from vlp.evaluation.texts.words import naming_words

SHOWN, NAMES_SHOWN = 24, 5


@dataclass(frozen=True)
class CategorySearch(OnSets):
    """Holds what names images from captions: the caption set, and the settings of the method.

    Attributes:
        captions: parquet, jsonl or txt files.
        column: of them, or key.
        nearest: captions an image is named from.
        alpha: share of the image's posterior in a name's score.
        scale: of cosines in both softmaxes.
        templates: prompt set that candidates are written into.
        labels: rule from a set's labels to names.
        judge: checkpoint whose text tower says how similar two names are; '' = the evaluated model's own.
    """

    captions: str
    column: str
    nearest: int
    alpha: float
    scale: float
    templates: str
    labels: str
    judge: str

    def __post_init__(self) -> None:
        load_prompt_set(self.templates)
        naming_rule(self.labels)
        caption_files(self.captions)
        if is_address(self.judge):
            find_checkpoint(self.judge)  # there is a copy from now on
        elif self.judge and not Path(self.judge).exists():
            raise UserError(f"evaluators.{self.name}.judge: there is no checkpoint at '{self.judge}'")

    def name_rows(self, model: Encoder, images: Float[np.ndarray, "n dim"]) -> list[Naming]:
        """Returns names for unit rows of images."""
        nearest = nearest_captions(images, self._captions, model.encode_text, self.nearest)
        return name_images(
            images,
            self._captions,
            nearest,
            model.encode_text,
            lambda words: encode_names(model, words, self.templates),
            alpha=self.alpha,
            scale=self.scale,
        )

    def judged(self, model: Encoder, texts: Sequence[str]) -> Float32[np.ndarray, "n dim"]:
        """Returns unit rows in which texts are compared by meaning."""
        return (self._judge or model).encode_text(texts)

    @cached_property
    def _captions(self) -> list[str]:
        return read_captions(self.captions, self.column)

    @cached_property
    def _word_frequency(self) -> Counter[str]:
        return Counter(word for caption in self._captions for word in naming_words(caption))

    @cached_property
    def _judge(self) -> Encoder | None:
        if not self.judge:
            return None
        from vlp.loading import load

        return RememberingEncoder(load(self.judge))

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()


@dataclass(frozen=True)
class VocabularyFree(CategorySearch):
    """Semantic IoU, cluster accuracy and semantic similarity of the best name of each labelled image."""

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            labels, names = self._labels(name), self._names(model, name)
            ours, theirs = self.judged(model, names), self.judged(model, labels)
            figures |= {
                f"{self.name}/{name}/semantic_iou": float(word_ious(names, labels).mean()),
                f"{self.name}/{name}/cluster_accuracy": matched_accuracy(names, labels),
                f"{self.name}/{name}/cluster_accuracy_of_strangers": matched_accuracy(dealt(names), labels),
                f"{self.name}/{name}/semantic_similarity": float(cosines(ours, theirs).mean()),
                f"{self.name}/{name}/semantic_similarity_of_strangers": strangers_cosine(ours, theirs),
            }
        return figures

    def chance(self) -> dict[str, float]:
        """Returns the figures of a word drawn from the caption set; others stand beside those of strangers."""
        chance: dict[str, float] = {}
        for name in self.sets:
            expected = chance_word_iou(self._word_frequency, self._labels(name))
            chance[f"{self.name}/{name}/semantic_iou"] = expected
        return chance

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        values: dict[str, Float[np.ndarray, " queries"]] = {}
        for name in self.sets:
            labels, names = self._labels(name), self._names(model, name)
            values[f"{self.name}/{name}/semantic_iou"] = word_ious(names, labels)
            similar = cosines(self.judged(model, names), self.judged(model, labels))
            values[f"{self.name}/{name}/semantic_similarity"] = similar
        return values

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            _, rows, _ = labelled_classes(name, self.data[name].labels)
            found, labels = self._namings(model, name), self._labels(name)
            shown = np.unique(np.linspace(0, len(rows) - 1, SHOWN).astype(int))
            searches = [_search(self.data[name].images[rows[at]], found[at], labels[at]) for at in shown]
            yield Searches(f"Names found for images of {name}", searches)

    def _names(self, model: Encoder, name: str) -> list[str]:
        return [naming.names[0] for naming in self._namings(model, name)]

    def _namings(self, model: Encoder, name: str) -> list[Naming]:
        def find() -> list[Naming]:
            _, rows, _ = labelled_classes(name, self.data[name].labels)
            return self.name_rows(model, model.encode_image_array(self.data[name].images)[rows])

        return self._found.once(model, name, find)

    def _labels(self, name: str) -> list[str]:
        """The class name of every labelled image."""
        classes, _, indices = labelled_classes(name, self.data[name].labels)
        names = naming_rule(self.labels)(classes)
        return [names[index] for index in indices]


def _search(picture: np.ndarray, naming: Naming, label: str) -> Search:
    names = naming.names[:NAMES_SHOWN]
    right = np.array([word_iou(name, label) > 0 for name in names])
    return Search(picture, names, right, naming.scores[:NAMES_SHOWN])
