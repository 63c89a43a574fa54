"""Patches that tell the classes of collages' regions, by tuned names or by attributes, or by CLIP's training alone."""

from benchmarks.claims import Claim, on
from benchmarks.claims._collages import CLIP, MAPS, collages

SMALL = {"width": 64, "depth": 2, "heads": 4, "mlp_dim": 128}
CLAIM = Claim(
    title="DenseCLIP and AttrSeg: score maps that are trained",
    arxiv="2112.01518",
    says="patches told apart by texts that the image changes beat CLIP's raw score maps",
    arms={
        "CLIP on collages": CLIP,
        "CLIP + DenseCLIP": collages(*on("pixel_texts", **SMALL), scorer="pixel_texts/scorer"),
        "CLIP + AttrSeg": collages(
            *on("attribute_texts", **SMALL), names="attributes", scorer="attribute_texts/scorer"
        ),
    },
    figures=MAPS,
)
