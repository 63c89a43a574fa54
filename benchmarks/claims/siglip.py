"""SigLIP in the place of CLIP's softmax, from the paper's first values of scale and bias."""

from benchmarks.claims import Claim, train
from benchmarks.claims._shared import CLIP

CLAIM = Claim(
    title="SigLIP in the place of CLIP",
    arxiv="2303.15343",
    says="as good as softmax, and better below 16,000 pairs a batch",
    arms={
        "CLIP": CLIP,
        "SigLIP": train(
            "--config.objectives.contrastive.kernel=sigmoid",
            "--config.model.logit_bias.learn=true",
            "--config.model.logit_scale.init=10",
        ),
    },
)
