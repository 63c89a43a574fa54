"""Attention of a teacher's middle or last layer into a small tower, and what its features tell of tags."""

from benchmarks.claims import Claim, Step, on, train
from benchmarks.claims._labels import ALONE, PROBED

TEACHER = train("--config.model.image.depth=6", times=3, seed=0)


def taught(layer: int) -> Step:
    """Returns a small tower that looks where a layer of the teacher's looks."""
    frozen = "--config.frozen={'teacher': {'checkpoint': '{teacher}', 'dtype': 'bfloat16'}}"
    return train(*ALONE, frozen, *on("attention_maps", teacher_layer=layer), teacher=TEACHER)


CLAIM = Claim(
    title="UNIP: attention of a middle layer",
    arxiv="2502.02257",
    says="attention of a hybrid layer in the middle makes a better start than that of the last one (segmentation)",
    arms={"the last layer": taught(-1), "a middle layer": taught(3), "the first layer": taught(0)},
    figures=PROBED,
)
