"""What share of the patches is left out while training; the quickstart leaves out half."""

from benchmarks.claims import Claim, train
from benchmarks.claims._shared import CLIP

CLAIM = Claim(
    title="FLIP: patches left out",
    arxiv="2212.00794",
    says="with half of the patches left out training is about twice as fast and at equal samples no worse, with three "
    "quarters a little worse",
    arms={
        "all patches": train("--config.model.image.patch_dropout=0"),
        "half (CLIP in the other tables)": CLIP,
        "a quarter": train("--config.model.image.patch_dropout=0.75"),
    },
)
