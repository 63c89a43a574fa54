"""Two class tokens for two kinds of captions, and hidden patches; visible ones, too, with a head alone for teacher."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._dense import DENSE
from benchmarks.claims._shared import CLIP
from benchmarks.claims.raddino import CROPS
from benchmarks.claims.rsmclip import HEAD

TITLES = "--config.data.text.kinds=title=1"
TOKENS = (
    TITLES,
    "--config.model.image.pool=class",
    "--config.model.image.registers=1",
    "--config.data.text_views={'synthetic': {'kinds': 'keywords=1'}}",
    "--config.objectives.contrastive.weight=0.5",
    "--config.objectives.synthetic={'kind': 'contrastive', 'weight': 0.5, 'text_view': 'synthetic', 'token': 1}",
)
HIDDEN = (CROPS, *on("masked_distillation", patch_weight=2.0, koleo_weight=0.0, centring="sinkhorn", **HEAD))
NEW = (
    "--config.objectives.masked_distillation.patches=all",
    "--config.objectives.masked_distillation.teacher=head",
)

CLAIM = Claim(
    title="TIPS: two tokens, and hidden patches",
    arxiv="2410.16512",
    says="synthetic captions with a token of their own, and masked prediction, each help dense and global tasks",
    arms={
        "CLIP on titles": train(TITLES),
        "CLIP on both": CLIP,
        "two tokens": train(*TOKENS),
        "two tokens + hidden patches": train(*TOKENS, *HIDDEN),
        "two tokens + all patches, head alone (TIPSv2)": train(*TOKENS, *HIDDEN, *NEW),
    },
    figures=DENSE,
)
