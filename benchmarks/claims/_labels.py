"""Runs whose supervision is labels: no contrast, a linear classifier, and a probe of what the images have learned."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.claims import FIGURES, Figure, Step, on, train

TAGS = "data/quickstart/tables/tags.json"
PROBED: Mapping[str, Figure] = {"tag mAP": FIGURES["tag mAP"]}
# No text is read then, by an objective or an evaluator.
ALONE = (
    "--config.objectives.contrastive.weight=0",
    *(f"--config.evaluators.{name}.final=false" for name in ("zero_shot", "retrieval")),
)
WORDS = "--config.data.labels={'words': {'of': 'words', 'most': 32}}"


def classified(
    *flags: str, labels: str, classes: int, needs: Mapping[str, Step] | None = None, **settings: object
) -> Step:
    """Returns a run of the classifier alone."""
    own = on("classification", labels=labels, classes=classes, **settings)
    return train(*ALONE, *own, *flags, **(needs or {}))


def tagged(*flags: str, needs: Mapping[str, Step] | None = None, **entry: object) -> Step:
    """Returns a run on the 210 tags of the bundled file; what else the entry of data.labels says."""
    own = {"tags": {"path": TAGS, "of": "tags", **entry}}
    labels = f"--config.data.labels={own!r}"
    return classified(labels, *flags, labels="tags", classes=210, bias=-3.0, needs=needs)
