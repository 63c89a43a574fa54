"""Zero-shot classification: the nearest class name, written into prompts, is the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64, Int

from vlp.evaluation.class_names import labelled_classes, naming_rule
from vlp.evaluation.figures import chance_within, mean_per_class, share_within
from vlp.evaluation.prompt_sets import fill, load_prompt_set
from vlp.evaluation.protocols import Encoder, EvaluationSet, Evaluator
from vlp.evaluation.ranks import best_ranks


def class_embeddings(
    prompts: Float[np.ndarray, "classes templates dim"],
) -> Float64[np.ndarray, "classes dim"]:
    """Unit rows: the normalised mean of normalised prompt embeddings (Radford et al. 2021)."""
    return _unit(_unit(prompts.astype(np.float64)).mean(axis=1))


def encode_names(
    model: Encoder, names: Sequence[str], prompt_set: str, prefix_token: str = ""
) -> Float64[np.ndarray, "classes dim"]:
    """`class_embeddings` of names written into the templates of a prompt set."""
    templates = load_prompt_set(prompt_set)
    texts = [fill(template, name) for name in names for template in templates]
    prompts = model.encode_text(texts, prefix=prefix_token)
    return class_embeddings(prompts.reshape(len(names), len(templates), -1))


def zero_shot_figures(
    images: Float[np.ndarray, "n dim"],
    classes: Float[np.ndarray, "classes dim"],
    labels: Int[np.ndarray, " n"],
    *,
    block_size: int = 256,
) -> dict[str, float]:
    """Shares `top1`, `top5` and `mean_per_class` for unit rows and the index of each image's class."""
    pairs = np.stack([np.arange(len(labels)), labels], axis=1)
    ranks = best_ranks(images, classes, pairs, block_size=block_size)
    return {
        "top1": share_within(ranks, 1),
        "top5": share_within(ranks, 5),
        "mean_per_class": mean_per_class(ranks, labels),
    }


def zero_shot_chance(classes: int) -> dict[str, float]:
    """The same figures for a random order of the classes."""
    one = chance_within(1, [1], classes)
    return {"top1": one, "top5": chance_within(5, [1], classes), "mean_per_class": one}


@dataclass(frozen=True)
class ZeroShot(Evaluator):
    """Accuracy with the distinct labels of a set as its classes; images without a label are left out."""

    data: Mapping[str, EvaluationSet]
    every: int = 0
    final: bool = False
    sets: tuple[str, ...] = ()
    templates: str = "plain"
    labels: str = "category"
    prefix_token: str = ""

    name: ClassVar[str] = "zero_shot"

    def __post_init__(self) -> None:
        load_prompt_set(self.templates)
        naming_rule(self.labels)

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            classes, labelled, indices = labelled_classes(name, self.data[name].labels)
            images = model.encode_image_array(self.data[name].images)[labelled]
            names = naming_rule(self.labels)(classes)
            rows = encode_names(model, names, self.templates, self.prefix_token)
            found = zero_shot_figures(images, rows, indices)
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in found.items()}
        return figures

    def chance(self) -> dict[str, float]:
        return {
            f"{self.name}/{name}/{figure}": value
            for name in self.sets
            for figure, value in zero_shot_chance(
                len(labelled_classes(name, self.data[name].labels)[0])
            ).items()
        }


def _unit(rows: Float64[np.ndarray, "*batch dim"]) -> Float64[np.ndarray, "*batch dim"]:
    # A zero row stays zero: it then ties with everything, which never counts as a hit.
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.finfo(np.float64).tiny)
