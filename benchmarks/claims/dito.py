"""Images by a head over random boxes, or by the tower's own pool: where names point, and what regions are called."""

from benchmarks.claims import FIGURES, Claim, on
from benchmarks.claims._collages import CLIP, MAPS, NAMED, collages

HEAD = {"boxes": 8, "samples": 3, "hidden": 128}
PART = "region_contrast/regions"
CLAIM = Claim(
    title="DITO: a detector's head in the place of the pool",
    arxiv="2310.00161",
    says="the most of any random box makes regions that texts find, where a global pool does not",
    arms={
        "CLIP on collages": CLIP,
        "CLIP + DITO": collages(*on("region_contrast", **HEAD), scorer=PART, part=PART),
        "DITO alone": collages(
            "--config.objectives.contrastive.weight=0",
            *on("region_contrast", **HEAD),
            scorer=PART,
            part=PART,
        ),
    },
    figures={**MAPS, **NAMED, **FIGURES},
)
