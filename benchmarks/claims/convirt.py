"""Features from pairs and from images alone, at the same number of pictures: a probe on the frozen image tower."""

from benchmarks.claims import Claim, Figure, on, tag_map, train
from benchmarks.claims._shared import CLIP
from benchmarks.claims.slip import VIEWS

CLAIM = Claim(
    title="ConVIRT: features from pairs or from images alone",
    arxiv="2010.00747",
    says="pretraining on pairs of image and text gives better features for classification with few labels than SimCLR "
    "(arXiv 2002.05709) on the same images",
    arms={
        "SimCLR": train(
            "--config.objectives.contrastive.weight=0",
            f"--config.data.image_views={VIEWS!r}",
            *on("view_contrast", hidden_width=256, output_width=64),
        ),
        "ConVIRT": train(
            "--config.objectives.contrastive.direction=0.75",
            "--config.model.projection=mlp",
            *("--config.model.logit_scale.init=10", "--config.model.logit_scale.learn=false"),
            *("--config.model.text.pool=max", "--config.data.text.sentences=true"),
        ),
        "CLIP": CLIP,
    },
    figures={"tag mAP": Figure(tag_map)},
)
