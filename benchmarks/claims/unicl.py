"""Labels and captions in one contrast: targets by pair and by label."""

from benchmarks.claims import Claim
from benchmarks.claims._mixtures import mixture

CLAIM = Claim(
    title="UniCL: labels and captions together",
    arxiv="2204.03610",
    says="targets by label are better than by pair where image-label data is among the pairs: zero-shot and linear, "
    "over CLIP on the same mixture",
    arms={"CLIP": mixture(targets="pair"), "UniCL": mixture(targets="label")},
)
