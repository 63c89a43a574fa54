"""SLIP beside CLIP: SimCLR on two strong views."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._shared import CLIP

STRONG = {"crop_scale": (0.3, 1.0), "flip": True, "color_jitter": (0.4, 0.4, 0.4, 0.1), "grayscale": 0.2}
VIEWS = {"strong": {"count": 2, **STRONG}}

CLAIM = Claim(
    title="SLIP beside CLIP",
    arxiv="2112.12750",
    says="zero-shot 17.1 to 23.0, linear 53.3 to 65.4 (CC3M, 40 epochs)",
    arms={
        "CLIP": CLIP,
        "SLIP": train(
            f"--config.data.image_views={VIEWS!r}", *on("view_contrast", hidden_width=256, output_width=64)
        ),
    },
)
