"""Whether images are of a kind that is looked for, by slice and under attack."""

from __future__ import annotations

from configs.settings.evaluators import LABELS, templates
from configs.settings.setting import Setting, count, natural, positive, share

CLASS = "vlp.evaluation.detection.detector:Detector"

SETTINGS = {
    "train_sets": Setting(("val",), "one set: fits the probe, and chooses the threshold"),
    "validation_sets": Setting((), "one set that chooses the threshold instead; () = none"),
    "positive": Setting((), "labels that mean yes, or patterns of them; () = the first in order"),
    "by": Setting("probe", "what decides", choices=("probe", "texts")),
    "templates": templates("simple"),
    "labels": LABELS,
    "penalty": positive(1.0, "of the probe's squared weights"),
    "slices": Setting((), "columns of columns.extras whose values are measured by themselves"),
    "attacked": natural(0, "images that are attacked and explained; 0 = none"),
    "budget": share(0.01, "of an attack: the most that a value may change, of its range"),
    "steps": count(10, "of PGD"),
}
