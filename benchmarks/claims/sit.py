"""Spoilt images: the pixels, the contrast, and both."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._labels import ALONE, PROBED
from benchmarks.claims._shared import CLIP
from benchmarks.claims.slip import VIEWS

HEAD = {"hidden_width": 256, "output_width": 64}
PAIR = f"--config.data.image_views={VIEWS!r}"

CLAIM = Claim(
    title="SiT: spoilt pixels and a contrast",
    arxiv="2104.03602",
    says="reconstruction and contrast together give better features than either",
    arms={
        "CLIP": CLIP,
        "contrast alone": train(
            *ALONE,
            PAIR,
            *on("corruption", reconstruction_weight=0.0, **HEAD),
        ),
        "both": train(*ALONE, PAIR, *on("corruption", **HEAD)),
    },
    figures=PROBED,
)
