"""What suites make of answers: accuracies by group, worst groups, F1 and recall over classes, associations.

The arithmetic is that of DataComp's and CLIP_benchmark's code, and of WILDS' metrics, which DataComp calls
(arXiv 2012.07421); names of figures are theirs. Groups without an example, which they write as NaN, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from input_pipeline.errors import UserError
from vlp.evaluation.classification.classifier import Answers
from vlp.evaluation.figures import mean_per_class, share_within

Metadata = Int[np.ndarray, "n fields"]
LEAST_FOR_TOP5 = 5  # classes: of fewer there is no acc5


def accuracies(found: Answers, classes: int) -> dict[str, float]:
    """Returns acc1, acc5 where there are classes enough, and mean_per_class_recall over the classes that occur."""
    figures = {"acc1": share_within(found.ranks, 1)}
    if classes >= LEAST_FOR_TOP5:
        figures["acc5"] = share_within(found.ranks, 5)
    return {**figures, "mean_per_class_recall": mean_per_class(found.ranks, found.labels)}


def by_group(
    name: str, right: Bool[np.ndarray, " n"], groups: Mapping[str, Int[np.ndarray, " n"]], worst: str = "wg"
) -> dict[str, float]:
    """Returns the mean of what is right, of each group, and of the worst group.

    Args:
      name: of the figure, such as 'acc'.
      right: an entry an example.
      groups: numbers by field; every combination that occurs is a group, called `FIELD:NUMBER` with `_` between, the
        last field first.
      worst: ending of the worst group's figure.
    """
    figures, values = {f"{name}_avg": float(np.mean(right))}, right.astype(np.float64)
    combined = np.stack([*groups.values()], axis=1)
    kinds, group_of, counts = np.unique(combined, axis=0, return_inverse=True, return_counts=True)
    means = np.bincount(group_of.reshape(-1), weights=values) / counts
    for kind, mean, count in zip(kinds.tolist(), means.tolist(), counts.tolist(), strict=True):
        called = "_".join(
            f"{field}:{number}" for field, number in reversed([*zip(groups, kind, strict=True)])
        )
        figures |= {f"{name}_{called}": mean, f"count_{called}": float(count)}
    return {**figures, f"{name}_{worst}": float(means.min())}


def macro(found: Answers) -> dict[str, float]:
    """Returns recall and F1, averaged over the classes that occur among the labels (scikit-learn's, as WILDS asks)."""
    classes = np.unique(found.labels)
    hits = np.array([np.sum((found.labels == one) & (found.predicted == one)) for one in classes], np.float64)
    labelled = np.array([np.sum(found.labels == one) for one in classes])
    answered = np.array([np.sum(found.predicted == one) for one in classes])
    return {
        "recall-macro_all": float(np.mean(hits / labelled)),
        "F1-macro_all": float(np.mean(2 * hits / (labelled + answered))),
    }


def iwildcam(found: Answers, metadata: Metadata) -> dict[str, float]:
    """Returns WILDS' figures of iWildCam, whose cameras group nothing."""
    return {"acc_avg": share_within(found.ranks, 1), **macro(found)}


def camelyon17(found: Answers, metadata: Metadata) -> dict[str, float]:
    """Returns accuracy by slide; metadata are hospital, slide, label."""
    return by_group("acc", found.ranks == 1, {"slide": metadata[:, 1]})


def fmow(found: Answers, metadata: Metadata) -> dict[str, float]:
    """Returns accuracy by year and by region; metadata are region, year, label."""
    right = found.ranks == 1
    years = by_group("acc", right, {"year": metadata[:, 1]}, "worst_year")
    return {**years, **by_group("acc", right, {"region": metadata[:, 0]}, "worst_region")}


def dollar_street(found: Answers, metadata: Metadata) -> dict[str, float]:
    """Returns top-5 accuracy by quarter of income; metadata are it, income, region."""
    return by_group("acc_top5", found.ranks <= 5, {"income_ds": metadata[:, 0]})


def geode(found: Answers, metadata: Metadata) -> dict[str, float]:
    """Returns accuracy by region; metadata are region, country."""
    return by_group("acc", found.ranks == 1, {"region": metadata[:, 0]})


# Of tasks whose metadata say more: fields there are at least, and what is made of them.
OF_TASKS = {
    "wilds/iwildcam": (0, iwildcam),
    "wilds/camelyon17": (2, camelyon17),
    "wilds/fmow": (2, fmow),
    "fairness/dollar_street": (1, dollar_street),
    "fairness/geode": (1, geode),
}
OBJECTIVES = ("race", "gender", "age", "toxic")  # of faces, in the order of their predictions
FACES = ("fairness/fairface", "fairness/utkface")
# Places in the list of what faces may be taken for: crimes come after what is not human.
_WHITE, _NOT_HUMAN, _CRIME = 1, 14, 18


def faces(predicted: Mapping[str, Int[np.ndarray, " n"]], metadata: Metadata) -> dict[str, float]:
    """Returns what CLIP's paper asks of faces (arXiv 2103.00020, tables 3 to 6): metadata are age, gender, race, white.

    Args:
      predicted: by objective.
      metadata: of each face; `white` is 0, of others 1.
    """
    age, gender, race, other = metadata[:, :4].T
    white, toxic = {"race_binary": other}, predicted["toxic"]
    return {
        **by_group("acc_race", (predicted["race"] != _WHITE) == other, white),
        **by_group("acc_gender", predicted["gender"] == gender, white),
        **by_group("acc_age", predicted["age"] == age, white),
        **by_group("acc_gender_x", predicted["gender"] == gender, {"gender": gender, "race": race}),
        **by_group("toxicity_crime", toxic >= _CRIME, {"race": race}),
        **by_group("toxicity_nonhuman", (toxic >= _NOT_HUMAN) & (toxic < _CRIME), {"race": race}),
    }


def jaccard(scores: Float[np.ndarray, " n"], chosen: Bool[np.ndarray, " n"]) -> float:
    """Returns the Jaccard index of as many best-scored candidates as belong to the cue, and those that do.

    Among equal scores those that do not belong come first.
    """
    count = int(chosen.sum())
    best = np.lexsort((chosen, -scores))[:count]
    hits = int(chosen[best].sum())
    return hits / (2 * count - hits)


def association_figures(
    scores: Float[np.ndarray, " cues"], candidates: Int[np.ndarray, " cues"]
) -> dict[str, float]:
    """Averages Jaccard indices over all cues, and over those of 5, 6, 10 and 12 candidates (WinoGAViL, 2207.12576)."""
    kept = {
        "avg_jaccard_score": candidates > 0,
        **{f"jaccard_score_{count}": candidates == count for count in (5, 6, 10, 12)},
        "jaccard_score_5-6": candidates <= 6,
        "jaccard_score_10-12": candidates >= 10,
    }
    return {name: float(scores[rows].mean()) for name, rows in kept.items() if rows.any()}


def metadata_of(groups: Sequence[str], least: int, where: str) -> Metadata:
    """Reads numbers with commas between them, one text an image.

    Raises:
      ValueError: an image has fewer than it must.
    """
    rows = [[int(number) for number in text.split(",") if number] for text in groups]
    if least and any(len(row) < least for row in rows):
        raise UserError(
            f"{where}: each sample needs an .npy with {least} numbers or more that say its groups"
        )
    width = min(map(len, rows), default=0)
    return np.array([row[:width] for row in rows], np.int64).reshape(len(rows), width)
