"""The classes of an evaluation set, by the labels of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from input_pipeline.errors import UserError
from input_pipeline.views.class_names import naming_rule
from vlp.evaluation.protocols import EvaluationSet


def labelled_classes(
    name: str, labels: Sequence[str]
) -> tuple[list[str], Int[np.ndarray, " labelled"], Int[np.ndarray, " labelled"]]:
    """Returns distinct labels of a set, sorted; the rows that have one; the class index of each of those rows.

    Raises:
        ValueError: no row has a label.
    """
    labelled = [row for row, label in enumerate(labels) if label]
    if not labelled:
        raise UserError(f"evaluation set {name!r} has no labels: take it out of the evaluator's sets")
    classes, indices = np.unique([labels[row] for row in labelled], return_inverse=True)
    return classes.tolist(), np.array(labelled), indices


def names_by_set(data: Mapping[str, EvaluationSet], sets: Sequence[str], rule: str) -> dict[str, list[str]]:
    """Returns the names of each set's classes, in the order of `labelled_classes`, by a rule from labels to names."""
    named = naming_rule(rule)
    return {name: named(labelled_classes(name, data[name].labels)[0]) for name in sets}


def left_out_remarks(where: str, asked: EvaluationSet, learned: EvaluationSet) -> list[str]:
    """Returns a sentence about images whose label no image to learn from has; nothing where all are known."""
    known, labels = set(learned.labels), [label for label in asked.labels if label]
    strange = [label for label in labels if label not in known]
    if not strange:
        return []
    return [
        f"{where}: {len(strange)} of {len(labels)} labelled images are left out, as no image to learn from is labelled "
        f"{strange[0]!r}"
    ]
