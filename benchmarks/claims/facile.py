"""Coarse labels of sets, or the same labels copied to every image of the set: what the images' features know."""

from benchmarks.claims import SET, Claim, Figure, Step, on, train
from benchmarks.claims._labels import ALONE, PROBED

BRANCHES = "--config.data.labels={'classes': {'of': 'branch', 'most': 1}}"
FINE = (
    "--config.evaluators.image_retrieval.final=true",
    f"--config.evaluators.image_retrieval.sets=('{SET}',)",
)


def of_sets(each: int, **settings: object) -> Step:
    """Returns a run on labels of sets of so many images."""
    return train(*ALONE, BRANCHES, *FINE, *on("set_labels", each=each, width=128, **settings))


CLAIM = Claim(
    title="FACILE: labels of sets",
    arxiv="2311.05659",
    says="a model of sets makes better features of images than the set's label copied to each image",
    arms={
        "each image's own coarse label": of_sets(1),
        "sets of 4, mean": of_sets(4, pool="mean"),
        "sets of 4, attention": of_sets(4),
    },
    figures={"fine category, mAP": Figure(f"image_retrieval/{SET}/mean_average_precision"), **PROBED},
)
