"""A tenth of the pairs, from nothing and from fractals."""

from benchmarks.claims import Claim, train
from benchmarks.claims._labels import classified

FEW = "--config.data.sources.quickstart.fraction=0.1"
DRAWN = classified(
    "--config.data.sources={'fractals': {'format': 'fractals', 'path': 'classes=100,images=20000'}}",
    "--config.data.labels={'fractals': {'most': 5}}",
    labels="fractals_ids",
    classes=100,
    bias=-3.0,
)

CLAIM = Claim(
    title="Fractals before pairs",
    arxiv="2110.03091",
    says="fine-tuned from fractals, a network reaches 92.7 to 98.1% of what it reaches from ImageNet, and more than "
    "from nothing; here on a tenth of the pairs",
    arms={
        "from nothing": train(FEW),
        "from fractals": train(FEW, "--config.checkpoint.start_image={drawn}", drawn=DRAWN),
    },
)
