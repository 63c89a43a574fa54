"""Crops alone, crops with their patches, and these as a bag besides."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._labels import ALONE, PROBED
from benchmarks.claims._shared import CLIP
from benchmarks.claims.raddino import CROPS
from benchmarks.claims.rsmclip import HEAD

CLAIM = Claim(
    title="CMD: crops, patches and the bag of these",
    arxiv="2401.08860",
    says="the bag adds to view and region losses: up to 10 points over the best before on fine-grained categories",
    arms={
        "CLIP": CLIP,
        "crops (DINO)": train(*ALONE, CROPS, *on("self_distillation", **HEAD)),
        "crops and patches": train(*ALONE, CROPS, *on("cross_level", bag_weight=0.0, **HEAD)),
        "crops, patches and bag": train(*ALONE, CROPS, *on("cross_level", **HEAD)),
    },
    figures=PROBED,
)
