"""Tags asked of images by their texts, beside CLIP: every cell alike, or easy ones weighed down."""

from benchmarks.claims import FIGURES, SET, Claim, Figure, Step, on, train
from benchmarks.claims._shared import CLIP

LABELS = "data/quickstart/tables/tags.json"
TEXTS = {"tags": {"path": LABELS, "labels": "verbatim", "templates": ("{}", "a picture of {}")}}
SCORER = {"kind": "multi_label", "scorer": "tagging/scorer", "sets": (SET,), "final": True}


def tagging(kernel: str) -> Step:
    return train(
        *on("tagging", kernel=kernel),
        f"--config.data.labels={ {'tags': {'path': LABELS, 'of': 'tags'}}!r}",
        f"--config.data.texts={TEXTS!r}",
        f"--config.evaluators.tags={SCORER!r}",
    )


CLAIM = Claim(
    title="Tagging: asymmetric or plain cross-entropy",
    arxiv="2009.14119",
    says="weighing easy negatives down (ASL) gives a better mAP than cross-entropy",
    arms={
        "CLIP + tags, cross-entropy": tagging("sigmoid"),
        "CLIP + tags, ASL": tagging("asymmetric_sigmoid"),
        "CLIP": CLIP,
    },
    figures={"tags asked, mAP": Figure(f"tags/{SET}/mean_average_precision"), **FIGURES},
)
