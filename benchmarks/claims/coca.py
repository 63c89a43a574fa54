"""A captioning decoder beside CLIP's towers, with the paper's weights."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._shared import CLIP

DECODER = {"size": "", "width": 128, "depth": 2, "heads": 2, "mlp_dim": 512}

CLAIM = Claim(
    title="CoCa: captioning beside the contrast",
    arxiv="2205.01917",
    says="contrast and captioning, weighted 1 to 2, give better zero-shot models and features than the contrast alone",
    arms={"CLIP": CLIP, "CoCa": train(*on("captioning", 2.0, **DECODER))},
)
