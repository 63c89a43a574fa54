"""SigLIP (Zhai et al., 2023, arXiv 2303.15343): every image-text pair of the batch is a yes-or-no question.

    python main.py --config=configs/siglip.py:model=vit_b16,resolution=224
    python main.py --config=configs/siglip.py:runlocal

The tokenizer is a SentencePiece model of 32,000 pieces, which does not come with this: put SigLIP's `spiece.model`
(of any `google/siglip-*` folder of Hugging Face) at data/tokenizers/siglip/spiece.model, or name one of your own with
`--config.tokenizer.path`. The paper starts the bias at -10; big_vision's public LiT configuration at -2.71, with the
same initial scale.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip

METHODS = [
    {
        "paper": "SigLIP: Sigmoid Loss for Language Image Pre-Training",
        "arxiv": "2303.15343",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "siglip")
    config.objectives.contrastive.kernel = "sigmoid"
    config.model.logit_scale.init = 10.0
    config.model.logit_bias.update(init=-10.0, learn=True)
    config.model.image.pool = "attention"
    config.model.text.update(causal=False, pool="last")
    config.optimizer.update(learning_rate=1e-3, b2=0.95, weight_decay=1e-4, clip_norm=1.0)
    if not clip.parse(argument).runlocal:
        config.tokenizer.update(kind="siglip", path="data/tokenizers/siglip/spiece.model", length=64)
    config.data.image.update(resize="squash", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return config
