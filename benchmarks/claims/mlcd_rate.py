"""What share of the clusters is scored a step: with one label an image a batch of 64 has at most 64 of 256."""

from benchmarks.claims import Claim
from benchmarks.claims._shared import mlcd

CLAIM = Claim(
    title="MLCD: what share of the negatives",
    arxiv="2407.17331",
    says="75.1, 75.2, 68.3, 63.2 for r = 0.05, 0.1, 0.5, 1 of a million clusters: few negatives are best, for many of "
    "them are false",
    arms={f"l = 1, r = {rate}": mlcd(1, rate=rate) for rate in (1.0, 0.25)},
)
