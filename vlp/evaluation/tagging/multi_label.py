"""Zero-shot tagging: every tag's name against every image, where an image has several tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int8, Int64

from input_pipeline.errors import UserError
from input_pipeline.verified_labels import (
    known_labels,
    read_hierarchy,
    read_label_names,
    read_seen,
    read_verified,
)
from vlp.configuration.paths import find, looked_in
from vlp.evaluation.exhibits import Bars, Exhibit, Search, Searches
from vlp.evaluation.fitting import check_fits
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.tagging import figures as figures_of
from vlp.evaluation.texts.class_texts import encode_names
from vlp.evaluation.texts.prompt_sets import fill, load_prompt_set

SHOWN, TAGS_SHOWN = 24, 8


class Tagged(NamedTuple):
    """One set.

    Attributes:
        names: of the labels.
        targets: what is known of each image.
        seen: which labels training knew; None where nobody said.
        single: the one label that each image has in a set whose labels are among the tags; else None.
    """

    names: list[str]
    targets: Int8[np.ndarray, "images labels"]
    single: Int64[np.ndarray, " images"] | None
    seen: Bool[np.ndarray, " labels"] | None = None


@dataclass(frozen=True)
class MultiLabel(OnSets):
    """mAP, accuracy of the k best tags of an image with k, ReaL accuracy and F1 at the best threshold.

    Attributes:
        templates: prompt set that tags are written into.
        scorer: part of the model whose scores count; '' = cosines.
        min_images: tags of fewer images are left out.
        verified: table of verified labels; '' = what is no tag of an image is not there.
        hierarchy: tree of labels; '' = none.
        seen: file of the labels that training knew; '' = nobody says.
        names: table of the labels' names; '' = labels are names.
    """

    templates: str
    prefix_token: str
    scorer: str
    min_images: int
    verified: str
    hierarchy: str
    seen: str
    names: str

    def __post_init__(self) -> None:
        load_prompt_set(self.templates)
        for setting in ("verified", "hierarchy", "seen", "names"):
            path = getattr(self, setting)
            if path and not find(path):
                raise UserError(
                    f"evaluators.{self.name}.{setting}: there is nothing at '{path}'{looked_in(path)}: correct the path"
                )

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name, tagged in self._tagged.items():
            scores = self._scores(model, name)
            found = multi_label_figures(scores, tagged.targets)
            found |= by_seen(scores, tagged)
            if tagged.single is not None:
                found["top1"] = float(_single_right(scores, tagged.single).mean())
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in found.items()}
        return figures

    def chance(self) -> dict[str, float]:
        chance: dict[str, float] = {}
        for name, tagged in self._tagged.items():
            levels = multi_label_chance(tagged.targets)
            levels |= chance_by_seen(tagged)
            if tagged.single is not None:
                levels["top1"] = 1 / len(tagged.names)
            chance |= {f"{self.name}/{name}/{figure}": level for figure, level in levels.items()}
        return chance

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        values: dict[str, Float[np.ndarray, " queries"]] = {}
        for name, tagged in self._tagged.items():
            found = multi_label_outcomes(self._scores(model, name), tagged.targets)
            if tagged.single is not None:
                found["top1"] = _single_right(self._scores(model, name), tagged.single)
            values |= {f"{self.name}/{name}/{figure}": value for figure, value in found.items()}
        return values

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name, tagged in self._tagged.items():
            scores, right = self._scores(model, name), tagged.targets > 0
            counts = right.sum(axis=0)
            seen = [tag for tag, count in zip(tagged.names, counts, strict=True) if count]
            precisions = figures_of.average_precisions(scores, tagged.targets)
            yield Bars(f"Average precision of the tags of {name}", seen, precisions, counts[counts > 0])
            rows = np.flatnonzero(right.any(axis=1))
            searches = []
            for row in rows[np.unique(np.linspace(0, len(rows) - 1, SHOWN).astype(int))]:
                best = np.argsort(-scores[row], kind="stable")[:TAGS_SHOWN]
                tags = [tagged.names[place] for place in best]
                searches.append(
                    Search(self.data[name].images[row], tags, right[row, best], scores[row, best])
                )
            yield Searches(f"Tags found for images of {name}", searches)

    def _scores(self, model: Encoder, name: str) -> Float64[np.ndarray, "images labels"]:
        names, targets, *_ = self._tagged[name]
        if self.scorer:
            return figures_of.settled(self._scored(model, name), targets)
        images = model.encode_image_array(self.data[name].images).astype(np.float64)
        return figures_of.settled(
            images @ encode_names(model, names, self.templates, self.prefix_token).T, targets
        )

    def _scored(self, model: Encoder, name: str) -> Float64[np.ndarray, "images labels"]:
        """The mean of a part's scores over the templates of each label."""
        names, templates = self._tagged[name].names, load_prompt_set(self.templates)
        texts = [fill(template, one) for one in names for template in templates]
        scores = model.scorer(self.scorer).score(self.data[name].images, texts, prefix=self.prefix_token)
        return scores.astype(np.float64).reshape(len(scores), len(names), -1).mean(axis=2)

    @cached_property
    def _tagged(self) -> dict[str, Tagged]:
        verified = read_verified(self.verified) if self.verified else None
        hierarchy = read_hierarchy(self.hierarchy) if self.hierarchy else None
        called = read_label_names(self.names) if self.names else {}
        known = read_seen(self.seen) if self.seen else None
        tagged = {}
        for name in self.sets:
            data = self.data[name]
            if verified is not None:
                check_fits(self.verified, verified, data.ids, f"ids of evaluation set {name!r}")
            labels, targets = known_labels(
                data.ids, data.tags, verified, hierarchy, min_images=self.min_images
            )
            if not labels:
                raise UserError(
                    f"evaluation set {name!r} has no tag of {self.min_images} images or more: lower "
                    f"evaluators.{self.name}.min_images or take it out of its sets"
                )
            if hierarchy is not None:
                check_fits(self.hierarchy, hierarchy.labels, labels, f"labels of evaluation set {name!r}")
            if self.names:
                check_fits(self.names, called, labels, f"labels of evaluation set {name!r}")
            place = {label: at for at, label in enumerate(labels)}
            whole = all(label in place for label in data.labels)
            single = np.array([place[label] for label in data.labels]) if whole else None
            seen = None if known is None else np.array([label in known for label in labels])
            tagged[name] = Tagged([called.get(label, label) for label in labels], targets, single, seen)
        return tagged


def by_seen(scores: Float[np.ndarray, "images labels"], tagged: Tagged) -> dict[str, float]:
    """Returns macro mAP of the labels that training knew, and of the others, where there are some."""
    return {
        f"mean_average_precision_{name}": float(
            figures_of.average_precisions(scores[:, labels], tagged.targets[:, labels]).mean()
        )
        for name, labels in _sides(tagged)
    }


def chance_by_seen(tagged: Tagged) -> dict[str, float]:
    """Returns the same of random scores."""
    return {
        f"mean_average_precision_{name}": multi_label_chance(tagged.targets[:, labels])[
            "mean_average_precision"
        ]
        for name, labels in _sides(tagged)
    }


def _sides(tagged: Tagged) -> Iterator[tuple[str, Bool[np.ndarray, " labels"]]]:
    for name, labels in (("seen", tagged.seen), ("unseen", None if tagged.seen is None else ~tagged.seen)):
        if labels is not None and (tagged.targets[:, labels] > 0).any():
            yield name, labels


def multi_label_outcomes(
    scores: Float[np.ndarray, "images labels"], targets: Int8[np.ndarray, "images labels"]
) -> dict[str, Float64[np.ndarray, " queries"]]:
    """Returns what the figures that are means are means of: labels, for macro mAP and F1, or images."""
    return {
        "mean_average_precision": figures_of.average_precisions(scores, targets),
        "mean_average_precision_per_image": figures_of.image_average_precisions(scores, targets),
        "variable_top_k": figures_of.variable_top_k(scores, targets),
        "real_accuracy": figures_of.real_accuracy(scores, targets),
        "best_f1_per_label": figures_of.best_f1s(scores, targets),
    }


def multi_label_figures(
    scores: Float[np.ndarray, "images labels"], targets: Int8[np.ndarray, "images labels"]
) -> dict[str, float]:
    """Returns all figures of `settled` scores. `best_f1` has one threshold for all labels."""
    means = multi_label_outcomes(scores, targets)
    by_count = figures_of.mean_by_count(means["variable_top_k"], figures_of.label_counts(targets))
    known = targets != 0
    return {
        **{name: float(values.mean()) for name, values in means.items()},
        "variable_top_k_by_count": by_count,
        "best_f1": figures_of.best_f1(scores[known], targets[known] > 0)[0],
    }


def multi_label_chance(targets: Int8[np.ndarray, "images labels"]) -> dict[str, float]:
    """Returns the same for random scores. F1 is that of saying yes to everything; random scores with the best threshold
    reach a little more where a label has few images."""
    right, known = targets > 0, targets != 0
    rows, columns = right.any(axis=1), right.any(axis=0)
    shares = right[rows].sum(axis=1) / known[rows].sum(axis=1)
    counts = [(right.sum(axis=axis), known.sum(axis=axis)) for axis in (0, 1)]
    precision, per_image = (
        float(
            np.mean(
                [figures_of.chance_average_precision(*pair) for pair in zip(*both, strict=True) if pair[0]]
            )
        )
        for both in counts
    )
    by_label = 2 * right.sum(axis=0)[columns] / (right.sum(axis=0) + known.sum(axis=0))[columns]
    return {
        "mean_average_precision": precision,
        "mean_average_precision_per_image": per_image,
        "variable_top_k": float(shares.mean()),
        "variable_top_k_by_count": figures_of.mean_by_count(shares, figures_of.label_counts(targets)),
        "real_accuracy": float(shares.mean()),
        "best_f1_per_label": float(by_label.mean()),
        "best_f1": float(2 * right.sum() / (right.sum() + known.sum())),
    }


def _single_right(
    scores: Float[np.ndarray, "images labels"], single: Int64[np.ndarray, " images"]
) -> Float64[np.ndarray, " images"]:
    """1 where the best-scored label is the one label that the image is given; ties count against the model."""
    own = np.take_along_axis(scores, single[:, None], axis=1)
    return ((scores >= own).sum(axis=1) == 1).astype(np.float64)
