"""Regions that have to tell their description, found by queries or given, beside CLIP: what regions are called."""

from benchmarks.claims import FIGURES, Claim, Figure, on
from benchmarks.claims._collages import CLIP, NAMED, collages

SMALL = {"width": 64, "depth": 2, "heads": 4, "mlp_dim": 128}
FOUND = (
    "--config.evaluators.detection.final=true",
    "--config.evaluators.detection.sets=('collages',)",
    "--config.evaluators.detection.part=grounded_regions/regions",
)
CLAIM = Claim(
    title="GRAIN and MDETR: regions and what is said of them",
    arxiv="2412.04429",
    says="regions that are grounded in descriptions are recognised better than by the global embedding",
    arms={
        "CLIP on collages": CLIP,
        "CLIP + MDETR": collages(*on("region_words", samples=3, hidden=128), part="region_words/regions"),
        "CLIP + GRAIN": collages(*on("grounded_regions", **SMALL), *FOUND),
    },
    figures={
        **NAMED,
        "boxes found": Figure("detection/collages/found"),
        "boxes, AP at 0.5": Figure("detection/collages/mean_average_precision_50"),
        **FIGURES,
    },
)
