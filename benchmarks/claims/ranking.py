"""Margins in the place of CLIP's contrast: directions, the hardest negative, texts without order."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._shared import CLIP

OFF = "--config.objectives.contrastive.weight=0"


def ranking(**settings: object) -> tuple[str, ...]:
    return (OFF, *on("ranking", 2.0, **settings))


def bag(ngrams: int) -> tuple[str, ...]:
    settings = {"kind": "bag", "ngrams": ngrams, "depth": 0, "heads": 0, "causal": "true", "pool": "end"}
    return tuple(f"--config.model.text.{name}={value}" for name, value in settings.items())


CLAIM = Claim(
    title="Margin ranking: directions, hardest negatives, bags of words",
    arxiv="1707.05612",
    says="the hardest negative (VSE++) is better than the sum over all (VSE0); and arXiv 1601.03478: the choice of "
    "negatives, texts or images, makes one direction of retrieval better than the other",
    arms={
        "both directions, sum (VSE0)": train(*ranking(hardest="false")),
        "both directions, hardest (VSE++)": train(*ranking()),
        "image to text alone (DeViSE)": train(*ranking(hardest="false", direction=1.0)),
        "text to image alone": train(*ranking(hardest="false", direction=0.0)),
        "VSE++, bag of words": train(*ranking(), *bag(1)),
        "VSE++, bag of n-grams": train(*ranking(), *bag(3)),
        "CLIP": CLIP,
    },
)
