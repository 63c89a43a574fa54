"""How many of the nearest clusters are an image's labels."""

from benchmarks.claims import Claim
from benchmarks.claims._shared import mlcd

CLAIM = Claim(
    title="MLCD: how many labels",
    arxiv="2407.17331",
    says="71.4, 72.9, 73.2, 75.2, 72.1 for l = 1, 2, 4, 8, 16 (linear probe, ViT-B/32, a million clusters)",
    arms={f"l = {labels}": mlcd(labels) for labels in (1, 8)},
)
