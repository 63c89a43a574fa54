"""MLCD beside CLIP, and its loss against the one it takes apart."""

from benchmarks.claims import Claim
from benchmarks.claims._shared import CLIP, mlcd

CLAIM = Claim(
    title="MLCD beside CLIP",
    arxiv="2407.17331",
    says="clusters as classes give better features than pairs alone (linear probe, ViT-B/32, LAION-400M), and "
    "positives and negatives apart (MLCD) better ones than in one logarithm (MLC)",
    arms={"CLIP": CLIP, "CLIP + MLCD": mlcd(), "CLIP + MLC": mlcd(kernel="joint")},
)
