"""Directions between regions by prototypes of their names: how many of an image's pairs, against chance."""

from benchmarks.claims import Claim, Figure, on
from benchmarks.claims._collages import collages

DIRECTIONS = {"predicates": {"path": "data/quickstart/tables/directions.json", "labels": "verbatim"}}
TOLD = (
    f"--config.data.texts={DIRECTIONS!r}",
    "--config.objectives.contrastive.weight=0",
    "--config.evaluators.relation_recall.final=true",
    "--config.evaluators.relation_recall.sets=('collages',)",
    "--config.evaluators.relation_recall.part=relations/relations",
)
CLAIM = Claim(
    title="PE-Net: relations by prototypes",
    arxiv="2303.07096",
    says="pairs near the prototype of their predicate are told, by words and what the image adds to them",
    arms={
        f"samples of {samples} x {samples}": collages(*TOLD, *on("relations", samples=samples, hidden=128))
        for samples in (1, 3)
    },
    figures={"directions": Figure("relation_recall/collages/accuracy", 0.125)},
)
