"""Zero-shot classification by class names in many languages: Babel-ImageNet (arXiv 2306.08658)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from input_pipeline.errors import UserError
from input_pipeline.views.class_names import class_numbers
from vlp.configuration.paths import find, looked_in
from vlp.evaluation.classification.classifier import Answers, Classifier, classify
from vlp.evaluation.exhibits import Exhibit, Table
from vlp.evaluation.figures import chance_within, share_within
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.texts.class_names import labelled_classes
from vlp.evaluation.texts.class_texts import pooled
from vlp.evaluation.texts.prompt_sets import fill


class Language(NamedTuple):
    """Holds which classes, by number, have a name in a language, the names, and the texts that they stand in."""

    code: str
    numbers: Sequence[int]
    names: Sequence[str]
    prompts: Sequence[str]


@dataclass(frozen=True)
class Multilingual(OnSets):
    """Accuracy among the classes that have a name in a language, of their images, for each language and in the mean.

    Attributes:
      names: JSON of `{language: [[class number, ...], [name, ...]]}`, as babel_imagenet-298.json.
      prompts: JSON of `{language: [text with {}, ...]}`, as nllb_dist13b_prompts.json; '' = the names alone. A
        language that it lacks is asked by its names alone.
      labels: the table whose order numbers the classes.
      languages: of those in `names`; none = all.
    """

    names: str
    prompts: str
    labels: str
    languages: tuple[str, ...]

    def check(self) -> None:
        for name in self.sets:
            for _ in self._asked(name):
                pass

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            found = {code: share_within(own.ranks, 1) for code, own in self._answers(model, name).items()}
            figures[f"{self.name}/{name}/top1"] = float(np.mean([*found.values()]))
            figures |= {f"{self.name}/{name}/{code}/top1": value for code, value in found.items()}
        return figures

    def chance(self) -> dict[str, float]:
        levels: dict[str, float] = {}
        for name in self.sets:
            own = {one.code: chance_within(1, [1], len(one.numbers)) for one, _, _ in self._asked(name)}
            levels[f"{self.name}/{name}/top1"] = float(np.mean([*own.values()]))
            levels |= {f"{self.name}/{name}/{code}/top1": value for code, value in own.items()}
        return levels

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        return {
            f"{self.name}/{name}/{code}/top1": (own.ranks <= 1).astype(np.float64)
            for name in self.sets
            for code, own in self._answers(model, name).items()
        }

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            found = self._answers(model, name)
            rows = [
                [
                    one.code,
                    f"{len(one.numbers):,}",
                    f"{len(own):,}",
                    f"{share_within(found[one.code].ranks, 1):.1%}",
                ]
                for one, own, _ in self._asked(name)
            ]
            yield Table(f"Languages of {name}", ["language", "classes", "images", "top1"], rows)

    def _answers(self, model: Encoder, name: str) -> dict[str, Answers]:
        """By language; images are encoded once for all of them."""
        images, found = model.encode_image_array(self.data[name].images), {}
        for one, rows, indices in self._asked(name):
            texts = [[fill(prompt, own) for prompt in one.prompts] for own in one.names]
            encoded = model.encode_text([text for own in texts for text in own])
            classifier = Classifier(pooled(texts, encoded, "embedding", model.logit_scale), model.logit_scale)
            found[one.code] = classify(classifier, images[rows], indices)
        return found

    def _asked(self, name: str) -> Iterator[tuple[Language, Int[np.ndarray, " n"], Int[np.ndarray, " n"]]]:
        """Yields languages, the rows of the set whose class has a name in it, and the place of each one's class.

        Raises:
          ValueError: no image of the set has a class with a name in a language.
        """
        classes, rows, indices = labelled_classes(name, self.data[name].labels)
        numbers = np.array(class_numbers(self.labels, classes))[indices]
        for one in self._languages:
            places = {number: place for place, number in enumerate(one.numbers)}
            own = np.array([place for place, number in enumerate(numbers.tolist()) if number in places], int)
            if not len(own):
                raise UserError(
                    f"set {name!r} has no image of a class with a name in {one.code!r} of {self.names}: leave the "
                    f"language out of evaluators.{self.name}.languages"
                )
            yield one, rows[own], np.array([places[number] for number in numbers[own].tolist()])

    @cached_property
    def _languages(self) -> list[Language]:
        where = f"evaluators.{self.name}"
        named, prompts = read_languages(self.names, f"{where}.names"), {}
        if self.prompts:
            prompts = read_languages(self.prompts, f"{where}.prompts")
        if strange := [code for code in self.languages if code not in named]:
            raise UserError(f"{where}.languages={strange[0]!r} is none of {self.names}: {', '.join(named)}")
        return [
            _language(code, named[code], prompts.get(code, ["{}"]), self.names)
            for code in self.languages or named
        ]


def read_languages(path: str, where: str) -> dict[str, Any]:
    """Raises UserError where there is no file, or no object in it."""
    files = find(path)
    if not files:
        raise UserError(f"{where}={path!r} cannot be read: there is nothing{looked_in(path)}")
    try:
        content = json.loads(files[0].read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{where}={path!r} cannot be read: {error}") from None
    if not isinstance(content, dict) or not content:
        raise UserError(f"{where}={path!r} holds no languages")
    return content


def _language(code: str, entry: Any, prompts: Any, file: str) -> Language:
    whole = (
        isinstance(entry, list)
        and [type(part) for part in entry] == [list, list]
        and len(entry[0]) == len(entry[1]) > 1
        and all(isinstance(number, int) for number in entry[0])
        and all(isinstance(name, str) for name in entry[1])
    )
    asked = (
        isinstance(prompts, list) and prompts and all(isinstance(one, str) and "{}" in one for one in prompts)
    )
    if not whole or not asked:
        raise UserError(
            f"{file}: language {code!r} needs [[class number, ...], [name, ...]], two classes or more, and prompts "
            "with a {} in each"
        )
    numbers, names = entry
    return Language(code, numbers, names, prompts)
