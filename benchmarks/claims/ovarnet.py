"""Tags that few have looked at: unknown ones left out, a tenth as denied, or denied like those that are."""

from benchmarks.claims import SET, Claim, Figure, Step, on, train

LABELS = "data/quickstart/tables/tags.json"
KNOWN = {"tags": {"path": LABELS, "of": "tags", "verified": "data/quickstart/tables/verified.parquet"}}
TEXTS = {
    name: {"path": LABELS, "labels": "verbatim", "templates": ("{}", "a picture of {}")}
    for name in ("tags", "classes")
}
SCORER = {"kind": "multi_label", "scorer": "federated_tags/scorer", "sets": (SET,), "final": True}


def federated(unknown: float) -> Step:
    """Returns CLIP with tags of which few are known."""
    return train(
        "--config.model.image.patch_dropout=0",
        *on("federated_tags", unknown_weight=unknown),
        f"--config.data.labels={KNOWN!r}",
        f"--config.data.texts={TEXTS!r}",
        f"--config.evaluators.tags={SCORER!r}",
    )


CLAIM = Claim(
    title="OvarNet: attributes that nobody has looked at",
    arxiv="2301.09506",
    says="a little weight for the unknown as denied is better than all of it, and than none",
    arms={
        "unknown is denied": federated(1.0),
        "unknown weighs a tenth": federated(0.1),
        "unknown is left out": federated(0.0),
    },
    figures={"tags, mAP": Figure(f"tags/{SET}/mean_average_precision")},
)
