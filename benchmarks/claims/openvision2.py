"""A decoder alone, without a text tower, beside the contrast; and captions predicted all at once."""

from benchmarks.claims import Claim, on, train
from benchmarks.claims._labels import ALONE, PROBED
from benchmarks.claims._shared import CLIP
from benchmarks.claims.coca import DECODER

CLAIM = Claim(
    title="OpenVision 2: captions alone",
    arxiv="2509.01644",
    says="without the contrast and its text tower, captioning alone gives features as good",
    arms={
        "CLIP": CLIP,
        "captions alone": train(*ALONE, *on("captioning", **DECODER)),
        "captions alone, a third of the patches": train(*ALONE, *on("captioning", seen=0.35, **DECODER)),
        "captions alone, 3 of 4 at once (Cappa)": train(*ALONE, *on("captioning", parallel=0.75, **DECODER)),
    },
    figures=PROBED,
)
