"""Tags, hidden pixels and a contrast of views, together and each alone."""

from benchmarks.claims import Claim, Step, on, train
from benchmarks.claims._labels import ALONE, PROBED, TAGS
from benchmarks.claims.slip import VIEWS

TAGGED = on("classification", labels="tags", classes=210, kernel="asymmetric_sigmoid", bias=-3.0)
CONTRASTED = on("view_contrast", hidden_width=256, output_width=64)
HIDDEN = on("masked_pixels")


LABELS = {"tags": {"path": TAGS, "of": "tags"}}
DATA = f"--config.data.labels={LABELS!r}", f"--config.data.image_views={VIEWS!r}"


def run(*tasks: str) -> Step:
    """Returns a run of some of the tasks."""
    return train(*ALONE, *DATA, *tasks)


CLAIM = Claim(
    title="Heuristic multi-task pretraining",
    arxiv="2310.07510",
    says="labels, masked images and a contrast of views together give better features than any of them",
    arms={
        "tags": run(*TAGGED),
        "hidden pixels": run(*HIDDEN),
        "two views": run(*CONTRASTED),
        "all three": run(*TAGGED, *HIDDEN, *CONTRASTED),
    },
    figures=PROBED,
)
