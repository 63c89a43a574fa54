"""Three observers with mistakes of their own: whose word a classifier learns from."""

from benchmarks.claims import SET, Claim, Figure, train

CLAIM = Claim(
    title="Several observers: one at random, the majority, or either",
    arxiv="",
    says="Development and evaluation of intraoperative ultrasound segmentation (2024): classifiers and segmenters do "
    "best with different samplings of observers",
    arms={
        rule: train(f"--config.objectives.observers.rule={rule}", config="configs/observers.py:runlocal")
        for rule in ("random", "majority", "mixed")
    },
    figures={"tags, mAP": Figure(f"tags/{SET}/mean_average_precision")},
)
