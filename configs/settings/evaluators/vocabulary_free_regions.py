"""Names for the regions of collages, found in captions: Dense CaSED."""

from __future__ import annotations

from configs.settings.evaluators import CATEGORY_SEARCH
from configs.settings.setting import Setting, count

CLASS = "vlp.evaluation.dense.named_regions:VocabularyFreeRegions"

SETTINGS = {
    **CATEGORY_SEARCH,
    "collages": count(50, "2 x 2 labelled images each"),
    "grids": Setting((2, 4, 8), "cuts of a collage's side; each divides the largest"),
}
