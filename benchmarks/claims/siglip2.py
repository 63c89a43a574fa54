"""The sigmoid, and what SigLIP 2 adds: a decoder, and self-distillation of crops and hidden patches at the end."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._dense import DENSE
from benchmarks.claims.coca import DECODER
from benchmarks.claims.raddino import CROPS
from benchmarks.claims.rsmclip import HEAD

SIGMOID = (
    "--config.objectives.contrastive.kernel=sigmoid",
    "--config.model.logit_scale.init=10",
    "--config.model.logit_bias.learn=true",
)
WRITTEN = on("captioning", parallel=0.5, **DECODER)
HIDDEN = (
    CROPS,
    *on("masked_distillation", 0.25, patch_weight=0.25, koleo_weight=0.0, **HEAD),
    "--config.objectives.masked_distillation.schedule.begin=0.8",
)

CLAIM = Claim(
    title="SigLIP 2: a decoder, and hidden patches in the last fifth",
    arxiv="2502.14786",
    says="both together are better than SigLIP in zero-shot, retrieval and dense prediction, at every size",
    arms={
        "SigLIP": train(*SIGMOID),
        "SigLIP + decoder": train(*SIGMOID, *WRITTEN),
        "SigLIP + crops and patches": train(*SIGMOID, *HIDDEN),
        "SigLIP + both": train(*SIGMOID, *WRITTEN, *HIDDEN),
    },
    figures=DENSE,
)
