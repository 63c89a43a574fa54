"""Classes of the parts of collages by what the pictures have in common that a name finds: ReCo."""

from __future__ import annotations

from configs.settings.evaluators import dense
from configs.settings.setting import Setting, count

CLASS = "vlp.evaluation.dense.co_segmented:CoSegmentation"

SETTINGS = {
    **dense.SETTINGS,
    "nearest": count(50, "pictures that a name finds"),
    "contexts": Setting((), "names of what stands around many classes, such as ('sky',), and supports none"),
}
