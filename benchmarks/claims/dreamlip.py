"""DreamLIP beside CLIP: several captions an image, with and without the patches they are about."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._shared import CLIP

SEVERAL = (
    "--config.data.text_views={'captions': {'count': 3}}",
    "--config.objectives.contrastive.text_view=captions",
)

CLAIM = Claim(
    title="DreamLIP beside CLIP",
    arxiv="2403.17007",
    says="most of the gain is the several captions, grouping adds one point (CC3M, long generated captions)",
    arms={
        "CLIP": CLIP,
        "DreamLIP, captions alone": train(*SEVERAL),
        "DreamLIP": train(*SEVERAL, *on("grouping")),
    },
)
