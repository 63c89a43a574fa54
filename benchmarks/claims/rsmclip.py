"""Captions in any of eight languages, and self-distillation beside them; retrieval is by English captions."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._shared import CLIP

LANGUAGES = ("--config.data.text.languages=()", "--config.data.text.language_choice=uniform")
STRONG = {"flip": True, "color_jitter": (0.4, 0.4, 0.2, 0.1), "grayscale": 0.2, "blur": 0.5}
VIEWS = {
    "global_crops": {"count": 2, "crop_scale": (0.4, 1.0), **STRONG},
    "local_crops": {"count": 2, "resolution": 24, "crop_scale": (0.05, 0.4), **STRONG},
}
HEAD = {"hidden_width": 256, "bottleneck_width": 64, "prototypes": 512}

CLAIM = Claim(
    title="RS-M-CLIP: several languages, and self-distillation",
    arxiv="2410.23370",
    says="captions translated into several languages help retrieval in English, too, and self-distillation of local "
    "into global crops helps beside the contrast",
    arms={
        "CLIP": CLIP,
        "several languages": train(*LANGUAGES),
        "several languages + self-distillation": train(
            *LANGUAGES, f"--config.data.image_views={VIEWS!r}", *on("self_distillation", **HEAD)
        ),
    },
)
