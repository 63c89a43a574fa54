"""DINOv2's losses on images alone, and CLIP: what images learn without a text."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._labels import ALONE, PROBED
from benchmarks.claims._shared import CLIP
from benchmarks.claims.rsmclip import HEAD, VIEWS

CROPS = f"--config.data.image_views={VIEWS!r}"

CLAIM = Claim(
    title="RAD-DINO: images alone",
    arxiv="2401.10815",
    says="features learned from images alone are on par with or better than those learned with texts",
    arms={
        "CLIP": CLIP,
        "images alone": train(*ALONE, CROPS, *on("masked_distillation", centring="sinkhorn", **HEAD)),
        "CLIP + masked distillation": train(CROPS, *on("masked_distillation", centring="sinkhorn", **HEAD)),
    },
    figures=PROBED,
)
