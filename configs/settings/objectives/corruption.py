"""Spoilt pixels, and the image's other view as a teacher sees it clean: SiT."""

from __future__ import annotations

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, count, natural, not_negative, positive, share

CLASS = "vlp.objectives.corruption:Corruption"
ASKS = {"image": "hidden_patches"}

SETTINGS = {
    "view": Setting("strong", "a name of data.image_views with a count of 2"),
    "noise": share(0.5, "of the patches of a view that are noise, where that is how it is spoilt"),
    "replaced": share(0.3, "of the patches of a view that are another image's, where that is how"),
    "temperature": positive(0.2, "of cosines"),
    "reconstruction_weight": not_negative(1.0, "of spoilt pixels, beside the contrast"),
    "hidden_width": count(4096, "of the head's hidden layer"),
    "output_width": count(256, "of the head"),
    "momentum": share(0.996, "of the teacher"),
    "momentum_steps": natural(0, "from momentum to 1 along half a cosine; 0 = it stays"),
    "chunk": CHUNK,
}
