"""Probes of one hand's drawings, measured on another's."""

from benchmarks.claims import Claim, Figure, Step, on, train
from benchmarks.claims._claim import COLUMNS
from benchmarks.claims._labels import ALONE
from benchmarks.claims.slip import VIEWS

DOMAINS = {"train": ("train", "noto"), "same": ("test", "noto"), "other": ("test", "fluent-3d")}
SETS = {
    name: {
        "path": f"data/quickstart/{split}.parquet",
        "only": f"vendor={vendor}",
        "columns": {**COLUMNS, "extras": "vendor"},
    }
    for name, (split, vendor) in DOMAINS.items()
}


def measured(*flags: str) -> Step:
    """Returns a run with the probes of domain A at its end."""
    asked = ("final=true", "sets=same,other", "train_sets=train", "parts=linear_probe")
    return train(
        f"--config.data.evaluation={SETS!r}",
        *ALONE[1:],
        *(f"--config.evaluators.transfer.{one}" for one in asked),
        *flags,
    )


LABELS = "--config.data.labels={'label': {'of': 'label', 'most': 1}}"

CLAIM = Claim(
    title="LGS: from one domain to another",
    arxiv="2401.04575",
    says="classifiers of one domain are worth little in another, features learned without its labels more",
    arms={
        "labels": measured(
            ALONE[0], LABELS, *on("classification", labels="label_ids", classes=200, kernel="softmax")
        ),
        "CLIP": measured(),
        "SimCLR": measured(
            ALONE[0],
            f"--config.data.image_views={VIEWS!r}",
            *on("view_contrast", hidden_width=256, output_width=64),
        ),
    },
    figures={
        "same domain": Figure("transfer/same/linear_probe/top1"),
        "other domain": Figure("transfer/other/linear_probe/top1"),
        "drop": Figure("transfer/other/linear_probe/top1_drop"),
    },
)
