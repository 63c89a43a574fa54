"""Which hidden piece belongs at a place, and how often it is picked."""

from benchmarks.claims import Claim, Figure, on, train
from benchmarks.claims._labels import ALONE, PROBED
from benchmarks.claims._logged import logged
from benchmarks.claims._shared import CLIP

CLAIM = Claim(
    title="Selfie: pieces of an image",
    arxiv="1906.02940",
    says="picking the hidden piece gives better features than none: +11 points with 5 % of the labels",
    arms={
        "CLIP": CLIP,
        "pieces": train(*ALONE, *on("patch_picking", share=0.25, depth=2, heads=2, mlp_dim=512)),
    },
    figures={**PROBED, "picked": Figure(logged("patch_picking/accuracy"), 0.25)},
)
