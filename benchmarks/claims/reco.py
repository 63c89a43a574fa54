"""Names on collages by what the pictures have in common that they find, or by themselves; nothing is trained."""

from benchmarks.claims import Claim, Figure, train
from benchmarks.claims._collages import SET

BOTH = tuple(f"--config.evaluators.{name}.final=true" for name in ("dense", "co_segmentation"))
CLAIM = Claim(
    title="ReCo: retrieve and co-segment",
    arxiv="2206.07045",
    says="seeds that the retrieved pictures share point better than the text does",
    arms={"CLIP": train(*BOTH), "CLIP, twice as long": train(*BOTH, times=2.0)},
    figures={
        f"{word}, {figure.replace('_', ' ')}": Figure(f"{name}/{SET}/{figure}", 0.25)
        for word, name in (("texts", "dense"), ("seeds", "co_segmentation"))
        for figure in ("pointing", "patch_accuracy")
    },
)
