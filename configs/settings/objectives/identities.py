"""Images and texts of the same identities, each projected onto the other's direction: CMPM and CMPC, as in PLIP."""

from __future__ import annotations

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, count, not_negative, positive

CLASS = "vlp.objectives.identities:Identities"

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "targets": Setting(
        "group", "what is an identity: equal ids of this kind", choices=("text", "label", "group")
    ),
    "divide": Setting(
        "sum",
        "what a row's targets are divided by: the paper's sum or the code's length",
        choices=("sum", "length"),
    ),
    "epsilon": positive(1e-8, "beside the targets within the logarithm"),
    "classify_weight": not_negative(0.0, "of the classification of identities; 0 = without its table"),
    "numbers": Setting("entity_id", "batch field of the identity's number, for that"),
    "classes": count(2010, "rows of its table"),
    "chunk": CHUNK,
}
