"""Hidden patches with the second view, and with another image in its place."""

from benchmarks.claims import Claim, Figure, on, train
from benchmarks.claims._labels import ALONE, PROBED
from benchmarks.claims._logged import logged
from benchmarks.claims._shared import CLIP

PAIR = "--config.data.image_views={'pair': {'count': 2, 'crop_scale': (0.5, 1.0)}}"
DECODER = {"share": 0.75, "width": 128, "depth": 2, "heads": 2, "mlp_dim": 512}

CLAIM = Claim(
    title="CroCo: completion with another view",
    arxiv="2210.10716",
    says="with the true second view the error is much smaller than with another image",
    arms={
        "CLIP": CLIP,
        "two views": train(*ALONE, PAIR, *on("cross_view", **DECODER)),
    },
    figures={
        **PROBED,
        "error, of that with another image": Figure(logged("cross_view/loss", "cross_view/other_image"), 1.0),
    },
)
