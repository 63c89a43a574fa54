"""Names for the regions of collages, found in captions: Dense CaSED."""

from __future__ import annotations

from configs.settings.evaluators import CATEGORY_SEARCH
from configs.settings.setting import Setting, count

CLASS = "vlp.evaluation.dense.named_regions:VocabularyFreeRegions"

SETTINGS = {
    **CATEGORY_SEARCH,
    "collages": count(50, "2 x 2 labelled images each"),
    "grids": Setting((2, 4, 8), "parts of a collage's side, cut by each of them"),
    "half_stride": Setting(True, "also cut parts that begin in the middle of others"),
    "map_side": count(
        16, "cells of the map that parts are averaged on; its half is a multiple of every grid"
    ),
}
