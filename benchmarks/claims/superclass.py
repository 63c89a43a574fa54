"""The tokens or words of captions as classes, instead of a contrast."""

from benchmarks.claims import Claim
from benchmarks.claims._labels import PROBED, WORDS, classified
from benchmarks.claims._shared import CLIP

TOKENS = {"labels": "text", "classes": 2000, "kernel": "softmax"}

CLAIM = Claim(
    title="SuperClass and CatLIP instead of CLIP",
    arxiv="2411.03313",
    says="to classify by the caption's tokens, without a text tower, gives features as good as CLIP's or better "
    "(linear probe on ImageNet; its numbers are not repeated here), if rare tokens weigh more",
    arms={
        "CLIP": CLIP,
        "SuperClass": classified(**TOKENS, rare="frequency"),
        "all tokens alike": classified(**TOKENS),
        "CatLIP (words)": classified(WORDS, labels="words_ids", classes=5000, bias=-6.0),
    },
    figures=PROBED,
)
