"""Margin ranking: the hardest negative or the sum over all, and one direction of retrieval or both."""

from benchmarks.claims import Claim, train
from benchmarks.claims._ranking import ranking
from benchmarks.claims._shared import CLIP

CLAIM = Claim(
    title="Margin ranking: the hardest negative, and directions",
    arxiv="1707.05612",
    says="the hardest negative (VSE++) is better than the sum over all (VSE0); and arXiv 1601.03478: the choice of "
    "negatives, texts or images, makes one direction of retrieval better than the other",
    arms={
        "both directions, sum (VSE0)": train(*ranking(hardest="false")),
        "both directions, hardest (VSE++)": train(*ranking()),
        "image to text alone (DeViSE)": train(*ranking(hardest="false", direction=1.0)),
        "text to image alone": train(*ranking(hardest="false", direction=0.0)),
        "CLIP": CLIP,
    },
)
