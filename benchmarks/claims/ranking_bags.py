"""Margin ranking with texts as bags of words, or of runs of words, in the place of a transformer."""

from benchmarks.claims import Claim, Step, train
from benchmarks.claims._ranking import ranking

# By the hardest negative alone nothing is learned from scratch: docs/claims.md.
SUM = ranking(hardest="false")


def bag(ngrams: int) -> Step:
    settings = {"kind": "bag", "ngrams": ngrams, "depth": 0, "heads": 0, "causal": "true", "pool": "end"}
    return train(*SUM, *(f"--config.model.text.{name}={value}" for name, value in settings.items()))


CLAIM = Claim(
    title="Margin ranking: bags of words",
    arxiv="1601.03478",
    says="texts as bags of words or of n-grams are comparable to those read in order",
    arms={"a transformer (VSE0)": train(*SUM), "bag of words": bag(1), "bag of n-grams": bag(3)},
)
