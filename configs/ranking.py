"""VSE++ (Faghri et al., 2018, arXiv 1707.05612): a pair's cosine is ahead of its hardest negative's by a margin.

    python main.py --config=configs/ranking.py:model=vit_b16,resolution=224
    python main.py --config=configs/ranking.py:text=bag          # or text=ngrams: a text tower without order
    python main.py --config=configs/ranking.py:runlocal

The paper sums over directions and batch where this is a mean, which Adam hardly sees; its towers are a CNN and a GRU.
`--config.objectives.ranking.hardest=False` is the sum over all negatives, VSE0, and `direction=1` looks for texts
alone. Captions that many images share call for `--config.objectives.ranking.targets=text`. The optimiser's numbers
are recalled and not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, shrink

# A bag has no blocks, no heads and no order: the rest of its settings stay as they are in base.py.
BAG = {"kind": "bag", "width": 512, "mlp_dim": 2048, "depth": 0, "heads": 0, "causal": True, "pool": "end"}
TEXTS = {"transformer": {}, "bag": BAG, "ngrams": {**BAG, "ngrams": 3}}

METHODS = [
    {
        "paper": "VSE++: Improving Visual-Semantic Embeddings with Hard Negatives",
        "arxiv": "1707.05612",
        "family": "contrastive",
        "check": "tests/objectives/test_views.py::test_ranking_puts_pairs_ahead_by_a_margin",
    },
    {
        "paper": "Deep Learning Applied to Image and Text Matching",
        "arxiv": "1601.03478",
        "family": "contrastive",
        "argument": "runlocal,text=ngrams",
        "check": "tests/models/test_bag.py::test_it_is_the_mean_of_what_its_ngrams_are_embedded_as",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, text=tuple(TEXTS), runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "ranking")
    config.update(batch_size=128, steps=132_800)  # 30 epochs of the captions of COCO
    config.model.text.update(TEXTS[arg.text])
    config.objectives.contrastive.weight = 0.0
    config.objectives.ranking.weight = 2.0
    config.optimizer.update(learning_rate=2e-4, b2=0.999, eps=1e-8, weight_decay=0.0, clip_norm=2.0)
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    if arg.runlocal:
        shrink(config)
    return config
