"""Coarse labels by nearest neighbours or by a classifier: what is left of the fine ones."""

from benchmarks.claims import SET, Claim, Figure, Step, on, train
from benchmarks.claims._labels import ALONE, PROBED, classified

BRANCHES = "--config.data.labels={'classes': {'of': 'branch', 'most': 1}}"
FINE = (
    "--config.evaluators.image_retrieval.final=true",
    f"--config.evaluators.image_retrieval.sets=('{SET}',)",
)
BANK = {"hidden_width": 128, "width": 64, "momentum": 0.9, "size": 1024}


def neighbours(number: int, kernel: str) -> Step:
    """Returns a run that classifies by a bank."""
    return train(*ALONE, BRANCHES, *FINE, *on("neighbour_labels", neighbours=number, kernel=kernel, **BANK))


CLAIM = Claim(
    title="LOOK: neighbours' labels",
    arxiv="2110.06014",
    says="on coarse labels, a leave-one-out neighbour loss keeps more of the fine ones than cross-entropy",
    arms={
        "cross-entropy": classified(BRANCHES, *FINE, labels="classes_ids", classes=30, kernel="softmax"),
        "all neighbours, SupCon": neighbours(0, "softmax"),
        "LOOK, 32 neighbours": neighbours(32, "softmax_in"),
    },
    figures={"fine category, mAP": Figure(f"image_retrieval/{SET}/mean_average_precision"), **PROBED},
)
